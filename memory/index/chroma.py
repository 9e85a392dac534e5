"""The Chroma collection that recall queries: each fact's text and vector, with whose it is while it is current."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import chromadb
import numpy as np
from chromadb.api import AsyncClientAPI
from chromadb.api.async_fastapi import AsyncFastAPI
from chromadb.api.models.AsyncCollection import AsyncCollection
from chromadb.config import Settings
from chromadb.errors import InternalError, NotFoundError

from memory.errors import BadInput, Unavailable
from memory.fact import Fact
from memory.index import Damaged, Entry, FactKey, Vectors

RETIRED = "-"
"""What stands in `live` once a fact is retired; owner keys are hexadecimal, so it is nobody's."""

SYNC_THRESHOLD = 1_000
"""Writes after which Chroma persists the vectors; each write reads those that are not yet, so no more than this."""

SCAN_PAGE = 1_000

DROP_TIMEOUT = 120
"""Seconds: to delete a collection of 100,000 facts has taken 5."""

PASSING = ("disk is full", "No space left", "database is locked", "Too many open files")
"""What Chroma calls an internal error although its files are whole."""


class ChromaIndex:
    """Facts in one collection.

    A single metadata key is filtered on, `live`: the owner's key while the fact is current. A second condition in the
    filter would cost a scan of the whole database.
    """

    def __init__(self, client: AsyncClientAPI, name: str, *, timeout: float = 10) -> None:
        self.name = name
        self._client = client
        self._timeout = timeout
        self._opened: AsyncCollection | None = None

    async def put(self, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors) -> None:
        async with self._answering() as collection:
            await collection.upsert(
                ids=[entry_id(FactKey(owner, fact.id)) for owner, fact in zip(owners, facts, strict=True)],
                embeddings=vectors,
                documents=[fact.text for fact in facts],
                metadatas=[
                    {"live": owner if fact.retired_at is None else RETIRED}
                    for owner, fact in zip(owners, facts, strict=True)
                ],
            )

    async def remove(self, keys: Sequence[FactKey]) -> None:
        async with self._answering() as collection:
            await collection.delete(ids=[entry_id(key) for key in keys])

    async def search(self, owner: str, vector: Vectors, limit: int) -> dict[str, float]:
        async with self._answering() as collection:
            found = await collection.query(
                query_embeddings=vector[None, :], n_results=limit, where={"live": owner}, include=["distances"]
            )
        distances = found["distances"]
        assert distances is not None  # noqa: S101 - they were asked for
        ids = [fact_key(identifier).fact_id for identifier in found["ids"][0]]
        return {fact_id: 1 - distance for fact_id, distance in zip(ids, distances[0], strict=True)}

    async def count(self) -> int:
        async with self._answering() as collection:
            return await collection.count()

    async def has(self, keys: Sequence[FactKey]) -> bool:
        if not keys:
            return True
        async with self._answering() as collection:
            there = await collection.get(ids=[entry_id(key) for key in keys], include=["embeddings", "metadatas"])
            if len(there["ids"]) < len(keys):
                return False
            vectors, metadatas = there["embeddings"], there["metadatas"]
            assert vectors is not None  # noqa: S101 - they were asked for
            assert metadatas is not None  # noqa: S101 - they were asked for
            # After a full disk it answers, and finds nothing.
            found = await collection.query(
                query_embeddings=np.asarray(vectors[:1], dtype=np.float32),
                n_results=1,
                where={"live": str(metadatas[0]["live"])},
                include=[],
            )
        if not found["ids"][0]:
            raise Damaged(f"The Chroma collection {self.name!r} does not find what it holds.")
        return True

    async def scan(self) -> AsyncIterator[list[Entry]]:
        offset = 0
        while True:
            async with self._answering() as collection:
                # The vectors are read only to see that they can be.
                page = await collection.get(limit=SCAN_PAGE, offset=offset, include=["metadatas", "embeddings"])
            if not page["ids"]:
                return
            labels = [(metadata or {}).get("live") for metadata in page["metadatas"] or []]
            keys = [fact_key(identifier) for identifier in page["ids"]]
            yield [
                Entry(key, {key.owner: True, RETIRED: False}.get(str(label)))
                for key, label in zip(keys, labels, strict=True)
            ]
            offset += len(keys)

    async def start_over(self) -> None:
        await self.drop()
        async with self._errors_named():
            self._opened = await self._client.create_collection(
                self.name,
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_search": 100, "sync_threshold": SYNC_THRESHOLD}},
            )

    async def drop(self) -> None:
        self._opened = None
        async with self._errors_named(DROP_TIMEOUT):
            with suppress(NotFoundError):
                await self._client.delete_collection(self.name)

    def sibling(self, name: str) -> "ChromaIndex":
        return ChromaIndex(self._client, name, timeout=self._timeout)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[AsyncCollection]:
        """The collection. It is never made here: an empty one in its place would answer that nothing is known."""
        async with self._errors_named():
            if self._opened is None:
                self._opened = await self._client.get_collection(self.name, embedding_function=None)
            yield self._opened

    @asynccontextmanager
    async def _errors_named(self, timeout: float | None = None) -> AsyncIterator[None]:
        """Chroma's client waits for ever and raises what it likes; a caller needs two errors, in time."""
        try:
            async with asyncio.timeout(timeout or self._timeout):
                yield
        except NotFoundError as error:
            self._opened = None  # it may have been made anew since
            raise Damaged(f"The Chroma collection {self.name!r} is gone.") from error
        except Exception as error:
            self._opened = None
            reason = f"{type(error).__name__} {error}".strip()[:200]
            if isinstance(error, InternalError) and not any(words in str(error) for words in PASSING):
                raise Damaged(f"The Chroma collection {self.name!r} is broken ({reason}).") from error
            raise Unavailable(f"Chroma did not answer: {reason}") from error


def entry_id(key: FactKey) -> str:
    """What a fact is called in the collection: two users may have a fact of the same id, by export and import."""
    return f"{key.owner}:{key.fact_id}" if key.owner else key.fact_id


def fact_key(identifier: str) -> FactKey:
    """The fact that an entry of the collection is about; one without an owner is nobody's."""
    owner, _, fact_id = identifier.rpartition(":")
    return FactKey(owner, fact_id)


@asynccontextmanager
async def open_chroma(url: str) -> AsyncIterator[AsyncClientAPI]:
    """A client of the Chroma server at `url`. Raises BadInput for another kind of address, or Unavailable."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path.strip("/"):
        shown = url if "@" not in url else "an address with a user's name in it"
        raise BadInput(f"CHROMA_URL is {shown!r}: write http://host:8000 or https://host, and no more.")
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
