"""Work that waits until it has been quiet, as tasks of this process, all of which are finished before it ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial

from memory.errors import cause_of

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[object]]


class Later:
    """For each key the work that was asked for last, once nothing more was asked for it for a while."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[asyncio.TimerHandle, Work]] = {}
        self._running: dict[str, asyncio.Task[bool]] = {}
        self.failures = 0
        """How often work came to nothing."""

    def ask(self, key: str, seconds: float, work: Work) -> None:
        """Do this in so many seconds, in place of what was asked for this key and has not begun."""
        self._forget(key)
        self._waiting[key] = asyncio.get_running_loop().call_later(seconds, self._begin, key), work

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits or is being done."""
        return not self._waiting and not self._running

    async def finish(self) -> None:
        """Do now what waits, and wait until all is done; broken off, it leaves the rest undone."""
        for key in [*self._waiting]:
            self._begin(key)
        await asyncio.gather(*self._running.values())

    def _forget(self, key: str) -> Work | None:
        timer, work = self._waiting.pop(key, (None, None))
        if timer:
            timer.cancel()
        return work

    def _begin(self, key: str) -> None:
        if work := self._forget(key):
            # In a context of its own: within that of the run it was asked in, its tokens would stream to the user.
            begun = asyncio.get_running_loop().create_task(_do(work, self._running.get(key)), context=Context())
            self._running[key] = begun
            begun.add_done_callback(partial(self._ended, key))

    def _ended(self, key: str, done: asyncio.Task[bool]) -> None:
        if self._running.get(key) is done:
            del self._running[key]
        self.failures += done.cancelled() or not done.result()


async def _do(work: Work, before: asyncio.Task[bool] | None) -> bool:
    """Do it after what was begun before it; whether it was done, of which the log tells the rest."""
    if before:
        await asyncio.wait([before])
    try:
        await work()
    except Exception as error:
        log.warning("not done in the background cause=%s", cause_of(error))
        return False
    return True
