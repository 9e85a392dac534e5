"""How a thread's messages come together."""

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, RemoveMessage

from agent.state import add_said

THERE: list[BaseMessage] = [HumanMessage("I live in Lima.", id="1"), AIMessage("Noted.", id="2")]


def test_messages_are_added_replaced_and_removed_by_their_ids() -> None:
    dated: AnyMessage = HumanMessage("I live in Lima.", id="1", additional_kwargs={"said_at": "2026-11-22"})
    assert add_said(THERE, [dated, AIMessage("Oh.", id="2"), HumanMessage("Hi", id="3")]) == [
        dated,
        AIMessage("Oh.", id="2"),
        HumanMessage("Hi", id="3"),
    ]
    assert add_said(THERE, [RemoveMessage(id="1")]) == THERE[1:]


def test_other_words_in_a_human_messages_place_are_another_message_each_time_the_same() -> None:
    rewritten = [add_said(THERE, [HumanMessage(text, id="1")]) for text in ("I live in Oslo.", "Oslo", "Oslo")]
    ids = [messages[0].id for messages in rewritten]
    assert [message.text for message in rewritten[0]] == ["I live in Oslo.", "Noted."]
    assert len({"1", *ids}) == 3
    assert ids[1] == ids[2]
