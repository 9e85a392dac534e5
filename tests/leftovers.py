"""Rows that name a user or a thread, in every table, and rows of a thread with a text."""

from memory.facts.fact import owner_key
from memory.ledger.pool import Pool


async def rows_of(pool: Pool, user: str, *threads: str) -> dict[str, int]:
    """How many rows of each table name the user or the threads, without memory.forgotten and receipts."""
    counts = {}
    async with pool.connection() as connection:
        tables = await connection.execute(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables "
            "where schemaname in ('public', 'memory') and tablename not in ('forgotten', 'receipts')"
        )
        for name in [row["name"] async for row in tables]:
            query = f"select count(*) as n from {name} t where t::text like any (%s)"  # noqa: S608 - a table's name
            cursor = await connection.execute(query, ([f"%{word}%" for word in (user, owner_key(user), *threads)],))
            if count := (await cursor.fetchall())[0]["n"]:
                counts[name] = count
    return counts


async def rows_with(pool: Pool, thread: str, text: str) -> list[str]:
    """The tables that have a row of the thread with this text in any column."""
    found = []
    columns = {
        "checkpoints": "convert_to(c::text, 'UTF8')",
        "checkpoint_blobs": "convert_to(channel || type, 'UTF8') || blob",
        "checkpoint_writes": "convert_to(channel || type, 'UTF8') || blob",
    }
    async with pool.connection() as connection:
        for table, column in columns.items():
            query = f"select from {table} c where thread_id = %s and position(%s in {column}) > 0"
            if (await connection.execute(query, (thread, text.encode()))).rowcount:
                found.append(table)
    return found
