"""A limit for work that may wait for the database."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises TimeoutError, without waiting for what `work` does when it is cancelled: psycopg
    waits for an answer of the database then."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # marks its exception as retrieved
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError(f"not within {seconds:g} s")
        return task.result()
    finally:
        task.cancel()
