"""How many runs a user begins in a minute. They are counted in Postgres, so that all processes count together."""

from datetime import datetime

from memory.facts.fact import owner_key
from memory.ledger.pool import Pool

COUNT = """insert into memory.run_counts values (%s, %s, 1)
    on conflict (owner, minute) do update set runs = run_counts.runs + 1 returning runs"""
FORGET = "delete from memory.run_counts where minute < %s"


async def count_run(pool: Pool, user_id: str, minute: datetime) -> int:
    """Count a run. Returns how many this user has begun in this minute, this one included."""
    async with pool.connection() as connection:
        (row,) = await (await connection.execute(COUNT, (owner_key(user_id), minute))).fetchall()
        if row["runs"] == 1:
            await connection.execute(FORGET, (minute,))
    return int(row["runs"])
