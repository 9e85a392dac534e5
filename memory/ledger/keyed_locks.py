"""A lock for each key within this process, to be taken before an advisory lock that other processes respect.

Written by hand: asyncio has no such lock, and the packages that have one are no shorter to use than this is to read.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from memory.errors import Unavailable


class Turns(asyncio.Lock):
    """A lock that counts how often it was taken."""

    taken = 0


class KeyedLocks:
    """A lock for each key in use. A task that waits for one holds no database connection meanwhile."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, Turns] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, key: str, *, timeout: float, busy: str) -> AsyncIterator[None]:
        """Hold the lock of `key`. Raises Unavailable(`busy`) if no task has passed it on for `timeout` seconds: many
        may wait for their turn, and for longer."""
        lock = self._locks.setdefault(key, Turns())
        while True:
            taken = lock.taken
            try:
                async with asyncio.timeout(timeout):
                    await lock.acquire()
                    break
            except TimeoutError as error:
                if lock.taken == taken:
                    raise Unavailable(busy) from error
        lock.taken += 1
        try:
            yield
        finally:
            lock.release()
