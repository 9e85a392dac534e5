"""The reducer of a thread's messages."""

import traceback
from datetime import datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, RemoveMessage

from agent.state import merge_messages
from memory.errors import BadInput
from memory.extraction.utterances import SAID_AT
from memory.facts.fact import utc_now

THERE: list[BaseMessage] = [HumanMessage("I live in Lima.", id="1"), AIMessage("Noted.", id="2")]


def test_messages_are_added_replaced_and_removed_by_their_ids() -> None:
    dated: AnyMessage = HumanMessage("I live in Lima.", id="1", additional_kwargs={"said_at": "2026-11-22"})
    messages = merge_messages(THERE, [dated, AIMessage("Oh.", id="2"), HumanMessage("Hi", id="3")])
    assert [(message.id, message.text) for message in messages] == [("1", "I live in Lima."), ("2", "Oh."), ("3", "Hi")]
    assert messages[0] == dated
    assert merge_messages(THERE, [RemoveMessage(id="1")]) == THERE[1:]


def test_a_human_message_keeps_its_time_when_it_is_sent_again() -> None:
    before = utc_now()
    (first,) = merge_messages([], [HumanMessage("I live in Lima.", id="1")])
    assert before <= datetime.fromisoformat(first.additional_kwargs[SAID_AT]) <= utc_now()
    (again, _) = merge_messages([first], [HumanMessage("I live in Lima.", id="1"), HumanMessage("Hi", id="2")])
    assert again.additional_kwargs[SAID_AT] == first.additional_kwargs[SAID_AT]
    (rewritten,) = merge_messages([first], [HumanMessage("I live in Oslo.", id="1")])
    assert rewritten.additional_kwargs[SAID_AT] > first.additional_kwargs[SAID_AT]


def test_a_rewritten_human_message_gets_a_stable_new_id() -> None:
    rewritten = [merge_messages(THERE, [HumanMessage(text, id="1")]) for text in ("I live in Oslo.", "Oslo", "Oslo")]
    ids = [messages[0].id for messages in rewritten]
    assert [message.text for message in rewritten[0]] == ["I live in Oslo.", "Noted."]
    assert len({"1", *ids}) == 3
    assert ids[1] == ids[2]


def test_a_rewritten_message_can_be_changed_under_its_old_id() -> None:
    rewritten = merge_messages(THERE, [HumanMessage("Oslo", id="1")])
    assert merge_messages(rewritten, [HumanMessage("Oslo", id="1")]) == rewritten  # a client that retries
    again = merge_messages(rewritten, [HumanMessage("Cusco", id="1")])
    assert [message.text for message in again] == ["Cusco", "Noted."]
    back = merge_messages(again, [HumanMessage("I live in Lima.", id="1")])
    assert len({messages[0].id for messages in (THERE, rewritten, again, back)}) == 4
    assert merge_messages(again, [RemoveMessage(id="1")]) == THERE[1:]


def test_a_copy_with_a_new_text_gets_a_new_time_unless_it_has_one() -> None:
    (first,) = merge_messages([], [HumanMessage("I live in Lima.", id="1")])
    (copied,) = merge_messages([first], [first.model_copy(update={"content": "Oslo"})])
    assert copied.additional_kwargs[SAID_AT] > first.additional_kwargs[SAID_AT]
    (dated,) = merge_messages([first], [HumanMessage("Oslo", id="1", additional_kwargs={SAID_AT: "2026-01-01"})])
    assert dated.additional_kwargs[SAID_AT] == "2026-01-01"


def test_surrogates_are_joined_or_replaced_in_every_part_of_a_message() -> None:
    blocks: list[str | dict[str, object]] = ["\ud800", {"type": "text", "text": "\ud83d\ude00", "of": ["\udfff", 1]}]
    (human, reply) = merge_messages(
        [],
        [HumanMessage(blocks), AIMessage("a\ud800b", tool_calls=[{"name": "f", "args": {"\ud800": "x"}, "id": "1"}])],
    )
    assert human.content == ["\ufffd", {"type": "text", "text": "😀", "of": ["\ufffd", 1]}]
    assert isinstance(reply, AIMessage)
    assert (reply.content, reply.tool_calls[0]["args"]) == ("a\ufffdb", {"\ufffd": "x"})


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": {"text": "sesame"}},
        {"role": "user", "content": "Hi", "name": ["sesame"]},
        {"role": "sesame", "content": "Hi"},
        {"content": "sesame"},
        ["user", "Hi", "sesame"],
        {"role": "assistant", "content": "Hi", "tool_calls": "sesame"},
        7,
    ],
)
def test_a_message_that_cannot_be_read_is_not_quoted(message: Any) -> None:
    with pytest.raises(BadInput) as raised:
        merge_messages([], [message])
    assert "sesame" not in "".join(traceback.format_exception(raised.value))
