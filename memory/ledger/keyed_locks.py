"""A lock for each key within this process, to be taken before an advisory lock that other processes respect.

Written by hand: asyncio has no such lock, and the packages that have one are no shorter to use than this is to read.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from memory.errors import Unavailable


class KeyedLocks:
    """One asyncio.Lock for each key in use. A task that waits for one holds no database connection meanwhile."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, key: str, *, timeout: float, busy: str) -> AsyncIterator[None]:
        """Hold the lock of `key`. Raises Unavailable(`busy`) after `timeout` seconds."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(timeout):
                await lock.acquire()
        except TimeoutError as error:
            raise Unavailable(busy) from error
        try:
            yield
        finally:
            lock.release()
