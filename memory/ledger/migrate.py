"""Creates memory's tables and brings them up to date.

Written by hand, as LangGraph does for its tables: Alembic would add SQLAlchemy, to run a numbered list of SQL files.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from psycopg.errors import UndefinedTable

from memory.errors import Unavailable
from memory.ledger.locks import setup_lock
from memory.ledger.pool import Connection, Pool

MIGRATIONS = Path(__file__).parent / "migrations"  # each runs once, in the order of their names; never change one
SETUP_LOCK = 0x6D656D6F7279  # the key of the advisory lock under which tables are created: "memory" in ASCII
SETUP_TIMEOUT = 120  # seconds


async def migrations() -> list[bytes]:
    return await asyncio.to_thread(lambda: [file.read_bytes() for file in sorted(MIGRATIONS.glob("*.sql"))])


async def is_migrated(pool: Pool) -> bool:
    """Whether memory's tables exist and are those of this version."""
    try:
        async with pool.connection() as connection:
            return await _last_migration(connection) == len(await migrations())
    except UndefinedTable:
        return False


async def migrate(pool: Pool, *others: Callable[[], Awaitable[None]]) -> None:
    """Bring LangGraph's tables (by `others`), then memory's up to date; under a lock: two at once are not safe."""
    busy = f"Another process has been setting up the database for {SETUP_TIMEOUT} s."
    async with setup_lock(pool, SETUP_LOCK, timeout=SETUP_TIMEOUT, busy=busy):
        for other in others:
            await other()
        async with pool.connection() as connection:
            await _migrate_memory(connection)


async def _migrate_memory(connection: Connection) -> None:
    tables = """create schema if not exists memory; create table if not exists memory.migrations
        (number int primary key, applied_at timestamptz not null default now())"""
    await connection.execute(tables, prepare=False)  # several statements in one, as in the migrations below
    done, known = await _last_migration(connection), await migrations()
    if done > len(known):
        newer = f"a newer version (migration {done}; this one knows {len(known)})"
        raise Unavailable(f"The database was made by {newer}: upgrade.")
    for number, migration in enumerate(known[done:], done + 1):
        async with connection.transaction():
            await connection.execute(migration, prepare=False)
            await connection.execute("insert into memory.migrations (number) values (%s)", (number,))


async def _last_migration(connection: Connection) -> int:
    cursor = await connection.execute("select coalesce(max(number), 0) as last from memory.migrations")
    return int((await cursor.fetchall())[0]["last"])
