"""Creates memory's tables and brings them up to date."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg import OperationalError
from psycopg.errors import UndefinedTable

from memory.errors import Unavailable
from memory.ledger.locks import wait_for_lock
from memory.ledger.pool import Connection, Pool

MIGRATIONS = Path(__file__).parent / "migrations"
"""SQL files; each runs once, in the order of their names. A released one is never changed."""

SETUP_LOCK = 0x6D656D6F7279
"""Key of the advisory lock under which tables are created: "memory" in ASCII."""

SETUP_TIMEOUT = 120
"""Seconds."""


async def migrations() -> list[bytes]:
    """The SQL of each migration."""
    return await asyncio.to_thread(lambda: [file.read_bytes() for file in sorted(MIGRATIONS.glob("*.sql"))])


async def is_migrated(pool: Pool) -> bool:
    """Whether memory's tables exist and are those of this version."""
    try:
        async with pool.connection() as connection:
            return await _last_migration(connection) == len(await migrations())
    except UndefinedTable:
        return False


async def migrate(pool: Pool, *others: Callable[[], Awaitable[None]]) -> None:
    """Bring the tables up to date: `others` (LangGraph's own set-ups) first, then memory's, under one lock."""
    async with _setup_lock(pool) as connection:
        for other in others:
            await other()
        await connection.execute("create schema if not exists memory")
        await connection.execute(
            "create table if not exists memory.migrations "
            "(number int primary key, applied_at timestamptz not null default now())"
        )
        done, known = await _last_migration(connection), await migrations()
        if done > len(known):
            raise Unavailable(
                f"The database was made by a newer version (migration {done}; this one knows {len(known)}): upgrade."
            )
        for number, migration in enumerate(known[done:], done + 1):
            async with connection.transaction():
                await connection.execute(migration, prepare=False)  # several statements in one
                await connection.execute("insert into memory.migrations (number) values (%s)", (number,))


@asynccontextmanager
async def _setup_lock(pool: Pool) -> AsyncIterator[Connection]:
    """LangGraph's set-up and `create ... if not exists` are not safe when two processes run them at once."""
    busy = f"Another process has been setting up the database for {SETUP_TIMEOUT} s."
    async with pool.connection() as connection:
        try:
            deadline = asyncio.get_running_loop().time() + SETUP_TIMEOUT
            await wait_for_lock(connection, SETUP_LOCK, deadline=deadline, busy=busy)
            yield connection
        finally:
            await asyncio.shield(_unlock(connection))


async def _unlock(connection: Connection) -> None:
    """Release every lock of the session, including one that was taken during a cancellation."""
    try:
        await connection.execute("select pg_advisory_unlock_all()")
    except OperationalError:
        await connection.close()  # which releases them, too


async def _last_migration(connection: Connection) -> int:
    cursor = await connection.execute("select coalesce(max(number), 0) as last from memory.migrations")
    return int((await cursor.fetchall())[0]["last"])
