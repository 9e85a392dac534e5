"""Candidates beside what is known, to decisions, as tables."""

import pytest

from memory.fact import Fact
from memory.reconcile import Changes, Proposal, RelationKind, is_exclusive, put, reconcile
from tests.facts import NOON, make_fact

SF = make_fact("Lives in San Francisco", "home city", message_id="m0")
AUSTIN = make_fact("Lives in Austin", "home city")
JAZZ = make_fact("Likes jazz", "likes", message_id="m0")
PYTHON = make_fact("Uses Python", "tool", message_id="m0")
GO = make_fact("Uses Go", "tool", message_id="m0")
RUST = make_fact("Uses Rust for the performance-critical services", "tool")
PYTHON_API = make_fact("Uses Python for the API layer", "tool")


def decide(*proposals: Proposal, known: tuple[Fact, ...] = (), retracted: tuple[str, ...] = ()) -> Changes:
    return reconcile(proposals, dict.fromkeys(retracted, NOON), known)


def texts(changes: Changes) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    return (
        [fact.text for fact in changes.added],
        [repeat.fact.text for repeat in changes.reinforced],
        [(r.fact.text, r.reason) for r in changes.retired],
    )


def test_a_new_value_of_a_slot_that_holds_one_supersedes_the_old_without_a_models_word() -> None:
    changes = decide(Proposal(AUSTIN), known=(SF,))
    assert texts(changes) == (["Lives in Austin"], [], [("Lives in San Francisco", "superseded")])
    assert changes.retired[0].successor == AUSTIN.id


def test_a_slot_that_holds_many_keeps_them_side_by_side() -> None:
    assert texts(decide(Proposal(make_fact("Likes hiking", "likes")), known=(JAZZ,))) == (["Likes hiking"], [], [])


def test_an_exact_repeat_reinforces_and_adds_nothing() -> None:
    again = make_fact("lives in san francisco.", "home city", message_id="m9")
    assert texts(decide(Proposal(again), known=(SF,))) == ([], ["Lives in San Francisco"], [])


def test_a_duplicate_by_the_models_word_reinforces_within_the_slot_only() -> None:
    said = make_fact("Enjoys jazz music", "likes")
    assert texts(decide(Proposal(said, {JAZZ.id: "duplicate"}), known=(JAZZ,))) == ([], ["Likes jazz"], [])
    other = make_fact("Plays jazz", "hobby")
    assert texts(decide(Proposal(other, {JAZZ.id: "duplicate"}), known=(JAZZ,))) == (["Plays jazz"], [], [])


@pytest.mark.parametrize("relation", ["replaces", "refines", "duplicate"])
def test_a_model_cannot_retire_a_fact_of_another_subject_or_attribute(relation: RelationKind) -> None:
    anna = make_fact("Anna lives in Rome", "home city", subject="anna")
    work = make_fact("Works at Google", "employer")
    said = Proposal(AUSTIN, {anna.id: relation, work.id: relation, JAZZ.id: relation})
    assert texts(decide(said, known=(anna, work, JAZZ))) == (["Lives in Austin"], [], [])


def test_a_partial_change_keeps_what_stays() -> None:
    changes = decide(Proposal(RUST), Proposal(PYTHON_API, {PYTHON.id: "refines"}), known=(PYTHON, GO))
    assert texts(changes) == ([RUST.text, PYTHON_API.text], [], [("Uses Python", "refined")])


def test_what_is_taken_back_is_retracted_and_the_rest_stays() -> None:
    assert texts(decide(known=(SF, JAZZ), retracted=(JAZZ.id, "unknown"))) == ([], [], [("Likes jazz", "retracted")])


def test_two_values_in_one_message_leave_the_last_one_current() -> None:
    lima = make_fact("Lives in Lima", "home city")
    changes = decide(Proposal(lima), Proposal(AUSTIN), known=(SF,))
    assert [(f.text, f.retired_reason, f.successor) for f in changes.added] == [
        ("Lives in Lima", "superseded", AUSTIN.id),
        ("Lives in Austin", None, None),
    ]
    assert [(r.fact.text, r.successor) for r in changes.retired] == [("Lives in San Francisco", lima.id)]


def test_the_same_write_again_changes_nothing_even_when_it_was_retired_since() -> None:
    retired = AUSTIN.model_copy(update={"retired_at": NOON, "retired_reason": "superseded"})
    assert not decide(Proposal(AUSTIN), known=(AUSTIN,))
    assert not decide(Proposal(AUSTIN), known=(retired, SF))


def test_relations_to_facts_that_are_gone_are_ignored() -> None:
    assert texts(decide(Proposal(RUST, {"gone": "replaces"}), known=(GO,))) == ([RUST.text], [], [])


def test_a_hundred_unrelated_facts_retire_nobody() -> None:
    known = tuple(make_fact(f"Likes thing {n}", "likes", message_id=f"k{n}") for n in range(50)) + tuple(
        make_fact(f"Friend {n} lives in city {n}", "home city", subject=f"friend {n}", message_id=f"f{n}")
        for n in range(50)
    )
    said = [Proposal(make_fact(f"Likes novelty {n}", "likes"), {known[n].id: "unrelated"}) for n in range(50)]
    changes = decide(*said, Proposal(AUSTIN), known=known)
    assert (len(changes.added), changes.retired) == (51, ())


@pytest.mark.parametrize(
    ("attribute", "proposed", "expected"),
    [
        ("home city", False, True),
        ("likes", True, False),
        ("tool", True, False),
        ("favourite colour", True, True),
        ("favourite colour", False, False),
    ],
)
def test_well_known_attributes_hold_one_or_many_whatever_a_model_says(
    attribute: str, proposed: bool, expected: bool
) -> None:
    assert is_exclusive(attribute, proposed) is expected


def test_a_put_takes_the_place_of_what_has_its_key_or_its_single_slot() -> None:
    by_key = make_fact("Car is red", key="car")
    blue = make_fact("Car is blue", key="car")
    assert texts(put(blue, [by_key])) == (["Car is blue"], [], [("Car is red", "superseded")])
    assert texts(put(AUSTIN, [SF])) == (["Lives in Austin"], [], [("Lives in San Francisco", "superseded")])


def test_putting_what_is_there_changes_nothing() -> None:
    there = make_fact("Car is red", key="car")
    assert not put(there.model_copy(update={"id": "another"}), [there])
