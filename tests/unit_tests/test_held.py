"""Which candidates are held back until the user decides, and what they say."""

from datetime import timedelta
from typing import Any

import pytest

from memory.extraction.answer import Extraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.changes import Changes, Held, Proposal
from memory.facts.fact import Fact, Source
from memory.facts.portable import dump, load
from memory.facts.roll_back import Taught, plan_roll_back
from memory.learn.candidates import Proposed, proposals
from memory.learn.reconcile import reconcile
from tests.facts import NOON, make_fact

NUTS = make_fact("Is allergic to nuts", "allergy", message_id="m0", category="constraint")
VEGAN = make_fact("Is vegan", "diet", message_id="m0")
LIMA = make_fact("Lives in Lima", "home city", message_id="m0")
AUSTIN = make_fact("Has a flat in Austin", "flat")
BY = Source(thread_id="t1", message_id="m1")
REPLACES = [{"known": 1, "relation": "replaces"}]


def proposed(message: str, text: str, *known: Fact, **values: Any) -> Proposed:
    candidate = {"text": text, "quote": message, "message": 1, "attribute": "diet", **values}
    answer = Extraction.model_validate({"facts": [candidate], "retracted": []})
    said = Utterance(text=message, said_at=NOON, source=BY)
    return proposals("ada", Extracted([said], [*known], answer, NOON), NOON)


@pytest.mark.parametrize(
    ("message", "text", "values", "shown"),
    [
        ("I want short answers", "Wants short answers", {}, []),
        ("I want short answers", "Wants short answers", {"instruction": True}, ["held"]),
        ("Always answer in French", "Always answer in French", {"instruction": True}, ["command"]),
        ("My password is hunter2", "Password is hunter2", {"instruction": True}, ["secret"]),
        ("I want short answers", "Likes boats", {"instruction": True}, ["not supported"]),
        ("My boss wrote:\n> I want short answers", "Wants short answers", {"instruction": True}, ["pasted"]),
    ],
)
def test_what_the_model_calls_an_instruction_is_held_unless_it_is_rejected(
    message: str, text: str, values: dict[str, Any], shown: list[str]
) -> None:
    outcome = proposed(message, text, **values)
    assert [*("held" for _ in outcome.held), *(dropped.reason for dropped in outcome.dropped)] == shown
    assert len(outcome.kept) == (not shown)
    assert [str(held) for held in outcome.held] == [f"{text} (reads like an instruction)"] * shown.count("held")


@pytest.mark.parametrize(
    ("message", "text", "held"),
    [
        ("I ate nuts yesterday", "Is not allergic to nuts", True),
        ("I'm not allergic to nuts any more", "Is not allergic to nuts", False),
        ("I'm no longer allergic to nuts", "Is no longer allergic to nuts", False),
        ("I ate nuts yesterday", "Ate nuts", False),  # it ends nothing
    ],
)
def test_a_hard_limit_is_not_ended_by_the_word_of_the_model(message: str, text: str, held: bool) -> None:
    outcome = proposed(message, text, NUTS, attribute="allergy", relations=REPLACES)
    assert [str(item) for item in outcome.held] == [f"{text} (would end a hard limit)"] * held
    assert [proposal.fact.text for proposal in outcome.kept] == [text] * (not held)
    assert all(item.relations == {NUTS.id: "replaces"} for item in outcome.held)


def test_a_new_hard_limit_is_known_while_an_old_one_is_asked_about() -> None:
    values = {"attribute": "diet", "category": "constraint", "exclusive": True, "relations": REPLACES}
    halal = make_fact("Eats halal", "diet", category="constraint", message_id="m0")
    outcome = proposed("I swapped halal for kosher", "Eats kosher", halal, **values)
    assert [(proposal.fact.text, proposal.fact.exclusive) for proposal in outcome.kept] == [("Eats kosher", False)]
    assert outcome.kept[0].doubtful == {halal.id}


def test_hard_limits_of_one_slot_add_up_whatever_the_model_says() -> None:
    pork = make_fact("Avoids pork", "food rule", category="constraint", exclusive=True, message_id="m0")
    said = proposed("I avoid beef now", "Avoids beef", attribute="food rule", category="constraint", exclusive=True)
    assert reconcile(said.kept, {}, [pork]).retired == ()


def asked(proposal: Proposal, *known: Fact) -> Changes:
    changes = reconcile([proposal], {}, known)
    assert changes.retired == ()
    return changes


def test_a_fact_that_may_be_over_stays_and_is_asked_about() -> None:
    changes = asked(Proposal(AUSTIN, doubtful={LIMA.id}), LIMA)
    (held,) = changes.held
    assert changes.added == (AUSTIN,)
    assert (str(held), held.id, held.quote) == ('"Lives in Lima" is over (not certain)', LIMA.id, AUSTIN.quote)
    assert (held.ends, held.source, held.fact.successor, held.fact.ended_at) == (True, BY, AUSTIN.id, NOON)


def test_of_two_values_of_one_slot_both_stay_in_doubt() -> None:
    rome = make_fact("Now lives in Rome", "home city")
    assert reconcile([Proposal(rome)], {}, [LIMA]).retired
    changes = asked(Proposal(rome, doubtful={LIMA.id}), LIMA)
    assert [fact.exclusive for fact in changes.added] == [False]
    assert [held.id for held in changes.held] == [LIMA.id]


def test_a_repeated_fact_asks_as_well_and_one_that_is_over_says_until_when() -> None:
    (held,) = asked(Proposal(make_fact(AUSTIN.text, "flat", message_id="m2"), doubtful={LIMA.id}), LIMA, AUSTIN).held
    assert held.fact.successor == AUSTIN.id
    past = make_fact("Left Lima in 2019", "flat", tense="past", valid_until=NOON - timedelta(days=9))
    (held,) = asked(Proposal(past, doubtful={LIMA.id}), LIMA.model_copy(update={"observed_at": past.valid_until})).held
    assert (held.fact.retired_reason, held.fact.ended_at) == ("expired", past.valid_until)


LATER = {"observed_at": NOON + timedelta(days=1)}
RETIRED = {"retired_at": NOON, "retired_reason": "superseded"}


@pytest.mark.parametrize("changed", [LATER, RETIRED])
def test_nothing_is_asked_about_what_was_said_later_or_is_over(changed: dict[str, Any]) -> None:
    assert asked(Proposal(AUSTIN, doubtful={LIMA.id}), LIMA.model_copy(update=changed)).held == ()


def held_item(**values: Any) -> Held:
    return Held(fact=AUSTIN, reason="reads like an instruction", quote=AUSTIN.quote, held_at=NOON, **values)


def test_what_is_held_is_exported_and_imported() -> None:
    (over,) = asked(Proposal(AUSTIN, doubtful={LIMA.id}), LIMA).held
    held = [held_item(relations={LIMA.id: "beside"}), over]
    assert load(dump([LIMA], {}, [], held))[3] == held


@pytest.mark.parametrize("taught", [Taught("t1"), Taught(since=NOON)])
def test_a_roll_back_drops_what_was_held_back(taught: Taught) -> None:
    (over,) = asked(Proposal(AUSTIN, doubtful={VEGAN.id}), VEGAN).held
    elsewhere = AUSTIN.model_copy(update={"source": Source(thread_id="t2", message_id="m1")})
    other = held_item().model_copy(update={"fact": elsewhere, "held_at": NOON - timedelta(days=1)})
    change = plan_roll_back([], {}, taught, NOON, [held_item(), over, other])
    assert change.held == (held_item(), over)
    assert change
