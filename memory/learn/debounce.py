"""Work that waits until it has been quiet, as tasks of this process, all of which are finished before it ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Set
from contextvars import Context
from functools import partial

from memory.errors import cause_of

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[object]]


class Debouncer:
    """For each key the work that was asked for last, once nothing more was asked for it for a while."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[asyncio.TimerHandle, Work, Set[str]]] = {}
        self._running: dict[str, asyncio.Task[Exception | None]] = {}

    def ask(self, key: str, seconds: float, work: Work, on: Set[str] = frozenset()) -> None:
        """Do this in so many seconds, in place of what was asked for this key and has not begun.

        What was to be done on anything that this is not is begun now, and not replaced.
        """
        if key in self._waiting and not self._waiting[key][2] <= on:
            self._begin(key)
        self._forget(key)
        self._waiting[key] = asyncio.get_running_loop().call_later(seconds, self._begin, key), work, on

    async def finish(self) -> dict[str, Exception]:
        """Do now what waits, and wait until all is done; broken off, it leaves the rest undone.

        The keys whose work failed, and why.
        """
        for key in [*self._waiting]:
            self._begin(key)
        running = {**self._running}
        done = await asyncio.gather(*running.values())
        return {key: error for key, error in zip(running, done, strict=True) if error}

    def _forget(self, key: str) -> Work | None:
        timer, work, _ = self._waiting.pop(key, (None, None, None))
        if timer:
            timer.cancel()
        return work

    def _begin(self, key: str) -> None:
        if work := self._forget(key):
            # In a context of its own: within that of the run it was asked in, its tokens would stream to the user.
            begun = asyncio.get_running_loop().create_task(_do(work, self._running.get(key)), context=Context())
            self._running[key] = begun
            begun.add_done_callback(partial(self._ended, key))

    def _ended(self, key: str, done: asyncio.Task[Exception | None]) -> None:
        if self._running.get(key) is done:
            del self._running[key]


async def _do(work: Work, before: asyncio.Task[Exception | None] | None) -> Exception | None:
    """Do it after what was begun before it; where it fails, log the reason and return the error."""
    if before:
        await asyncio.wait([before])
    try:
        await work()
    except Exception as error:
        log.warning("not done in the background cause=%s", cause_of(error))
        return error
    return None
