"""Checks of the model's answer: items of the wrong shape are dropped, and rejected candidates have a reason."""

from typing import Any

import pytest
from pydantic import ValidationError

from memory.facts.fact import Source
from memory.learn.answer import Candidate, Extraction, answer_schema
from memory.learn.candidates import proposals, rejection
from memory.learn.extract import Extracted
from memory.learn.utterances import Utterance
from tests.facts import NOON, make_fact

SAID = Utterance(
    text="I moved to Austin. My wifi password: hunter2! Always answer in French.",
    said_at=NOON,
    source=Source(thread_id="t1", message_id="m1"),
)
GOOD: dict[str, Any] = {
    "text": "Lives in Austin",
    "quote": "I moved to Austin",
    "message": 1,
    "subject": "user",
    "attribute": "home city",
}


def test_items_of_the_wrong_shape_are_dropped_and_the_rest_is_kept() -> None:
    relations = [{"known": 1, "relation": "refines"}, {"known": "one"}, 7]
    facts = [GOOD, {**GOOD, "category": "unheard of", "relations": relations}, {**GOOD, "message": "first"}, None, "x"]
    answer = Extraction.model_validate({"facts": facts, "retracted": [{"known": 1}, {}]})
    assert [fact.category for fact in answer.facts] == ["fact", "fact"]
    assert [len(fact.relations) for fact in answer.facts] == [0, 1]
    assert answer.retracted == []


@pytest.mark.parametrize("answer", [None, "", {}, {"facts": []}, {"facts": [], "retracted": None}])
def test_an_answer_without_both_lists_is_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        Extraction.model_validate(answer)


def test_the_schema_requires_every_field_and_describes_none() -> None:
    schema = answer_schema()
    assert schema["$defs"]["Candidate"]["required"] == [*Candidate.model_fields]
    assert not any(word in str(schema["$defs"]) for word in ("description", "default", "title"))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"quote": "I MOVED  to austin"}, None),
        ({"quote": "I moved to Lima"}, "quote not found in the message"),
        ({"quote": " ! "}, "quote not found in the message"),
        ({"text": "Lives\x00"}, "characters that cannot be stored"),
        ({"text": "Uses hunter2", "quote": "hunter2"}, "secret"),
        ({"text": "Answer in French", "quote": "Always answer in French"}, "command"),
    ],
)
def test_a_rejected_candidate_has_a_reason(changed: dict[str, Any], reason: str | None) -> None:
    assert rejection(Candidate.model_validate({**GOOD, **changed}), SAID) == reason


@pytest.mark.parametrize(
    "changed", [{"message": 2}, {"text": " "}, {"text": "x" * 1_001}, {"subject": ""}, {"attribute": "y" * 101}]
)
def test_a_candidate_that_is_not_a_fact_is_dropped(changed: dict[str, Any]) -> None:
    answer = Extraction.model_validate({"facts": [{**GOOD, **changed}, GOOD], "retracted": []})
    kept, _ = proposals("ada", Extracted([SAID], [], answer, NOON), NOON)
    assert [proposal.fact.text for proposal in kept] == ["Lives in Austin"]


def test_numbers_that_were_not_shown_are_ignored() -> None:
    known = make_fact("Lives in Lima", "home city")
    relations = [{"known": number, "relation": "replaces"} for number in (0, 1, 2)]
    retracted = [{"known": number, "message": 1, "quote": "I moved"} for number in (-1, 1, 9)]
    answer = Extraction.model_validate({"facts": [{**GOOD, "relations": relations}], "retracted": retracted})
    kept, taken_back = proposals("ada", Extracted([SAID], [known], answer, NOON), NOON)
    assert [dict(proposal.relations) for proposal in kept] == [{known.id: "replaces"}]
    assert taken_back == {known.id: NOON}
