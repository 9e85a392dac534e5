"""An index in Redis 8 or Redis Stack: each fact's vector, whose it is, and whether it holds, never its text. A search
compares the question with all of the user's vectors, so it finds the nearest ones exactly.

A Redis that was restarted may have lost its latest writes, however it is configured, so the index is then rebuilt from
the ledger. `redis` and `redisvl` take most of a second to import, and are only imported when they are first used."""

import asyncio
import importlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from memory.errors import BadInput, Unavailable
from memory.facts.fact import Fact
from memory.index.breaker import Breaker
from memory.index.protocol import Backend, Damaged, Entry, FactKey, Period, Vectors, bytes_of, is_current, period_of

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline
    from redisvl.index import AsyncSearchIndex

    from memory.ledger.pool import Connection

PAGE = 1_000  # keys that a scan asks for at a time
TIMEOUT = 10  # seconds
INSTALL = 'make add PACKAGE="redisvl>=0.28,<0.29"'
NO_INDEX = re.compile("no such index|unknown index|index not found", re.IGNORECASE)


class RedisIndex:
    """Facts as hashes with the key `name:owner:fact id` and two fields: `label`, which a search filters on, and
    `vector`. The key `name` holds the id of the Redis process in which the index was created."""

    backend: Backend = "redis"
    shards = 1

    def __init__(self, server: "RedisServer", name: str, dimension: int) -> None:
        self.name, self._server, self._dimension = name, server, dimension
        self._opened: AsyncSearchIndex | None = None

    def using(self, connection: "Connection") -> "RedisIndex":  # noqa: ARG002 - it is another server's
        return self

    async def put(self, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors) -> None:
        async with self._server.errors_named(), self._transaction() as pipeline:
            for owner, fact, vector in zip(owners, facts, vectors, strict=True):
                key, tag = self._key(FactKey(owner, fact.id)), label(owner, period_of(fact))
                pipeline.hset(key, mapping={"label": tag, "vector": bytes_of(vector)})

    async def remove(self, keys: Sequence[FactKey]) -> None:
        async with self._server.errors_named(), self._transaction() as pipeline:
            for key in keys:
                pipeline.unlink(self._key(key))

    async def search(self, owner: str, vector: Vectors, limit: int, *, past: bool = False) -> dict[str, float]:
        async with self._server.errors_named():
            index = await self._checked()
            from redisvl.query import VectorQuery
            from redisvl.query.filter import Tag

            of_user = Tag("label") == label(owner, "past" if past else "current")
            query = VectorQuery(bytes_of(vector), "vector", filter_expression=of_user, num_results=limit)
            query.timeout(TIMEOUT * 1_000)  # Redis's own is 500 ms, after which it answers with what it has found
            found = await index.query(query)
        return {self._fact(row["id"]).fact_id: 1 - float(row["vector_distance"]) for row in found}

    async def count(self) -> int:
        async with self._server.errors_named():
            return int((await (await self._checked()).info())["num_docs"])

    async def scan(self) -> AsyncIterator[list[Entry]]:
        """All entries, in pages. One may come twice if Redis resizes its table of keys meanwhile."""
        async with self._server.errors_named():
            await self._checked()
        async for keys in self._pages():
            async with self._server.errors_named():
                pipeline = (await self._server.client()).pipeline(transaction=False)
                for key in keys:
                    pipeline.hget(key, "label")
                    pipeline.hstrlen(key, "vector")
                values = await pipeline.execute()
            entries = []
            for fact, tag, length in zip(map(self._fact, keys), values[::2], values[1::2], strict=True):
                if not tag and not length:  # removed meanwhile
                    continue
                if length != 4 * self._dimension:
                    raise Damaged(f"The Redis index {self.name!r} has a vector of {length} bytes.")
                entries.append(Entry(fact, is_current(tag, partial(label, fact.owner))))
            yield entries

    async def start_over(self) -> None:
        await self.drop()
        async with self._server.errors_named():
            client = await self._server.client()
            await (await self._index()).create()
            await client.set(self.name, (await client.info("server"))["run_id"])

    async def drop(self) -> None:
        # Not Redis's own way to drop an index with its documents, which overlooks those that it has not indexed.
        async with self._server.errors_named():
            await (await self._server.client()).delete(self.name)  # first, so that nothing more is written
            if await (index := await self._index()).exists():
                await index.delete(drop=False)
        async for keys in self._pages():
            async with self._server.errors_named():
                await (await self._server.client()).unlink(*keys)

    async def _index(self) -> "AsyncSearchIndex":
        if self._opened:
            return self._opened
        client = await self._server.client()
        await asyncio.to_thread(importlib.import_module, "redisvl.index")
        from redisvl.index import AsyncSearchIndex

        vector = {"algorithm": "flat", "dims": self._dimension, "datatype": "float32", "distance_metric": "cosine"}
        fields = [
            {"name": "label", "type": "tag", "attrs": {"case_sensitive": True}},
            {"name": "vector", "type": "vector", "attrs": vector},
        ]
        schema = {"index": {"name": self.name, "prefix": f"{self.name}:", "storage_type": "hash"}, "fields": fields}
        self._opened = AsyncSearchIndex.from_dict(schema, redis_client=client)
        return self._opened

    async def _checked(self) -> "AsyncSearchIndex":
        """The index. Raises Damaged if it is gone, or was created before Redis started."""
        pipeline = (await self._server.client()).pipeline(transaction=False)
        pipeline.get(self.name)
        pipeline.info("server")
        self._check(*await pipeline.execute())
        return await self._index()

    @asynccontextmanager
    async def _transaction(self) -> "AsyncIterator[Pipeline]":
        """Commands that are carried out together, and only if the index still exists then."""
        async with (await self._server.client()).pipeline() as pipeline:
            await pipeline.watch(self.name)
            self._check(await pipeline.get(self.name), await pipeline.info("server"))
            pipeline.multi()  # type: ignore[no-untyped-call]
            yield pipeline
            await pipeline.execute()

    def _check(self, created_in: object, server: Mapping[str, object]) -> None:
        if created_in is None:
            raise Damaged(f"The Redis index {self.name!r} is gone.")
        if created_in != server["run_id"]:
            raise Damaged(f"Redis was restarted, and the index {self.name!r} may have lost its latest writes.")

    async def _pages(self) -> AsyncIterator[list[str]]:
        """The keys of all facts, in pages."""
        cursor, more = 0, True
        while more:
            async with self._server.errors_named():
                cursor, keys = await (await self._server.client()).scan(cursor, f"{self.name}:*", PAGE)
            if keys:
                yield [str(key) for key in keys]
            more = bool(cursor)

    def _key(self, key: FactKey) -> str:
        return f"{self.name}:{quote(key.owner, safe='')}:{key.fact_id}"

    def _fact(self, key: str) -> FactKey:
        owner, _, fact_id = key.removeprefix(f"{self.name}:").partition(":")
        return FactKey(unquote(owner), fact_id)


def label(owner: str, period: Period) -> str:
    """What a search looks for. Quoted, since Redis splits a tag at commas, and removes spaces at its ends."""
    return f"{period}:{quote(owner, safe='')}"


class RedisServer:
    """A Redis server, a place of indexes. A connection is opened when it is first used."""

    def __init__(self, url: str) -> None:
        """Raises BadInput for another kind of address, or if the package `redisvl` is not installed."""
        if not url:
            raise BadInput("INDEX=redis needs REDIS_URL, such as redis://127.0.0.1:6379: no Redis is embedded.")
        if problem := address_problem(url):
            raise BadInput(f"REDIS_URL: {problem}.")
        if not find_spec("redisvl"):
            raise BadInput(f"INDEX=redis needs the package redisvl: run `{INSTALL}`.")
        self._url, parts = url, urlsplit(url)
        self.address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # without user and password
        self.breaker = Breaker(f"Redis at {self.address}", answers=(Damaged,))
        self._connecting = asyncio.Lock()
        self._client: Redis | None = None

    async def check(self) -> None:
        """Raise Unavailable if the server does not answer, has no search, or would delete facts to gain memory."""
        async with self.errors_named():
            client = await self.client()
            await client.execute_command("FT._LIST")  # type: ignore[no-untyped-call]
            memory = await client.info("memory")
        policy = str(memory.get("maxmemory_policy", ""))
        if policy.startswith("allkeys") and memory.get("maxmemory"):
            fix = "set it to noeviction, or use another Redis for the index."
            raise Unavailable(f"Redis at {self.address} deletes keys when its memory is full ({policy}): {fix}")

    def index(self, name: str, dimension: int, shards: int) -> RedisIndex:  # noqa: ARG002 - it is not split
        return RedisIndex(self, name, dimension)

    async def client(self) -> "Redis":
        async with self._connecting:
            if self._client is None:
                await asyncio.to_thread(importlib.import_module, "redis.asyncio")
                from redis.asyncio import Redis
                from redis.asyncio.retry import Retry
                from redis.backoff import NoBackoff

                # One more attempt at once, since a connection that waited in the pool may be closed.
                self._client = Redis.from_url(
                    self._url, decode_responses=True, encoding_errors="replace", retry=Retry(NoBackoff(), 1),
                    socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT,
                )  # fmt: skip
            return self._client

    async def close(self) -> None:
        if self._client:
            await self._client.aclose()

    def errors_named(self) -> AbstractAsyncContextManager[None]:
        """Raises Unavailable or Damaged in place of the client's errors, in time."""
        return self.breaker.errors_named(TIMEOUT, self._named)

    def _named(self, error: Exception) -> Unavailable:
        from redis import exceptions as redis

        cause = error if isinstance(error, redis.RedisError) else error.__cause__ or error  # redisvl has its own errors
        # Without the command that an error of a pipeline repeats.
        reason = f"{type(cause).__name__} {str(cause).rpartition('caused error: ')[2]}".strip()[:200]
        match cause:
            case redis.AuthenticationError() | redis.AuthorizationError():
                problem = "refused the user or the password: check REDIS_URL."
            case redis.NoPermissionError():
                problem = "refused a command: give the user of REDIS_URL the permissions that docs/deploying.md names."
            case redis.BusyLoadingError():
                problem = "is loading its data: wait until it has."
            case redis.OutOfMemoryError():
                problem = "has no memory left: raise its maxmemory."
            case redis.ReadOnlyError():
                problem = "is a replica, which cannot be written: set REDIS_URL to the primary."
            case redis.ResponseError() if NO_INDEX.search(str(cause)):
                return Damaged("The Redis index is gone.")
            case redis.ResponseError() if "unknown command" in str(cause).lower():
                problem = "has no vector search: the index needs Redis 8 or Redis Stack."
            case redis.ResponseError() | redis.WatchError():
                problem = f"failed: {reason}"
            case _:
                problem = f"does not answer ({reason}): check that it runs and that REDIS_URL is right."
        return Unavailable(f"Redis at {self.address} {problem}")


def address_problem(url: str) -> str | None:
    """What is wrong with the address of a Redis server; it may hold a password, so it is not repeated."""
    form = "write redis://user:password@host:6379, or rediss:// for TLS, with %40 for an @ in the password"
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in ("redis", "rediss") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is not a number, for example
        return form
    if is_server and parts.path.strip("/") not in ("", "0"):
        return "Redis searches only its database 0: write nothing after the port"
    return None if is_server and not (parts.query or parts.fragment) else form


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[RedisServer]:
    """The Redis server at `url`. Raises BadInput for another kind of address."""
    server = RedisServer(url)
    try:
        yield server
    finally:
        await server.close()
