"""A user's tasks across threads, found by the plain value that each checkpoint keeps of its task."""

from typing import NamedTuple

from langgraph.checkpoint.serde.base import SerializerProtocol

from memory.errors import BadInput
from memory.facts.fact import check_user_id, owner_key, utc_now
from memory.ledger.pool import Pool
from memory.threads.task import Task, status_of, task_of
from memory.threads.threads import NEWEST


class ThreadTask(NamedTuple):
    thread_id: str
    task: Task  # the last one, whose status is as of now


async def active_tasks(pool: Pool, serde: SerializerProtocol, user_id: str) -> list[ThreadTask]:
    """The tasks that are open in the user's threads, the newest first. `serde` is the checkpointer's."""
    # The plain value only narrows the search: a client may have set it.
    found = await latest_tasks(pool, serde, user_id, open_until=utc_now().isoformat())
    return [entry for entry in found if entry.task["status"] == "in_progress"]


async def latest_tasks(pool: Pool, serde: SerializerProtocol, user_id: str, open_until: str = "") -> list[ThreadTask]:
    """The last task of each of the user's threads, the newest first: all, or those open at that ISO moment. Raises
    BadInput for a thread that was saved with another key."""
    query = f"""{NEWEST}
        select newest.thread_id, task.type, task.blob from newest
        join checkpoint_blobs task on task.thread_id = newest.thread_id and task.checkpoint_ns = ''
            and task.channel = 'task' and task.version = checkpoint->'channel_versions'->>'task'
        where checkpoint->'channel_values'->>'task_open_until' >= %(open_until)s collate "C"
    """
    rows = await pool.fetch(query, owner=owner_key(check_user_id(user_id)), open_until=open_until)
    found = list[ThreadTask]()
    for row in rows:
        try:
            saved = serde.loads_typed((row["type"], row["blob"]))
        except BadInput as error:
            advice = "If the key is lost, delete the thread with `python -m agent forget --thread`."
            raise BadInput(f"The task of the thread {row['thread_id']!r} cannot be read. {error} {advice}") from error
        if task := task_of(saved):
            found.append(ThreadTask(row["thread_id"], {**task, "status": status_of(task, utc_now())}))
    return sorted(found, key=lambda entry: entry.task["created_at"], reverse=True)
