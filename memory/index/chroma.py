"""The Chroma collection that recall queries: each fact's text and vector, with whose it is while it is current."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import chromadb
import httpx
from chromadb.api import AsyncClientAPI
from chromadb.api.async_fastapi import AsyncFastAPI
from chromadb.api.models.AsyncCollection import AsyncCollection
from chromadb.config import Settings
from chromadb.errors import ChromaError

from memory.errors import BadInput, Unavailable
from memory.fact import Fact
from memory.index import Vectors

RETIRED = "-"
"""What stands in `live` once a fact is retired; owner keys are hexadecimal, so it is nobody's."""


class ChromaIndex:
    """Facts in one collection per embedder; vectors of different embedders never mix.

    A single metadata key is filtered on, `live`: the owner's key while the fact is current. A second condition in the
    filter would cost a scan of the whole database.
    """

    def __init__(self, client: AsyncClientAPI, embedder: str, *, timeout: float = 10) -> None:
        self._client = client
        self._embedder = embedder
        self._timeout = timeout
        self._collections: dict[str, AsyncCollection] = {}

    async def put(self, owner: str, facts: Sequence[Fact], vectors: Vectors) -> None:
        if not facts:
            return
        async with self._answering():
            collection = await self._collection(vectors.shape[1])
            await collection.upsert(
                ids=[fact.id for fact in facts],
                embeddings=vectors,
                documents=[fact.text for fact in facts],
                metadatas=[{"live": owner if fact.retired_at is None else RETIRED, "owner": owner} for fact in facts],
            )

    async def search(self, owner: str, vector: Vectors, limit: int) -> dict[str, float]:
        async with self._answering():
            collection = await self._collection(vector.shape[0])
            found = await collection.query(
                query_embeddings=vector[None, :], n_results=limit, where={"live": owner}, include=["distances"]
            )
        distances = found["distances"]
        assert distances is not None  # noqa: S101 - they were asked for
        return {fact_id: 1 - distance for fact_id, distance in zip(found["ids"][0], distances[0], strict=True)}

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Chroma's client waits for ever and raises what it likes; a caller needs one error, in time."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (TimeoutError, httpx.HTTPError, ChromaError) as error:
            self._collections.clear()  # it may have been deleted or made anew behind our back
            raise Unavailable(f"Chroma did not answer: {type(error).__name__} {error}".rstrip()) from error

    async def _collection(self, dimension: int) -> AsyncCollection:
        name = collection_name(self._embedder, dimension)
        if name not in self._collections:
            self._collections[name] = await self._client.get_or_create_collection(
                name,
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_search": 100, "sync_threshold": 1000}},
            )
        return self._collections[name]


def collection_name(embedder: str, dimension: int) -> str:
    """A name Chroma accepts, for vectors of this embedder alone: "facts-local-384"."""
    slug = re.sub(r"[^a-z0-9]+", "-", embedder.lower()).strip("-")
    return f"facts-{slug}-{dimension}"


@asynccontextmanager
async def open_chroma(url: str) -> AsyncIterator[AsyncClientAPI]:
    """A client of the Chroma server at `url`. Raises BadInput for another kind of address, or Unavailable."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"CHROMA_URL is {url!r}: write http://host:8000 or https://host.")
    try:
        client = await chromadb.AsyncHttpClient(
            host=parts.hostname,
            port=parts.port or (443 if parts.scheme == "https" else 8000),
            ssl=parts.scheme == "https",
            settings=Settings(anonymized_telemetry=False, chroma_server_ssl_verify=True),
        )
    except Exception as error:  # it raises ValueError for whatever it meets
        raise Unavailable(
            f"Chroma does not answer at {url}: check that it runs and that CHROMA_URL is right, "
            "or leave CHROMA_URL empty for the embedded one."
        ) from error
    try:
        yield client
    finally:
        # The client keeps one connection pool per event loop, by the loop's hash, and closes none of them by itself.
        if connections := AsyncFastAPI._clients.pop(hash(asyncio.get_running_loop()), None):
            await connections.aclose()
