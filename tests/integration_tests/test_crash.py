"""kill -9 at every step of a turn, a batch and an import; `make torture` repeats this, also at random moments."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psycopg

from agent.persistence import open_store
from agent.settings import read_settings
from memory.embedded.connect import embedded_servers
from memory.facts.fact import owner_key
from memory.items.item import facts_namespace
from memory.ledger.pool import open_pool
from tests.collecting import wait_until
from tests.processes import server_pid
from tests.torture.points import POINTS
from tests.torture.rig import Rig


def test_nothing_acknowledged_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    """The agent's process, Postgres, Chroma (also during its persist), their supervisors, and all of them together."""
    with Rig(tmp_path) as rig:
        outcomes = rig.torture(POINTS)
    faults = [f"{outcome.moment}: {fault}" for outcome in outcomes for fault in outcome.faults]
    assert faults == [], f"see {tmp_path / 'victims.log'}"
    assert len(outcomes) == len(POINTS)
    assert all(outcome.struck for outcome in outcomes)


async def test_a_pool_of_dead_connections_recovers_when_the_server_is_back(tmp_path: Path) -> None:
    async with (
        embedded_servers(tmp_path, frozenset({"postgres"})) as addresses,
        open_pool(addresses.postgres or "", max_size=10) as pool,
    ):
        async with AsyncExitStack() as all_at_once:
            for _ in range(10):
                await all_at_once.enter_async_context(pool.connection())
        os.kill(server_pid(tmp_path, "postgres"), signal.SIGKILL)
        await wait_until(lambda: answers(addresses.postgres or ""))  # another process restarts it
        async with asyncio.timeout(3), pool.connection() as connection:
            await connection.execute("select 1")


async def answers(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        await (await psycopg.AsyncConnection.connect(url)).close()
        return True
    return False


async def test_a_chroma_that_crashes_on_its_files_restarts_and_is_rebuilt(
    tmp_path: Path, environment: dict[str, str], user: str
) -> None:
    settings = read_settings().model_copy(update={"chroma_url": "", "data_dir": tmp_path})
    async with open_store(settings) as store:
        await store.aput(facts_namespace(user), "home", {"text": "Lives in Lima"})
        crashed = server_pid(tmp_path, "chroma")
        os.kill(crashed, signal.SIGSEGV)
        await wait_until(lambda: server_pid(tmp_path, "chroma") != crashed)  # another process restarts it
        async with open_store(settings) as again:
            (vector,) = await again.embedder.embed(["home"])
            assert len(await again.index.search(owner_key(user), vector, 10)) == 1
    assert len([*(tmp_path / "chroma").glob("data.broken-*")]) == 1
