"""The pool of Postgres connections, and messages that say why Postgres cannot be used."""

import asyncio
import re
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from psycopg import AsyncConnection, DataError, InterfaceError, OperationalError, ProgrammingError, conninfo, errors
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from memory.errors import BadInput, Unavailable
from memory.ledger.cipher import Cipher

Connection = AsyncConnection[DictRow]

ROWS_PER_SLICE = 25  # rows to work on before other tasks get a turn: about a millisecond's worth
NO_CONNECTION = "The database does not answer, or has no connection free: try again."


class Pool(AsyncConnectionPool[Connection]):
    """A pool of connections in autocommit mode, whose rows are dictionaries."""

    cipher = Cipher()
    """Encrypts what facts say in this database."""
    through_pooler = False
    """Whether a pooler such as PgBouncer stands before Postgres. In its transaction mode each transaction may have
    another session: what lasts longer, such as a prepared statement or a lock of the session, is not found again."""

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:
        """A connection. Raises Unavailable where Postgres fails, and BadInput for a value that it cannot store."""
        try:
            async with super().connection(timeout) as connection:
                yield connection
        except errors.LockNotAvailable:  # whoever waits for a lock says what for
            raise
        except (DataError, UnicodeEncodeError, errors.ProgramLimitExceeded) as error:
            problem = "it holds a NUL or a lone surrogate, or is too long, too large or no JSON"
            raise BadInput(f"The database cannot store a value: {problem}.") from error
        except errors.DiskFull as error:
            raise Unavailable("The database's disk is full: free some space and try again.") from error
        except errors.ReadOnlySqlTransaction as error:
            fix = "name a server in POSTGRES_URL that accepts writes, not a standby."
            raise Unavailable(f"The database is read-only: {fix}") from error
        except PoolTimeout as error:
            raise Unavailable(NO_CONNECTION) from error
        except (OperationalError, InterfaceError) as error:
            reason = type(error).__name__
            raise Unavailable(f"The connection to the database was lost, or refused ({reason}): try again.") from error

    async def fetch(self, query: str, **parameters: object) -> list[DictRow]:
        """The rows that a query finds, on a connection of its own, without blocking the event loop."""
        rows = list[DictRow]()
        async with self.connection() as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(query, parameters)
            while page := await cursor.fetchmany(ROWS_PER_SLICE):
                rows += page
                await asyncio.sleep(0)
        return rows


# How long the first connection is retried, by the reason why it failed; for other reasons it is not.
RETRY_SECONDS = {"Connection refused": 2, "No such file": 2, "starting up": 60, "not yet accepting": 60}
RETRY_PAUSE = 0.2  # seconds
SECOND_TIMEOUT = 3  # seconds that a pooler may take for a second connection
OWN_ADDRESS = "or name Postgres's own address."
NO_ANSWER = (  # how libpq's reason begins when nothing answers
    "Connection refused", "Connection reset", "Connection timed out", "Network is unreachable", "No route to host",
    "No such file", "connection timeout expired", "could not translate host name", "failed to resolve host",
    "no answer", "no second connection", "server closed the connection", "timeout expired",
)  # fmt: skip
URL_FORM = "write postgresql://user:password@host:5432/database, with %40 for @, %2F for / and %3A for : in passwords"


def url_problem(url: str) -> str | None:
    """What is wrong with a connection string, without any part of a password; None if nothing is."""
    not_a_url = f"it is no Postgres connection string: {URL_FORM}"
    try:
        parts = conninfo.conninfo_to_dict(url)
    except (OperationalError, ProgrammingError) as error:
        reason = str(error).strip()
        # libpq quotes the parameter that it does not know, which may be a piece of a password.
        names_parameter = reason.startswith(("invalid URI query parameter:", "invalid connection option"))
        return reason if names_parameter and not re.search(r"password|\?.*@", url) else not_a_url
    host, ports = str(parts.get("host") or ""), str(parts.get("port") or "").split(",")
    if ("@" in host and not host.startswith("/")) or not all(port.isdecimal() for port in ports if port):
        return not_a_url
    in_range = all(1 <= float(port) <= 65_535 for port in ports if port)
    return None if in_range else f"its port is not from 1 to 65535: {URL_FORM}"


@asynccontextmanager
async def open_pool(
    url: str, *, max_size: int = 10, timeout: float = 10, cipher: Cipher | None = None
) -> AsyncIterator[Pool]:
    """A pool of connections as LangGraph needs them; `timeout` is in seconds. Without `cipher` nothing is encrypted.
    Raises Unavailable, or BadInput."""
    if problem := url_problem(url):
        raise BadInput(f"POSTGRES_URL: {problem}.")
    through_pooler = await _try_connection(url, timeout)

    async def check(connection: Connection) -> None:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        try:
            if poll.poll(0):  # something to read, such as its end; asking the system is faster than a query each time
                await AsyncConnectionPool.check_connection(connection)
        except OperationalError:  # the server was restarted: all are dead, and the pool would try them one by one
            await pool.drain()
            raise

    # A pool doubles the pause after each attempt to connect. It gives up after `timeout`, and the next question begins
    # anew: otherwise it would wait for as long again as the server was away.
    options = {"autocommit": True, "prepare_threshold": None if through_pooler else 0, "row_factory": dict_row}
    pool = Pool(
        url,
        open=False,
        min_size=1,
        max_size=max_size,
        timeout=timeout,
        reconnect_timeout=timeout,
        check=check,
        kwargs=options,
    )
    pool.through_pooler, pool.cipher = through_pooler, cipher or Cipher()
    async with pool:
        try:
            await pool.wait(timeout)
        except PoolTimeout as error:
            raise _unavailable(url, f"no second connection within {timeout:g} s") from error
        yield pool


async def _try_connection(url: str, timeout: float) -> bool:
    """Connect once, since a pool does not say why it gets no connection. Raises Unavailable with the reason.

    Returns whether a pooler answered: it gives its clients process ids of its own (for their cancel requests).
    """
    started = monotonic()
    while True:
        try:
            async with asyncio.timeout(started + timeout - monotonic()):
                async with await AsyncConnection.connect(url, autocommit=True) as connection:
                    (pid,) = await (await connection.execute("select pg_backend_pid()")).fetchone() or (0,)
                    if int(pid) == connection.info.backend_pid:
                        return False
                    async with connection.transaction():
                        await connection.execute("select 1")
                        await _check_second(url)
                    return True
        except TimeoutError as error:
            raise _unavailable(url, f"no answer within {timeout:g} s") from error
        except OperationalError as error:
            reason = str(error).partition("\n")[0]
            retry_seconds = next((seconds for sign, seconds in RETRY_SECONDS.items() if sign in reason), 0)
            if monotonic() - started >= min(retry_seconds, timeout):
                raise _unavailable(url, reason) from error
        await asyncio.sleep(RETRY_PAUSE)


async def _check_second(url: str) -> None:
    """Raises Unavailable if no second connection is free: a lock keeps one."""
    try:
        async with asyncio.timeout(SECOND_TIMEOUT), await AsyncConnection.connect(url) as second:
            await second.execute("select 1")
    except TimeoutError as error:
        fix = f"set its default_pool_size to 10 or more, {OWN_ADDRESS}"
        raise Unavailable(f"POSTGRES_URL leads to a pooler without a second free connection: {fix}") from error


def _unavailable(url: str, reason: str) -> Unavailable:
    parts = conninfo.conninfo_to_dict(url)
    where = " ".join(f"{key}={parts[key]}" for key in ("host", "port", "dbname", "user") if parts.get(key))
    if "statement pooling" in reason:
        fix = f"set its pool_mode to transaction or session, {OWN_ADDRESS}"
        return Unavailable(f"POSTGRES_URL leads to a pooler in statement mode: {fix}")
    reason, refused, by_server = reason.rpartition("failed: ")[2].partition("FATAL:")
    if not refused and reason.startswith(NO_ANSWER):
        fix = "Check that it runs and that POSTGRES_URL is right, or leave POSTGRES_URL empty for the embedded one."
        return Unavailable(f"Postgres does not answer ({where}): {reason}. {fix}")
    problem, reason = ("refuses the connection", by_server) if refused else ("cannot be used", reason)
    return Unavailable(f"Postgres {problem} ({where}): {reason.strip()}. Check POSTGRES_URL and the server's settings.")
