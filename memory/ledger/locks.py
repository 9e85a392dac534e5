"""Advisory locks, by which sessions and processes take turns."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import OperationalError
from psycopg.errors import LockNotAvailable

from memory.errors import Unavailable
from memory.ledger.pool import Connection, Pool
from memory.ledger.waiting import within

T = TypeVar("T")

LOCK_POLL = 0.05  # seconds between two attempts to take a lock
ANSWER_TIMEOUT = 10.0  # seconds until a database that does not answer is given up
# Begins a transaction that lasts while a lock is held, so that a pooler gives the session to no other client. Between
# its statements it has no snapshot, by which it would block vacuum and `create index concurrently`.
PIN = """begin isolation level read committed; select set_config(name, '0', true) from pg_settings
    where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')"""


class NoAnswer(Unavailable):
    """The database does not answer."""

    def __init__(self) -> None:
        super().__init__("The database does not answer: check that Postgres runs, and try again.")


async def answered(work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
    """The result of work that only waits for the database. Raises NoAnswer after so many seconds, or ANSWER_TIMEOUT."""
    try:
        return await within(ANSWER_TIMEOUT if seconds is None else seconds, work)
    except TimeoutError as error:
        raise NoAnswer from error


def lock_key(*parts: str) -> int:
    """A signed 64-bit key for an advisory lock, derived from `parts`."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big", signed=True)


def busy_message(timeout: float) -> str:
    return f"Another session has been writing the same user's memory for {timeout:g} s: try again."


@asynccontextmanager
async def locked_transaction(pool: Pool, *parts: str, timeout: float) -> AsyncIterator[Connection]:
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


# The next two poll: a statement that waits would block `create index concurrently`, which waits for all running ones.


@asynccontextmanager
async def setup_lock(pool: Pool, key: int, *, timeout: float, busy: str) -> AsyncIterator[None]:
    """Hold an advisory lock on a connection of its own. Raises Unavailable(`busy`) after `timeout` seconds."""
    deadline = asyncio.get_running_loop().time() + timeout
    async with pool.connection() as connection:  # which ends the transaction, and with it the lock
        await connection.execute(PIN, prepare=False)
        while not await _call(connection, "pg_try_advisory_xact_lock", key):
            await connection.rollback()  # a waiting transaction could block what the lock's holder does
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(busy)
            await asyncio.sleep(LOCK_POLL)
            await connection.execute(PIN, prepare=False)
        yield


async def wait_for_lock(connection: Connection, key: int, *, deadline: float, busy: str) -> None:
    """Take an advisory lock for the session. Raises Unavailable: `busy` at `deadline`, by the event loop's clock, or
    what is wrong with the database; if that does not answer, the connection is closed."""
    while True:
        # In a task: cancelling the statement would abort a transaction in which other locks are held.
        attempt = asyncio.create_task(_call(connection, "pg_try_advisory_lock", key))
        if not await answers(attempt, connection, ANSWER_TIMEOUT):
            raise NoAnswer
        try:
            if attempt.result():
                return
        except OperationalError as error:
            raise Unavailable("The connection to the database was lost: try again.") from error
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(busy)
        await asyncio.sleep(LOCK_POLL)


async def answers(statement: asyncio.Task[bool], connection: Connection, timeout: float) -> bool:
    """Whether the statement ends, or fails, within `timeout` seconds. If not, the connection is closed, which ends the
    statement at once: psycopg takes up to 10 s to cancel one."""
    if (await asyncio.wait([statement], timeout=timeout))[0]:
        return True
    await connection.close()
    await asyncio.gather(statement, return_exceptions=True)
    return False


async def unlock(connection: Connection, key: int) -> bool:
    """Release a lock that `wait_for_lock` may have taken. Returns whether it had."""
    return await _call(connection, "pg_advisory_unlock", key)


async def _call(connection: Connection, function: str, key: int) -> bool:
    # Without parameters and unprepared it leaves no portal, which would keep its snapshot until the transaction ends.
    cursor = await connection.execute(f"select {function}({key}) as done".encode(), prepare=False)
    return bool((await cursor.fetchall())[0]["done"])
