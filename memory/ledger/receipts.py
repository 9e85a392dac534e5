"""Receipts: what was forgotten, by whom and when, with counts and without any content, and when a purge began last."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from psycopg.types.json import Jsonb

from memory.facts.fact import check_user_id, owner_key
from memory.ledger.pool import Pool

KEPT_DAYS = 365  # by default
DELETE_OLD = "delete from memory.receipts where owner <> '' and at < now() - make_interval(days => %s)"


class Receipt(NamedTuple):
    at: datetime
    what: str  # 'fact', 'category', 'thread', 'everything', 'server' for its own records, or 'purge', of all users
    by: str  # who asked for it; "" for the user
    counts: dict[str, int]  # place -> how much was deleted there


async def write_receipt(
    pool: Pool, user_id: str, what: str, by: str, counts: Mapping[str, int], kept_days: int
) -> None:
    """Write one if `kept_days` is not 0, and delete those of all users that are older."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(DELETE_OLD, (kept_days,))
        if kept_days:
            query = "insert into memory.receipts (owner, what, requested_by, counts) values (%s, %s, %s, %s)"
            await connection.execute(query, (owner_key(user_id), what, by, Jsonb(dict(counts))))


async def receipts_of(pool: Pool, user_id: str) -> list[Receipt]:
    """The user's receipts, the latest last, with that of the last purge."""
    query = """select at, what, requested_by as by, counts from memory.receipts
        where owner in (%(owner)s, '') order by number"""
    return [Receipt(**row) for row in await pool.fetch(query, owner=owner_key(check_user_id(user_id)))]
