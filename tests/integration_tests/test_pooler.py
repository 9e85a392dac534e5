"""Behind a pooler that gives each transaction another session, everything works; others are refused at the start."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from langchain_core.messages import HumanMessage
from psycopg.conninfo import make_conninfo

from agent.context import Context
from agent.persistence import open_checkpointer, open_store
from graphs.chat import builder
from memory.embedded.connect import Addresses
from memory.errors import Unavailable
from memory.ledger.pool import Pool, open_pool
from memory.maintenance import doctor
from memory.threads.run_lock import RunLocks
from tests.collecting import collects, known
from tests.conversation import config_of
from tests.openai_server import ScriptedOpenAI
from tests.pooler import pooler
from tests.torture import script
from tests.torture.script import items


@pytest.fixture
async def database(servers: Addresses) -> AsyncIterator[str]:
    """The URL of a new and empty database."""
    url, name = servers.postgres or "", f"db_{uuid.uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f"create database {name}".encode())
        yield make_conninfo(url, dbname=name)
        await connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
async def pooled(database: str) -> AsyncIterator[Pool]:
    async with pooler(database) as url, open_pool(url) as pool:
        yield pool


async def test_a_new_database_is_set_up_and_used_behind_a_pooler(
    environment: dict[str, str], database: str, openai: ScriptedOpenAI, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, as it were, that begin at the same time, with runs of the same threads. The index, too, is kept
    behind the pooler."""
    openai.defaults["extraction"] = script.extraction
    names, threads = [f"x{i}" for i in range(12)], [str(uuid.uuid4()) for _ in range(3)]
    async with pooler(database, sessions=5) as url:
        monkeypatch.setenv("POSTGRES_URL", url)
        monkeypatch.setenv("INDEX", "pgvector")

        async def process(part: int) -> None:
            async with open_checkpointer() as saver, open_store() as store:
                assert store.pool.through_pooler
                graph = builder.compile(checkpointer=saver, store=store)
                say: list[Any] = [
                    graph.ainvoke(
                        {"messages": [HumanMessage(items(name))]}, config_of(thread), context=Context(user_id=user)
                    )
                    for name, thread in zip(names[part::2], threads * 2, strict=True)
                ]
                await asyncio.gather(*say)

        await asyncio.gather(process(0), process(1))
        async with open_checkpointer() as saver, open_store() as store:
            assert sorted(await known(store, user)) == sorted(collects(*names))
            assert (await doctor(store)).clean
            graph = builder.compile(checkpointer=saver, store=store)
            for thread in threads:
                assert len((await graph.aget_state(config_of(thread))).values["messages"]) == 8


async def test_a_pooler_is_told_from_postgres_itself(database: str, pooled: Pool) -> None:
    assert pooled.through_pooler
    async with open_pool(database) as pool:
        assert not pool.through_pooler


async def test_a_run_lock_behind_a_pooler_is_respected_until_it_is_released(database: str, pooled: Pool) -> None:
    async with open_pool(database) as elsewhere:
        ours, theirs = RunLocks(pooled), RunLocks(elsewhere)
        for _ in range(3):
            async with ours.hold("first"):
                async with ours.hold("second"):
                    for thread in ("first", "second"):
                        with pytest.raises(Unavailable, match="Another run"):
                            async with theirs.hold(thread, timeout=0.2):
                                pass
                async with theirs.hold("second", timeout=5):
                    with pytest.raises(Unavailable, match="Another run"):
                        async with ours.hold("second", timeout=0.2):
                            pass
            async with theirs.hold("first", timeout=5):
                pass


async def test_a_cancelled_wait_leaves_the_other_locks_behind_a_pooler(database: str, pooled: Pool) -> None:
    async with open_pool(database) as elsewhere:
        ours, theirs = RunLocks(pooled), RunLocks(elsewhere)

        async def wait() -> None:
            async with ours.hold("theirs"):
                pass

        async with theirs.hold("theirs"), ours.hold("ours"):
            for pause in range(20):
                waiting = asyncio.ensure_future(wait())
                await asyncio.sleep(pause / 1_000)  # so that each is cancelled at another step
                waiting.cancel()
                await asyncio.wait([waiting])
            with pytest.raises(Unavailable, match="Another run"):
                async with theirs.hold("ours", timeout=0.2):
                    pass
        async with ours.hold("theirs", timeout=5), theirs.hold("ours", timeout=5):
            pass


async def test_a_lock_blocks_no_vacuum_and_outlives_idle_transaction_timeouts(database: str, pooled: Pool) -> None:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        role = f"alter role postgres in database {connection.info.dbname}"
        await connection.execute(f"{role} set idle_in_transaction_session_timeout = '100ms'".encode())
        async with pooler(database) as url, open_pool(url) as pool, RunLocks(pool).hold("t"):
            query = """select backend_xmin, clock_timestamp() - state_change > '0.5s' as late from pg_stat_activity
                where datname = current_database() and state = 'idle in transaction'"""
            async with asyncio.timeout(60):
                while (found := await (await connection.execute(query)).fetchall()) != [(None, True)]:
                    assert [xmin for xmin, _ in found] == [None]
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("mode", "sessions", "advice"),
    [
        ("statement", 3, "a pooler in statement mode: set its pool_mode to transaction or session, or name Postgres"),
        (
            "transaction",
            1,
            "a pooler without a second free connection: set its default_pool_size to 10 or more, or name",
        ),
    ],
)
async def test_a_pooler_that_cannot_be_used_is_refused_at_the_start(
    database: str, mode: Any, sessions: int, advice: str
) -> None:
    async with pooler(database, mode=mode, sessions=sessions) as url:
        with pytest.raises(Unavailable) as error:
            async with open_pool(url):
                pass
    assert f"POSTGRES_URL leads to {advice}" in str(error.value)
