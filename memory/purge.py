"""Removes what was forgotten from the files of the servers. A deleted row stays in Postgres's files and in its log, and
in an index's files, until something takes its place."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from psycopg import errors
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from memory.errors import cause_of
from memory.ledger.locks import lock_key, locked_transaction, setup_lock
from memory.ledger.pool import Connection, Pool
from memory.ledger.receipts import DELETE_OLD
from memory.ledger.transaction import KEEP_FORGOTTEN, REMOVE_LAPSED
from memory.parts import Parts
from memory.progress import Progress, quiet

log = logging.getLogger(__name__)

CHECK = 600  # seconds between two looks at what has had its time, and whether a purge is due
BEGIN_AFTER = 30  # seconds from a start until the first one: a short chat does not begin what takes longer
TIMEOUT = 60  # seconds to wait for a process that checks the index, or purges
TABLE_TIMEOUT = 5  # seconds to wait for a table, for which all who come later wait as well
# Memory's tables with those of indexes in Postgres, LangGraph's, and what `analyze` has sampled of them.
TABLES = """
    select c.oid, n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and (n.nspname = 'memory' or c.oid in (
        to_regclass('checkpoints'), to_regclass('checkpoint_blobs'), to_regclass('checkpoint_writes'),
        to_regclass('store'), to_regclass('store_vectors'), 'pg_catalog.pg_statistic'::regclass
    )) order by c.oid = 'pg_catalog.pg_statistic'::regclass, 2, 3
"""
FILE = "select pg_relation_filenode(%s) as file"
# `analyze` leaves what it knows of a table that has become empty.
SAMPLED = "select schemaname, tablename, attname, inherited from pg_stats where (schemaname, tablename) = (%s, %s)"
CLEAR_SAMPLE = "select pg_clear_attribute_stats(%s, %s, %s, %s)"  # since Postgres 18
OLD_MARKS = "delete from memory.forgotten where forgotten_at < now() - %s::interval"
# The receipt of the last purge, which belongs to no user. Until the purge is complete, it has no counts.
BEGUN = """
    with last as (delete from memory.receipts where owner = '')
    insert into memory.receipts (owner, what, requested_by, counts) values ('', 'purge', %s, '{}')
"""
COMPLETE = "update memory.receipts set counts = %s where owner = ''"
# `memory.forgotten` always has a user's latest mark, unless a purge that came later has deleted it.
DUE = """
    select from (select max(at) as at, bool_or(counts = '{}') as begun from memory.receipts where owner = '') as last
    where begun or (at is null or at < now() - %s)
        and exists (select from memory.forgotten where forgotten_at > coalesce(last.at, '-infinity'))
"""
# What only the operator of an index's server can do.
LEFT_IN_INDEX = {
    "chroma": "The Chroma server keeps vectors of deleted collections in its files until it starts with an empty "
    "directory: docs/privacy.md says how.",
    "redis": "Redis's files keep deleted vectors until it writes them anew: run `redis-cli bgrewriteaof`, or `bgsave` "
    "where it has no append-only file.",
}
DENIED = (errors.InsufficientPrivilege, errors.UndefinedFunction)


async def purge(
    parts: Parts,
    discard: Callable[[], Awaitable[None]] | None,
    progress: Progress = quiet,
    *,
    by: str = "",
    every: timedelta | None = None,
) -> list[str]:
    """Rewrite the index and every table, and begin a new log. `discard` empties the directory of an embedded index; the
    receipt names who asked for it, `by`. With `every`, do so only if it is due. Returns what could not be done, in
    sentences. Raises Unavailable; called again, it begins anew."""
    pool, backend = parts.pool, parts.index.backend
    busy = f"Another process has been purging for {TIMEOUT} s: try again later."
    async with setup_lock(pool, lock_key("purge"), timeout=TIMEOUT, busy=busy):
        async with pool.connection() as connection:
            if every is not None and not (await connection.execute(DUE, (every,))).rowcount:
                return []
            await connection.execute(BEGUN, (by,))
        if backend == "chroma":
            await _rebuild_index(parts, discard, progress)
        in_use, left = await _purge_postgres(pool)
        if not discard and backend in LEFT_IN_INDEX:
            left.append(LEFT_IN_INDEX[backend])
        if not in_use:
            async with pool.connection() as connection:
                await connection.execute(COMPLETE, (Jsonb({"left": len(left)}),))
    log.info("purged index=%s backend=%s left=%d", parts.index.name, backend, len(in_use) + len(left))
    return in_use + left


async def clean_up(parts: Parts, discard: Callable[[], Awaitable[None]] | None, every: timedelta | None) -> None:
    """While a process runs: delete held items and receipts whose time is over. With `every`, purge when the last purge
    is so long ago, if something was forgotten since then, and when one was interrupted; of several processes one does
    so. Ends when it is cancelled."""
    await asyncio.sleep(BEGIN_AFTER)
    while True:
        try:
            async with parts.pool.connection() as connection:
                await connection.execute(REMOVE_LAPSED)
                await connection.execute(DELETE_OLD, (parts.receipt_days,))
            if every is not None:
                await purge(parts, discard, by="schedule", every=every)
        except Exception as error:
            log.warning("not cleaned up cause=%s", cause_of(error))
        await asyncio.sleep(CHECK)


async def _rebuild_index(parts: Parts, discard: Callable[[], Awaitable[None]] | None, progress: Progress) -> None:
    """Create it anew, with the vectors that the ledger has. Until it is complete, recall searches the ledger."""
    # In place of the old one, whose pages Chroma then fills: of 50 forgotten vectors among 900, none was left. After a
    # new collection was built beside the old one, 46 were left in free pages.
    queue = parts.queue
    async with locked_transaction(queue.pool, "bring up", queue.index.name, timeout=TIMEOUT):
        await queue.waiting("")  # is it still the active one?
        if discard:
            await discard()
        await queue.start_over()
    await queue.drain(progress=progress)


async def _purge_postgres(pool: Pool) -> tuple[list[str], list[str]]:
    """Returns which tables are in use, and what else could not be done."""
    in_use, left = list[str](), list[str]()
    async with pool.connection() as connection:
        await connection.execute(OLD_MARKS, (KEEP_FORGOTTEN,))
        await connection.execute(REMOVE_LAPSED)
        tables = await (await connection.execute(TABLES)).fetchall()
        if not pool.through_pooler:  # which would keep the setting for another client
            await connection.execute("select set_config('lock_timeout', %s, false)", (f"{TABLE_TIMEOUT}s",))
        try:
            for table in tables:
                name = f"{table['schema']}.{table['name']}"
                try:
                    if not await _rewritten(connection, table["oid"], Identifier(table["schema"], table["name"])):
                        fix = f"its owner has to run `vacuum (full, analyze) {name}`"
                        left.append(f"The table {name} was not rewritten, since it is another role's: {fix}.")
                except errors.LockNotAvailable:
                    in_use.append(f"The table {name} was not rewritten, since it is in use: run it again.")
                await _clear_samples(connection, table["schema"], table["name"])
        finally:
            if not pool.through_pooler:
                await connection.execute("reset lock_timeout")
        if not await _done(connection, SQL("select pg_switch_wal()")):
            left.append("The log was not moved on: an administrator has to run `select pg_switch_wal()`.")
        if not await _done(connection, SQL("checkpoint")):
            left.append("No checkpoint was made: an administrator has to run `checkpoint`, or it happens in time.")
        (row,) = await (await connection.execute("select current_setting('wal_recycle', true) as recycle")).fetchall()
        if row["recycle"] != "off":
            left.append(
                "Old files of Postgres's log stay until it overwrites them: an administrator may set wal_recycle."
            )
    return in_use, left


async def _rewritten(connection: Connection, oid: int, table: Identifier) -> bool:
    """Write a table without its dead rows, and sample it anew. A role that may not only gets a warning."""
    before = await (await connection.execute(FILE, (oid,))).fetchall()
    await connection.execute(SQL("vacuum (full, analyze) {}").format(table), prepare=False)
    return before != await (await connection.execute(FILE, (oid,))).fetchall()


async def _clear_samples(connection: Connection, schema: str, name: str) -> None:
    table = SQL("select from {} limit 1").format(Identifier(schema, name))
    if schema == "pg_catalog" or (await connection.execute(table)).rowcount:
        return
    for row in await (await connection.execute(SAMPLED, (schema, name))).fetchall():
        try:
            await connection.execute(CLEAR_SAMPLE, tuple(row.values()))
        except (*DENIED, errors.LockNotAvailable):
            return


async def _done(connection: Connection, statement: SQL) -> bool:
    try:
        await connection.execute(statement, prepare=False)
    except DENIED:
        return False
    return True
