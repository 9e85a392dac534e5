"""Creates memory's tables and brings them up to date.

A migration only adds, so that processes of the version before go on while those of the next one start. A version that
is older than the database does not start.

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
    """Whether memory's tables exist and are those of this version. Raises Unavailable if they are of a newer one."""
    return await last_migration(pool) == len(await migrations())


async def last_migration(pool: Pool) -> int:
    """How many migrations the database has. Raises Unavailable if this version does not know all of them."""
    try:
        async with pool.connection() as connection:
            return await _last_migration(connection)
    except UndefinedTable:
        return 0


async def migrate(pool: Pool, *others: Callable[[], Awaitable[None]]) -> None:
    """Bring LangGraph's tables (by `others`), then memory's up to date; under a lock: two at once are not safe. Raises
    Unavailable before anything is changed if the database is of a newer version."""
    await last_migration(pool)
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
    for number, migration in enumerate(known[done:], done + 1):
        async with connection.transaction():
            await connection.execute(migration, prepare=False)
            await connection.execute("insert into memory.migrations (number) values (%s)", (number,))


async def _last_migration(connection: Connection) -> int:
    cursor = await connection.execute("select coalesce(max(number), 0) as last from memory.migrations")
    done, known = int((await cursor.fetchall())[0]["last"]), len(await migrations())
    if done > known:
        fix = "run the version that made it, or a newer one, or restore a backup from before it."
        raise Unavailable(f"The database has migration {done}, and this version knows {known}: {fix}")
    return done
