"""A user's tasks across threads, found by the plain value that each checkpoint keeps of its task."""

from typing import NamedTuple

from langgraph.checkpoint.serde.base import SerializerProtocol

from memory.facts.fact import check_user_id, owner_key, utc_now
from memory.ledger.pool import Pool
from memory.threads.task import Task, status_of, task_of
from memory.threads.threads import NEWEST, fetch


class ThreadTask(NamedTuple):
    thread_id: str
    task: Task  # the last one, whose status is as of now


async def active_tasks(pool: Pool, serde: SerializerProtocol, user_id: str) -> list[ThreadTask]:
    """The tasks that are open in the user's threads, the newest first. `serde` is the checkpointer's."""
    # The plain value only narrows the search: a client may have set it.
    found = await latest_tasks(pool, serde, user_id, open_until=utc_now().isoformat())
    return [entry for entry in found if entry.task["status"] == "in_progress"]


async def latest_tasks(pool: Pool, serde: SerializerProtocol, user_id: str, open_until: str = "") -> list[ThreadTask]:
    """The last task of each of the user's threads, the newest first: all, or those open at that ISO moment."""
    query = f"""{NEWEST}
        select newest.thread_id, task.type, task.blob from newest
        join checkpoint_blobs task on task.thread_id = newest.thread_id and task.checkpoint_ns = ''
            and task.channel = 'task' and task.version = checkpoint->'channel_versions'->>'task'
        where checkpoint->'channel_values'->>'task_open_until' >= %(open_until)s collate "C"
    """
    rows = await fetch(pool, query, owner=owner_key(check_user_id(user_id)), open_until=open_until)
    tasks = [(row["thread_id"], task_of(serde.loads_typed((row["type"], row["blob"])))) for row in rows]
    found = [ThreadTask(thread, {**task, "status": status_of(task, utc_now())}) for thread, task in tasks if task]
    return sorted(found, key=lambda entry: entry.task["created_at"], reverse=True)
