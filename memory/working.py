"""Working memory: the task a thread is in the middle of, kept with the thread's state and never as a fact. Pure."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Literal

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


def update_task(task: Task | None, changes: dict[str, Any], now: datetime) -> Task:
    """The open task with `changes` merged into its data. Raises BadInput when none is open."""
    current = _need_open(task, now)
    return {**current, "data": {**current["data"], **changes}}


def finish_task(task: Task | None, status: TaskStatus, now: datetime) -> Task:
    """The open task, ended as `status` says. Raises BadInput when none is open."""
    return {**_need_open(task, now), "status": status}


def _need_open(task: Task | None, now: datetime) -> Task:
    current = open_task(task, now)
    if current is None:
        raise BadInput("No task is open in this thread: start one first.")
    return current
