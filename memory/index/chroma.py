"""An index in Chroma: each fact's vector, whose it is, and whether it holds, never its text, which Chroma's files would
keep after a deletion. It is split into *shards*, several collections. All of a user's facts are in one shard, by the
hash of the user id. A search costs about a scan of its shard. `chromadb` takes a second to import, and is only imported
when it is first used."""

import asyncio
import importlib
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from http.client import HTTPException
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import numpy as np

from memory.environment import LOOPBACK
from memory.errors import BadInput, Unavailable, quoted
from memory.facts.fact import Fact
from memory.index.breaker import Breaker
from memory.index.protocol import Backend, Damaged, Entry, FactKey, Period, Vectors, is_current, period_of
from memory.ledger.pool import Connection

if TYPE_CHECKING:
    from chromadb.api import AsyncClientAPI
    from chromadb.api.collection_configuration import CreateHNSWConfiguration
    from chromadb.api.models.AsyncCollection import AsyncCollection

# Twice Chroma's defaults: with these, a few of 10,000 entries get no link to them, and are never found. A search costs
# the same.
HNSW: "CreateHNSWConfiguration" = {"space": "cosine", "ef_search": 100, "max_neighbors": 32, "ef_construction": 200}
SYNC_THRESHOLD = 1_000  # writes until Chroma persists the vectors; each write reads those not yet persisted
WRITES_AT_ONCE = 4  # shards that are written to at a time; the timeout of the others does not run meanwhile
SCAN_PAGE = 300  # entries; the most that Chroma Cloud returns at a time
TIMEOUT = CONNECT_TIMEOUT = 10  # seconds
DEFAULT_TENANT, DEFAULT_DATABASE = "default_tenant", "default_database"  # of every Chroma server
DROP_TIMEOUT = 120  # seconds; to delete a collection of 100,000 facts has taken 5
# Internal errors of Chroma that do not mean that its files are damaged.
TEMPORARY = ("disk is full", "No space left", "database is locked", "Too many open files")


class ChromaIndex:
    """Facts in `shards` collections. A search filters on the metadata key `live` alone, which names period and owner; a
    second condition would cost a scan of the whole database."""

    backend: Backend = "chroma"

    def __init__(self, server: "ChromaServer", name: str, shards: int) -> None:
        self.name, self.shards, self._server = name, shards, server
        self._opened: dict[int, AsyncCollection] = {}
        self._writing = asyncio.Semaphore(WRITES_AT_ONCE)

    def using(self, connection: Connection) -> "ChromaIndex":  # noqa: ARG002 - it is another server's
        return self

    async def put(self, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors) -> None:
        ids = [entry_id(FactKey(owner, fact.id)) for owner, fact in zip(owners, facts, strict=True)]
        labels = [{"live": label(owner, period_of(fact))} for owner, fact in zip(owners, facts, strict=True)]

        async def put(collection: "AsyncCollection", rows: list[int]) -> None:
            # To write a vector that is there relinks the entries around it, and searches may not find them any more.
            row_of = {ids[row]: row for row in rows}
            there = await collection.get(ids=[*row_of], include=["embeddings"])
            known = zip((row_of[entry] for entry in there["ids"]), cast(Vectors, there["embeddings"]), strict=True)
            same = [row for row, vector in known if np.allclose(vector, vectors[row], atol=1e-5)]
            if same:
                await collection.update(ids=[ids[row] for row in same], metadatas=[labels[row] for row in same])
            if new := sorted({*rows} - {*same}):
                await collection.upsert(
                    ids=[ids[row] for row in new], embeddings=vectors[new], metadatas=[labels[row] for row in new]
                )

        await self._write(owners, put)

    async def remove(self, keys: Sequence[FactKey]) -> None:
        async def delete(collection: "AsyncCollection", rows: list[int]) -> None:
            await collection.delete(ids=[entry_id(keys[row]) for row in rows])

        await self._write((key.owner for key in keys), delete)

    async def search(self, owner: str, vector: Vectors, limit: int, *, past: bool = False) -> dict[str, float]:
        async with self._collection(shard_of(owner, self.shards)) as collection:
            found = await collection.query(
                vector[None],
                n_results=limit,
                where={"live": label(owner, "past" if past else "current")},
                include=["distances"],
            )
        (ids,), (distances,) = found["ids"], found["distances"] or [[]]
        return {fact_key(entry).fact_id: 1 - distance for entry, distance in zip(ids, distances, strict=True)}

    async def count(self) -> int:
        async def count(shard: int) -> int:
            async with self._collection(shard) as collection:
                return await collection.count()

        self._opened = {}  # another process may have created them anew
        return sum(await asyncio.gather(*map(count, range(self.shards))))

    async def scan(self) -> AsyncIterator[list[Entry]]:
        for shard in range(self.shards):
            offset = 0
            while True:
                async with self._collection(shard) as collection:
                    # The vectors are read only to see that they can be.
                    page = await collection.get(limit=SCAN_PAGE, offset=offset, include=["metadatas", "embeddings"])
                if not page["ids"]:
                    break
                offset += len(page["ids"])
                labels = ((metadata or {}).get("live") for metadata in page["metadatas"] or [])
                yield [
                    Entry(key, is_current(live, partial(label, key.owner)))
                    for key, live in zip(map(fact_key, page["ids"]), labels, strict=True)
                ]

    async def start_over(self) -> None:
        async def create(shard: int) -> None:
            async with self._errors_named(shard):
                client = await self._server.client()
                self._opened[shard] = await client.create_collection(
                    f"{self.name}.{shard}",
                    embedding_function=None,
                    configuration={"hnsw": {**HNSW, "sync_threshold": SYNC_THRESHOLD}},
                )

        await self.drop()
        await asyncio.gather(*map(create, range(self.shards)))

    async def drop(self) -> None:
        self._opened = {}
        for shard in range(self.shards):
            with suppress(Missing):
                async with self._errors_named(shard, DROP_TIMEOUT):
                    await (await self._server.client()).delete_collection(f"{self.name}.{shard}")

    async def _write(
        self, owners: Iterable[str], call: "Callable[[AsyncCollection, list[int]], Awaitable[None]]"
    ) -> None:
        """Call it for each shard with the positions of the owners in it. An entry without an owner may be in any."""
        rows: dict[int, list[int]] = {}
        for row, owner in enumerate(owners):
            for shard in [shard_of(owner, self.shards)] if owner else range(self.shards):
                rows.setdefault(shard, []).append(row)

        async def write(shard: int) -> None:
            async with self._writing, self._collection(shard) as collection:
                await call(collection, rows[shard])

        await asyncio.gather(*map(write, rows))

    @asynccontextmanager
    async def _collection(self, shard: int) -> "AsyncIterator[AsyncCollection]":
        """A shard's collection. It is never created here: an empty one would answer that nothing is known."""
        async with self._errors_named(shard):
            if shard not in self._opened:
                client = await self._server.client()
                self._opened[shard] = await client.get_collection(f"{self.name}.{shard}", embedding_function=None)
            yield self._opened[shard]

    def _errors_named(self, shard: int, timeout: float = TIMEOUT) -> AbstractAsyncContextManager[None]:
        """Raises Unavailable or Damaged, in time: Chroma's client has no timeout, and many kinds of errors."""

        def named(error: Exception) -> Unavailable:
            self._opened.pop(shard, None)  # it may have been created anew since
            return _named(error, f"The Chroma collection '{self.name}.{shard}'")

        return self._server.breaker.errors_named(timeout, named)


class Missing(Damaged):
    """There is no such collection."""


def _named(error: Exception, collection: str) -> Unavailable:
    from chromadb.errors import InternalError, NotFoundError

    if isinstance(error, NotFoundError):
        return Missing(f"{collection} is gone.")
    reason = f"{type(error).__name__} {error}".strip()[:200]
    if isinstance(error, InternalError) and not any(words in str(error) for words in TEMPORARY):
        return Damaged(f"{collection} is broken ({reason}).")
    return Unavailable(f"Chroma did not answer: {reason}")


def shard_of(owner: str, shards: int) -> int:
    """The shard that holds a user's facts; `owner` is the hash of the user's id."""
    return int(owner[:8], 16) % shards


def label(owner: str, period: Period) -> str:
    """What the metadata key `live` holds: searches find a fact by it."""
    return {"current": owner, "past": f"past:{owner}", "gone": "-"}[period]


def entry_id(key: FactKey) -> str:
    """The id of a fact in the collection. By export and import, two users may have a fact of the same id."""
    return f"{key.owner}:{key.fact_id}" if key.owner else key.fact_id


def fact_key(identifier: str) -> FactKey:
    """The fact that an entry of the collection is about; its owner is "" if the entry names none."""
    owner, _, fact_id = identifier.rpartition(":")
    return FactKey(owner, fact_id)


class ChromaServer:
    """A Chroma server, a place of indexes. A connection is opened when it is first used."""

    def __init__(self, url: str, key: str = "", tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE) -> None:
        """`key` is sent with each request, as Chroma Cloud needs. Raises BadInput for another kind of address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path.strip("/"):
            shown = url if "@" not in url else "an address with a user's name in it"
            raise BadInput(f"CHROMA_URL is {shown!r}: write http://host:8000 or https://host, and no more.")
        self.url = url.rstrip("/")
        self._host, self._ssl = parts.hostname, parts.scheme == "https"
        self._port = parts.port or (443 if self._ssl else 8000)
        self._headers = {"x-chroma-token": key} if key else {}
        self._tenant, self._database = tenant, database
        self.breaker = Breaker(f"Chroma at {self.url}", answers=(Damaged,))
        self._connecting = asyncio.Lock()
        self._client: AsyncClientAPI | None = None

    async def check(self) -> None:
        """Raise Unavailable if the server does not answer. Imports nothing, and leaves no connection open."""

        def heartbeat() -> None:
            request = urllib.request.Request(f"{self.url}/api/v2/heartbeat", headers=self._headers)  # noqa: S310
            urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT).close()  # noqa: S310

        try:
            await asyncio.to_thread(heartbeat)
        except (OSError, HTTPException) as error:
            raise self._unavailable() from error

    def index(self, name: str, dimension: int, shards: int) -> ChromaIndex:  # noqa: ARG002 - Chroma takes it from the first
        return ChromaIndex(self, name, shards)

    async def client(self) -> "AsyncClientAPI":
        """The library's client. Raises Unavailable; the next call tries again."""
        async with self._connecting:
            if self._client is None:
                chromadb = await asyncio.to_thread(importlib.import_module, "chromadb")
                settings = chromadb.Settings(anonymized_telemetry=False, chroma_server_ssl_verify=True)
                if self._host in LOOPBACK and not self._ssl:
                    _use_no_proxy(self._headers)
                try:
                    self._client = await chromadb.AsyncHttpClient(
                        self._host, self._port, self._ssl, self._headers, settings, self._tenant, self._database
                    )
                except Exception as error:  # it raises ValueError for anything that goes wrong
                    await self.check()
                    names = "CHROMA_API_KEY, CHROMA_TENANT and CHROMA_DATABASE"
                    where = f"the tenant {quoted(self._tenant)} with the database {quoted(self._database)}"
                    raise Unavailable(f"Chroma at {self.url} does not open {where}: check {names}.") from error
            return self._client

    def _unavailable(self) -> Unavailable:
        fix = "check that it runs and that CHROMA_URL is right, or leave CHROMA_URL empty for the embedded one."
        return Unavailable(f"Chroma does not answer at {self.url}: {fix}")


_open_servers: Counter[int] = Counter()  # hash of an event loop -> how many servers are open in it


@asynccontextmanager
async def open_chroma(
    url: str, key: str = "", tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
) -> AsyncIterator[ChromaServer]:
    """The Chroma server at `url`. Raises BadInput for another kind of address."""
    # By hand: the library shares one connection pool between all clients of an event loop, and never closes it.
    server, loop = ChromaServer(url, key, tenant, database), hash(asyncio.get_running_loop())
    _open_servers[loop] += 1
    try:
        yield server
    finally:
        _open_servers[loop] -= 1
        if not _open_servers[loop]:
            del _open_servers[loop]
            library = sys.modules.get("chromadb.api.async_fastapi")
            if library and (pool := library.AsyncFastAPI._clients.pop(loop, None)):
                await pool.aclose()


def _use_no_proxy(headers: Mapping[str, str]) -> None:
    """Make this event loop's connections ignore the proxy variables: httpx fails at a proxy that it cannot use, even if
    NO_PROXY names the host, and the library passes no setting on to it."""
    import httpx
    from chromadb.api.async_fastapi import AsyncFastAPI

    loop = hash(asyncio.get_running_loop())
    if loop not in AsyncFastAPI._clients:
        headers = {"Content-Type": "application/json", **headers}
        limits = httpx.Limits(keepalive_expiry=AsyncFastAPI.DEFAULT_KEEPALIVE_SECS)
        AsyncFastAPI._clients[loop] = httpx.AsyncClient(trust_env=False, headers=headers, timeout=None, limits=limits)  # noqa: S113 - calls have their own
