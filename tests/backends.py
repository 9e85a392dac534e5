"""Where an index can be kept, as the contract tests use it: a real server of each kind, and the ways to break it."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import psycopg
import pytest
import redis.asyncio
from psycopg.sql import SQL, Identifier

from agent.settings import Settings
from memory.embedded.connect import embedded_servers
from memory.index.chroma import open_chroma, shard_of
from memory.index.protocol import Backend, Index
from tests.gate import Gate
from tests.processes import server_pid
from tests.redis_server import RedisProcess


class Rig(Protocol):
    """One kind of index, with servers of the test session."""

    settings: Settings
    """A database of its own, INDEX, and the address of the index's server."""

    async def damage(self, index: Index, owner: str) -> None:
        """Make what it has of this owner unreadable, as another program or a broken disk may."""

    def hang(self, index: Index) -> AbstractAsyncContextManager[None]:
        """Inside, the index does not answer, and the ledger does."""


class OwnServer(Protocol):
    """A server of the index that only this test uses, as settings name it."""

    settings: Settings

    def wipe(self) -> None:
        """Delete its data, and kill it with `kill -9`. Something starts it again, empty."""


@dataclass
class Chroma:
    settings: Settings
    gate: Gate
    target: str

    async def damage(self, index: Index, owner: str) -> None:
        async with open_chroma(self.target) as server:
            await (await server.client()).delete_collection(f"{index.name}.{shard_of(owner, index.shards)}")

    @asynccontextmanager
    async def hang(self, index: Index) -> AsyncIterator[None]:  # noqa: ARG002 - its whole server hangs
        await self.gate.set("hangs")
        try:
            yield
        finally:
            await self.gate.set("open")


@dataclass
class Pgvector:
    settings: Settings

    async def damage(self, index: Index, owner: str) -> None:  # noqa: ARG002 - of all tables at once
        async with await psycopg.AsyncConnection.connect(self.settings.postgres_url) as connection:
            await connection.execute("drop extension vector cascade")  # and with it the column

    @asynccontextmanager
    async def hang(self, index: Index) -> AsyncIterator[None]:
        async with await psycopg.AsyncConnection.connect(self.settings.postgres_url) as connection:
            await connection.execute(SQL("lock table {}").format(_table(index)))
            yield


@dataclass
class Redis:
    settings: Settings
    process: RedisProcess

    async def damage(self, index: Index, owner: str) -> None:  # noqa: ARG002 - one definition has all
        async with redis.asyncio.Redis.from_url(self.process.url) as client:
            await client.execute_command("FT.DROPINDEX", index.name)  # type: ignore[no-untyped-call]

    @asynccontextmanager
    async def hang(self, index: Index) -> AsyncIterator[None]:  # noqa: ARG002 - its whole server hangs
        self.process.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.process.send_signal(signal.SIGCONT)

    def wipe(self) -> None:
        self.process.kill()  # it saves nothing
        self.process.start(wait=False)


@dataclass
class OwnChroma:
    settings: Settings
    data_dir: Path

    def wipe(self) -> None:
        shutil.rmtree(self.data_dir / "chroma" / "data")
        os.kill(server_pid(self.data_dir, "chroma"), signal.SIGKILL)


@asynccontextmanager
async def open_rig(backend: Backend, settings: Settings) -> AsyncIterator[Rig]:
    """`settings` are those of a database of its own, and name the session's servers."""
    async with AsyncExitStack() as stack:
        match backend:
            case "chroma":
                gate = await stack.enter_async_context(Gate(settings.chroma_url))
                own = {"index": backend, "chroma_url": gate.url, "chroma_shards": 2}
                yield Chroma(settings.model_copy(update=own), gate, settings.chroma_url)
            case "pgvector":
                yield Pgvector(settings.model_copy(update={"index": backend, "chroma_url": "http://127.0.0.1:9"}))
            case "redis":
                yield await stack.enter_async_context(_redis(settings))


BACKENDS = ("chroma", "pgvector", pytest.param("redis", marks=pytest.mark.redis))
WITH_SERVER = ("chroma", pytest.param("redis", marks=pytest.mark.redis))
"""Those whose index has a server other than the ledger's."""


@asynccontextmanager
async def open_own_server(backend: Backend, settings: Settings, directory: Path) -> AsyncIterator[OwnServer]:
    if backend == "redis":
        async with _redis(settings) as rig:
            yield rig
    else:
        async with embedded_servers(directory, frozenset({"chroma"})) as servers:
            yield OwnChroma(settings.model_copy(update={"index": backend, "chroma_url": servers.chroma}), directory)


@asynccontextmanager
async def _redis(settings: Settings) -> AsyncIterator[Redis]:
    with TemporaryDirectory() as directory, RedisProcess(Path(directory)) as process:
        yield Redis(settings.model_copy(update={"index": "redis", "redis_url": process.url}), process)


def _table(index: Index) -> Identifier:
    return Identifier("memory", index.name)
