"""One run of a thread at a time, across all processes that use the database; a LangGraph server does this itself."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from memory.errors import Unavailable
from memory.ledger.keyed_locks import KeyedLocks
from memory.ledger.locks import ANSWER_TIMEOUT, PIN, NoAnswer, answers, lock_key, unlock, wait_for_lock
from memory.ledger.pool import NO_CONNECTION, Connection, Pool

RUN_TIMEOUT = 30.0  # seconds to wait for another run of the same thread
UNLOCK_TIMEOUT, LAST_TRY = 5.0, 0.25  # seconds; the second where the database has not answered before


class RunLocks:
    """The thread locks that this process holds, as advisory locks that other processes respect.

    All of them are held on one connection of the pool: with a connection for each run, ten runs would use up the pool.
    Behind a pooler it is in a transaction meanwhile, so that it keeps its session. If it breaks, its locks are lost,
    and its runs are only guarded against others in this process.
    """

    def __init__(self, pool: Pool) -> None:
        self.timeout = RUN_TIMEOUT
        self._pool, self._locks, self._opening = pool, KeyedLocks(), asyncio.Lock()
        self._connection: Connection | None = None
        self._users = Counter[Connection]()

    @asynccontextmanager
    async def hold(self, thread_id: str, *, timeout: float | None = None) -> AsyncIterator[None]:
        """Hold the thread's lock, or raise Unavailable: concurrent runs would overwrite each other's messages."""
        timeout = self.timeout if timeout is None else timeout
        key, deadline = lock_key("thread", thread_id), asyncio.get_running_loop().time() + timeout
        busy = f"Another run has been under way in thread {thread_id!r} for {timeout:g} s: try again, or use another."
        async with self._locks.hold(thread_id, timeout=timeout, busy=busy), self._connected(deadline) as connection:
            seconds = UNLOCK_TIMEOUT
            try:
                await wait_for_lock(connection, key, deadline=deadline, busy=busy)
                yield
            except NoAnswer:
                seconds = LAST_TRY
                raise
            finally:  # also when the wait was cancelled right after the lock was taken
                await asyncio.shield(_unlock(connection, key, seconds))

    @asynccontextmanager
    async def _connected(self, deadline: float) -> AsyncIterator[Connection]:
        """The connection that holds the locks; its last user returns it to the pool."""
        answers_until = min(deadline, asyncio.get_running_loop().time() + ANSWER_TIMEOUT)
        try:
            async with asyncio.timeout_at(answers_until), self._opening:
                if self._connection:
                    try:
                        await asyncio.shield(AsyncConnectionPool.check_connection(self._connection))
                    except OperationalError:
                        self._connection = None  # it broke while others were using it
                connection = self._connection = self._connection or await self._open()
                self._users[connection] += 1
        except (TimeoutError, PoolTimeout, OperationalError) as error:
            raise (Unavailable(NO_CONNECTION) if self._all_in_use() else NoAnswer()) from error
        try:
            yield connection
        finally:
            self._users -= Counter([connection])  # which drops it at 0
            if connection not in self._users:
                self._connection = None if self._connection is connection else self._connection
                await asyncio.shield(self._close(connection))

    def _all_in_use(self) -> bool:
        """Whether the pool may open no further connection."""
        pool = self._pool.get_stats()
        return pool["pool_size"] >= pool["pool_max"]

    async def _open(self) -> Connection:
        connection = await self._pool.getconn()
        try:
            if self._pool.through_pooler:
                await connection.execute(PIN, prepare=False)
        except BaseException:
            await asyncio.shield(self._close(connection))
            raise
        return connection

    async def _close(self, connection: Connection) -> None:
        with suppress(OperationalError):
            await connection.rollback()  # where there is a transaction
        await self._pool.putconn(connection)


async def _unlock(connection: Connection, key: int, seconds: float) -> None:
    unlocking = asyncio.create_task(unlock(connection, key))
    if await answers(unlocking, connection, seconds) and unlocking.exception():
        await connection.close()  # which releases the lock as well; a pooler ends the session of a broken transaction
