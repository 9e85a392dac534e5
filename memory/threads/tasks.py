"""A user's tasks across threads, found by the plain value that each checkpoint keeps of its task."""

from dataclasses import dataclass

from langgraph.checkpoint.serde.base import SerializerProtocol

from memory.facts.fact import check_user_id, owner_key, utc_now
from memory.ledger.pool import Pool
from memory.threads.task import Task, open_task, status_of, task_of
from memory.threads.threads import NEWEST


@dataclass(frozen=True)
class ThreadTask:
    """A task, and the thread that is in the middle of it, or was."""

    thread_id: str
    task: Task
    """Its status as of now: "expired" where nobody ended it in time."""


async def active_tasks(pool: Pool, serde: SerializerProtocol, user_id: str) -> list[ThreadTask]:
    """The tasks that are open in the user's threads, the one begun last first. `serde` is the checkpointer's."""
    # The value narrows the threads; a client may have set it, so that the task itself decides.
    found = await _read(pool, serde, user_id, open_after=utc_now().isoformat())
    return [entry for entry in found if open_task(entry.task, utc_now())]


async def latest_tasks(pool: Pool, serde: SerializerProtocol, user_id: str) -> list[ThreadTask]:
    """The last task of each of the user's threads that had one, however it ended; the one begun last first."""
    return await _read(pool, serde, user_id, open_after="")


async def _read(pool: Pool, serde: SerializerProtocol, user_id: str, *, open_after: str) -> list[ThreadTask]:
    """Only the newest checkpoint of a thread counts: what an older one has open may be done since.

    The tasks are read as the checkpointer keeps them, which may be encrypted, without the threads' messages.
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(
            f"""
            {NEWEST} select newest.thread_id, task.type, task.blob from newest
            join checkpoint_blobs task on task.thread_id = newest.thread_id and task.checkpoint_ns = ''
                and task.channel = 'task' and task.version = checkpoint->'channel_versions'->>'task'
            where checkpoint->'channel_values'->>'task_open_until' >= %(open_after)s collate "C"
            """,  # noqa: S608 - a constant
            {"owner": owner_key(check_user_id(user_id)), "open_after": open_after},
        )
        rows = await cursor.fetchall()
    found, now = [], utc_now()
    for row in rows:
        if task := task_of(serde.loads_typed((row["type"], row["blob"]))):
            found.append(ThreadTask(row["thread_id"], {**task, "status": status_of(task, now)}))
    return sorted(found, key=lambda entry: entry.task["created_at"], reverse=True)
