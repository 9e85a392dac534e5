"""The first connection to Postgres: refusals are reported at once, and a server that is starting is waited for."""

import asyncio
import struct
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memory.embedded.connect import Addresses
from memory.errors import Unavailable
from memory.ledger.pool import open_pool
from tests.processes import free_port

AT_ONCE = 5
"""In seconds. Waiting for a connection until the timeout takes 10."""


async def refusal(url: str) -> str:
    begun = time.monotonic()
    with pytest.raises(Unavailable) as error:
        async with open_pool(url):
            pass
    assert time.monotonic() - begun < AT_ONCE
    return str(error.value)


@pytest.fixture
def url(servers: Addresses) -> str:
    return servers.postgres or ""


@pytest.fixture
def role(url: str) -> Iterator[str]:
    """A role with the password "sesame" and a limit of one connection."""
    name = f"role_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create role {name} login password 'sesame' connection limit 1".encode())
        (rules,) = connection.execute("show hba_file").fetchone() or ("",)
        path = Path(rules)
        before = path.read_text()
        path.write_text(f"local all {name} scram-sha-256\n{before}")
        connection.execute("select pg_reload_conf()")
        yield name
        path.write_text(before)
        connection.execute("select pg_reload_conf()")


async def test_an_unknown_database_or_role_is_reported_at_once(url: str) -> None:
    assert 'database "nowhere" does not exist. Check POSTGRES_URL' in await refusal(
        make_conninfo(url, dbname="nowhere")
    )
    assert 'role "nobody" does not exist. Check POSTGRES_URL' in await refusal(make_conninfo(url, user="nobody"))


async def test_a_wrong_password_is_reported_at_once_and_never_shown(url: str, role: str) -> None:
    async with open_pool(make_conninfo(url, user=role, password="sesame"), max_size=1):
        pass
    message = await refusal(make_conninfo(url, user=role, password="open it"))
    assert f'password authentication failed for user "{role}"' in message
    assert "open it" not in message
    assert f"user={role}" in message


async def test_a_missing_password_is_not_reported_as_no_answer(url: str, role: str) -> None:
    message = await refusal(make_conninfo(url, user=role))
    assert message.startswith("Postgres cannot be used (")
    assert "no password supplied. Check POSTGRES_URL" in message


async def test_a_server_without_ssl_is_not_reported_as_no_answer() -> None:
    async def without_ssl(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # the SSL request
        writer.write(b"N")
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(without_ssl, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        message = await refusal(f"postgresql://ada@127.0.0.1:{port}/x?sslmode=require&gssencmode=disable")
    assert message.startswith("Postgres cannot be used (")
    assert "server does not support SSL" in message


async def test_too_many_connections_are_reported_at_once(url: str, role: str) -> None:
    with psycopg.connect(make_conninfo(url, user=role, password="sesame")):
        assert "too many connections for role" in await refusal(make_conninfo(url, user=role, password="sesame"))


async def test_the_host_and_port_that_do_not_answer_are_named() -> None:
    port = free_port()
    message = await refusal(f"postgresql://ada:sesame@127.0.0.1:{port}/x")
    assert f"Postgres does not answer (host=127.0.0.1 port={port} dbname=x user=ada): Connection refused." in message
    assert "sesame" not in message
    assert "failed to resolve host 'no.such.host.invalid'" in await refusal("postgresql://ada@no.such.host.invalid/x")


async def test_a_connection_waits_for_a_server_that_starts_to_listen(url: str, tmp_path: Path) -> None:
    sockets = tmp_path / "sockets"
    late = make_conninfo(url, host=str(sockets))
    asyncio.get_running_loop().call_later(0.3, sockets.symlink_to, str(conninfo_to_dict(url)["host"]))
    async with open_pool(late) as pool, pool.connection() as connection:
        assert await (await connection.execute("select 1 as one")).fetchone() == {"one": 1}


async def test_a_server_that_is_starting_up_is_retried() -> None:
    """In Postgres's protocol, every connection gets FATAL; the first two because the server is starting up."""
    reasons = ["the database system is starting up"] * 2 + ["the disk is full"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(struct.unpack("!i", await reader.readexactly(4))[0] - 4)
        fields = f"SFATAL\0VFATAL\0C57P03\0M{reasons.pop(0)}\0\0".encode()
        writer.write(b"E" + struct.pack("!i", len(fields) + 4) + fields)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        message = await refusal(f"postgresql://ada@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable")
    assert "the disk is full" in message
    assert reasons == []
