"""What a roll-back undoes and restores, decided without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory.facts.changes import Proposal, retired
from memory.facts.fact import Fact, Repeat, Source
from memory.facts.portable import dump, load
from memory.facts.roll_back import RollBack, Taught, plan_roll_back, provenance
from memory.facts.timeline import as_of, chain
from memory.learn.reconcile import reconcile
from tests.facts import make_fact

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=100)
BAD = Taught("bad")


def on(day: int) -> datetime:
    return START + timedelta(days=day)


def said(text: str, attribute: str, thread: str, day: int, **values: Any) -> Fact:
    source = Source(thread_id=thread, message_id=f"{thread}-{day}")
    return make_fact(
        text, attribute, message_id=f"{thread} {day}", source=source, observed_at=on(day), recorded_at=on(day), **values
    )


def replaced(fact: Fact, by: Fact, *, source: Source | None = None) -> Fact:
    gone = retired(fact, "superseded", by.starts_at, by.id, source or by.source)
    return gone.model_copy(update={"retired_at": by.recorded_at})


def again(fact: Fact, thread: str, day: int) -> dict[str, list[Repeat]]:
    return {fact.id: [Repeat(thread_id=thread, message_id=f"{thread}-{day}", observed_at=on(day), recorded_at=on(day))]}


def texts(change: RollBack) -> tuple[list[str], list[str], list[str]]:
    return (
        [fact.text for fact in change.undone],
        [fact.text for fact in change.restored],
        [repeat.fact.text for repeat in change.repeats],
    )


LIMA = said("Lives in Lima", "home city", "good", 1)
AUSTIN = said("Lives in Austin", "home city", "bad", 2)
ROME = said("Lives in Rome", "home city", "good", 3)
OSLO = said("Lives in Oslo", "home city", "bad", 4)
TEA = said("Likes tea", "likes", "good", 1)
NUTS = said("Is allergic to nuts", "allergy", "good", 1, category="constraint")
TAKEN_BACK = retired(NUTS, "retracted", on(2), by=Source(thread_id="bad", message_id="bad-9"))

LATE = retired(LIMA, "superseded", on(2), AUSTIN.id)  # without a message: it arrived after Austin


@pytest.mark.parametrize("taught", [BAD, Taught(since=on(2))])
def test_what_was_superseded_is_current_again(taught: Taught) -> None:
    change = plan_roll_back([replaced(LIMA, AUSTIN), AUSTIN, TEA], {}, taught, NOW)
    assert texts(change) == (["Lives in Austin"], ["Lives in Lima"], [])
    (austin,), (old,), (new,) = change.undone, change.replaced, change.restored
    assert (austin.retired_reason, austin.retired_at, austin.rolled_back_at) == ("retracted", NOW, NOW)
    assert (old.id, old.retired_at, old.rolled_back_at) == (LIMA.id, AUSTIN.recorded_at, NOW)
    assert new.model_copy(update={"id": LIMA.id, "recorded_at": LIMA.recorded_at, "restores": None}) == LIMA
    assert (new.restores, new.recorded_at) == (LIMA.id, NOW)


def test_the_past_tells_what_was_believed_and_no_longer_what_was_undone() -> None:
    change = plan_roll_back([replaced(LIMA, AUSTIN), AUSTIN], {}, BAD, NOW)
    facts = [*change.replaced, *change.undone, *change.restored]
    assert [fact.text for fact in as_of(facts, on(50)).believed] == ["Lives in Austin"]
    assert [fact.text for fact in as_of(facts, on(50)).held] == ["Lives in Lima"]
    assert [fact.text for fact in as_of(facts, NOW).believed] == ["Lives in Lima"]
    assert not any(fact.was_true for fact in facts)
    assert chain(facts, change.restored[0].id) == facts


@pytest.mark.parametrize(
    ("facts", "restored"),
    [
        ([replaced(LIMA, AUSTIN), replaced(AUSTIN, ROME), ROME], []),  # the user has moved on
        ([TAKEN_BACK.model_copy(update={"retired_at": on(2)})], ["Is allergic to nuts"]),
        ([TAKEN_BACK.model_copy(update={"retired_at": on(2)}), said("Is allergic to nuts", "allergy", "good", 4)], []),
        ([LATE.model_copy(update={"retired_at": on(3)}), AUSTIN], ["Lives in Lima"]),
        ([retired(TEA, "retracted", on(2)).model_copy(update={"retired_at": on(2)})], []),  # by hand
        ([replaced(LIMA, TEA, source=AUSTIN.source), TEA], ["Lives in Lima"]),  # tea was said again, and "replaces"
        ([replaced(LIMA, ROME), ROME, AUSTIN], []),  # another thread did that
        ([replaced(LIMA, AUSTIN), replaced(AUSTIN, OSLO), replaced(OSLO, AUSTIN)], ["Lives in Lima"]),  # a made-up file
    ],
)  # fmt: skip
def test_a_retirement_is_undone_unless_something_later_says_otherwise(facts: list[Fact], restored: list[str]) -> None:
    assert texts(plan_roll_back(facts, {}, BAD, NOW))[1] == restored


def test_a_retirement_by_hand_is_undone_though_its_successor_is_older() -> None:
    by_hand = retired(LIMA, "superseded", on(5), TEA.id).model_copy(update={"retired_at": on(5)})
    assert texts(plan_roll_back([by_hand, TEA], {}, Taught(since=on(4)), NOW))[1] == ["Lives in Lima"]


def test_what_an_earlier_roll_back_has_undone_overtakes_nothing() -> None:
    moved = said("Lives in Rome", "home city", "other", 3)
    first = plan_roll_back([replaced(LIMA, AUSTIN), replaced(AUSTIN, moved), moved], {}, Taught("other"), NOW)
    facts = [replaced(LIMA, AUSTIN), *first.replaced, *first.undone, *first.restored]
    assert texts(plan_roll_back(facts, {}, BAD, NOW)) == (["Lives in Austin"], ["Lives in Lima"], [])


def test_what_was_replaced_twice_stays_replaced_beside_other_values() -> None:
    hates, green = said("Hates tea", "likes", "bad", 2), said("Likes green tea best", "likes", "good", 3)
    assert texts(plan_roll_back([replaced(TEA, hates), replaced(hates, green), green], {}, BAD, NOW))[1] == []


def test_a_restored_fact_held_once() -> None:
    change = plan_roll_back([replaced(TEA, AUSTIN), AUSTIN], {}, BAD, NOW)
    held = as_of([*change.replaced, *change.undone, *change.restored], on(2) - timedelta(hours=1)).held
    assert held == [*change.restored]


def test_what_was_undone_does_not_end_what_another_message_says() -> None:
    (undone,) = plan_roll_back([AUSTIN], {}, BAD, NOW).undone
    late = said("Lives in Austin", "home city", "good", 1)
    assert reconcile([Proposal(late)], {}, [undone]).added == (late,)


def test_of_a_slot_that_changed_twice_only_the_last_value_returns() -> None:
    facts = [replaced(LIMA, AUSTIN), replaced(AUSTIN, ROME), replaced(ROME, OSLO), OSLO]
    assert texts(plan_roll_back(facts, {}, BAD, NOW)) == (["Lives in Austin", "Lives in Oslo"], ["Lives in Rome"], [])


def test_a_fact_that_was_also_said_elsewhere_stays_with_what_it_replaced() -> None:
    facts = [replaced(LIMA, AUSTIN), AUSTIN]
    assert not plan_roll_back(facts, again(AUSTIN, "good", 5), BAD, NOW)
    assert texts(plan_roll_back(facts, again(AUSTIN, "bad", 5), BAD, NOW))[0] == ["Lives in Austin"]


def test_a_repeat_is_undone_alone() -> None:
    assert texts(plan_roll_back([TEA], again(TEA, "bad", 5), BAD, NOW)) == ([], [], ["Likes tea"])
    assert texts(plan_roll_back([TEA], again(TEA, "bad", 5), Taught(since=on(5)), NOW)) == ([], [], ["Likes tea"])
    assert not plan_roll_back([TEA], again(TEA, "bad", 5), Taught(since=on(6)), NOW)


def test_what_was_history_from_the_start_no_longer_counts() -> None:
    past = retired(said("Lived in Bonn", "home city", "bad", 2, tense="past"), "expired", on(2))
    (gone,) = plan_roll_back([past.model_copy(update={"retired_at": on(2)})], {}, BAD, NOW).undone
    assert (gone.retired_reason, gone.retired_at, gone.was_true) == ("expired", on(2), False)


@pytest.mark.parametrize("taught", [BAD, Taught(since=on(2)), Taught(since=on(50))])
def test_a_second_roll_back_leaves_what_the_first_has_restored(taught: Taught) -> None:
    first = plan_roll_back([replaced(LIMA, AUSTIN), AUSTIN], {}, BAD, NOW)
    facts = [*first.replaced, *first.undone, *first.restored]
    assert not plan_roll_back(facts, {}, taught, NOW + timedelta(days=1))


def test_a_restored_fact_goes_with_its_own_thread() -> None:
    first = plan_roll_back([replaced(LIMA, AUSTIN), AUSTIN], {}, BAD, NOW)
    facts = [*first.replaced, *first.undone, *first.restored]
    assert texts(plan_roll_back(facts, {}, Taught("good"), NOW + timedelta(days=1))) == (["Lives in Lima"], [], [])


def test_provenance_names_each_message() -> None:
    change = plan_roll_back([replaced(LIMA, AUSTIN), AUSTIN], {}, BAD, NOW)
    facts = [*change.replaced, *change.undone, *change.restored]
    events = provenance(facts, again(change.restored[0], "good", 7), change.restored[0])
    assert [(event.what, event.source and event.source.message_id) for event in events] == [
        ("said", "good-1"),
        ("retired", "bad-2"),
        ("said again", "good-7"),
        ("rolled back", None),
    ]
    assert [event.what for event in provenance(facts, {}, change.undone[0])] == ["said", "rolled back"]


def test_a_rolled_back_memory_is_exported_and_imported_whole() -> None:
    change = plan_roll_back([replaced(LIMA, AUSTIN), AUSTIN], {}, BAD, NOW)
    facts = [*change.replaced, *change.undone, *change.restored]
    assert load(dump(facts, {}, []))[0] == facts
