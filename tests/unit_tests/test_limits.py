"""A limit for work whose end nobody can wait for."""

import asyncio

import pytest

from memory.ledger.waiting import within


async def test_what_ends_in_time_gives_its_result_or_its_error() -> None:
    async def work(error: Exception | None = None) -> str:
        if error:
            raise error
        return "done"

    assert await within(60, work()) == "done"
    with pytest.raises(KeyError):
        await within(60, work(KeyError()))


async def test_work_that_takes_long_to_be_cancelled_is_not_waited_for() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await ended.wait()

    async with asyncio.timeout(60):
        with pytest.raises(TimeoutError, match=r"not within 0\.01 s"):
            await within(0.01, work())
    ended.set()


async def test_work_ends_when_its_caller_is_cancelled() -> None:
    cancelled, begun = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    caller = asyncio.create_task(within(60, work()))
    await begun.wait()
    caller.cancel()
    async with asyncio.timeout(60):
        await cancelled.wait()
