"""How long it takes to find a user's open tasks among 100,000 checkpoints, and to read every checkpoint."""

import statistics
import time
from typing import cast

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.persistence import open_checkpointer
from memory.facts.fact import owner_key, utc_now
from memory.ledger.pool import Pool
from memory.threads.task import start_task
from memory.threads.tasks import active_tasks
from tests.benchmarks.place import Bench

STEPS = 50
"""Checkpoints per thread: about seven turns."""

ONE_THREAD_IN = 50
"""One thread in this many has an open task; the tasks of the others are done."""

CHECKPOINTS = """
insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, checkpoint, metadata)
select thread, '', lpad(to_hex(step), 8, '0'), jsonb_build_object(
    'v', 4, 'id', lpad(to_hex(step), 8, '0'), 'ts', '2026-11-22T12:00:00+00:00',
    'channel_values', jsonb_build_object(
        'owner', %(owner)s::text, 'extracted_until', md5(thread || step),
        'task_open_until', case when step < 40 or number %% %(one_in)s = 0 then %(until)s else '' end),
    'channel_versions', (select jsonb_object_agg(name, md5(name || step)) from unnest(%(channels)s::text[]) name)
        || '{"task": "1"}',
    'versions_seen', (select jsonb_object_agg(name, jsonb_build_object(name, md5(name || step)))
        from unnest(%(channels)s::text[]) name)
), jsonb_build_object('step', step, 'source', 'loop')
from generate_series(1, %(threads)s) number, lateral (select %(owner)s || '-' || number as thread) named,
    generate_series(1, %(steps)s) step
"""
BLOBS = """
insert into checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
select %(owner)s || '-' || number, '', 'task', '1', %(type)s, %(blob)s from generate_series(1, %(threads)s) number
"""
CHANNELS = [
    "messages",
    "owner",
    "task_open_until",
    "extracted_until",
    "__start__",
    "branch:to:recall",
]


async def run(bench: Bench) -> None:
    total = 10_000 if bench.quick else 100_000
    users = total // 2 // STEPS // 10
    with bench.environment("tasks"):
        async with open_checkpointer() as saver:
            pool = cast(Pool, saver.conn)
            bench.note(f"tasks: {total:,} checkpoints")
            await fill(pool, saver, "heavy", total // 2 // STEPS)
            for number in range(users):
                await fill(pool, saver, f"user {number}", 10)
            async with pool.connection() as connection:
                await connection.execute("analyze")
            repeat = bench.times(200)
            everything = await reading(saver)
            for user, threads in (("user 0", 10), ("heavy", total // 2 // STEPS)):
                found = await active_tasks(pool, saver.serde, user)
                each = [await seconds(pool, saver, user) for _ in range(repeat)]
                bench.add(
                    f"open tasks of a user with {threads:,} threads, among {total:,} checkpoints, ms (p50)",
                    f"{statistics.median(each) * 1e3:.2f}",
                    f"p95 {statistics.quantiles(each, n=20)[-1] * 1e3:.2f}; {len(found)} found",
                )
                bench.add(
                    "  times faster than alist over every checkpoint", f"{everything / statistics.median(each):,.0f}"
                )
            bench.add("alist over every checkpoint, s", f"{everything:.1f}")


async def fill(pool: Pool, saver: AsyncPostgresSaver, user: str, threads: int) -> None:
    """Write threads of a user, each with a task, open or done."""
    task = start_task(None, "trip", {"to": "Lisbon", "people": 2}, utc_now())
    kind, blob = saver.serde.dumps_typed(task)
    values = {
        "owner": owner_key(user), "threads": threads, "steps": STEPS, "until": task["expires_at"],
        "one_in": min(ONE_THREAD_IN, threads), "channels": CHANNELS, "type": kind, "blob": blob,
    }  # fmt: skip
    async with pool.connection() as connection:
        await connection.execute(CHECKPOINTS, values)
        await connection.execute(BLOBS, values)


async def seconds(pool: Pool, saver: AsyncPostgresSaver, user: str) -> float:
    """Seconds for one search."""
    started = time.perf_counter()
    await active_tasks(pool, saver.serde, user)
    return time.perf_counter() - started


async def reading(saver: AsyncPostgresSaver) -> float:
    """Seconds to read every checkpoint with the saver, the only way without an index."""
    started = time.perf_counter()
    async for _ in saver.alist(None):
        pass
    return time.perf_counter() - started
