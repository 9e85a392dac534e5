"""Tasks: how they start, change, end and expire."""

import math
from datetime import timedelta
from typing import Any

import pytest

from memory.errors import BadInput
from memory.threads.task import (
    MAX_DATA,
    MAX_TYPE,
    Ending,
    Task,
    TaskChange,
    change_task,
    finish_task,
    open_task,
    start_task,
    status_of,
    task_of,
    update_task,
)
from tests.facts import NOON

TRIP = start_task(None, "trip", {"to": "Lisbon", "nights": 2}, NOON)


def after(*changes: Task | TaskChange | None, task: Task = TRIP) -> Task:
    """The task after these changes, in one step or in several."""
    changed: Task | None = task
    for change in changes:
        changed = change_task(changed, change)
    assert changed is not None
    return changed


def test_a_task_is_open_for_a_day_or_for_the_hours_given() -> None:
    assert open_task(TRIP, NOON + timedelta(hours=23)) == TRIP
    assert open_task(TRIP, NOON + timedelta(hours=24)) is None
    assert open_task(None, NOON) is None
    short = start_task(None, "call", {}, NOON, hours=0.5)
    assert open_task(short, NOON + timedelta(minutes=29)) == short
    assert open_task(short, NOON + timedelta(minutes=30)) is None


def test_a_task_expires_unless_it_was_ended() -> None:
    later = NOON + timedelta(days=2)
    assert (status_of(TRIP, NOON), status_of(TRIP, later)) == ("in_progress", "expired")
    assert status_of(after(finish_task(TRIP, "failed", NOON)), later) == "failed"


def test_updates_in_one_step_are_merged_in_call_order() -> None:
    changed = after(update_task(TRIP, {"nights": 3}, NOON), update_task(TRIP, {"hotel": "Aurora", "nights": 4}, NOON))
    assert changed["data"] == {"to": "Lisbon", "nights": 4, "hotel": "Aurora"}
    assert TRIP["data"] == {"to": "Lisbon", "nights": 2}


def test_null_deletes_a_key() -> None:
    assert after(update_task(TRIP, {"nights": None}, NOON))["data"] == {"to": "Lisbon"}
    assert start_task(None, "trip", {"to": None}, NOON)["data"] == {}


def test_an_ending_and_an_update_in_one_step_both_apply() -> None:
    update, end = update_task(TRIP, {"nights": 3}, NOON), finish_task(TRIP, "done", NOON)
    for changes in ((update, end), (end, update)):
        changed = after(*changes)
        assert (changed["status"], changed["data"]["nights"]) == ("done", 3)


def test_the_last_of_two_endings_in_one_step_wins() -> None:
    assert after(finish_task(TRIP, "done", NOON), finish_task(TRIP, "cancelled", NOON))["status"] == "cancelled"


def test_a_change_to_a_task_that_was_replaced_is_dropped() -> None:
    new = start_task(None, "dinner", {}, NOON)
    assert after(update_task(TRIP, {"nights": 3}, NOON), task=new) == new
    assert change_task(None, update_task(TRIP, {}, NOON)) is None
    assert after(new) == new
    assert change_task(TRIP, None) is None


def test_starting_a_task_while_one_is_open_is_rejected() -> None:
    with pytest.raises(BadInput, match=rf"'trip' \({TRIP['id']}\) is still open .*update_task.*finish_task"):
        start_task(TRIP, "dinner", {}, NOON)
    assert start_task(after(finish_task(TRIP, "done", NOON)), "dinner", {}, NOON)["type"] == "dinner"
    assert start_task(TRIP, "dinner", {}, NOON + timedelta(days=2))["type"] == "dinner"


@pytest.mark.parametrize(
    ("task", "days", "why"),
    [
        (None, 0, "No task is open in this thread: start one first"),
        (after(finish_task(TRIP, "done", NOON)), 0, "'trip', is done"),
        (TRIP, 2, "'trip', is expired"),
    ],
    ids=["none", "ended", "expired"],
)
def test_a_task_that_is_not_open_cannot_be_changed(task: Task | None, days: int, why: str) -> None:
    now = NOON + timedelta(days=days)
    with pytest.raises(BadInput, match=why):
        update_task(task, {}, now)
    with pytest.raises(BadInput, match=why):
        finish_task(task, "done", now)


DEEP: dict[str, Any] = {}
for _ in range(10_000):
    DEEP = {"deeper": DEEP}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"x": "y" * MAX_DATA}, r"4,009 characters .* at most 4,000 .*setting them to null"),
        ({"x": ["y"] * MAX_DATA}, "at most 4,000"),
        ({"x": math.nan}, "finite numbers"),
        ({"x": {1, 2}}, "no plain JSON"),
        ({"x": "\ud800"}, "lone surrogate"),
        ({"\udfff": 1}, "lone surrogate"),
        (DEEP, "no plain JSON|at most 4,000"),
    ],
    ids=["long", "many", "not a number", "a set", "half a character", "half a character for a key", "deep"],
)
def test_data_that_cannot_be_saved_is_rejected(data: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        start_task(None, "trip", data, NOON)
    with pytest.raises(BadInput, match=why):
        update_task(start_task(None, "trip", {}, NOON), data, NOON)


def test_the_limit_applies_to_the_data_of_all_updates_together() -> None:
    full = after(update_task(TRIP, {"notes": "n" * 3_000}, NOON))
    with pytest.raises(BadInput, match="at most 4,000"):
        update_task(full, {"more": "m" * 1_000}, NOON)
    assert (
        after(update_task(full, {"notes": None, "more": "m" * 1_000}, NOON), task=full)["data"]["more"] == "m" * 1_000
    )


BROKEN: dict[str, Any] = {
    "a text": "trip",
    "a list": [],
    "an id": {"id": "x"},
    "an unknown status": {**TRIP, "status": "open"},
    "an end that is no moment": {**TRIP, "expires_at": "soon"},
    "no end": {**TRIP, "expires_at": None},
    "an empty moment": {**TRIP, "created_at": ""},
    "no data": {**TRIP, "data": None},
}


@pytest.mark.parametrize("task", BROKEN.values(), ids=BROKEN.keys())
def test_an_invalid_task_in_the_state_counts_as_none(task: Any) -> None:
    assert task_of(task) is open_task(task, NOON) is None
    with pytest.raises(BadInput, match="No task is open"):
        update_task(task, {}, NOON)
    assert change_task(task, update_task(TRIP, {}, NOON)) is None
    assert start_task(task, "dinner", {}, NOON)["type"] == "dinner"


def test_a_time_without_a_time_zone_is_read_as_utc() -> None:
    until = (NOON + timedelta(hours=1)).replace(tzinfo=None).isoformat()
    task: Task = {**TRIP, "expires_at": until}
    assert open_task(task, NOON) == {**TRIP, "expires_at": f"{until}+00:00"}
    assert open_task(task, NOON + timedelta(hours=1)) is None


@pytest.mark.parametrize("kind", ["", " \n", "t" * (MAX_TYPE + 1), "a\x00b", "\ud800"], ids=ascii)
def test_an_invalid_type_is_rejected(kind: str) -> None:
    with pytest.raises(BadInput, match="task's type"):
        start_task(None, kind, {}, NOON)


@pytest.mark.parametrize("hours", [0, -1, 8_761, math.inf, math.nan])
def test_hours_out_of_range_are_rejected(hours: float) -> None:
    with pytest.raises(BadInput, match="more than 0 and at most 8,760"):
        start_task(None, "trip", {}, NOON, hours)


@pytest.mark.parametrize("ending", ["done", "failed", "cancelled"])
def test_a_task_ends_in_each_of_three_ways(ending: Ending) -> None:
    assert after(finish_task(TRIP, ending, NOON))["status"] == ending
