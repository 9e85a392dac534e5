"""Group commit: concurrent calls share one transaction, and cannot make each other fail or wait."""

import asyncio
import math
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    empty_checkpoint,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from memory.embedded.connect import Addresses
from memory.errors import BadInput, Unavailable
from memory.ledger.pool import Pool, open_pool
from memory.threads import group_commit
from memory.threads.saver import ThreadSaver
from tests.collecting import wait_until

METADATA: CheckpointMetadata = {"source": "loop", "step": 1, "parents": {}}


def config(thread: str, checkpoint: str = "") -> RunnableConfig:
    place = {"thread_id": thread, "checkpoint_ns": ""}
    return {"configurable": place | ({"checkpoint_id": checkpoint} if checkpoint else {})}


def new_threads(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


async def save(saver: AsyncPostgresSaver, thread: str, checkpoint: Checkpoint, **values: object) -> None:
    """Save a checkpoint with these values, all of them new."""
    versions: ChannelVersions = dict.fromkeys(values, checkpoint["id"])
    await saver.aput(
        config(thread), {**checkpoint, "channel_values": values, "channel_versions": versions}, METADATA, versions
    )


async def rows(pool: Pool, *threads: str) -> list[tuple[str, str]]:
    """Every row of these threads: the transaction that saved it, and its columns without the thread id."""
    found = []
    async with pool.connection() as connection:
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
            cursor = await connection.execute(
                "select xmin::text as transaction, (to_jsonb(saved) - 'thread_id')::text as row "  # noqa: S608 - constants
                f"from {table} saved where thread_id = any(%s) order by row",
                (list(threads),),
            )
            found += [(row["transaction"], row["row"]) for row in await cursor.fetchall()]
    return found


@asynccontextmanager
async def locked(pool: Pool, thread: str, checkpoint: Checkpoint) -> AsyncIterator[None]:
    """Lock the checkpoint's row, so that saving it has to wait."""
    async with pool.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute(
            "insert into checkpoints (thread_id, checkpoint_id, checkpoint) values (%s, %s, '{}')",
            (thread, checkpoint["id"]),
        )
        yield


async def wait_for_blocked_statement(pool: Pool) -> None:
    """Wait until a statement is waiting for a lock."""
    async with pool.connection() as connection:

        async def is_waiting() -> int:
            return (await connection.execute("select from pg_stat_activity where wait_event_type = 'Lock'")).rowcount

        await wait_until(is_waiting)


@pytest.fixture
def no_group_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Group commit without a timeout."""
    monkeypatch.setattr(group_commit, "GROUP_TIMEOUT", None)


# --- one transaction -----------------------------------------------------------------------------------------


async def test_concurrent_calls_are_saved_in_one_transaction(saver: ThreadSaver) -> None:
    threads = new_threads(20)
    checkpoint = empty_checkpoint()
    await asyncio.gather(
        *(save(saver, thread, checkpoint, messages=[thread]) for thread in threads),
        *(saver.aput_writes(config(thread, checkpoint["id"]), [("messages", thread)], "task") for thread in threads),
    )
    saved = await rows(saver.pool, *threads)
    assert len(saved) == 3 * len(threads)
    assert len({transaction for transaction, _ in saved}) == 1


async def test_rows_and_reads_equal_those_of_langgraphs_own_saver(saver: ThreadSaver) -> None:
    first, second = empty_checkpoint(), empty_checkpoint()
    values: dict[str, object] = {
        "messages": [HumanMessage("Hello, ünïcode 'and' \"quotes\" \\ 雪", id="1")],
        "empty": b"",
        "bytes": bytes(range(256)),
        "snapshot": _DeltaSnapshot(["all of it"]),
        "text": "as it is",
        "count": 3,
        "share": 0.1,
        "yes": True,
        "nothing": None,
    }
    versions: dict[str, str | int | float] = {name: f"{number}.5" for number, name in enumerate(values)}

    async def write(by: AsyncPostgresSaver, thread: str) -> None:
        metadata: CheckpointMetadata = {"source": "loop", "step": 3, "parents": {"": "x"}, "run_id": "r"}
        whole: Checkpoint = {**first, "channel_values": {**values}, "channel_versions": versions}
        there = await by.aput(config(thread), whole, metadata, {**versions, "gone": "1"})
        assert there == config(thread, first["id"])
        for size in (3, 4):  # the first write of a channel is kept, special channels are replaced
            await asyncio.gather(
                by.aput_writes(there, [("messages", ["x" * size]), ("empty", None)], "task", "~pull, node"),
                by.aput_writes(there, [("__error__", "x" * size)], "task", "~pull, node"),
                by.aput_writes(there, [("large", "x" * group_commit.MAX_GROUPED_BYTES)], "large"),
                by.aput_writes(there, [], "none"),
            )
        await by.aput(there, whole, {**metadata, "step": 4}, versions)
        large: Checkpoint = {
            **second,
            "channel_values": {"messages": ["x" * group_commit.MAX_GROUPED_BYTES]},
            "channel_versions": versions,
        }
        await by.aput(there, large, metadata, {"messages": "2.5"})

    ours, theirs = new_threads(2)
    await write(saver, ours)
    await write(AsyncPostgresSaver(saver.pool), theirs)
    own, others = [[row for _, row in await rows(saver.pool, thread)] for thread in (ours, theirs)]
    assert len(own) == 2 + 5 + 4
    assert own == others

    async def read(by: AsyncPostgresSaver, thread: str) -> list[CheckpointTuple]:
        listed = [found async for found in by.alist(config(thread))]
        assert [await by.aget_tuple(found.config) for found in listed] == listed
        assert [await by.aget_tuple(config(thread))] == listed[:1]
        return listed

    found = await read(saver, ours)
    assert found == await read(AsyncPostgresSaver(saver.pool), ours)
    assert found[1].checkpoint["channel_values"] == values
    assert [bool(checkpoint.pending_writes) for checkpoint in found] == [False, True]
    assert found[0].parent_config == found[1].config


async def test_a_saved_checkpoint_can_be_read_at_once_under_load(saver: ThreadSaver) -> None:
    async def chat(thread: str) -> None:
        for number in range(10):
            checkpoint = empty_checkpoint()
            await save(saver, thread, checkpoint, messages=[number])
            found = await saver.aget_tuple(config(thread))
            assert found
            assert found.checkpoint["id"] == checkpoint["id"]
            assert found.checkpoint["channel_values"] == {"messages": [number]}

    await asyncio.gather(*map(chat, new_threads(20)))


# --- independent calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "error"),
    [("\x00", BadInput), (math.nan, BadInput), ([object()], TypeError)],
)
async def test_a_failing_call_does_not_make_other_calls_fail(
    saver: ThreadSaver, value: object, error: type[Exception]
) -> None:
    bad, *good = new_threads(6)
    failed, *others = await asyncio.gather(
        save(saver, bad, empty_checkpoint(), value=value),
        *(save(saver, thread, empty_checkpoint()) for thread in good),
        return_exceptions=True,
    )
    assert isinstance(failed, error)
    assert others == [None] * len(good)
    assert await rows(saver.pool, bad) == []
    assert len(await rows(saver.pool, *good)) == len(good)


async def test_saving_the_same_checkpoint_twice_at_once_is_no_error(saver: ThreadSaver) -> None:
    (thread,), checkpoint = new_threads(1), empty_checkpoint()
    await asyncio.gather(*(save(saver, thread, checkpoint, count=number) for number in (1, 2)))
    found = await saver.aget_tuple(config(thread))
    assert found
    assert found.checkpoint["channel_values"]["count"] in (1, 2)


@pytest.mark.usefixtures("no_group_timeout")
async def test_two_processes_that_save_the_same_rows_do_not_deadlock(
    saver: ThreadSaver, servers: Addresses, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_pool(servers.postgres or "") as pool:
        other = ThreadSaver(pool)
        for _ in range(5):
            threads, checkpoint = new_threads(100), empty_checkpoint()
            await asyncio.gather(
                *(save(saver, thread, checkpoint, messages=[]) for thread in threads),
                *(save(other, thread, checkpoint, messages=[]) for thread in reversed(threads)),
            )
    assert caplog.records == []


@pytest.mark.usefixtures("no_group_timeout")
async def test_cancelling_a_call_does_not_cancel_the_others(saver: ThreadSaver) -> None:
    held, cancelled, other = new_threads(3)
    checkpoint = empty_checkpoint()
    async with locked(saver.pool, held, checkpoint):
        calls = [asyncio.create_task(save(saver, thread, checkpoint)) for thread in (cancelled, held, other)]
        await wait_for_blocked_statement(saver.pool)
        calls[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[0]
        assert not calls[1].done()
    await asyncio.gather(*calls[1:])
    assert len(await rows(saver.pool, held)) == len(await rows(saver.pool, other)) == 1


@pytest.mark.usefixtures("no_group_timeout")
async def test_a_large_value_does_not_delay_other_calls(saver: ThreadSaver) -> None:
    large, small = new_threads(2)
    checkpoint = empty_checkpoint()
    async with locked(saver.pool, large, checkpoint):
        held = asyncio.create_task(save(saver, large, checkpoint, messages=["x" * group_commit.MAX_GROUPED_BYTES]))
        async with asyncio.timeout(60):
            await save(saver, small, checkpoint)
        assert not held.done()
    await held
    assert len(await rows(saver.pool, large)) == 2


async def test_without_a_free_connection_each_call_fails_after_one_timeout(servers: Addresses) -> None:
    async with open_pool(servers.postgres or "", max_size=3, timeout=0.2) as pool:
        saver, threads = ThreadSaver(pool), new_threads(4)

        async def save_all() -> list[object]:
            calls = (save(saver, thread, empty_checkpoint()) for thread in threads)
            return await asyncio.gather(*calls, return_exceptions=True)

        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(pool.connection())
            assert [type(error) for error in await save_all()] == [Unavailable] * 4
            assert pool.get_stats()["requests_errors"] == 1
        assert await save_all() == [None] * 4


@pytest.mark.usefixtures("no_group_timeout")
async def test_closing_the_event_loop_discards_waiting_calls(saver: ThreadSaver, servers: Addresses) -> None:
    held, other = new_threads(2)
    checkpoint = empty_checkpoint()

    async def leave() -> None:
        async with open_pool(servers.postgres or "") as pool:
            leaving = ThreadSaver(pool)
            calls = [asyncio.create_task(save(leaving, thread, checkpoint)) for thread in (held, other)]
            await wait_for_blocked_statement(pool)
            assert not any(call.done() for call in calls)

    async with locked(saver.pool, held, checkpoint), asyncio.timeout(60):
        await asyncio.to_thread(asyncio.run, leave())
    assert await rows(saver.pool, held, other) == []
