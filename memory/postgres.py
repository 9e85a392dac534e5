"""Postgres: the pool, the migrations and the advisory locks that the ledger stands on."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from psycopg import AsyncConnection, OperationalError, conninfo
from psycopg.errors import LockNotAvailable
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from memory.errors import BadInput, Unavailable

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

SETUP_LOCK = 0x6D656D6F7279
"""Key of the advisory lock under which tables are made: "memory" in ASCII."""

MIGRATIONS: tuple[str, ...] = (
    """
    create table memory.users (
        owner text primary key,            -- owner_key(user_id)
        user_id text not null,
        version bigint not null default 0  -- grows with each write: caches compare it
    );

    create table memory.facts (
        owner text not null references memory.users,
        number bigint generated always as identity,  -- the order in which facts came
        id text not null,
        key text not null,
        text text not null,
        digest text not null,              -- of the normalized text: finds exact repeats
        subject text not null,
        attribute text not null,
        exclusive boolean not null,
        category text not null,
        importance double precision not null,
        quote text not null,
        thread_id text,
        message_id text,
        valid_from timestamptz,
        valid_until timestamptz,
        observed_at timestamptz not null,
        recorded_at timestamptz not null,
        retired_at timestamptz,
        retired_reason text,
        successor text,
        ended_at timestamptz,
        primary key (owner, id)
    );
    create index facts_slot on memory.facts (owner, subject, attribute);
    create index facts_digest on memory.facts (owner, digest) where retired_at is null;
    create unique index facts_one_per_key on memory.facts (owner, key) where retired_at is null;
    -- Whatever the code believes, a slot that holds one value holds one.
    create unique index facts_one_per_slot on memory.facts (owner, subject, attribute)
        where retired_at is null and exclusive;

    -- A fact is never edited: the only update there is retires it, once.
    create function memory.refuse_edit() returns trigger language plpgsql as $$
    begin
        if old.retired_at is not null or new.retired_at is null
            or to_jsonb(old) - '{retired_at,retired_reason,successor,ended_at}'::text[]
               is distinct from to_jsonb(new) - '{retired_at,retired_reason,successor,ended_at}'::text[]
        then
            raise exception 'fact % may not be edited', old.id;
        end if;
        return new;
    end $$;
    create trigger facts_are_not_edited before update on memory.facts
        for each row execute function memory.refuse_edit();

    -- Each time a known fact was said again.
    create table memory.reinforcements (
        owner text not null,
        fact_id text not null,
        thread_id text not null,
        message_id text not null,
        observed_at timestamptz not null,
        primary key (owner, fact_id, thread_id, message_id),
        foreign key (owner, fact_id) references memory.facts on delete cascade
    );

    -- The messages facts were already taken from: each counts once, whatever is run again.
    create table memory.extracted_messages (
        owner text not null references memory.users,
        thread_id text not null,
        message_id text not null,
        primary key (owner, thread_id, message_id)
    );

    -- Facts whose state in the index is older than here.
    create table memory.index_queue (
        owner text not null,
        fact_id text not null,
        primary key (owner, fact_id)
    );

    -- A user's threads, without reading every checkpoint there is.
    create index checkpoints_by_user on checkpoints ((metadata->>'user_id'), thread_id, checkpoint_id desc)
        where checkpoint_ns = '';
    """,
)
"""Each runs once, in order; a released one is never changed, only followed by another."""


def shown(url: str) -> str:
    """`url` without its password, for messages."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except OperationalError:
        return "(not a connection string)"
    return " ".join(f"{key}={value}" for key, value in parts.items() if key != "password" and value)


@asynccontextmanager
async def open_pool(url: str, *, max_size: int = 10, timeout: float = 10) -> AsyncIterator[Pool]:
    """A pool of connections to `url`, as LangGraph's saver and store want them (autocommit, dict rows).

    `timeout` is in seconds, for the first connection and for each later wait. Raises Unavailable.
    """
    try:
        conninfo.conninfo_to_dict(url)
    except Exception as error:
        raise BadInput(
            "POSTGRES_URL is no Postgres connection string: write postgresql://user:password@host:5432/database"
        ) from error
    pool: Pool = AsyncConnectionPool(
        url,
        open=False,
        min_size=1,
        max_size=max_size,
        timeout=timeout,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
    )
    try:
        await pool.open(wait=True, timeout=timeout)
    except PoolTimeout as error:
        await pool.close()
        raise Unavailable(
            f"Postgres does not answer ({shown(url)}) within {timeout:g} s: check that it runs and that "
            "POSTGRES_URL is right, or leave POSTGRES_URL empty for the embedded one."
        ) from error
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def setup_lock(pool: Pool, *, timeout: float = 60) -> AsyncIterator[Connection]:
    """One process at a time makes tables: LangGraph's set-up and `create ... if not exists` are not safe side by side.

    The lock is the session's, not a transaction's: LangGraph builds indexes concurrently, which waits for transactions.
    """
    async with pool.connection() as connection:
        await connection.execute("select set_config('lock_timeout', %s, false)", (f"{int(timeout * 1000)}ms",))
        try:
            await connection.execute("select pg_advisory_lock(%s)", (SETUP_LOCK,))
        except LockNotAvailable as error:
            raise Unavailable(f"Another process has been setting up the database for {timeout:g} s.") from error
        finally:
            await connection.execute("reset lock_timeout")
        try:
            yield connection
        finally:
            await connection.execute("select pg_advisory_unlock(%s)", (SETUP_LOCK,))


async def migrate(pool: Pool, *others: Callable[[], Awaitable[None]]) -> None:
    """Bring the tables up to date: `others` (LangGraph's own set-ups) first, then memory's, under one lock."""
    async with setup_lock(pool) as connection:
        for other in others:
            await other()
        await connection.execute("create schema if not exists memory")
        await connection.execute(
            "create table if not exists memory.migrations "
            "(number int primary key, applied_at timestamptz not null default now())"
        )
        cursor = await connection.execute("select coalesce(max(number), 0) as done from memory.migrations")
        row = await cursor.fetchone()
        done = int(row["done"]) if row else 0
        if done > len(MIGRATIONS):
            raise Unavailable(
                f"The database was made by a newer version (migration {done}; "
                f"this one knows {len(MIGRATIONS)}): upgrade."
            )
        for number, migration in enumerate(MIGRATIONS[done:], done + 1):
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
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("select set_config('lock_timeout', %s, true)", (f"{int(timeout * 1000)}ms",))
        try:
            await connection.execute("select pg_advisory_xact_lock(%s)", (lock_key(*parts),))
        except LockNotAvailable as error:
            raise busy(timeout) from error
        yield connection


def busy(timeout: float) -> Unavailable:
    """What a writer is told that waited for another one in vain."""
    return Unavailable(f"Another session has been writing the same user's memory for {timeout:g} s: try again.")
