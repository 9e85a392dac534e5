"""When facts are extracted, and from which messages."""

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from agent.extraction_schedule import (
    MAX_BACKGROUND_MESSAGES,
    background_input,
    informative,
    next_step,
    unextracted_messages,
)
from agent.settings import ExtractWhen
from memory.facts.fact import Source
from memory.learn.utterances import EXTRACTION_MESSAGES, SAID_AT, Utterance, next_batch
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


@pytest.mark.parametrize(
    ("names", "failures", "taken"),
    [
        ("a b c", {"a": 0, "b": 0, "c": 0}, "a b c"),
        ("a b c", {"b": 0, "c": 0}, "b c"),
        ("a b c", {}, ""),
        ("a b c", {"a": 1, "b": 0, "c": 0}, "a"),
        ("a b c", {"a": 0, "b": 1, "c": 0}, "a"),
        ("a b c", {"b": 2, "c": 2}, "b"),
        ("a thanks c", {"a": 0, "thanks": 0, "c": 0}, "a c"),
        ("thanks", {"thanks": 0}, ""),
    ],
)
def test_due_messages_are_extracted_and_failed_ones_retried_alone(
    names: str, failures: dict[str, int], taken: str
) -> None:
    assert [u.source.message_id for u in next_batch(said(*names.split()), failures)] == taken.split()


def test_an_extraction_and_a_background_run_are_bounded() -> None:
    many = said(*map(str, range(300)))
    assert len(next_batch(many, {str(number): 0 for number in range(300)})) == EXTRACTION_MESSAGES
    assert len(background_input("t", many)["utterances"]) == MAX_BACKGROUND_MESSAGES


def test_each_conversation_has_one_background_thread() -> None:
    assert background_thread("ada", "1") == background_thread("ada", "1")
    assert len({background_thread(*names) for names in (("ada", "1"), ("ada", "2"), ("bob", "1"))}) == 3
