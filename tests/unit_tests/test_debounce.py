"""Debounced work: it runs once after a pause, in order, and before the process ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest

from memory.debounce import Debouncer

HOUR = 3_600


def noting(done: list[str], name: str) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        done.append(name)

    return work


async def test_only_the_last_work_for_a_key_runs_and_other_keys_are_unaffected() -> None:
    later, done = Debouncer(), list[str]()
    for number in range(10):
        later.schedule("a", HOUR, noting(done, f"a{number}"))
    later.schedule("b", HOUR, noting(done, "b"))
    assert done == []
    await later.flush()
    assert done == ["a9", "b"]
    await later.flush()
    assert done == ["a9", "b"]


async def test_work_starts_by_itself_after_the_pause() -> None:
    later, finished = Debouncer(), asyncio.Event()

    async def work() -> None:
        finished.set()

    later.schedule("a", 0.01, work)
    async with asyncio.timeout(60):
        await finished.wait()


async def test_work_scheduled_during_a_run_starts_after_it() -> None:
    later, done, begun, go = Debouncer(), list[str](), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go.wait()
        done.append("first")

    later.schedule("a", 0, slow)
    await begun.wait()
    later.schedule("a", 0, noting(done, "second"))
    finishing = asyncio.ensure_future(later.flush())
    await asyncio.sleep(0)
    assert done == []
    go.set()
    await finishing
    assert done == ["first", "second"]


async def test_a_failure_is_logged_without_its_text_and_the_rest_runs(caplog: pytest.LogCaptureFixture) -> None:
    later, done = Debouncer(), list[str]()

    async def broken() -> None:
        raise RuntimeError("Zanzibar")

    later.schedule("a", HOUR, broken)
    later.schedule("b", HOUR, noting(done, "b"))
    await later.flush()
    assert done == ["b"]
    assert "cause=RuntimeError" in caplog.text
    assert "Zanzibar" not in caplog.text


async def test_work_runs_in_its_own_context_not_in_that_of_the_scheduling_run() -> None:
    run: ContextVar[str] = ContextVar("run", default="none")
    later, seen = Debouncer(), list[str]()

    async def work() -> None:
        seen.append(run.get())

    run.set("a run that streams to a user")
    later.schedule("a", HOUR, work)
    await later.flush()
    assert seen == ["none"]


async def test_a_cancelled_flush_cancels_the_work() -> None:
    later, begun, stopped = Debouncer(), asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    later.schedule("a", HOUR, endless)
    finishing = asyncio.ensure_future(later.flush())
    await begun.wait()
    finishing.cancel()
    await asyncio.wait([finishing])
    async with asyncio.timeout(60):
        await stopped.wait()


async def test_work_on_other_messages_starts_at_once_and_is_not_replaced() -> None:
    """For example, a thread that runs again from an earlier checkpoint and then holds other messages."""
    later, done = Debouncer(), list[str]()
    later.schedule("a", HOUR, noting(done, "1"), covers={"1"})
    later.schedule("a", HOUR, noting(done, "1 2"), covers={"1", "2"})
    later.schedule("a", HOUR, noting(done, "1 3"), covers={"1", "3"})
    later.schedule("a", HOUR, noting(done, "1 3 4"), covers={"1", "3", "4"})
    await asyncio.sleep(0)
    assert done == ["1 2"]
    await later.flush()
    assert done == ["1 2", "1 3 4"]
