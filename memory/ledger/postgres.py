"""Postgres: the pool, the migrations and the advisory locks that the ledger stands on."""

import asyncio
import hashlib
import re
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg import AsyncConnection, OperationalError, ProgrammingError, conninfo
from psycopg.errors import LockNotAvailable
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from memory.errors import BadInput, Unavailable

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

SETUP_LOCK = 0x6D656D6F7279
"""Key of the advisory lock under which tables are made: "memory" in ASCII."""

SETUP_TIMEOUT = 120
LOCK_POLL = 0.05
"""Seconds to wait for it, and between two tries for a lock."""

RETRY_FOR = {"Connection refused": 2, "No such file": 2, "starting up": 60, "not yet accepting": 60}
"""Seconds for which a first connection is tried again, by what it meets while a server is being started."""
CONNECT_POLL = 0.2

MIGRATIONS = Path(__file__).parent / "migrations"
"""SQL files; each runs once, in the order of their names. A released one is never changed, only followed by another."""


NO_ANSWER = (
    "Connection refused", "Connection reset", "Connection timed out", "Network is unreachable", "No route to host",
    "No such file", "connection timeout expired", "could not translate host name", "failed to resolve host",
    "no answer", "no second connection", "server closed the connection", "timeout expired",
)  # fmt: skip
"""How the reason begins where nothing answers; with any other one, the connection is refused by one of both sides."""

MAX_PORT = 65_535


def shown(url: str) -> str:
    """Where `url` points, for messages: no password is among it."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except OperationalError:
        return "(not a connection string)"
    return " ".join(f"{key}={parts[key]}" for key in ("host", "port", "dbname", "user") if parts.get(key))


URL_FORM = (
    "write postgresql://user:password@host:5432/database, with %40 for @, %2F for / and %3A for : in the password"
)


def url_problem(url: str) -> str | None:
    """What is wrong with a connection string, without any part of a password; None where it can be one."""
    no_url = f"it is no Postgres connection string: {URL_FORM}"
    try:
        parts = conninfo.conninfo_to_dict(url)
    except (OperationalError, ProgrammingError) as error:
        reason = str(error).strip()
        # libpq quotes the name that it does not know, unless that is a piece of a password.
        names_parameter = reason.startswith(("invalid URI query parameter:", "invalid connection option"))
        return reason if names_parameter and not re.search(r"password|\?.*@", url) else no_url
    host = str(parts.get("host") or "")
    ports = [port for port in str(parts.get("port") or "").split(",") if port]
    if ("@" in host and not host.startswith("/")) or not all(map(str.isdecimal, ports)):
        return no_url
    if not all(1 <= float(port) <= MAX_PORT for port in ports):
        return f"its port is not from 1 to {MAX_PORT}: {URL_FORM}"
    return None


async def _try_connection(url: str, timeout: float) -> None:
    """Connect once, since a pool does not say why it gets no connection. Raises Unavailable with the reason.

    What is not in RETRY_FOR is raised at once, such as a wrong password.
    """
    clock = asyncio.get_running_loop().time
    begun = clock()
    while True:
        try:
            async with asyncio.timeout_at(begun + timeout):
                await (await AsyncConnection.connect(url)).close()
                return
        except TimeoutError as error:
            raise _no_connection(url, f"no answer within {timeout:g} s") from error
        except OperationalError as error:
            reason = str(error).partition("\n")[0]
            retry_for = next((seconds for sign, seconds in RETRY_FOR.items() if sign in reason), 0)
            if clock() - begun >= min(retry_for, timeout):
                raise _no_connection(url, reason) from error
        await asyncio.sleep(CONNECT_POLL)


def _no_connection(url: str, reason: str) -> Unavailable:
    reason, refused, said_by_server = reason.rpartition("failed: ")[2].partition("FATAL:")
    advice = "Check POSTGRES_URL and the server's settings."
    if refused:
        return Unavailable(f"Postgres refuses the connection ({shown(url)}): {said_by_server.strip()}. {advice}")
    if not reason.startswith(NO_ANSWER):
        return Unavailable(f"Postgres cannot be used ({shown(url)}): {reason.strip()}. {advice}")
    return Unavailable(
        f"Postgres does not answer ({shown(url)}): {reason}. Check that it runs and that POSTGRES_URL is right, "
        "or leave POSTGRES_URL empty for the embedded one."
    )


@asynccontextmanager
async def open_pool(url: str, *, max_size: int = 10, timeout: float = 10) -> AsyncIterator[Pool]:
    """A pool of connections to `url`, as LangGraph's saver and store want them (autocommit, dict rows).

    `timeout` is in seconds, for the first connection and for each later wait. Raises Unavailable, or BadInput.
    """
    if problem := url_problem(url):
        raise BadInput(f"POSTGRES_URL: {problem}.")
    await _try_connection(url, timeout)

    async def check(connection: Connection) -> None:
        """Where one connection is dead the server was restarted, and so all are: left to itself, the pool would try
        them one after the other, with ever longer pauses."""
        try:
            if _has_news(connection):
                await AsyncConnectionPool.check_connection(connection)
        except OperationalError:
            await pool.drain()
            raise

    pool: Pool = AsyncConnectionPool(
        url,
        open=False,
        min_size=1,
        max_size=max_size,
        timeout=timeout,
        check=check,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
    )
    try:
        await pool.open(wait=True, timeout=timeout)
    except PoolTimeout as error:
        await pool.close()
        raise _no_connection(url, f"no second connection within {timeout:g} s") from error
    try:
        yield pool
    finally:
        await pool.close()


def _has_news(connection: Connection) -> bool:
    """Whether there is something to read from a connection at rest, as the end of it when its server is gone.

    To ask the server instead takes as long as a short query does, and comes before each.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


@asynccontextmanager
async def session_lock(pool: Pool, key: int, *, timeout: float, busy: str) -> AsyncIterator[Connection]:
    """Hold an advisory lock that no transaction has to span; raises Unavailable(`busy`) after `timeout` seconds."""
    async with pool.connection() as connection:
        try:
            deadline = asyncio.get_running_loop().time() + timeout
            await wait_for_lock(connection, key, deadline=deadline, busy=busy)
            yield connection
        finally:
            await asyncio.shield(_unlock(connection))


async def _unlock(connection: Connection) -> None:
    """Let go of every lock of the session, also of one that was taken in the moment of a cancellation."""
    try:
        await connection.execute("select pg_advisory_unlock_all()")
    except OperationalError:
        await connection.close()  # which lets go of them, too


async def wait_for_lock(connection: Connection, key: int, *, deadline: float, busy: str) -> None:
    """Take an advisory lock of the session; raises Unavailable(`busy`) at `deadline`, by the event loop's clock.

    It is tried for again and again, never waited for: a statement that waits would hold up everything that waits for
    statements under way elsewhere, as the making of an index concurrently does.
    """
    try:
        async with asyncio.timeout_at(deadline):
            while not await _try_lock(connection, key):  # noqa: ASYNC110 - it is another process's
                await asyncio.sleep(LOCK_POLL)
    except TimeoutError as error:
        raise Unavailable(busy) from error


async def _try_lock(connection: Connection, key: int) -> bool:
    cursor = await connection.execute("select pg_try_advisory_lock(%s) as taken", (key,))
    row = await cursor.fetchone()
    return bool(row and row["taken"])


async def migrations() -> list[bytes]:
    """What each of MIGRATIONS runs."""
    return await asyncio.to_thread(lambda: [file.read_bytes() for file in sorted(MIGRATIONS.glob("*.sql"))])


async def is_migrated(pool: Pool) -> bool:
    """Whether memory's tables are there, and as this version knows them."""
    async with pool.connection() as connection:
        cursor = await connection.execute("select to_regclass('memory.migrations') is not null as there")
        row = await cursor.fetchone()
        return bool(row and row["there"]) and await _migrations_done(connection) == len(await migrations())


async def _migrations_done(connection: Connection) -> int:
    cursor = await connection.execute("select coalesce(max(number), 0) as done from memory.migrations")
    row = await cursor.fetchone()
    return int(row["done"]) if row else 0


async def migrate(pool: Pool, *others: Callable[[], Awaitable[None]]) -> None:
    """Bring the tables up to date: `others` (LangGraph's own set-ups) first, then memory's, under one lock."""
    # LangGraph's set-up and `create ... if not exists` are not safe side by side.
    busy = f"Another process has been setting up the database for {SETUP_TIMEOUT} s."
    async with session_lock(pool, SETUP_LOCK, timeout=SETUP_TIMEOUT, busy=busy) as connection:
        for other in others:
            await other()
        await connection.execute("create schema if not exists memory")
        await connection.execute(
            "create table if not exists memory.migrations "
            "(number int primary key, applied_at timestamptz not null default now())"
        )
        done = await _migrations_done(connection)
        known = await migrations()
        if done > len(known):
            raise Unavailable(
                f"The database was made by a newer version (migration {done}; this one knows {len(known)}): upgrade."
            )
        for number, migration in enumerate(known[done:], done + 1):
            async with connection.transaction():
                await connection.execute(migration, prepare=False)  # several statements in one
                await connection.execute("insert into memory.migrations (number) values (%s)", (number,))


def lock_key(*parts: str) -> int:
    """A signed 64-bit key for an advisory lock, derived from `parts`."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@asynccontextmanager
async def locked_transaction(pool: Pool, *parts: str, timeout: float = 10) -> AsyncIterator[Connection]:
    """A transaction that holds the advisory lock named by `parts` until it ends.

    Raises Unavailable when another session holds the lock for longer than `timeout` seconds.
    """
    try:
        async with pool.connection() as connection, connection.transaction():
            await take_locks(connection, [lock_key(*parts)], timeout=timeout, busy=other_writer(timeout))
            yield connection
    except LockNotAvailable as error:  # of a row or a table, later in the transaction
        raise Unavailable(other_writer(timeout)) from error


async def take_locks(connection: Connection, keys: Iterable[int], *, timeout: float, busy: str) -> None:
    """Hold these advisory locks until the transaction ends; taken in one order, so that nobody waits in a circle.

    Raises Unavailable(`busy`) when another session holds one of them for longer than `timeout` seconds.
    """
    await connection.execute("select set_config('lock_timeout', %s, true)", (f"{int(timeout * 1000)}ms",))
    try:
        await connection.execute("select pg_advisory_xact_lock(key) from unnest(%s::bigint[]) as key", (sorted(keys),))
    except LockNotAvailable as error:
        raise Unavailable(busy) from error


def other_writer(timeout: float) -> str:
    """What a writer is told that waited for another one in vain."""
    return f"Another session has been writing the same user's memory for {timeout:g} s: try again."
