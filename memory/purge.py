"""Removes what was forgotten from the files of the servers. A deleted row stays in Postgres's files and in its log, and
in an index's files, until something takes its place."""

import logging
from collections.abc import Awaitable, Callable

from psycopg import errors
from psycopg.sql import SQL, Composed, Identifier

from memory.index.queue import Progress, quiet
from memory.ledger.locks import locked_transaction
from memory.ledger.pool import Connection, Pool
from memory.parts import Parts

log = logging.getLogger(__name__)

INDEX_TIMEOUT = 60  # seconds to wait for a process that checks the index
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
OLD_MARKS = "delete from memory.forgotten where forgotten_at < now() - interval '2 days'"
DENIED = (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.LockNotAvailable)


async def purge(parts: Parts, discard: Callable[[], Awaitable[None]] | None, progress: Progress = quiet) -> list[str]:
    """Rewrite the index and every table, and begin a new log. `discard` empties the directory of an embedded index.
    Returns what could not be done, in sentences. Raises Unavailable; called again, it begins anew."""
    if parts.index.backend == "chroma":
        await _rebuild_index(parts, discard, progress)
    left = await _purge_postgres(parts.pool)
    log.info("purged index=%s backend=%s left=%d", parts.index.name, parts.index.backend, len(left))
    return left


async def _rebuild_index(parts: Parts, discard: Callable[[], Awaitable[None]] | None, progress: Progress) -> None:
    """Create it anew, with the vectors that the ledger has. Until it is complete, recall searches the ledger."""
    queue = parts.queue
    async with locked_transaction(queue.pool, "bring up", queue.index.name, timeout=INDEX_TIMEOUT):
        await queue.waiting("")  # is it still the active one?
        if discard:
            await discard()
        await queue.start_over()
    await queue.drain(progress=progress)


async def _purge_postgres(pool: Pool) -> list[str]:
    left = list[str]()
    async with pool.connection() as connection:
        await connection.execute(OLD_MARKS)
        tables = await (await connection.execute(TABLES)).fetchall()
        if not pool.through_pooler:  # which would keep the setting for another client
            await connection.execute("select set_config('lock_timeout', %s, false)", (f"{TABLE_TIMEOUT}s",))
        try:
            for table in tables:
                name = f"{table['schema']}.{table['name']}"
                if not await _rewritten(connection, table["oid"], Identifier(table["schema"], table["name"])):
                    fix = f"run it again, or as its owner `vacuum (full, analyze) {name}`"
                    left.append(f"The table {name} was not rewritten, since it is in use or another role's: {fix}.")
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
    return left


async def _rewritten(connection: Connection, oid: int, table: Identifier) -> bool:
    """Write a table without its dead rows, and sample it anew. A role that may not only gets a warning."""
    before = await (await connection.execute(FILE, (oid,))).fetchall()
    await _done(connection, SQL("vacuum (full, analyze) {}").format(table))
    return before != await (await connection.execute(FILE, (oid,))).fetchall()


async def _clear_samples(connection: Connection, schema: str, name: str) -> None:
    table = SQL("select from {} limit 1").format(Identifier(schema, name))
    if schema == "pg_catalog" or (await connection.execute(table)).rowcount:
        return
    for row in await (await connection.execute(SAMPLED, (schema, name))).fetchall():
        try:
            await connection.execute(CLEAR_SAMPLE, tuple(row.values()))
        except DENIED:
            return


async def _done(connection: Connection, statement: SQL | Composed) -> bool:
    try:
        await connection.execute(statement, prepare=False)
    except DENIED:
        return False
    return True
