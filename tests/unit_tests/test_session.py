"""The window: what of a thread a prompt carries."""

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from memory.session import window


def call(call_id: str) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "search_memory", "args": {}, "id": call_id}])


def test_a_short_thread_is_carried_whole() -> None:
    messages: list[AnyMessage] = [HumanMessage("a"), AIMessage("b"), HumanMessage("c")]
    assert window(messages, 1_000) == messages


def test_the_oldest_messages_go_first_and_the_window_begins_with_a_human_one() -> None:
    messages: list[AnyMessage] = [m for n in range(50) for m in (HumanMessage(f"q{n} " * 50), AIMessage(f"a{n} " * 50))]
    messages.append(HumanMessage("now"))
    kept = window(messages, 500)
    assert 1 < len(kept) < 20
    assert isinstance(kept[0], HumanMessage)
    assert kept[-1].text == "now"


def test_the_last_message_is_there_however_long_it_is() -> None:
    messages: list[AnyMessage] = [HumanMessage("a"), AIMessage("b"), HumanMessage("long " * 10_000)]
    assert window(messages, 100) == messages[2:]


def test_calls_and_answers_that_an_interrupted_turn_left_alone_are_dropped() -> None:
    answered: list[AnyMessage] = [call("1"), ToolMessage("found", tool_call_id="1")]
    messages: list[AnyMessage] = [
        HumanMessage("a"),
        call("0"),
        HumanMessage("b"),
        *answered,
        ToolMessage("whose?", tool_call_id="9"),
        HumanMessage("c"),
    ]
    assert window(messages, 1_000) == [messages[0], messages[2], *answered, messages[6]]
