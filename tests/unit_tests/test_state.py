"""How a thread's messages come together."""

from datetime import datetime

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, RemoveMessage

from agent.state import add_said
from memory.extract import SAID_AT
from memory.fact import utc_now

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
