"""Which keys the facts of a database are encrypted with, and encrypting them with another one."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg.rows import DictRow

from memory.errors import BadInput
from memory.ledger.cipher import wrong_key
from memory.ledger.pool import Pool
from memory.ledger.rows import held_of_row, row_of_held, said_columns, said_of_row, vector_of_row
from memory.progress import Progress

PAGE = 50  # rows that are read and written in one transaction
# Each key once, with one look into the index for each.
KEYS = """with recursive keys as (
        select min(key_id) as key_id from memory.facts
        union all select (select min(f.key_id) from memory.facts f where f.key_id > k.key_id) from keys k
        where k.key_id is not null
    ) select key_id from keys where key_id is not null"""

Rewrite = Callable[[DictRow], Mapping[str, object] | None]  # from a row to its new values, or None if it stays


async def check_keys(pool: Pool) -> None:
    """Raises BadInput if facts are encrypted with a key that is not here. The tables need not be up to date."""
    try:
        used = {row["key_id"] for row in await pool.fetch(KEYS)}
    except (UndefinedTable, UndefinedColumn):  # of a version without encryption
        return
    if not used.issubset(pool.cipher.key_ids):
        raise BadInput(wrong_key(pool.cipher.key_id))


async def encrypt_facts(pool: Pool, progress: Progress) -> int:
    """Encrypt vectors, held items and facts with the pool's key or, if it has none, decrypt them. Returns how many rows
    were changed. The facts come last, so that `check_keys` demands the old key until all is done."""
    cipher = pool.cipher

    def vector(row: DictRow) -> Mapping[str, object]:
        decrypted = vector_of_row({**row, "vector_key": row["key_id"]}, cipher)
        return {"vector": cipher.encrypt(row["owner"], decrypted), "key_id": cipher.key_id}

    def held(row: DictRow) -> Mapping[str, object]:
        return row_of_held(held_of_row(row, cipher), row["owner"], cipher)

    def fact(row: DictRow) -> Mapping[str, object]:
        hashed = cipher.decrypt(row["owner"], row["key_id"], row["stems"])
        return said_columns(row["owner"], said_of_row(row, cipher), hashed, cipher)

    changed, said = 0, ("text", "quote", "previous", "digest", "stems", "encrypted")
    for table, keys, columns, change in (
        ("memory.vectors", ("owner", "embedder", "fact_id"), ("vector",), vector),
        ("memory.held", ("owner", "id"), ("item", "digest", "encrypted"), held),
        ("memory.facts", ("owner", "id"), said, fact),
    ):
        unless_current = partial(_unless_current, cipher.key_id, change)
        changed += await rewrite(pool, table, keys, (*columns, "key_id"), unless_current, progress)
    return changed


def _unless_current(key_id: str | None, change: Rewrite, row: DictRow) -> Mapping[str, object] | None:
    return None if row["key_id"] == key_id else change(row)


async def rewrite(
    pool: Pool, table: str, keys: Sequence[str], columns: Sequence[str], change: Rewrite, progress: Progress
) -> int:
    """Change these columns of rows of a table with this primary key, page by page. Returns how many were changed."""
    names, values = ", ".join(keys), ", ".join(f"%({key})s" for key in keys)
    page_after = f"select {names}, {', '.join(columns)} from {table} {{where}} order by {names} limit {PAGE} for update"
    store = f"update {table} set {', '.join(f'{c} = %({c})s' for c in columns)} where ({names}) = ({values})"
    query, last, done, changed = page_after.format(where=""), DictRow(), 0, 0
    async with pool.connection() as connection:
        (count,) = await (await connection.execute(f"select count(*) as total from {table}")).fetchall()
        while True:
            async with connection.transaction():
                rows = await (await connection.execute(query, last)).fetchall()
                new = [{**row, **other} for row in rows if (other := change(row))]
                await connection.cursor().executemany(store, new)
            done, changed = done + len(rows), changed + len(new)
            progress(done, max(done, count["total"]))
            if len(rows) < PAGE:
                return changed
            query, last = page_after.format(where=f"where ({names}) > ({values})"), rows[-1]
