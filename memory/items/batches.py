"""Operations that are asked for at the same moment, as by `asyncio.gather`, run as batches.

Written by hand: LangGraph's AsyncBatchedBaseStore fails all operations of a batch for one that is bad.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from memory.errors import Unavailable

MAX_BATCH = 200

Key = TypeVar("Key")
Op = TypeVar("Op")
Result = TypeVar("Result")


class Batches(Generic[Key, Op, Result]):
    """Runs operations of the same key together, in the order in which they were asked for."""

    def __init__(self, run: Callable[[Key, list[Op]], Awaitable[Sequence[Result]]]) -> None:
        """`run` returns the result of each operation. If it fails, none of them has happened."""
        self._run = run
        self._waiting: dict[Key, list[tuple[Op, asyncio.Future[Result]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references

    async def add(self, key: Key, op: Op) -> Result:
        """The result of `op`, which is done even if its caller is cancelled. If its batch fails, it is tried alone,
        unless the server is unavailable."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if key not in self._waiting:
            task = asyncio.create_task(self._run_all(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._waiting.setdefault(key, []).append((op, done))
        return await done

    async def _run_all(self, key: Key) -> None:
        ops = self._waiting.pop(key)
        for start in range(0, len(ops), MAX_BATCH):
            await self._run_batch(key, ops[start : start + MAX_BATCH])

    async def _run_batch(self, key: Key, ops: list[tuple[Op, "asyncio.Future[Result]"]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self._run(key, [op for op, _ in ops])
        except Exception as error:
            if len(ops) > 1 and not isinstance(error, Unavailable):
                for alone in ops:
                    await self._run_batch(key, [alone])
                return
            results = [error] * len(ops)
        for (_, done), result in zip(ops, results, strict=True):
            if done.cancelled():
                continue
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)
