"""The running summary: the request to the model, and what is kept from its answer."""

import json

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from memory.threads.summary import SUMMARY_CHARS, Summary, bounded, summary_input, update_summary

SAID: list[AnyMessage] = [
    HumanMessage("Book me   a trip\nto Lisbon."),
    AIMessage("", tool_calls=[{"name": "search_memory", "args": {}, "id": "1"}]),
    ToolMessage("Nothing is known about that.", tool_call_id="1"),
    AIMessage("When do you leave?"),
]


def test_the_model_gets_the_summary_and_the_messages_without_tools() -> None:
    assert json.loads(summary_input("Before.", SAID) or "") == {
        "summary": "Before.",
        "messages": [
            {"from": "user", "text": "Book me   a trip\nto Lisbon."},
            {"from": "assistant", "text": "When do you leave?"},
        ],
    }


async def test_a_summary_keeps_the_beginning_of_the_threads_first_message() -> None:
    first = await update_summary(FakeListChatModel(responses=["A trip to Lisbon."]), None, SAID)
    assert first == {"text": "A trip to Lisbon.", "begins_with": "Book me a trip to Lisbon."}
    then = await update_summary(FakeListChatModel(responses=["Two trips."]), first, [HumanMessage("And to Rome.")])
    assert then == {"text": "Two trips.", "begins_with": "Book me a trip to Lisbon."}


async def test_messages_without_text_need_no_summary_and_no_model_call() -> None:
    before = Summary(text="Before.", begins_with="Hi")
    assert await update_summary(FakeListChatModel(responses=[]), before, SAID[1:3]) == before


async def test_thinking_is_no_part_of_a_summary() -> None:
    model = FakeListChatModel(responses=["<think>What was said?</think>\nA trip to Lisbon."])
    assert (await update_summary(model, None, SAID))["text"] == "A trip to Lisbon."


async def test_a_thread_that_begins_with_an_image_begins_with_the_next_text() -> None:
    image: AnyMessage = HumanMessage(
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    )
    summary = await update_summary(FakeListChatModel(responses=["A trip."]), None, [image, *SAID])
    assert summary["begins_with"] == "Book me a trip to Lisbon."
    assert json.loads(summary_input("", [image, *SAID]) or "") == json.loads(summary_input("", SAID) or "")


@pytest.mark.parametrize("answer", ["", " \n", "<think>What was"])
async def test_an_empty_answer_is_an_error_and_no_summary(answer: str) -> None:
    with pytest.raises(ValueError, match="no summary"):
        await update_summary(FakeListChatModel(responses=[answer]), None, SAID)


async def test_sentences_with_secrets_are_removed_from_a_summary() -> None:
    answer = "The user books a trip. The password is hunter2! It is to Lisbon.\nThe card is 4111 1111 1111 1111."
    summary = await update_summary(FakeListChatModel(responses=[answer]), None, SAID)
    assert summary["text"] == "The user books a trip. It is to Lisbon."


async def test_a_summary_that_is_too_long_keeps_its_end_in_whole_words() -> None:
    answer = " ".join(f"word{number}" for number in range(1_000))
    text = (await update_summary(FakeListChatModel(responses=[answer]), None, SAID))["text"]
    assert SUMMARY_CHARS - 20 < len(text) <= SUMMARY_CHARS
    assert text.endswith("word999")
    assert text.split()[0] == "…"
    assert set(text.split()[1:]) <= set(answer.split())
    assert bounded("short") == "short"
    assert len(bounded("x" * 10_000)) <= SUMMARY_CHARS
