"""When facts are extracted, and from which messages."""

from datetime import timedelta

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from agent.settings import ExtractWhen
from agent.turn.extraction_schedule import (
    MAX_BACKGROUND_MESSAGES,
    background_input,
    informative,
    next_step,
    unextracted_messages,
)
from memory.extraction.utterances import EXTRACTION_CHARS, EXTRACTION_MESSAGES, SAID_AT, Utterance, next_batch
from memory.facts.fact import Source
from memory.ledger.ledger import Failures
from memory.threads.threads import background_thread
from tests.facts import NOON


@pytest.mark.parametrize(
    ("when", "number", "step"),
    [
        ("inline", 0, "extract_memories"),
        ("inline", 1, "extract_memories"),
        ("batched", 0, "__end__"),
        ("batched", 2, "__end__"),
        ("batched", 3, "extract_memories"),
        ("batched", 4, "extract_memories"),
        ("background", 0, "__end__"),
        ("background", 1, "extract_later"),
    ],
)
def test_the_step_after_the_reply_depends_on_the_schedule(when: ExtractWhen, number: int, step: str) -> None:
    assert next_step(when, number, every=3) == step


CONVERSATION: list[AnyMessage] = [
    HumanMessage("I like tea.", id="1"),
    AIMessage("Noted.", id="2"),
    HumanMessage("Thanks!", id="3"),
    HumanMessage(" ", id="4"),
    HumanMessage("I like milk.", id="5"),
]


@pytest.mark.parametrize(
    ("watermark", "ids"), [("", ["1", "5"]), ("1", ["5"]), ("2", ["5"]), ("4", ["5"]), ("5", []), ("gone", ["1", "5"])]
)
def test_informative_human_messages_after_the_watermark_are_pending(watermark: str, ids: list[str]) -> None:
    said = unextracted_messages({"messages": CONVERSATION, "extracted_until": watermark})
    assert [message.id for message in informative(said, 100)] == ids


def test_a_message_rewritten_after_the_watermark_is_pending_again() -> None:
    moments = ["2026-11-22T12:03", "2026-11-22T12:01", "2026-11-22T12:02", "2026-11-22T12:04"]
    messages: list[AnyMessage] = [
        HumanMessage(f"I am {number}.", id=str(number), additional_kwargs={SAID_AT: moment})
        for number, moment in enumerate(moments, 1)
    ]
    for watermark, ids in (("2", ["1", "3", "4"]), ("3", ["1", "4"]), ("4", []), ("1", ["2", "3", "4"])):
        said = unextracted_messages({"messages": messages, "extracted_until": watermark})
        assert [message.id for message in said] == ids


def said(*names: str) -> list[Utterance]:
    return [
        Utterance(text="Thanks!" if name == "thanks" else f"I am {name}.", said_at=NOON, source=source(name))
        for name in names
    ]


def source(name: str) -> Source:
    return Source(thread_id="t", message_id=name)


def waiting(names: str) -> dict[str, Failures]:
    """ "a b1 c2+" -> a never failed; b failed at minute 1; c at minute 2, and the model has worked since."""
    failures = {}
    for name in names.split():
        minute = name[1:].rstrip("+")
        at = NOON + timedelta(minutes=int(minute)) if minute.isdigit() else None
        failures[name[0] if at else name] = Failures(1, at, name.endswith("+")) if at else Failures()
    return failures


@pytest.mark.parametrize(
    ("names", "due", "taken"),
    [
        ("a b c", "a b c", "a b c"),
        ("a b c", "b c", "b c"),
        ("a b c", "", ""),
        ("a b c", "a1 b c", "b c"),
        ("a b c", "a b1 c", "a c"),
        ("a b c", "a1 b1 c1", "a"),
        ("a b c", "a2 b1 c3", "b"),
        ("a b c", "a b1+ c", "b"),
        ("a b c", "a3+ b1 c2+", "c"),
        ("a b c", "b2 c1", "c"),
        ("a thanks c", "a thanks c", "a c"),
        ("thanks", "thanks", ""),
    ],
)
def test_failed_messages_come_alone_and_last_until_the_model_has_worked(names: str, due: str, taken: str) -> None:
    assert [u.source.message_id for u in next_batch(said(*names.split()), waiting(due))] == taken.split()


def test_an_extraction_and_a_background_run_are_bounded() -> None:
    many = said(*map(str, range(300)))
    assert len(next_batch(many, {str(number): Failures() for number in range(300)})) == EXTRACTION_MESSAGES
    assert len(background_input("t", many, many[0].said_at)["utterances"]) == MAX_BACKGROUND_MESSAGES
    long = [utterance.model_copy(update={"text": "I am " + "x" * (EXTRACTION_CHARS - 20)}) for utterance in many[:3]]
    assert len(next_batch(long, {str(number): Failures() for number in range(3)})) == 1


def test_each_conversation_has_one_background_thread() -> None:
    assert background_thread("ada", "1") == background_thread("ada", "1")
    assert len({background_thread(*names) for names in (("ada", "1"), ("ada", "2"), ("bob", "1"))}) == 3
