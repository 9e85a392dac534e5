"""A user's threads, found in LangGraph's tables by the owner that each thread's state names."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from memory.errors import BadInput
from memory.facts.fact import check_text, check_user_id, is_storable, owner_key
from memory.ledger.pool import Connection, Pool
from memory.ledger.rows import forgotten_thread

# Keys in a checkpoint's metadata, about the run that saved it: `owner_key` of its user, and when it began, in ISO form.
BEGUN_BY, BEGUN_AT = "begun_by", "begun_at"
# The expression that is indexed. The state has no owner until the first step of a thread's first run is saved.
OWNER = f"coalesce(checkpoint->'channel_values'->>'owner', metadata->>'{BEGUN_BY}')"
OWNED = f"{OWNER} = %(owner)s and checkpoint_ns = ''"

# The newest checkpoint of each of a user's threads: one index scan for each thread, however long it is.
NEWEST = f"""
with recursive newest as (
    (select thread_id, checkpoint from checkpoints where {OWNED} order by thread_id, checkpoint_id desc limit 1)
    union all select later.* from newest, lateral (
        select thread_id, checkpoint from checkpoints
        where {OWNED} and thread_id > newest.thread_id order by thread_id, checkpoint_id desc limit 1
    ) later
)
"""
MAX_THREAD_ID = 600  # characters, since an id has to fit into an index
NAMESPACE = uuid.UUID("5b4a2f0e-6d1c-4c55-9f3e-7d1b1a9c2e61")
CUSTOM = 8  # the version of UUIDs that each application defines for itself


class Thread(NamedTuple):
    id: str
    last_at: datetime  # when its newest checkpoint was written


class Size(NamedTuple):  # of a thread in the database, without indexes
    checkpoints: int
    bytes: int


def background_thread(user_id: str, thread_id: str) -> str:
    """The thread in which a server extracts facts from a conversation. Its id is a UUID of version 8: a server that
    authenticates lets no other user begin it (agent/server/access.py)."""
    hashed = uuid.uuid5(NAMESPACE, f"{owner_key(user_id)} {thread_id}").int
    return str(uuid.UUID(int=hashed & ~(0xF << 76) | CUSTOM << 76))


def is_background_thread(thread_id: object) -> bool:
    try:
        return uuid.UUID(str(thread_id)).version == CUSTOM
    except ValueError:
        return False


async def list_threads(pool: Pool, user_id: str, limit: int | None = 20) -> list[Thread]:
    """The user's threads, the most recently used first; `limit` None lists all of them."""
    query = f"""{NEWEST}
        select thread_id as id, (checkpoint->>'ts')::timestamptz as last_at from newest
        where checkpoint->'channel_values'->'conversation' is null  -- not one of background extraction
        order by last_at desc, id limit %(limit)s
    """
    owner = owner_key(check_user_id(user_id))
    return [Thread(**row) for row in await pool.fetch(query, owner=owner, limit=limit)]


async def thread_size(pool: Pool, thread_id: str) -> Size:
    query = """
        select count(id) as checkpoints, coalesce(sum(size), 0)::bigint as bytes from (
            select checkpoint_id as id, pg_column_size(checkpoint) + pg_column_size(metadata) as size
            from checkpoints where thread_id = %(id)s
            union all select null, pg_column_size(blob) from checkpoint_blobs where thread_id = %(id)s
            union all select null, pg_column_size(blob) from checkpoint_writes where thread_id = %(id)s
        ) rows
    """
    [row] = await pool.fetch(query, id=thread_id)
    return Size(**row)


def check_thread_id(thread_id: object) -> str:
    """The id as the saver writes it. Raises BadInput for None, or for one that Postgres cannot keep."""
    if thread_id is None:
        raise BadInput("The thread id is None: give each conversation an id, such as str(uuid.uuid4()).")
    return check_text("thread id", str(thread_id), MAX_THREAD_ID)


class Begin(NamedTuple):
    """What a run finds when it begins."""

    owner: str | None  # see `thread_owner`
    at: datetime  # now, by the clock of the database, which also dates what is forgotten
    again: bool  # whether this run of a server has saved a checkpoint of the thread before


async def begin(pool: Pool, thread_id: object, run_id: str = "") -> Begin:
    """Raises BadInput for an id that no thread can have. `run_id` is the server's, "" if there is none."""
    query = f"""
        select clock_timestamp() as at, (
            select coalesce({OWNER}, '') from checkpoints where thread_id = %(id)s and checkpoint_ns = ''
            order by checkpoint_id desc limit 1
        ) as owner, exists (
            select from checkpoints
            where metadata ? 'run_id' and metadata->>'run_id' = %(run)s and thread_id = %(id)s
        ) as again
    """
    [row] = await pool.fetch(query, id=check_thread_id(thread_id), run=run_id if is_storable(run_id) else "")
    return Begin(**row)


async def thread_owner(pool: Pool, thread_id: object) -> str | None:
    """`owner_key` of the thread's owner; None for an unknown thread, "" for one that was never run. Raises BadInput."""
    return (await begin(pool, thread_id)).owner


async def check_thread_is_own(pool: Pool, user_id: str, thread_id: str) -> None:
    if await thread_owner(pool, thread_id) not in (None, "", owner_key(user_id)):
        raise BadInput(f"No thread {thread_id!r} of yours: /threads lists them.")


async def has_checkpoint(pool: Pool, thread_id: str, checkpoint_id: str) -> bool:
    query = "select 1 from checkpoints where thread_id = %(id)s and checkpoint_ns = '' and checkpoint_id = %(at)s"
    return is_storable(checkpoint_id) and bool(await pool.fetch(query, id=thread_id, at=checkpoint_id))


async def leaf_checkpoints(pool: Pool, thread_id: str) -> list[str]:
    """The checkpoints without a successor, oldest first: the end of the thread, and of each branch of it."""
    query = """
        select checkpoint_id from checkpoints where thread_id = %(id)s and checkpoint_ns = '' except
        select parent_checkpoint_id from checkpoints where thread_id = %(id)s and checkpoint_ns = '' order by 1
    """
    return [row["checkpoint_id"] for row in await pool.fetch(query, id=thread_id)]


async def delete_threads(pool: Pool, user_id: str, ids: Sequence[str] | None = None) -> int:
    """Delete the user's threads, or those among `ids`, with their background extraction; return how many there were.
    The ledger has to name them as forgotten before, so that a run that is under way does not save them again."""
    owner = owner_key(check_user_id(user_id))
    named = [thread_id for thread_id in ids or () if is_storable(thread_id)]
    named += [background_thread(user_id, thread_id) for thread_id in named]
    query = f"select distinct thread_id from checkpoints where {OWNED} and (%(all)s or thread_id = any(%(ids)s))"
    parameters = {"owner": owner, "all": ids is None, "ids": named}
    async with pool.connection() as connection, connection.transaction():
        own = [row["thread_id"] for row in await (await connection.execute(query, parameters)).fetchall()]
        await _delete(connection, own)
        return len(own)


async def delete_forgotten(pool: Pool, owner: str, thread_id: str, since: datetime) -> None:
    """Delete a thread again if it was forgotten since. A run calls it at its end: the saver refuses what it would save,
    but not what was being saved while the thread was deleted."""
    if await is_forgotten(pool, owner, forgotten_thread(thread_id), since):
        async with pool.connection() as connection, connection.transaction():
            await _delete(connection, [thread_id])


async def is_forgotten(pool: Pool, owner: str | None, thread: str, since: datetime | str | None) -> bool:
    """Whether a thread, which `forgotten_thread` has named, was forgotten since; False if the moment is not known."""
    query = "select memory.is_forgotten(%(owner)s, %(thread)s, %(since)s::timestamptz) is true as is_forgotten"
    [row] = await pool.fetch(query, owner=owner, thread=thread, since=since)
    return bool(row["is_forgotten"])


async def _delete(connection: Connection, thread_ids: Sequence[str]) -> None:
    for table in ("checkpoint_writes", "checkpoint_blobs", "checkpoints"):
        await connection.execute(f"delete from {table} where thread_id = any(%s)", ([*thread_ids],))
