"""The Chroma collection that recall queries: each fact's text and vector, with whose it is and whether it holds.

Behind its one name are several collections, the *shards*; a user's facts are all in one of them, by the hash of the
user id. A search costs about a scan of what it is in, so it should be in no more than a few thousand facts.

`chromadb` is imported when the collection is first asked: that takes a second, and most commands need only the ledger.
"""

import asyncio
import importlib
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from memory.environment import LOOPBACK
from memory.errors import BadInput, Unavailable
from memory.facts.fact import Fact
from memory.index.protocol import Damaged, Entry, FactKey, Vectors

if TYPE_CHECKING:
    from chromadb.api import AsyncClientAPI
    from chromadb.api.models.AsyncCollection import AsyncCollection

PAST, GONE = "past:", "-"
"""What `live` becomes once a fact is retired: PAST and the owner's key where it held until then, otherwise GONE."""

SYNC_THRESHOLD = 1_000
"""Writes after which Chroma persists the vectors; each write reads those that are not yet, so no more than this."""

WRITES_AT_ONCE = 4
"""Shards that are written to at a time: the others wait here, before the time they may take begins."""

SCAN_PAGE = 1_000

CONNECT_TIMEOUT = 10
DROP_TIMEOUT = 120
"""Seconds: to delete a collection of 100,000 facts has taken 5."""

PASSING = ("disk is full", "No space left", "database is locked", "Too many open files")
"""What Chroma calls an internal error although its files are whole."""


class ChromaIndex:
    """Facts in `shards` collections.

    A single metadata key is filtered on, `live`: the owner's key while the fact is current. A second condition in the
    filter would cost a scan of the whole database.
    """

    def __init__(self, server: "ChromaServer", name: str, shards: int, *, timeout: float = 10) -> None:
        self.name = name
        self.shards = shards
        self._server = server
        self._timeout = timeout
        self._opened: dict[int, AsyncCollection] = {}
        self._writing = asyncio.Semaphore(WRITES_AT_ONCE)

    async def put(self, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors) -> None:
        labels = [label(owner, fact) for owner, fact in zip(owners, facts, strict=True)]

        async def put(shard: int, rows: list[int]) -> None:
            async with self._writing, self._answering(shard) as collection:
                await collection.upsert(
                    ids=[entry_id(FactKey(owners[row], facts[row].id)) for row in rows],
                    embeddings=vectors[rows],
                    documents=[facts[row].text for row in rows],
                    metadatas=[{"live": labels[row]} for row in rows],
                )

        await asyncio.gather(*(put(shard, rows) for shard, rows in self._by_shard(owners).items()))

    async def remove(self, keys: Sequence[FactKey]) -> None:
        async def remove(shard: int, rows: list[int]) -> None:
            async with self._answering(shard) as collection:
                await collection.delete(ids=[entry_id(keys[row]) for row in rows])

        await asyncio.gather(*(remove(*part) for part in self._by_shard([key.owner for key in keys]).items()))

    async def search(self, owner: str, vector: Vectors, limit: int, *, past: bool = False) -> dict[str, float]:
        async with self._answering(shard_of(owner, self.shards)) as collection:
            found = await collection.query(
                query_embeddings=vector[None, :],
                n_results=limit,
                where={"live": PAST + owner if past else owner},
                include=["distances"],
            )
        distances = found["distances"]
        assert distances is not None  # noqa: S101 - they were asked for
        ids = [fact_key(identifier).fact_id for identifier in found["ids"][0]]
        return {fact_id: 1 - distance for fact_id, distance in zip(ids, distances[0], strict=True)}

    async def count(self) -> int:
        async def count(shard: int) -> int:
            async with self._answering(shard) as collection:
                return await collection.count()

        return sum(await asyncio.gather(*map(count, range(self.shards))))

    async def has(self, keys: Sequence[FactKey]) -> bool:
        async def has(shard: int, rows: list[int]) -> bool:
            return await self._has(shard, [keys[row] for row in rows])

        return all(await asyncio.gather(*(has(*part) for part in self._by_shard([k.owner for k in keys]).items())))

    async def _has(self, shard: int, keys: Sequence[FactKey]) -> bool:
        async with self._answering(shard) as collection:
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
            raise Damaged(f"The Chroma collection {collection.name!r} does not find what it holds.")
        return True

    async def scan(self) -> AsyncIterator[list[Entry]]:
        for shard in range(self.shards):
            offset = 0
            while page := await self._page(shard, offset):
                yield page
                offset += len(page)

    async def _page(self, shard: int, offset: int) -> list[Entry]:
        async with self._answering(shard) as collection:
            # The vectors are read only to see that they can be.
            page = await collection.get(limit=SCAN_PAGE, offset=offset, include=["metadatas", "embeddings"])
        labels = [(metadata or {}).get("live") for metadata in page["metadatas"] or []]
        keys = [fact_key(identifier) for identifier in page["ids"]]
        return [Entry(key, is_live(str(label), key.owner)) for key, label in zip(keys, labels, strict=True)]

    async def start_over(self) -> None:
        await self.drop()

        async def create(shard: int) -> None:
            async with self._errors_named(shard):
                client = await self._server.client()
                self._opened[shard] = await client.create_collection(
                    self._shard_name(shard),
                    embedding_function=None,
                    configuration={"hnsw": {"space": "cosine", "ef_search": 100, "sync_threshold": SYNC_THRESHOLD}},
                )

        await asyncio.gather(*map(create, range(self.shards)))

    async def drop(self) -> None:
        self._opened = {}
        for shard in range(self.shards):
            async with self._errors_named(shard, DROP_TIMEOUT):
                client = await self._server.client()
                from chromadb.errors import NotFoundError

                with suppress(NotFoundError):
                    await client.delete_collection(self._shard_name(shard))

    def sibling(self, name: str, shards: int) -> "ChromaIndex":
        return ChromaIndex(self._server, name, shards, timeout=self._timeout)

    def _shard_name(self, shard: int) -> str:
        return f"{self.name}.{shard}"

    def _by_shard(self, owners: Sequence[str]) -> dict[int, list[int]]:
        """Shard -> which of the owners are in it, by their place; an entry that names no owner may be in any."""
        rows: dict[int, list[int]] = {}
        for row, owner in enumerate(owners):
            for shard in [shard_of(owner, self.shards)] if owner else range(self.shards):
                rows.setdefault(shard, []).append(row)
        return rows

    @asynccontextmanager
    async def _answering(self, shard: int) -> "AsyncIterator[AsyncCollection]":
        """A shard's collection. It is never made here: an empty one would answer that nothing is known."""
        async with self._errors_named(shard):
            if shard not in self._opened:
                client = await self._server.client()
                self._opened[shard] = await client.get_collection(self._shard_name(shard), embedding_function=None)
            yield self._opened[shard]

    @asynccontextmanager
    async def _errors_named(self, shard: int, timeout: float | None = None) -> AsyncIterator[None]:
        """Chroma's client waits for ever and raises what it likes; a caller needs two errors, in time."""
        try:
            async with asyncio.timeout(timeout or self._timeout):
                yield
        except Unavailable:
            raise
        except Exception as error:
            from chromadb.errors import InternalError, NotFoundError

            self._opened.pop(shard, None)  # it may have been made anew since
            if isinstance(error, NotFoundError):
                raise Damaged(f"The Chroma collection {self._shard_name(shard)!r} is gone.") from error
            reason = f"{type(error).__name__} {error}".strip()[:200]
            if isinstance(error, InternalError) and not any(words in str(error) for words in PASSING):
                raise Damaged(f"The Chroma collection {self._shard_name(shard)!r} is broken ({reason}).") from error
            raise Unavailable(f"Chroma did not answer: {reason}") from error


def shard_of(owner: str, shards: int) -> int:
    """The shard that holds a user's facts; `owner` is the hash of the user's id."""
    return int(owner[:8], 16) % shards


def label(owner: str, fact: Fact) -> str:
    """What a fact's `live` is."""
    if fact.retired_at is None:
        return owner
    return PAST + owner if fact.was_true else GONE


def is_live(label: str, owner: str) -> bool | None:
    """Whether a fact with this label is current; None where the label is none of this owner's."""
    return {owner: True, PAST + owner: False, GONE: False}.get(label)


def entry_id(key: FactKey) -> str:
    """What a fact is called in the collection: two users may have a fact of the same id, by export and import."""
    return f"{key.owner}:{key.fact_id}" if key.owner else key.fact_id


def fact_key(identifier: str) -> FactKey:
    """The fact that an entry of the collection is about; one without an owner is nobody's."""
    owner, _, fact_id = identifier.rpartition(":")
    return FactKey(owner, fact_id)


class ChromaServer:
    """A Chroma server, connected to when it is first asked for something."""

    def __init__(self, url: str) -> None:
        """Raises BadInput for another kind of address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path.strip("/"):
            shown = url if "@" not in url else "an address with a user's name in it"
            raise BadInput(f"CHROMA_URL is {shown!r}: write http://host:8000 or https://host, and no more.")
        self.url = url
        self._host, self._ssl = parts.hostname, parts.scheme == "https"
        self._port = parts.port or (443 if self._ssl else 8000)
        self._connecting = asyncio.Lock()
        self._client: AsyncClientAPI | None = None

    async def check(self) -> None:
        """Raise Unavailable where the server does not answer; this costs no import and no connection that stays."""
        try:
            await asyncio.to_thread(self._heartbeat)
        except (OSError, HTTPException) as error:
            raise self._unavailable() from error

    def _heartbeat(self) -> None:
        with urllib.request.urlopen(f"{self.url.rstrip('/')}/api/v2/heartbeat", timeout=CONNECT_TIMEOUT):  # noqa: S310
            pass

    async def client(self) -> "AsyncClientAPI":
        """The library's client. Raises Unavailable; the next call tries again."""
        async with self._connecting:
            if self._client is None:
                await asyncio.to_thread(importlib.import_module, "chromadb")
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> "AsyncClientAPI":
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False, chroma_server_ssl_verify=True)
        if self._host in LOOPBACK and not self._ssl:
            _use_no_proxy()
        try:
            return await chromadb.AsyncHttpClient(host=self._host, port=self._port, ssl=self._ssl, settings=settings)
        except Exception as error:  # it raises ValueError for anything that goes wrong
            raise self._unavailable() from error

    def _unavailable(self) -> Unavailable:
        return Unavailable(
            f"Chroma does not answer at {self.url}: check that it runs and that CHROMA_URL is right, "
            "or leave CHROMA_URL empty for the embedded one."
        )


@asynccontextmanager
async def open_chroma(url: str) -> AsyncIterator[ChromaServer]:
    """The Chroma server at `url`. Raises BadInput for another kind of address."""
    server = ChromaServer(url)
    async with _connections():
        yield server


_in_use: Counter[int] = Counter()


@asynccontextmanager
async def _connections() -> AsyncIterator[None]:
    """Closes this event loop's connections once nobody has them any more.

    The library keeps one pool for all clients of a loop, by the loop's hash, and closes none by itself.
    """
    loop = hash(asyncio.get_running_loop())
    _in_use[loop] += 1
    try:
        yield
    finally:
        _in_use[loop] -= 1
        if not _in_use[loop]:
            del _in_use[loop]
            library = sys.modules.get("chromadb.api.async_fastapi")
            if library and (pool := library.AsyncFastAPI._clients.pop(loop, None)):
                await pool.aclose()


def _use_no_proxy() -> None:
    """Give this event loop's clients connections that do not read the proxy variables.

    httpx fails at a proxy that it cannot use, even where NO_PROXY names the host.
    """
    import httpx
    from chromadb.api.async_fastapi import AsyncFastAPI

    loop = hash(asyncio.get_running_loop())
    if loop not in AsyncFastAPI._clients:
        json = {"Content-Type": "application/json"}
        limits = httpx.Limits(keepalive_expiry=AsyncFastAPI.DEFAULT_KEEPALIVE_SECS)
        AsyncFastAPI._clients[loop] = httpx.AsyncClient(trust_env=False, headers=json, timeout=None, limits=limits)  # noqa: S113 - calls have their own
