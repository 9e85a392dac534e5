"""One run of a thread at a time, in every process that works on this database; a server sees to that by itself."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from memory.errors import Unavailable
from memory.ledger.locks import lock_key, wait_for_lock
from memory.ledger.pool import Connection, Pool

RUN_TIMEOUT = 30.0
"""Seconds to wait for a run of the thread that is under way."""


class RunLocks:
    """The runs that this process has under way. Other processes see them as advisory locks.

    One connection of the pool holds the locks of all of them, while there are any: with one for each run, ten runs
    would leave themselves none to work with. Where that connection breaks its locks are gone, and a run that goes on
    nevertheless is guarded against this process's other runs alone.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._opening = asyncio.Lock()
        self._connection: Connection | None = None
        self._users = Counter[Connection]()

    @asynccontextmanager
    async def hold(self, thread_id: str, *, timeout: float = RUN_TIMEOUT) -> AsyncIterator[None]:
        """The only run of the thread while this is entered: two at once would lose one's messages.

        Raises Unavailable when another run is under way for longer than `timeout` seconds, or the database does not
        answer within them.
        """
        gate = self._gates.setdefault(thread_id, asyncio.Lock())
        busy = (
            f"Another run has been under way in thread {thread_id!r} for {timeout:g} s: try again, or in a new thread."
        )
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                await gate.acquire()
        except TimeoutError as error:
            raise Unavailable(busy) from error
        try:
            async with self._shared(deadline) as connection:
                key = lock_key("thread", thread_id)
                try:
                    await wait_for_lock(connection, key, deadline=deadline, busy=busy)
                    yield
                finally:  # also of a lock that was taken in the moment of a cancellation
                    await asyncio.shield(_unlock(connection, key))
        finally:
            gate.release()

    @asynccontextmanager
    async def _shared(self, deadline: float) -> AsyncIterator[Connection]:
        """The connection that holds the locks; the last to leave gives it back."""
        try:
            async with asyncio.timeout_at(deadline), self._opening:
                if self._connection is None or not await _lives(self._connection):
                    self._connection = await self._pool.getconn()
                connection = self._connection
                self._users[connection] += 1
        except (TimeoutError, PoolTimeout, OperationalError) as error:
            raise Unavailable(
                "The database does not answer, or has no connection free for the thread's lock: try again."
            ) from error
        try:
            yield connection
        finally:
            self._users[connection] -= 1
            if not self._users[connection]:
                del self._users[connection]
                if self._connection is connection:
                    self._connection = None
                await asyncio.shield(self._pool.putconn(connection))


async def _lives(connection: Connection) -> bool:
    """Whether a connection that others use already is still one: it may have been broken since."""
    try:
        await AsyncConnectionPool.check_connection(connection)
    except OperationalError:
        return False
    return True


async def _unlock(connection: Connection, key: int) -> None:
    try:
        await connection.execute("select pg_advisory_unlock(%s)", (key,))
    except OperationalError:
        await connection.close()  # which lets go of it, too
