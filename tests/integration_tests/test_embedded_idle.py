"""Idle embedded servers: they keep running until the timeout, or until they are stopped."""

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from memory.embedded.connect import embedded_servers, stop_servers
from memory.errors import Unavailable
from tests.embedded import BOTH, POSTGRES, StartClient, chroma_listens, eventually, postgres_query
from tests.processes import processes, server_pid


def delete(directory: Path) -> None:
    """Delete a directory while its servers remove files as well."""
    while directory.exists():
        shutil.rmtree(directory, ignore_errors=True)


async def test_idle_servers_stay_up_and_the_next_user_finds_them(data_dir: Path, start_client: StartClient) -> None:
    first = start_client(data_dir, idle_timeout=60)
    first.addresses()
    pids = server_pid(data_dir, "postgres"), server_pid(data_dir, "chroma")
    first.end()
    reported: list[str] = []
    async with embedded_servers(data_dir, BOTH, idle_timeout=60, say=reported.append) as addresses:
        assert postgres_query(addresses.postgres, "select 1") == 1
        assert chroma_listens(addresses.chroma)
    assert (server_pid(data_dir, "postgres"), server_pid(data_dir, "chroma")) == pids
    assert reported == []
    assert await stop_servers(data_dir) == ["Chroma", "Postgres"]
    assert not processes(data_dir)
    assert await stop_servers(data_dir) == []


def test_idle_servers_end_after_the_idle_timeout(data_dir: Path, start_client: StartClient) -> None:
    client = start_client(data_dir, POSTGRES, idle_timeout=1.5)
    client.addresses()
    client.process.kill()
    killed = time.monotonic()
    eventually(lambda: not processes(data_dir), "supervisor and server are gone")
    assert time.monotonic() - killed > 1.4


async def test_a_server_that_is_in_use_is_not_stopped(data_dir: Path) -> None:
    async with embedded_servers(data_dir, POSTGRES, idle_timeout=60) as addresses:
        with pytest.raises(Unavailable, match=r"Postgres in .* is in use: first end the program"):
            await stop_servers(data_dir)
        assert postgres_query(addresses.postgres, "select 1") == 1
    assert await stop_servers(data_dir) == ["Postgres"]


async def test_a_stopped_server_starts_again_and_stays_up_again(data_dir: Path) -> None:
    for _ in range(2):
        async with embedded_servers(data_dir, POSTGRES, idle_timeout=60) as addresses:
            assert postgres_query(addresses.postgres, "select 1") == 1
        assert await stop_servers(data_dir) == ["Postgres"]


async def test_deleting_the_directory_of_idle_servers_ends_them(data_dir: Path) -> None:
    async with embedded_servers(data_dir, BOTH, idle_timeout=60):
        pass
    await asyncio.to_thread(delete, data_dir)
    await asyncio.to_thread(eventually, lambda: not processes(data_dir), "supervisors and servers are gone")
    assert not await asyncio.to_thread(data_dir.exists)
    async with embedded_servers(data_dir, BOTH) as addresses:
        assert postgres_query(addresses.postgres, "select 1") == 1
        assert chroma_listens(addresses.chroma)
