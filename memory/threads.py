"""A user's threads, found through an index on the checkpoints' metadata."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from memory.fact import check_user_id
from memory.postgres import Pool

USER_KEY = "user_id"
"""Key of the user's id in a checkpoint's metadata; LangGraph copies a run's `metadata` there."""


@dataclass(frozen=True)
class Thread:
    """A conversation of a user."""

    id: str
    last_at: datetime
    """When its newest checkpoint was written."""


async def list_threads(pool: Pool, user_id: str, limit: int = 20) -> list[Thread]:
    """The user's threads, the one used last first."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """
            select * from (
                select distinct on (thread_id) thread_id as id, (checkpoint->>'ts')::timestamptz as last_at
                from checkpoints where metadata->>'user_id' = %s and checkpoint_ns = ''
                order by thread_id, checkpoint_id desc
            ) latest order by last_at desc, id limit %s
            """,
            (check_user_id(user_id), limit),
        )
        return [Thread(row["id"], row["last_at"]) for row in await cursor.fetchall()]


async def thread_owner(pool: Pool, thread_id: str) -> str | None:
    """Whose thread it is; None for one that does not exist yet."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select metadata->>'user_id' as user_id from checkpoints where thread_id = %s and checkpoint_ns = '' "
            "order by checkpoint_id desc limit 1",
            (thread_id,),
        )
        row = await cursor.fetchone()
        return (row["user_id"] or "") if row else None


async def delete_threads(pool: Pool, user_id: str, ids: Sequence[str] | None = None) -> int:
    """Delete the user's threads, all or those of `ids`: checkpoints, messages and tasks; how many threads.

    Threads of somebody else are left alone, whatever `ids` says.
    """
    async with pool.connection() as connection, connection.transaction():
        cursor = await connection.execute(
            "select distinct thread_id from checkpoints where metadata->>'user_id' = %s and checkpoint_ns = '' "
            "and (%s or thread_id = any(%s))",
            (check_user_id(user_id), ids is None, list(ids or ())),
        )
        own = [row["thread_id"] for row in await cursor.fetchall()]
        for table in ("checkpoint_writes", "checkpoint_blobs", "checkpoints"):
            await connection.execute(f"delete from {table} where thread_id = any(%s)", (own,))  # noqa: S608 - constants
        return len(own)
