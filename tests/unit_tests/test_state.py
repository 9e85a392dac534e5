"""How a thread's messages come together."""

from datetime import datetime

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, RemoveMessage

from agent.state import add_said
from memory.facts.fact import utc_now
from memory.learn.extract import SAID_AT

THERE: list[BaseMessage] = [HumanMessage("I live in Lima.", id="1"), AIMessage("Noted.", id="2")]


def test_messages_are_added_replaced_and_removed_by_their_ids() -> None:
    dated: AnyMessage = HumanMessage("I live in Lima.", id="1", additional_kwargs={"said_at": "2026-11-22"})
    messages = add_said(THERE, [dated, AIMessage("Oh.", id="2"), HumanMessage("Hi", id="3")])
    assert [(message.id, message.text) for message in messages] == [("1", "I live in Lima."), ("2", "Oh."), ("3", "Hi")]
    assert messages[0] == dated
    assert add_said(THERE, [RemoveMessage(id="1")]) == THERE[1:]


def test_a_human_message_has_the_time_at_which_it_came_however_often_it_comes_again() -> None:
    before = utc_now()
    (first,) = add_said([], [HumanMessage("I live in Lima.", id="1")])
    assert before <= datetime.fromisoformat(first.additional_kwargs[SAID_AT]) <= utc_now()
    (again, _) = add_said([first], [HumanMessage("I live in Lima.", id="1"), HumanMessage("Hi", id="2")])
    assert again.additional_kwargs[SAID_AT] == first.additional_kwargs[SAID_AT]
    (rewritten,) = add_said([first], [HumanMessage("I live in Oslo.", id="1")])
    assert rewritten.additional_kwargs[SAID_AT] > first.additional_kwargs[SAID_AT]


def test_other_words_in_a_human_messages_place_are_another_message_each_time_the_same() -> None:
    rewritten = [add_said(THERE, [HumanMessage(text, id="1")]) for text in ("I live in Oslo.", "Oslo", "Oslo")]
    ids = [messages[0].id for messages in rewritten]
    assert [message.text for message in rewritten[0]] == ["I live in Oslo.", "Noted."]
    assert len({"1", *ids}) == 3
    assert ids[1] == ids[2]


def test_what_took_the_place_of_other_words_is_sent_rewritten_and_removed_under_the_old_id() -> None:
    rewritten = add_said(THERE, [HumanMessage("Oslo", id="1")])
    assert add_said(rewritten, [HumanMessage("Oslo", id="1")]) == rewritten  # by who tries again
    again = add_said(rewritten, [HumanMessage("Cusco", id="1")])
    assert [message.text for message in again] == ["Cusco", "Noted."]
    back = add_said(again, [HumanMessage("I live in Lima.", id="1")])
    assert len({messages[0].id for messages in (THERE, rewritten, again, back)}) == 4
    assert add_said(again, [RemoveMessage(id="1")]) == THERE[1:]


def test_a_copy_with_other_words_was_said_when_it_came_unless_it_says_when() -> None:
    (first,) = add_said([], [HumanMessage("I live in Lima.", id="1")])
    (copied,) = add_said([first], [first.model_copy(update={"content": "Oslo"})])
    assert copied.additional_kwargs[SAID_AT] > first.additional_kwargs[SAID_AT]
    (dated,) = add_said([first], [HumanMessage("Oslo", id="1", additional_kwargs={SAID_AT: "2026-01-01"})])
    assert dated.additional_kwargs[SAID_AT] == "2026-01-01"


def test_halves_of_characters_are_joined_or_replaced_in_every_part_of_a_message() -> None:
    blocks: list[str | dict[str, object]] = ["\ud800", {"type": "text", "text": "\ud83d\ude00", "of": ["\udfff", 1]}]
    (human, reply) = add_said(
        [],
        [HumanMessage(blocks), AIMessage("a\ud800b", tool_calls=[{"name": "f", "args": {"\ud800": "x"}, "id": "1"}])],
    )
    assert human.content == ["\ufffd", {"type": "text", "text": "😀", "of": ["\ufffd", 1]}]
    assert isinstance(reply, AIMessage)
    assert (reply.content, reply.tool_calls[0]["args"]) == ("a\ufffdb", {"\ufffd": "x"})
