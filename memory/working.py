"""Working memory: the task a thread is in the middle of, kept with the thread's state and never as a fact. Pure."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from typing_extensions import TypedDict  # pydantic reads it, and on Python 3.11 not the one of `typing`

from memory.errors import BadInput

TaskStatus = Literal["in_progress", "done", "failed", "cancelled"]

TASK_LIFETIME = timedelta(hours=24)
"""How long a task stays open when nobody finishes it."""


class Task(TypedDict):
    """A multi-step task, as plain JSON, so that every checkpointer can keep it."""

    id: str
    type: str
    status: TaskStatus
    data: dict[str, Any]
    created_at: str
    """ISO moment with its time zone, as `expires_at`."""
    expires_at: str


class TaskChange(TypedDict):
    """What is to become of a task; changes of one step are applied one after another, so that none is lost."""

    id: str
    status: TaskStatus
    data: dict[str, Any]
    """Merged into what the task holds."""


def change_task(task: Task | None, change: "Task | TaskChange | None") -> Task | None:
    """The reducer of the state's `task`: a whole task takes the place of what is there, a change is merged into it.

    A change of another task than the one that is there comes too late, and is dropped.
    """
    if change is None or "created_at" in change:
        return cast(Task | None, change)
    if task is None or task["id"] != change["id"]:
        return task
    return {**task, "status": change["status"], "data": {**task["data"], **change["data"]}}


def start_task(kind: str, data: dict[str, Any], now: datetime, lifetime: timedelta = TASK_LIFETIME) -> Task:
    """A new open task."""
    return Task(
        id=uuid.uuid4().hex[:8],
        type=kind,
        status="in_progress",
        data=data,
        created_at=now.isoformat(),
        expires_at=(now + lifetime).isoformat(),
    )


def open_task(task: Task | None, now: datetime) -> Task | None:
    """`task` while it is in progress and has not expired, otherwise None."""
    if task and task["status"] == "in_progress" and now < datetime.fromisoformat(task["expires_at"]):
        return task
    return None


def update_task(task: Task | None, data: dict[str, Any], now: datetime) -> TaskChange:
    """`data` merged into the open task's. Raises BadInput when none is open."""
    return TaskChange(id=_need_open(task, now)["id"], status="in_progress", data=data)


def finish_task(task: Task | None, status: TaskStatus, now: datetime) -> TaskChange:
    """The open task, ended as `status` says. Raises BadInput when none is open."""
    return TaskChange(id=_need_open(task, now)["id"], status=status, data={})


def _need_open(task: Task | None, now: datetime) -> Task:
    current = open_task(task, now)
    if current is None:
        raise BadInput("No task is open in this thread: start one first.")
    return current
