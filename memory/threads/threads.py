"""A user's threads, found by the owner that each thread's state names (`agent.state.State`)."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from memory.errors import BadInput
from memory.facts.fact import check_text, check_user_id, is_storable, owner_key
from memory.ledger.locks import lock_key, take_locks
from memory.ledger.pool import Pool
from memory.threads.run_lock import RUN_TIMEOUT

BEGUN_BY = "begun_by"
"""Key in a checkpoint's metadata: `owner_key` of the user whose run saved it."""

OWNER = f"coalesce(checkpoint->'channel_values'->>'owner', metadata->>'{BEGUN_BY}')"
"""`owner_key` of the user whose checkpoint it is, as it is indexed. Until the first step of a thread's first run is
done, its state names nobody."""
OWNED = f"{OWNER} = %(owner)s and checkpoint_ns = ''"

NEWEST = f"""
with recursive newest as (
    (select thread_id, checkpoint from checkpoints where {OWNED} order by thread_id, checkpoint_id desc limit 1)
    union all
    select later.* from newest, lateral (
        select thread_id, checkpoint from checkpoints
        where {OWNED} and thread_id > newest.thread_id order by thread_id, checkpoint_id desc limit 1
    ) later
)
"""  # noqa: S608 - a constant
"""The newest checkpoint of each of a user's threads: one step of the index for each thread, however long it is."""

CONVERSATION = "checkpoint->'channel_values'->'conversation' is null"
"""Not a thread in which a server takes facts from another one's messages."""

MAX_THREAD_ID = 600
"""Characters of a thread's id, which Postgres has to hold in an index."""

NAMESPACE = uuid.UUID("5b4a2f0e-6d1c-4c55-9f3e-7d1b1a9c2e61")


def background_thread(user_id: str, thread_id: str) -> str:
    """The thread in which a server takes facts from a conversation's messages, while that one goes on.

    The user is part of its name, so that nobody else can begin it first.
    """
    return str(uuid.uuid5(NAMESPACE, f"{owner_key(user_id)} {thread_id}"))


@dataclass(frozen=True)
class Thread:
    """A conversation of a user."""

    id: str
    last_at: datetime
    """When its newest checkpoint was written."""


class Size(NamedTuple):
    """How much a thread takes."""

    checkpoints: int
    bytes: int
    """Of what is saved in it, without the indexes."""


async def list_threads(pool: Pool, user_id: str, limit: int | None = 20) -> list[Thread]:
    """The user's threads, the one used last first; all of them where `limit` is None."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            f"{NEWEST} select thread_id as id, (checkpoint->>'ts')::timestamptz as last_at from newest "  # noqa: S608 - a constant
            f"where {CONVERSATION} order by last_at desc, id limit %(limit)s",
            {"owner": owner_key(check_user_id(user_id)), "limit": limit},
        )
        return [Thread(row["id"], row["last_at"]) for row in await cursor.fetchall()]


async def thread_size(pool: Pool, thread_id: str) -> Size:
    """What a thread takes in the database."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """
            select (select count(*) from checkpoints where thread_id = %(id)s) as checkpoints, (
                select coalesce(sum(size), 0)::bigint from (
                    select pg_column_size(checkpoint) + pg_column_size(metadata) as size
                    from checkpoints where thread_id = %(id)s
                    union all select pg_column_size(blob) from checkpoint_blobs where thread_id = %(id)s
                    union all select pg_column_size(blob) from checkpoint_writes where thread_id = %(id)s
                ) rows
            ) as bytes
            """,
            {"id": thread_id},
        )
        row = await cursor.fetchone()
        return Size(**row) if row else Size(0, 0)


def check_thread_id(thread_id: object) -> str:
    """The id as the saver writes it. Raises BadInput where Postgres could not."""
    return check_text("thread id", str(thread_id), MAX_THREAD_ID)


async def thread_owner(pool: Pool, thread_id: object) -> str | None:
    """`owner_key` of the user whose thread it is; None where there is no such thread yet, "" where nobody has run it.

    Raises BadInput for an id that no thread can have.
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(
            f"select coalesce({OWNER}, '') as owner from checkpoints "  # noqa: S608 - a constant
            "where thread_id = %s and checkpoint_ns = '' order by checkpoint_id desc limit 1",
            (check_thread_id(thread_id),),
        )
        row = await cursor.fetchone()
        return row["owner"] if row else None


async def check_thread_is_own(pool: Pool, user_id: str, thread_id: str) -> None:
    """Raise BadInput where the thread is another user's, or the id is one that no thread can have."""
    if await thread_owner(pool, thread_id) not in (None, "", owner_key(user_id)):
        raise BadInput(f"No thread {thread_id!r} of yours: /threads lists them.")


async def has_checkpoint(pool: Pool, thread_id: str, checkpoint_id: str) -> bool:
    """Whether the thread can be run again from there."""
    if not is_storable(checkpoint_id):
        return False
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select from checkpoints where thread_id = %s and checkpoint_ns = '' and checkpoint_id = %s",
            (thread_id, checkpoint_id),
        )
        return cursor.rowcount > 0


async def ends_of(pool: Pool, thread_id: str) -> list[str]:
    """The checkpoints that nothing follows, oldest first: the thread's end, and the end of whatever was forked from."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """
            select checkpoint_id from checkpoints last where thread_id = %(id)s and checkpoint_ns = '' and not exists (
                select from checkpoints where thread_id = %(id)s and checkpoint_ns = ''
                and parent_checkpoint_id = last.checkpoint_id
            ) order by checkpoint_id
            """,
            {"id": thread_id},
        )
        return [row["checkpoint_id"] for row in await cursor.fetchall()]


async def delete_threads(pool: Pool, user_id: str, ids: Sequence[str] | None = None) -> int:
    """Delete the user's threads, all or those of `ids`: checkpoints, messages and tasks; how many threads.

    Those in which a server remembers what was said in them go with them. Threads of somebody else are left alone,
    whatever `ids` says.
    """
    named = [thread_id for thread_id in ids or () if is_storable(thread_id)]
    async with pool.connection() as connection, connection.transaction():
        cursor = await connection.execute(
            f"select distinct thread_id from checkpoints where {OWNED} and (%(all)s or thread_id = any(%(ids)s))",  # noqa: S608 - a constant
            {
                "owner": owner_key(check_user_id(user_id)),
                "all": ids is None,
                "ids": [*named, *(background_thread(user_id, thread_id) for thread_id in named)],
            },
        )
        own = [row["thread_id"] for row in await cursor.fetchall()]
        # A run that is under way would write again what is deleted here.
        busy = f"A run has been under way in one of the threads for {RUN_TIMEOUT:g} s: nothing was deleted, try again."
        locks = [lock_key("thread", thread_id) for thread_id in own]
        await take_locks(connection, locks, timeout=RUN_TIMEOUT, busy=busy)
        for table in ("checkpoint_writes", "checkpoint_blobs", "checkpoints"):
            await connection.execute(f"delete from {table} where thread_id = any(%s)", (own,))  # noqa: S608 - constants
        return len(own)
