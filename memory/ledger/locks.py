"""Advisory locks, by which sessions and processes take turns."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from psycopg import OperationalError
from psycopg.errors import LockNotAvailable

from memory.errors import Unavailable
from memory.ledger.pool import Connection, Pool

LOCK_POLL = 0.05  # seconds between two attempts to take a session's lock


def lock_key(*parts: str) -> int:
    """A signed 64-bit key for an advisory lock, derived from `parts`."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big", signed=True)


def busy_message(timeout: float) -> str:
    return f"Another session has been writing the same user's memory for {timeout:g} s: try again."


@asynccontextmanager
async def locked_transaction(pool: Pool, *parts: str, timeout: float = 10) -> AsyncIterator[Connection]:
    """A transaction that holds the advisory lock named by `parts`. Raises Unavailable after `timeout` seconds."""
    try:
        async with pool.connection() as connection, connection.transaction():
            await take_locks(connection, [lock_key(*parts)], timeout=timeout, busy=busy_message(timeout))
            yield connection
    except LockNotAvailable as error:  # of a row or a table, later in the transaction
        raise Unavailable(busy_message(timeout)) from error


async def take_locks(connection: Connection, keys: Iterable[int], *, timeout: float, busy: str) -> None:
    """Hold these locks until the transaction ends, taken in order to avoid deadlocks. Raises Unavailable(`busy`)."""
    await connection.execute("select set_config('lock_timeout', %s, true)", (f"{int(timeout * 1000)}ms",))
    try:
        await connection.execute("select pg_advisory_xact_lock(key) from unnest(%s::bigint[]) as key", (sorted(keys),))
    except LockNotAvailable as error:
        raise Unavailable(busy) from error


@asynccontextmanager
async def session_lock(connection: Connection, key: int, *, deadline: float, busy: str) -> AsyncIterator[None]:
    """Hold an advisory lock for the session. Raises Unavailable(`busy`) at `deadline`, by the event loop's clock."""
    try:
        # Polling: a waiting statement would block `create index concurrently`, which waits for all running statements.
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    cursor = await connection.execute("select pg_try_advisory_lock(%s) as taken", (key,))
                    if (await cursor.fetchall())[0]["taken"]:
                        break
                    await asyncio.sleep(LOCK_POLL)
        except TimeoutError as error:
            raise Unavailable(busy) from error
        yield
    finally:  # also when the wait was cancelled right after the lock was taken
        await asyncio.shield(_unlock(connection, key))


async def _unlock(connection: Connection, key: int) -> None:
    try:
        await connection.execute("select pg_advisory_unlock(%s)", (key,))
    except OperationalError:
        await connection.close()  # which releases the lock as well
