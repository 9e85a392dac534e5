"""The embedded servers, started for real: shared, restarted after every kind of crash, and never left running.

Clients run in separate processes, so that they can be killed.
"""

import asyncio
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import chromadb
import pytest
from blockbuster import blockbuster_ctx
from psycopg_pool import AsyncConnectionPool

from memory.embedded.chroma import Chroma, listens
from memory.embedded.connect import embedded_servers
from memory.embedded.directory import account_name, try_lock
from memory.embedded.postgres import socket_directory
from memory.errors import Unavailable
from memory.index.chroma import ChromaServer
from tests.embedded import (
    BOTH,
    CHROMA,
    ORDINARY_USER,
    POSTGRES,
    StartClient,
    as_ordinary_user,
    chroma_listens,
    eventually,
    postgres_query,
    run_as,
)
from tests.processes import processes, server_pid


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def count_in_chroma(url: str | None, *new_ids: str) -> int:
    """Add `new_ids` to the collection "facts", and return its number of entries."""
    assert url
    client = await chromadb.AsyncHttpClient(host="127.0.0.1", port=urlsplit(url).port or 0)
    facts = await client.get_or_create_collection("facts", embedding_function=None)
    for new_id in new_ids:
        await facts.upsert(ids=[new_id], embeddings=[1.0, 2.0], documents=["x"])
    return await facts.count()


async def test_data_is_still_there_at_the_next_start(data_dir: Path) -> None:
    async with embedded_servers(data_dir, BOTH) as addresses:
        assert postgres_query(addresses.postgres, "show data_directory") == str(data_dir / "postgres" / "data")
        async with AsyncConnectionPool(addresses.postgres or "", open=False) as pool, pool.connection() as connection:
            await connection.execute("create table facts as select 'Austin' as city")
        assert await count_in_chroma(addresses.chroma, "a", "b") == 2
    assert not processes(data_dir)
    async with embedded_servers(data_dir, BOTH) as again:
        assert again == addresses
        assert postgres_query(again.postgres, "select city from facts") == "Austin"
        assert await count_in_chroma(again.chroma) == 2


async def test_only_the_wanted_servers_run(data_dir: Path) -> None:
    async with embedded_servers(data_dir, CHROMA) as addresses:
        assert addresses.postgres is None
        assert not (data_dir / "postgres").exists()
        async with embedded_servers(data_dir, POSTGRES) as others:
            assert others.chroma is None
            assert postgres_query(others.postgres, "select 1") == 1
        assert not processes(data_dir / "postgres")
        assert chroma_listens(addresses.chroma)


async def test_a_start_is_reported_once_and_never_blocks_the_event_loop(data_dir: Path) -> None:
    reported: list[str] = []
    with blockbuster_ctx():
        async with (
            embedded_servers(data_dir, BOTH, say=reported.append),
            embedded_servers(data_dir, BOTH, say=reported.append),
        ):
            pass
    assert reported == [f"Starting {name} in {data_dir / name.lower()} ..." for name in ("Chroma", "Postgres")]


async def test_only_the_user_can_enter_the_directories_and_parents_keep_modes(tmp_path: Path, data_dir: Path) -> None:
    """If root starts it, Postgres runs as a user who may not enter the parents."""
    before = [mode(parent) for parent in data_dir.parents]
    assert mode(tmp_path) == 0o700
    async with embedded_servers(data_dir, POSTGRES) as addresses:
        assert postgres_query(addresses.postgres, "select 1") == 1
        for directory in (data_dir, data_dir / "postgres", data_dir / "postgres" / "data"):
            assert mode(directory) == 0o700
    assert [mode(parent) for parent in data_dir.parents] == before


async def test_concurrent_short_uses_always_get_a_server_that_answers(data_dir: Path) -> None:
    """New users arrive at any moment while a server stops after its last user."""

    async def come_and_go(pause: float) -> None:
        for turn in range(4):
            async with embedded_servers(data_dir, POSTGRES) as addresses:
                assert await asyncio.to_thread(postgres_query, addresses.postgres, "select 1") == 1
            await asyncio.sleep(pause * turn)

    await asyncio.gather(*(come_and_go(pause) for pause in (0, 0.02, 0.05)))


def both_pids(data_dir: Path) -> set[int]:
    return {server_pid(data_dir, "postgres"), server_pid(data_dir, "chroma")}


def test_three_processes_share_one_pair_of_servers_until_the_last_one_ends(
    data_dir: Path, start_client: StartClient
) -> None:
    first = start_client(data_dir)
    addresses, pids = first.addresses(), both_pids(data_dir)
    interrupted, last = start_client(data_dir), start_client(data_dir)
    assert interrupted.addresses() == last.addresses() == addresses
    first.end()
    os.killpg(interrupted.process.pid, signal.SIGINT)  # Ctrl-C in its terminal
    interrupted.process.wait(30)
    assert postgres_query(addresses.postgres, "select 1") == 1
    assert chroma_listens(addresses.chroma)
    assert both_pids(data_dir) == pids
    last.end()
    assert not processes(data_dir)


def test_concurrent_starts_share_one_pair_which_ends_when_all_are_killed(
    data_dir: Path, start_client: StartClient
) -> None:
    clients = [start_client(data_dir) for _ in range(5)]
    assert len({client.addresses() for client in clients}) == 1
    kinds = (
        "memory.embedded.supervisor " + str(data_dir / "postgres"),
        "memory.embedded.supervisor " + str(data_dir / "chroma"),
        "/postgres -D",
        "chromadb_rust_bindings",
    )
    eventually(lambda: [len(processes(data_dir, kind)) for kind in kinds] == [1, 1, 1, 1], "one process of each kind")
    for client in clients:
        client.process.kill()
    eventually(lambda: not processes(data_dir), "supervisors and servers are gone")


def test_the_servers_end_when_their_users_and_supervisors_are_killed(data_dir: Path, start_client: StartClient) -> None:
    client = start_client(data_dir)
    client.addresses()
    for pid in (client.process.pid, *processes(data_dir, "memory.embedded.supervisor")):
        os.kill(pid, signal.SIGKILL)
    if sys.platform != "linux":  # no death signal: the next use stops the servers
        client = start_client(data_dir)
        client.addresses()
        client.end()
    eventually(lambda: not processes(data_dir), "the servers are gone")


def test_a_process_killed_while_it_starts_the_servers_leaves_nothing(data_dir: Path, start_client: StartClient) -> None:
    client = start_client(data_dir)
    eventually(lambda: processes(data_dir), "something has been started")
    client.process.kill()
    eventually(lambda: not processes(data_dir), "supervisors and servers are gone")
    assert postgres_query(start_client(data_dir, POSTGRES).addresses().postgres, "select 1") == 1


async def test_killed_servers_and_supervisors_come_back_at_the_same_address(data_dir: Path) -> None:
    async with embedded_servers(data_dir, BOTH) as addresses:
        postgres_query(addresses.postgres, "create table facts as select 'Austin' as city")
        assert await count_in_chroma(addresses.chroma, "a", "b") == 2
        for kill_supervisors in (False, True):  # which end their servers
            before = both_pids(data_dir)

            def is_back(before: set[int] = before) -> bool:
                return (
                    not both_pids(data_dir) & before
                    and postgres_query(addresses.postgres, "select city from facts") == "Austin"
                    and chroma_listens(addresses.chroma)
                )

            for pid in processes(data_dir, "memory.embedded.supervisor") if kill_supervisors else before:
                os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(eventually, is_back, "both servers answer at their old addresses")
            assert await count_in_chroma(addresses.chroma) == 2
        assert len(processes(data_dir, "memory.embedded.supervisor")) == 2


def test_the_next_supervisor_stops_a_server_that_outlived_its_own(
    data_dir: Path, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a system without a death signal, where a server can outlive its supervisor."""
    chroma = Chroma(data_dir / "chroma")
    chroma.create()
    url, command = chroma.prepare()
    lock = try_lock(chroma.server_lock, fcntl.LOCK_EX)
    assert lock is not None
    chroma.lock_fd = lock
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        left_over = chroma.spawn(command)
    with left_over:
        os.close(lock)
        chroma.publish(url=url, server_pid=left_over.pid)
        eventually(lambda: chroma.answers(left_over.pid, url), "the server answers")
        addresses = start_client(data_dir, CHROMA).addresses()
        assert left_over.wait(30) is not None
    assert addresses.chroma == url
    assert chroma_listens(url)


def test_a_postmaster_pid_of_another_program_does_not_block_a_start(data_dir: Path, start_client: StartClient) -> None:
    client = start_client(data_dir, POSTGRES)
    client.addresses()
    pid_file = data_dir / "postgres" / "data" / "postmaster.pid"
    lines, owner = pid_file.read_text().splitlines(), pid_file.stat()
    client.end()
    with subprocess.Popen([*as_ordinary_user(), "sleep", "60"]) as stranger:  # of the user Postgres runs as
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        assert postgres_query(start_client(data_dir, POSTGRES).addresses().postgres, "select 1") == 1
        stranger.kill()


@pytest.mark.parametrize("name", ['50%20 O\'Brien "the" Größe-日本', "a,b", "x" * 200], ids=["quoted", "comma", "long"])
async def test_the_data_directory_may_have_any_name(data_dir: Path, name: str) -> None:
    async with embedded_servers(data_dir / name, BOTH) as addresses:
        async with AsyncConnectionPool(addresses.postgres or "", open=False) as pool, pool.connection() as connection:
            row = await (await connection.execute("show data_directory")).fetchone()
        assert row == (str(data_dir / name / "postgres" / "data"),)
        assert chroma_listens(addresses.chroma)
        assert (data_dir / name / "chroma" / "data" / "chroma.sqlite3").exists()
    sockets = socket_directory(data_dir / name / "postgres")
    assert sockets.is_relative_to(data_dir) or not sockets.parent.exists(), "nothing is left elsewhere"


async def test_the_error_for_a_server_that_cannot_start_quotes_its_log(data_dir: Path) -> None:
    (data_dir / "chroma").mkdir(parents=True)
    (data_dir / "chroma" / "data").write_text("a file where Chroma wants a directory")
    with pytest.raises(Unavailable) as raised:
        async with embedded_servers(data_dir, CHROMA):
            pass
    message = str(raised.value)
    assert f"The embedded Chroma in {data_dir / 'chroma'} does not start: it died" in message
    assert "File exists" in message or "Not a directory" in message or "unable to open" in message
    assert "CHROMA_URL" in message


async def test_a_database_of_another_version_is_reported_at_once(data_dir: Path) -> None:
    (data_dir / "postgres" / "data").mkdir(parents=True)
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(Unavailable, match=r"written by Postgres 16.*\n.*POSTGRES_URL"):
        async with embedded_servers(data_dir, POSTGRES):
            pass


def test_an_ordinary_user_can_run_both_servers(
    owned_dir: Callable[[int, int], Path], start_client: StartClient
) -> None:
    data_dir = owned_dir(ORDINARY_USER.pw_uid, ORDINARY_USER.pw_gid)
    client = start_client(data_dir, prefix=as_ordinary_user())
    addresses = client.addresses()
    assert postgres_query(addresses.postgres, "select 1") == 1
    assert chroma_listens(addresses.chroma)
    assert {path.lstat().st_uid for path in data_dir.rglob("*")} == {data_dir.stat().st_uid}
    client.end()
    assert not processes(data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a program as a user without an entry")
def test_a_user_without_an_account_can_run_both_servers(
    owned_dir: Callable[[int, int], Path], start_client: StartClient
) -> None:
    uid = next(uid for uid in range(54_321, 65_000) if not account_name(uid))
    client = start_client(owned_dir(uid, uid), prefix=run_as(uid, uid))
    addresses = client.addresses()
    assert postgres_query(addresses.postgres, "select 1") == 1
    assert chroma_listens(addresses.chroma)
    client.end()


def test_a_directory_that_an_ordinary_user_cannot_write_is_named(tmp_path: Path, start_client: StartClient) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    answer = start_client(locked / "data", prefix=as_ordinary_user()).answer()
    assert f"The data directory {locked / 'data'} cannot be used (Permission denied)" in answer["unavailable"]


def test_a_port_counts_only_for_the_process_that_listens_on_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens(os.getpid(), port)
        with subprocess.Popen(["sleep", "60"]) as stranger:
            assert not listens(stranger.pid, port)
            stranger.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")
async def test_a_data_directory_copied_by_root_is_given_to_postgres(data_dir: Path) -> None:
    async with embedded_servers(data_dir, POSTGRES) as addresses:
        postgres_query(addresses.postgres, "create table facts as select 'Austin' as city")
    for path in (data_dir / "postgres").rglob("*"):
        os.chown(path, 0, 0)
    async with embedded_servers(data_dir, POSTGRES) as addresses:
        assert postgres_query(addresses.postgres, "select city from facts") == "Austin"


async def test_a_port_without_an_http_server_is_not_taken_for_chroma() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ready\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match=f"Chroma does not answer at http://127.0.0.1:{port}"):
            await ChromaServer(f"http://127.0.0.1:{port}").check()
