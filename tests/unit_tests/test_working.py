"""Tasks: started, changed, ended, and gone when their time is up."""

from datetime import timedelta

import pytest

from memory.errors import BadInput
from memory.working import change_task, finish_task, open_task, start_task, update_task
from tests.facts import NOON


def test_a_task_is_open_for_a_day_and_no_longer() -> None:
    task = start_task("trip", {"to": "Lisbon"}, NOON)
    assert open_task(task, NOON + timedelta(hours=23)) == task
    assert open_task(task, NOON + timedelta(hours=24)) is None
    assert open_task(None, NOON) is None


def test_changes_are_merged_one_after_another_and_the_task_given_stays_as_it_was() -> None:
    task = start_task("trip", {"to": "Lisbon", "nights": 2}, NOON)
    once = change_task(task, update_task(task, {"nights": 3}, NOON))
    twice = change_task(once, update_task(task, {"hotel": "Aurora"}, NOON))
    assert twice is not None
    assert twice["data"] == {"to": "Lisbon", "nights": 3, "hotel": "Aurora"}
    assert task["data"] == {"to": "Lisbon", "nights": 2}


def test_a_change_of_a_task_that_was_replaced_comes_too_late() -> None:
    old, new = start_task("trip", {}, NOON), start_task("dinner", {}, NOON)
    assert change_task(new, update_task(old, {"nights": 3}, NOON)) == new
    assert change_task(old, new) == new
    assert change_task(old, None) is None


def test_an_ended_or_expired_task_cannot_be_changed() -> None:
    task = start_task("trip", {}, NOON)
    done = change_task(task, finish_task(task, "done", NOON))
    assert done is not None
    assert done["status"] == "done"
    for other, when in ((done, NOON), (task, NOON + timedelta(days=2)), (None, NOON)):
        with pytest.raises(BadInput, match="start one"):
            update_task(other, {}, when)
