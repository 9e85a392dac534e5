"""Working memory: the task that a thread is in the middle of, kept in the thread's state and never as a fact. Pure."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import AfterValidator, JsonValue, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # on Python 3.11 pydantic cannot read the one of `typing`

from memory.errors import BadInput
from memory.facts.fact import check_text, iso_moment

Ending = Literal["done", "failed", "cancelled"]
TaskStatus = Literal["in_progress", "expired"] | Ending
TaskData: TypeAlias = dict[str, JsonValue]
Moment = Annotated[str, AfterValidator(lambda text: iso_moment(text).isoformat())]  # ISO, with its time zone
TASK_HOURS = 24  # how long a task stays open by default
MAX_HOURS = 24 * 365
MAX_TYPE, MAX_DATA = 100, 4_000  # characters of a task's type, and of its data as JSON, since every prompt carries them


class Task(TypedDict):  # plain JSON, so that every checkpointer can keep it
    id: str
    type: str
    status: TaskStatus  # as it was last set; `status_of` finds out whether it has expired since
    data: TaskData
    created_at: Moment
    expires_at: Moment


_TASK = TypeAdapter(Task)


class TaskChange(TypedDict):
    id: str  # of the task to change
    ending: Ending | None  # None while the task goes on
    data: TaskData  # merged into the task's data; null deletes a key


def task_of(value: object) -> Task | None:
    """The task in a thread's state; None if there is none, or a client wrote something else there."""
    try:
        return _TASK.validate_python(value)
    except ValidationError:
        return None


def change_task(task: Task | None, change: "Task | TaskChange | None") -> Task | None:
    """The reducer of the state's `task`: a whole task replaces the current one, a change is merged into it.

    The changes of one step apply in the order of their calls. One to another task is too late, and is dropped.
    """
    if change is None or "created_at" in change:
        return cast(Task | None, change)
    task = task_of(task)
    if task is None or task["id"] != change["id"]:
        return task
    return {**task, "status": change["ending"] or task["status"], "data": _merged(task["data"], change["data"])}


def start_task(task: Task | None, kind: str, data: TaskData, now: datetime, hours: float = TASK_HOURS) -> Task:
    """A new task, in place of one that has ended. Raises BadInput while one is open, whose data would be lost."""
    if current := open_task(task, now):
        name = f"{current['type']!r} ({current['id']})"
        raise BadInput(f"The task {name} is still open here: use update_task, or finish_task before you start another.")
    if not kind.strip():
        raise BadInput("The task's type is empty: say in a word or two what it is, such as 'trip booking'.")
    if not 0 < hours <= MAX_HOURS:
        raise BadInput(f"The hours are {hours!r}: give more than 0 and at most {MAX_HOURS:,}.")
    kind, data = check_text("task's type", kind, MAX_TYPE), _checked(_merged({}, data))
    start, end = now.isoformat(), (now + timedelta(hours=hours)).isoformat()
    return Task(id=uuid.uuid4().hex[:8], type=kind, status="in_progress", data=data, created_at=start, expires_at=end)


def open_task(task: Task | None, now: datetime) -> Task | None:
    """`task` while it is in progress and has not expired, otherwise None."""
    task = task_of(task)
    return task if task and status_of(task, now) == "in_progress" else None


def status_of(task: Task, now: datetime) -> TaskStatus:
    is_late = task["status"] == "in_progress" and now >= datetime.fromisoformat(task["expires_at"])
    return "expired" if is_late else task["status"]


def update_task(task: Task | None, data: TaskData, now: datetime) -> TaskChange:
    """`data` merged into the open task's. Raises BadInput when none is open, or its data would be too large."""
    current = _require_open(task, now)
    _checked(_merged(current["data"], data))  # each call of a step by itself: together they may pass the limit
    return TaskChange(id=current["id"], ending=None, data=data)


def finish_task(task: Task | None, ending: Ending, now: datetime) -> TaskChange:
    """End the open task. Raises BadInput when none is open."""
    return TaskChange(id=_require_open(task, now)["id"], ending=ending, data={})


def _require_open(task: Task | None, now: datetime) -> Task:
    if current := open_task(task, now):
        return current
    task = task_of(task)
    last = f" (the last one, {task['type']!r}, is {status_of(task, now)})" if task else ""
    raise BadInput(f"No task is open in this thread{last}: start one first, in a step of its own.")


def _merged(data: TaskData, changes: TaskData) -> TaskData:
    return {key: value for key, value in {**data, **changes}.items() if value is not None}


def _checked(data: TaskData) -> TaskData:
    """`data` unchanged. Raises BadInput for data that is not JSON, too large, or that Postgres cannot keep."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput("The task's data are no plain JSON: give texts, finite numbers, lists and objects.") from error
    if len(text) > MAX_DATA:
        size = f"{len(text):,} characters as JSON, and at most {MAX_DATA:,} are kept"
        raise BadInput(f"The task's data would have {size}: shorten them, or take keys out by setting them to null.")
    check_text("task's data", text, MAX_DATA)
    return data
