"""Facts over time, as tables: which held, which were believed, and the versions of a fact."""

from datetime import UTC, datetime
from typing import Any

import pytest

from memory.facts.fact import Fact
from memory.facts.timeline import as_of, chain, current_at, set_back, versions
from memory.recall.table import Table
from memory.recall.words import document
from tests.facts import make_fact


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(text: str | None) -> datetime | None:
    return moment(text) if text else None


def fact(
    text: str,
    attribute: str = "home city",
    *,
    said: str,
    recorded: str = "",
    since: str | None = None,
    until: str | None = None,
    retired: str | None = None,
    ended: str | None = None,
    **values: Any,
) -> Fact:
    """A fact with its dates: said, recorded (by default when said), valid from and until, and retired."""
    dates: dict[str, Any] = {
        "observed_at": moment(said),
        "recorded_at": moment(recorded or said),
        "valid_from": at(since),
        "valid_until": at(until),
        "retired_at": at(retired),
        "retired_reason": "superseded" if retired else None,
        "ended_at": at(ended),
    }
    return make_fact(text, attribute, message_id=said, **dates, **values)


def texts(facts: list[Fact]) -> list[str]:
    return [fact.text for fact in facts]


AUSTIN = fact("Austin", said="2020-06-15", since="2020-05-01")
LIMA = fact("Lima", said="2020-03-01", retired="2020-06-15", ended="2020-05-01", successor=AUSTIN.id)
TRIP = fact("Trip", "event", said="2020-01-01", until="2020-01-08")
OSLO = fact("Oslo", said="2020-07-01", until="2010-01-01", retired="2020-07-01", ended="2010-01-01")
LATE = fact("Late", "likes", said="2019-01-01", recorded="2021-01-01")
FACTS = [TRIP, LIMA, AUSTIN, OSLO, LATE]


@pytest.mark.parametrize(
    ("when", "held", "believed"),
    [
        ("1999-01-01", ["Oslo"], []),  # its start is unknown
        ("2015-01-01", [], []),
        ("2019-06-01", ["Late"], []),  # said before that date, recorded after it
        ("2020-01-01", ["Trip", "Late"], ["Trip"]),
        ("2020-01-08", ["Late"], []),
        ("2020-03-01", ["Lima", "Late"], ["Lima"]),
        ("2020-05-01", ["Austin", "Late"], ["Lima"]),
        ("2020-06-14", ["Austin", "Late"], ["Lima"]),
        ("2020-06-15", ["Austin", "Late"], ["Austin"]),
        ("2021-01-01", ["Austin", "Late"], ["Austin", "Late"]),
    ],
)
def test_as_of_returns_the_facts_that_held_and_those_believed(when: str, held: list[str], believed: list[str]) -> None:
    then = as_of(FACTS, moment(when))
    assert (texts(then.held), texts(then.believed)) == (held, believed)


HOME = fact("Rome", said="2019-01-01")
PLAN = fact("Oslo", said="2019-06-01", since="2020-01-01")
SHORT_PLAN = fact("Oslo", said="2019-06-01", since="2020-01-01", until="2020-03-01")
SECOND_PLAN = fact("Bonn", said="2019-07-01", since="2020-02-01")
BACK = fact("Lima", said="2020-05-01")


@pytest.mark.parametrize(
    ("facts", "when", "current"),
    [
        ([HOME], "2019-06-01", ["Rome"]),
        ([TRIP], "2020-01-07", ["Trip"]),
        ([TRIP], "2020-01-08", []),
        ([HOME, PLAN], "2019-12-31", ["Rome", "Oslo"]),  # a plan is current before it begins
        ([HOME, PLAN], "2020-01-01", ["Oslo"]),
        ([HOME, SHORT_PLAN], "2020-02-01", ["Rome", "Oslo"]),
        ([HOME, SHORT_PLAN], "2020-03-01", ["Rome"]),
        ([HOME, PLAN, SECOND_PLAN], "2020-01-15", ["Oslo", "Bonn"]),
        ([HOME, PLAN, SECOND_PLAN], "2020-02-01", ["Bonn"]),
        ([PLAN, BACK], "2020-05-02", ["Lima"]),
        ([HOME, fact("Jazz", "likes", said="2019-02-01"), PLAN], "2020-01-01", ["Jazz", "Oslo"]),
    ],
)
def test_facts_and_table_columns_agree_on_what_is_current(facts: list[Fact], when: str, current: list[str]) -> None:
    assert texts(current_at(facts, moment(when))) == current
    mask = Table().extended([*map(document, facts)]).current(moment(when))
    assert [fact.text for fact, is_current in zip(facts, mask, strict=True) if is_current] == current
    assert texts(as_of(facts, moment(when)).believed) == current


def test_a_plan_replaces_the_earlier_fact_from_its_date_on() -> None:
    rome = fact("Rome", said="2019-01-01")
    berlin = fact("Berlin", said="2019-11-01", since="2020-01-01")
    assert texts(as_of([rome, berlin], moment("2019-12-31")).held) == ["Rome"]
    assert texts(as_of([rome, berlin], moment("2020-01-01")).held) == ["Berlin"]


def test_a_fact_with_a_known_start_outweighs_one_without() -> None:
    rome = fact("Rome", said="2005-01-01")
    assert texts(as_of([rome, OSLO], moment("2006-01-01")).held) == ["Rome"]


def test_a_fact_is_believed_from_its_recording_until_its_retirement() -> None:
    assert texts(as_of([LIMA], moment("2020-02-29")).believed) == []
    assert texts(as_of([LIMA], moment("2020-06-15")).believed) == []


def test_versions_are_numbered_by_when_they_were_said_newest_first() -> None:
    late = fact("Rome", said="2020-04-01", recorded="2022-01-01")
    assert [(v.number, v.fact.text) for v in versions([LIMA, AUSTIN, late])] == [
        (3, "Austin"),
        (2, "Rome"),
        (1, "Lima"),
    ]


def test_versions_said_at_the_same_time_keep_the_recorded_order() -> None:
    one, two = fact("One", said="2020-01-01"), fact("Two", said="2020-01-01")
    assert [v.fact.text for v in versions([one, two])] == ["Two", "One"]
    early = fact("Early", said="2020-01-01", recorded="2019-01-01")
    assert [v.fact.text for v in versions([one, early])] == ["One", "Early"]


def test_the_chain_in_an_exclusive_slot_is_the_whole_slot() -> None:
    assert texts(chain(FACTS, LIMA.id)) == ["Lima", "Austin", "Oslo"]


def test_the_chain_elsewhere_follows_successors_both_ways() -> None:
    rust = fact("Rust for services", "tool", said="2022-01-01")
    api = fact("Python for the API", "tool", said="2021-01-01", retired="2022-01-01", successor=rust.id)
    python = fact("Python", "tool", said="2020-01-01", retired="2021-01-01", successor=api.id)
    go = fact("Go", "tool", said="2020-01-01")
    everything = [go, python, api, rust]
    for start in (python, api, rust):
        assert texts(chain(everything, start.id)) == ["Python", "Python for the API", "Rust for services"]
    assert texts(chain(everything, go.id)) == ["Go"]
    assert texts(chain([python], python.id)) == ["Python"]  # its successor was forgotten
    assert chain(everything, "unknown") == []


@pytest.mark.parametrize(("said", "ended"), [("2020-01-01", "2021-01-01"), ("2021-01-01", "2021-02-01")])
def test_the_dates_of_a_clock_that_was_ahead_are_set_back(said: str, ended: str) -> None:
    now = moment("2020-06-01")
    gone = fact("Rome", said=said).model_copy(update={"ended_at": moment(ended), "retired_reason": "superseded"})
    back = set_back(gone, now, now)
    assert back.ended_at is not None
    assert max(back.last_said_at, back.ended_at) < now
    assert (back.observed_at == gone.observed_at) == (gone.observed_at < now)
    assert set_back(gone, now, moment(ended)) is gone
