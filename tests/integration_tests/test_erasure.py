"""What was forgotten is in no file after a purge, and in no process after a second; what was not is still there."""

import asyncio
import os
import sys
import uuid
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from agent.identity import AgentStore
from agent.persistence import open_store
from agent.terminal.change import account
from memory.facts.slots import spelling
from memory.ledger.receipts import receipts_of
from memory.maintenance import FORGOTTEN_POLL
from memory.purge import LEFT_IN_INDEX, purge
from memory.stems import stem
from memory.user_memory import UserMemory
from tests.collecting import wait_until
from tests.commands import Run
from tests.erasure.measure import measure
from tests.processes import ROOT
from tests.processes import environment as process_environment


async def test_no_canary_of_what_was_forgotten_is_left_in_any_file(tmp_path: Path) -> None:
    """A sample of `make erase-scan`."""
    rows = await measure(tmp_path, ["everything", "nothing"], sample=True)
    assert [row for row in rows if not row.as_promised] == []
    assert all(row.before for row in rows if not row.channel.startswith("vector"))
    assert sum(row.goes for row in rows) == len(rows) / 2


async def test_other_processes_drop_what_was_forgotten(
    store: AgentStore, user: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, waiting = environment["POSTGRES_URL"], "select from pg_locks where not granted and locktype = 'relation'"
    memory = UserMemory(store, user)
    await memory.remember("Likes tea")
    monkeypatch.setenv("POSTGRES_URL", make_conninfo(url, options="-c lock_timeout=100"))
    async with open_store() as other:  # as another process has it
        await UserMemory(other, user).recall("tea")
        assert other.cache.owners
        with psycopg.connect(url) as purging:
            purging.execute("lock table memory.forgotten")
            await wait_until(lambda: bool(purging.execute(waiting).rowcount))
            await wait_until(lambda: not purging.execute(waiting).rowcount)
        async with store.ledger.transaction(user) as transaction:
            await transaction.erase_user()
        await wait_until(lambda: not other.cache.owners)
        assert stem.cache_info().currsize == spelling.cache_info().currsize == 0
    assert FORGOTTEN_POLL <= 0.5


@pytest.fixture
def limited(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """POSTGRES_URL names a database whose owner may do nothing else, as on a managed server."""
    name, url = f"limited_{uuid.uuid4().hex}", environment["POSTGRES_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("create role {} login").format(Identifier(name)))
        connection.execute(SQL("create database {0} owner {0}").format(Identifier(name)))
        monkeypatch.setenv("POSTGRES_URL", make_conninfo(url, user=name, dbname=name))
        yield name
        connection.execute(SQL("drop database {} with (force)").format(Identifier(name)))
        connection.execute(SQL("drop role {}").format(Identifier(name)))


def test_a_purge_says_what_only_an_administrator_can_do(limited: str, offline: dict[str, str], run: Run) -> None:
    run("observe", "I live in Lima. I'm allergic to nuts.")
    done = run("forget", "--category", "location", "--purge", "--yes")
    assert (done.code, done.out) == (1, "1 fact deleted\n")
    assert done.err.splitlines()[-4:] == [
        "The log was not moved on: an administrator has to run `select pg_switch_wal()`.",
        "No checkpoint was made: an administrator has to run `checkpoint`, or it happens in time.",
        LEFT_IN_INDEX["chroma"],
        "the files were rewritten, except for the above",
    ]
    assert [row[-1] for row in run("memories", "--query", "food").rows] == ["Is allergic to nuts"]
    assert [row[1:] for row in run("receipts").rows] == [
        ["category", account(), "1 fact"],
        ["purge", account(), "3 left"],
    ]


PURGES = """
import asyncio, sys
from datetime import timedelta
from agent.persistence import open_store
from memory.purge import purge

async def main():
    async with open_store() as store:
        print("ready", flush=True)
        sys.stdin.readline()
        print(len(await purge(store, None, every=timedelta(days=1))))

asyncio.run(main())
"""


async def test_of_two_processes_one_purges_when_it_is_due(
    limited: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("CHROMA_SHARDS", "1")
    variables = process_environment({**environment, "POSTGRES_URL": os.environ["POSTGRES_URL"], "CHROMA_SHARDS": "1"})
    other = await create_subprocess_exec(sys.executable, "-c", PURGES, cwd=ROOT, env=variables, stdin=PIPE, stdout=PIPE)
    assert other.stdout
    async with open_store() as store:
        memory = UserMemory(store, user)
        await memory.remember("Likes tea")
        assert await purge(store, None, every=timedelta()) == []  # nothing was forgotten
        await memory.forget_everything()
        monkeypatch.setattr("memory.purge.TABLE_TIMEOUT", 0.1)
        with psycopg.connect(os.environ["POSTGRES_URL"]) as connection:
            connection.execute("select from memory.vectors")  # in a transaction, which keeps the table
            left = await purge(store, None, every=timedelta(days=1))
        assert left[0] == "The table memory.vectors was not rewritten, since it is in use: run it again."
        assert (await other.stdout.readline()) == b"ready\n"
        (out, _), left = await asyncio.gather(  # the last purge is not complete, so they need not wait for a day
            other.communicate(b"\n"), purge(store, None, by="schedule", every=timedelta(days=1))
        )
        assert sorted((int(out), len(left))) == [0, 3]
        assert await purge(store, None, every=timedelta()) == []  # nothing was forgotten since
        await memory.remember("Likes coffee")
        await memory.forget_everything()
        assert await purge(store, None, every=timedelta(days=1)) == []  # it is too early

    monkeypatch.setenv("PURGE_EVERY_DAYS", "0.000001")
    monkeypatch.setattr("memory.purge.BEGIN_AFTER", 0)
    async with open_store() as store:

        async def purged() -> bool:
            return (await receipts_of(store.pool, user))[-1][1:] == ("purge", "schedule", {"left": 3})

        await wait_until(purged)
