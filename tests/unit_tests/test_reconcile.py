"""Reconciling candidates with the known facts, as tables."""

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from memory.facts.changes import Changes, Proposal, RelationKind, TakenBack
from memory.facts.fact import Fact
from memory.facts.slots import is_exclusive
from memory.learn.reconcile import put, reconcile
from tests.facts import NOON, make_fact

SF = make_fact("Lives in San Francisco", "home city", message_id="m0")
AUSTIN = make_fact("Lives in Austin", "home city")
JAZZ = make_fact("Likes jazz", "likes", message_id="m0")
PYTHON = make_fact("Uses Python", "tool", message_id="m0")
GO = make_fact("Uses Go", "tool", message_id="m0")
RUST = make_fact("Uses Rust for the performance-critical services", "tool")
PYTHON_API = make_fact("Uses Python for the API layer", "tool")


def decide(*proposals: Proposal, known: tuple[Fact, ...] = (), retracted: tuple[str, ...] = ()) -> Changes:
    return reconcile(proposals, dict.fromkeys(retracted, TakenBack(NOON)), known)


def texts(changes: Changes) -> tuple[list[str], list[str], list[tuple[str, str | None]]]:
    return (
        [fact.text for fact in changes.added],
        [repeat.fact.text for repeat in changes.reinforced],
        [(fact.text, fact.retired_reason) for fact in changes.retired],
    )


def test_a_new_value_of_an_exclusive_slot_supersedes_without_a_relation() -> None:
    changes = decide(Proposal(AUSTIN), known=(SF,))
    assert texts(changes) == (["Lives in Austin"], [], [("Lives in San Francisco", "superseded")])
    assert changes.retired[0].successor == AUSTIN.id


def test_a_value_that_is_alone_in_its_slot_again_is_replaced() -> None:
    left = AUSTIN.model_copy(update={"exclusive": False})  # kept beside another home, in doubt, which is over by now
    oslo = make_fact("Now lives in Oslo", "home city", message_id="m9")
    assert texts(decide(Proposal(oslo), known=(left,))) == (
        ["Now lives in Oslo"],
        [],
        [("Lives in Austin", "superseded")],
    )
    two = (left, SF.model_copy(update={"exclusive": False}))
    assert decide(Proposal(oslo), known=two).retired == ()


def test_a_many_valued_slot_keeps_all_values() -> None:
    assert texts(decide(Proposal(make_fact("Likes hiking", "likes")), known=(JAZZ,))) == (["Likes hiking"], [], [])


def test_an_exact_repeat_reinforces_and_adds_nothing() -> None:
    again = make_fact("lives in san francisco.", "home city", message_id="m9")
    assert texts(decide(Proposal(again), known=(SF,))) == ([], ["Lives in San Francisco"], [])


def test_a_repeat_that_is_dated_when_it_was_said_reinforces_too() -> None:
    again = SF.model_copy(update={"id": "another", "valid_from": SF.observed_at})
    assert texts(decide(Proposal(again, {SF.id: "replaces"}), known=(SF,))) == ([], ["Lives in San Francisco"], [])


def test_a_duplicate_relation_reinforces_within_the_slot_only() -> None:
    said = make_fact("Enjoys jazz music", "likes")
    assert texts(decide(Proposal(said, {JAZZ.id: "duplicate"}), known=(JAZZ,))) == ([], ["Likes jazz"], [])
    other = make_fact("Plays jazz", "hobby")
    assert texts(decide(Proposal(other, {JAZZ.id: "duplicate"}), known=(JAZZ,))) == (["Plays jazz"], [], [])


@pytest.mark.parametrize("relation", ["replaces", "refines", "duplicate"])
def test_a_model_cannot_retire_a_fact_of_another_subject(relation: RelationKind) -> None:
    anna = make_fact("Anna lives in Rome", "home city", subject="anna")
    assert texts(decide(Proposal(AUSTIN, {anna.id: relation}), known=(anna,))) == (["Lives in Austin"], [], [])


def test_what_replaces_a_fact_retires_it_whatever_its_attribute() -> None:
    love, hate = make_fact("Loves coffee", "likes", message_id="m0"), make_fact("Hates coffee", "dislikes")
    changes = decide(Proposal(hate, {love.id: "replaces"}), known=(love,))
    assert texts(changes) == (["Hates coffee"], [], [("Loves coffee", "superseded")])
    assert changes.retired[0].successor == hate.id


def test_a_partial_change_keeps_the_rest() -> None:
    changes = decide(Proposal(RUST), Proposal(PYTHON_API, {PYTHON.id: "refines"}), known=(PYTHON, GO))
    assert texts(changes) == ([RUST.text, PYTHON_API.text], [], [("Uses Python", "refined")])


def test_a_retraction_retires_only_the_facts_it_names() -> None:
    assert texts(decide(known=(SF, JAZZ), retracted=(JAZZ.id, "unknown"))) == ([], [], [("Likes jazz", "retracted")])


def test_two_values_in_one_message_leave_the_last_one_current() -> None:
    lima = make_fact("Lives in Lima", "home city")
    changes = decide(Proposal(lima), Proposal(AUSTIN), known=(SF,))
    assert [(f.text, f.retired_reason, f.successor) for f in changes.added] == [
        ("Lives in Lima", "superseded", AUSTIN.id),
        ("Lives in Austin", None, None),
    ]
    assert [(fact.text, fact.successor) for fact in changes.retired] == [("Lives in San Francisco", lima.id)]


def test_a_repeated_write_changes_nothing_even_after_a_retirement() -> None:
    retired = AUSTIN.model_copy(update={"retired_at": NOON, "retired_reason": "superseded"})
    assert not decide(Proposal(AUSTIN), known=(AUSTIN,))
    assert not decide(Proposal(AUSTIN), known=(retired, SF))


def test_relations_to_facts_that_are_gone_are_ignored() -> None:
    assert texts(decide(Proposal(RUST, {"gone": "replaces"}), known=(GO,))) == ([RUST.text], [], [])


def test_a_hundred_unrelated_facts_retire_nothing() -> None:
    known = tuple(make_fact(f"Likes thing {n}", "likes", message_id=f"k{n}") for n in range(50)) + tuple(
        make_fact(f"Friend {n} lives in city {n}", "home city", subject=f"friend {n}", message_id=f"f{n}")
        for n in range(50)
    )
    said = [Proposal(make_fact(f"Likes novelty {n}", "likes"), {known[n].id: "unrelated"}) for n in range(50)]
    changes = decide(*said, Proposal(AUSTIN), known=known)
    assert (len(changes.added), changes.retired) == (51, ())


RIVALS = [
    ("Lives in Lima", "Lives in Rome", "home city"),
    ("Lives in Peru", "Lives in Italy", "home country"),
    ("Works at Google", "Works at Acme", "employer"),
    ("Is a nurse", "Is a pilot", "occupation"),
    ("Name is Ada", "Name is Eve", "name"),
    ("Is 34 years old", "Is 35 years old", "age"),
    ("Birthday is 3 May", "Birthday is 4 May", "birthday"),
    ("Is from Ohio", "Is from Texas", "origin"),
    ("Speaks Welsh at home", "Speaks Irish at home", "native language"),
    ("Is single", "Is married", "marital status"),
]
"""Two values of a slot that holds one: the second replaces the first."""

COMPANIONS = [
    ("Likes jazz", "Likes no jazz on Mondays", "likes"),
    ("Likes tea", "Likes green tea", "likes"),
    ("Dislikes olives", "Dislikes capers", "dislikes"),
    ("Is allergic to nuts", "Is allergic to shellfish", "allergy"),
    ("Is vegetarian", "Eats no gluten", "diet"),
    ("Speaks German", "Speaks Spanish", "spoken language"),
    ("Uses Python", "Uses Rust", "tool"),
    ("Is building a shop", "Is building a game", "project"),
    ("Plays chess", "Plays the violin", "hobby"),
    ("Has a sister, Anna", "Has a sister, Berta", "family"),
    ("Has a cat, Tom", "Has a dog, Rex", "pet"),
    ("Wants to run a marathon", "Wants to learn to sail", "goal"),
    ("Chose Postgres", "Chose Chroma", "decision"),
    ("Met Tom in 2019", "Met Tom in 2020", "event"),
]
"""Two values of a slot that holds many: both are kept."""

SUBJECTS = ["user", "anna", "tom", "the shop"]


def stranger_pairs() -> list[tuple[Fact, Fact]]:
    """Unrelated facts: with different subjects or attributes, or in a slot that holds many values."""
    kept = [(one, two, attribute, "user", "user") for one, two, attribute in COMPANIONS]
    kept += [(one, two, attribute, "user", other) for one, two, attribute in RIVALS for other in SUBJECTS[1:]]
    known = [make_fact(one, attribute, subject=mine, message_id="m0") for one, _, attribute, mine, _ in kept]
    said = [make_fact(two, attribute, subject=other) for _, two, attribute, _, other in kept]
    pairs = list(zip(known, said, strict=True))
    values = [(text, attribute) for text, _, attribute in (*RIVALS, *COMPANIONS)]
    for (one, mine), (two, other) in zip(values, values[1:] + values[:1], strict=True):  # another attribute
        if mine != other:
            pairs.append((make_fact(one, mine, message_id="m0"), make_fact(two, other)))
    return pairs


def rival_pairs() -> list[tuple[Fact, Fact]]:
    """Facts of which the second replaces the first, for each subject and in both orders."""
    return [
        (make_fact(old, attribute, subject=subject, message_id="m0"), make_fact(new, attribute, subject=subject))
        for one, two, attribute in RIVALS
        for subject in SUBJECTS
        for old, new in ((one, two), (two, one))
    ]


@pytest.mark.parametrize("relation", [None, "unrelated", "refines", "replaces"])
def test_unrelated_facts_are_kept_and_competing_ones_are_replaced(
    relation: RelationKind | None,
) -> None:
    """Relations to facts about somebody else are ignored."""
    strangers, rivals = stranger_pairs(), rival_pairs()
    assert (len(strangers) >= 60, len(rivals) >= 60) == (True, True)
    for known, said in strangers:
        believed = relation if known.subject != said.subject else None
        changes = decide(Proposal(said, {known.id: believed} if believed else {}), known=(known,))
        assert (changes.added, changes.retired, changes.reinforced) == ((said,), (), ()), (known.text, said.text)
    for known, said in rivals:
        changes = decide(Proposal(said, {known.id: relation} if relation else {}), known=(known,))
        assert [(fact.id, fact.successor) for fact in changes.retired] == [(known.id, said.id)], (known.text, said.text)


def test_unrelated_facts_proposed_at_once_are_all_kept() -> None:
    facts = {fact.id: fact for pair in stranger_pairs() for fact in pair}
    one_each = {fact.slot if fact.exclusive else (fact.subject, fact.text): fact for fact in facts.values()}
    assert len(one_each) > 40
    changes = decide(*(Proposal(fact) for fact in one_each.values()))
    assert (len(changes.added), changes.retired) == (len(one_each), ())
    assert not any(fact.retired_reason for fact in changes.added)


LIMA_UNTIL_MAY = make_fact("Lives in Lima", "home city", valid_until=datetime(2026, 5, 1, tzinfo=UTC))
TEA = make_fact("Likes tea", "likes", message_id="m0")


def test_the_end_of_a_known_fact_retires_it() -> None:
    lima = make_fact("Lives in Lima", "home city", message_id="m0")
    changes = decide(Proposal(LIMA_UNTIL_MAY), known=(lima, TEA))
    assert [(fact.id, fact.retired_reason, fact.ended_at) for fact in changes.retired] == [
        (lima.id, "expired", datetime(2026, 5, 1, tzinfo=UTC))
    ]
    assert [(f.text, f.retired_reason) for f in changes.added] == [("Lives in Lima", "expired")]


def test_the_end_of_something_else_retires_nothing() -> None:
    assert decide(Proposal(LIMA_UNTIL_MAY), known=(AUSTIN, TEA)).retired == ()


def test_an_end_date_refines_a_fact_known_without_one() -> None:
    until_june = make_fact("Likes tea", "likes", valid_until=datetime(2035, 6, 1, tzinfo=UTC))
    changes = decide(Proposal(until_june), known=(TEA,))
    assert texts(changes) == (["Likes tea"], [], [("Likes tea", "refined")])


def test_a_fact_said_again_after_it_ended_is_a_new_fact() -> None:
    over = make_fact("Is in Paris", valid_until=datetime(2026, 1, 1, tzinfo=UTC), message_id="m0")
    changes = decide(Proposal(make_fact("Is in Paris")), known=(over,))
    assert (texts(changes)[0], changes.reinforced) == (["Is in Paris"], ())


@pytest.mark.parametrize(
    ("attribute", "proposed", "expected"),
    [
        ("home city", False, True),
        ("likes", True, False),
        ("tool", True, False),
        ("employer", None, True),
        ("employer", False, False),
        ("favourite colour", True, True),
        ("favourite colour", False, False),
    ],
)
def test_well_known_attributes_hold_one_or_many_whatever_a_model_says(
    attribute: str, proposed: bool | None, expected: bool
) -> None:
    assert is_exclusive(attribute, proposed) is expected


def test_a_put_replaces_the_fact_with_its_key_or_exclusive_slot() -> None:
    by_key = make_fact("Car is red", key="car")
    blue = make_fact("Car is blue", key="car")
    assert texts(put(blue, [by_key])) == (["Car is blue"], [], [("Car is red", "superseded")])
    assert texts(put(AUSTIN, [SF])) == (["Lives in Austin"], [], [("Lives in San Francisco", "superseded")])


def test_putting_an_equal_fact_changes_nothing() -> None:
    there = make_fact("Car is red", key="car")
    assert not put(there.model_copy(update={"id": "another"}), [there])


def at(month: int, day: int = 1, year: int = 2026) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def arrive(*said: Fact, retracted: dict[str, datetime] | None = None) -> list[Fact]:
    """All facts after each arrived separately, in this order."""
    known: dict[str, Fact] = {}
    for fact in said:
        changes = reconcile([Proposal(fact)], {}, known.values())
        for new in changes.added:
            known[new.id] = new.model_copy(update={"retired_at": NOON if new.retired_reason else None})
        for known_fact, repeat in changes.reinforced:
            known[known_fact.id] = known_fact.model_copy(update={"said_again_at": repeat.observed_at})
        for gone in changes.retired:
            known[gone.id] = gone.model_copy(update={"retired_at": NOON})
    return list(known.values())


def current(facts: list[Fact]) -> set[str]:
    return {fact.text for fact in facts if fact.retired_at is None}


def home(city: str, said_at: datetime, **values: Any) -> Fact:
    return make_fact(
        f"Lives in {city}", "home city", message_id=f"{city} {said_at}", observed_at=said_at, recorded_at=NOON, **values
    )


def test_returning_after_a_plan_came_true_is_a_new_fact() -> None:
    facts = arrive(
        home("Lisbon", at(1)),
        home("Berlin", at(2), valid_from=at(3)),
        home("Lisbon", at(5)),
    )
    assert [(f.text, f.retired_reason) for f in facts] == [
        ("Lives in Lisbon", "superseded"),
        ("Lives in Berlin", "superseded"),
        ("Lives in Lisbon", None),
    ]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_the_last_statement_is_current_in_any_order_of_arrival(order: tuple[int, ...]) -> None:
    said = [home("Lima", at(1)), home("Rome", at(2)), home("Lima", at(3)), home("Oslo", at(4))]
    assert current(arrive(*(said[n] for n in order))) == {"Lives in Oslo"}


def test_a_trip_without_a_known_end_gives_way_to_the_next_one() -> None:
    trips = [
        make_fact(f"Is in {city}", "home city", observed_at=at(n), tense="temporary", valid_until=at(n + 3))
        for n, city in ((2, "Rome"), (4, "Nice"))
    ]
    assert current(arrive(home("Oslo", at(1)), *trips)) == {"Lives in Oslo", "Is in Nice"}


def test_a_trip_within_a_longer_one_ends_nothing() -> None:
    long = make_fact("Is in Rome", "home city", observed_at=at(2), tense="temporary", valid_until=at(8))
    short = make_fact("Is in Nice", "home city", observed_at=at(3), tense="temporary", valid_until=at(5))
    (oslo, rome) = arrive(home("Oslo", at(1)), long)
    changes = decide(Proposal(short, {rome.id: "replaces"}), known=(oslo, rome))
    assert texts(changes) == (["Is in Nice"], [], [])
    longer = short.model_copy(update={"valid_until": at(10)})
    assert texts(decide(Proposal(longer, {rome.id: "replaces"}), known=(oslo, rome)))[2] == [
        ("Is in Rome", "superseded")
    ]


def test_a_limit_that_is_said_again_with_an_end_does_not_end() -> None:
    nuts = make_fact("Is allergic to nuts", "allergy", category="constraint", observed_at=at(1))
    again = nuts.model_copy(update={"id": "again", "key": "again", "observed_at": at(2), "valid_until": at(4)})
    assert texts(decide(Proposal(again, {nuts.id: "duplicate"}), known=(nuts,))) == ([nuts.text], [], [])


def test_coming_home_ends_a_trip() -> None:
    trip = make_fact("Is in Rome", "home city", observed_at=at(2), tense="temporary", valid_until=at(9))
    known = arrive(home("Oslo", at(1)), trip)
    assert known[1].exclusive
    changes = decide(Proposal(home("Oslo", at(3)), {trip.id: "replaces"}), known=tuple(known))
    assert texts(changes) == ([], ["Lives in Oslo"], [("Is in Rome", "superseded")])


def test_a_late_plan_that_was_overtaken_before_it_arrived_is_history() -> None:
    assert current(arrive(home("Lisbon", at(5)), home("Berlin", at(2), valid_from=at(3)))) == {"Lives in Lisbon"}


def test_a_retracted_fact_does_not_return_with_an_older_message() -> None:
    vim, late = (make_fact("Uses vim", "tool", message_id=m, observed_at=at(n)) for m, n in (("a", 1), ("b", 2)))
    gone = vim.model_copy(update={"retired_at": NOON, "retired_reason": "retracted", "ended_at": at(3)})
    (added,) = reconcile([Proposal(late)], {}, [gone]).added
    assert (added.retired_reason, added.ended_at) == ("retracted", at(3))


def test_two_appointments_of_the_same_words_are_both_kept() -> None:
    march, september = (
        make_fact("Has a dentist appointment", "event", message_id=str(n), observed_at=at(1), valid_from=at(n))
        for n in (3, 9)
    )
    assert len([fact for fact in arrive(march, september) if fact.retired_at is None]) == 2


def test_putting_a_past_or_older_fact_retires_nothing() -> None:
    lima = home("Lima", at(6), valid_until=at(1, year=2019))
    older = home("Rome", at(2))
    for fact in (lima, older):
        changes = put(fact, [home("Austin", at(5))])
        assert changes.retired == ()
        assert changes.added[0].retired_reason is not None
