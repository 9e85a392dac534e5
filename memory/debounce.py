"""Background tasks of this process, each started after a pause; the store waits for them when it closes.

Written by hand: a scheduler such as APScheduler replaces a waiting job, and does not see that its inputs would be lost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Set
from contextvars import Context

from memory.errors import cause_of

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[object]]


class Debouncer:
    """Runs the work that was last scheduled for a key, once nothing more was scheduled for it for a while."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[asyncio.TimerHandle, Work, Set[str]]] = {}
        self._running: dict[str, asyncio.Task[Exception | None]] = {}

    def schedule(self, key: str, seconds: float, work: Work, covers: Set[str] = frozenset()) -> None:
        """Start the work in this many seconds, in place of what is waiting under the key.

        `covers` names the work's inputs; waiting work with other inputs is started now, not replaced.
        """
        if key in self._waiting:
            timer, _, covered = self._waiting[key]
            timer.cancel()
            if not covered <= covers:
                self._start(key)
        self._waiting[key] = asyncio.get_running_loop().call_later(seconds, self._start, key), work, covers

    async def flush(self) -> dict[str, Exception]:
        """Do all that is waiting or running. Returns the keys whose work failed, with the error. Can be cancelled."""
        for key in [*self._waiting]:
            self._start(key)
        running = {**self._running}
        done = await asyncio.gather(*running.values())
        return {key: error for key, error in zip(running, done, strict=True) if error}

    def _start(self, key: str) -> None:
        timer, work, _ = self._waiting.pop(key)
        timer.cancel()
        # In a context of its own: in that of the run that scheduled it, its tokens would stream to the user.
        task = asyncio.get_running_loop().create_task(_run(work, self._running.get(key)), context=Context())
        self._running[key] = task
        task.add_done_callback(lambda done: self._running.pop(key) if self._running[key] is done else None)


async def _run(work: Work, before: asyncio.Task[Exception | None] | None) -> Exception | None:
    """Run it after the work before it under the same key. An error is logged and returned."""
    if before:
        await asyncio.wait([before])
    try:
        await work()
    except Exception as error:
        log.warning("background work failed cause=%s", cause_of(error))
        return error
    return None
