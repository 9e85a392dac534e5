"""The window: which messages are in the prompt, and which are folded into the summary."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately

from memory.threads.window import foldable, window


def call(*call_ids: str) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "search_memory", "args": {}, "id": call_id} for call_id in call_ids])


def answer(call_id: str) -> ToolMessage:
    return ToolMessage("found", tool_call_id=call_id)


def test_a_short_thread_is_sent_whole() -> None:
    messages: list[AnyMessage] = [HumanMessage("a"), AIMessage("b"), HumanMessage("c")]
    assert window(messages, 1_000) == messages


def test_the_window_drops_the_oldest_and_starts_with_a_human_message() -> None:
    messages: list[AnyMessage] = [m for n in range(50) for m in (HumanMessage(f"q{n} " * 50), AIMessage(f"a{n} " * 50))]
    messages.append(HumanMessage("now"))
    kept = window(messages, 500)
    assert 1 < len(kept) < 20
    assert isinstance(kept[0], HumanMessage)
    assert kept[-1].text == "now"


def test_the_last_message_is_kept_however_long_it_is() -> None:
    messages: list[AnyMessage] = [HumanMessage("a"), AIMessage("b"), HumanMessage("long " * 10_000)]
    assert window(messages, 100) == messages[2:]


UNREADABLE = AIMessage("", invalid_tool_calls=[{"name": "f", "args": "{", "id": "1", "error": None}])


@pytest.mark.parametrize(
    ("loose", "left"),
    [
        ([call("1")], 0),
        ([answer("1")], 0),
        ([answer("1"), call("1")], 0),
        ([call("1"), answer("1")], 2),
        ([call("1", "2"), answer("2"), answer("1")], 3),
        ([call("1", "2"), answer("2")], 0),
        ([call("1"), answer("1"), answer("1")], 2),
        ([call("1", "1"), answer("1"), answer("1")], 3),
        ([call("1", "1"), answer("1")], 0),
        ([call("1"), answer("1"), answer("2")], 2),
        ([call("1"), call("1"), answer("1")], 2),
        ([call("1"), AIMessage("Well."), answer("1")], 1),
        ([UNREADABLE], 0),
        ([UNREADABLE, answer("1")], 2),
    ],
    ids=[
        "a call", "an answer", "an answer before its call", "both", "parallel calls", "parallel calls, one answered",
        "a second answer", "two calls of one id", "two calls of one id, one answered", "an answer without a call",
        "an id used again", "an answer that comes late", "an unreadable call", "an unreadable call that was answered",
    ],
)  # fmt: skip
def test_calls_without_answers_and_answers_without_calls_are_left_out(loose: list[AnyMessage], left: int) -> None:
    ends: list[AnyMessage] = [HumanMessage("a"), HumanMessage("b")]
    kept = window([ends[0], *loose, ends[1]], 1_000)
    assert (kept[0], kept[-1], len(kept)) == (*ends, 2 + left)
    assert loose_ends(kept) == []


def loose_ends(messages: Iterable[BaseMessage]) -> list[object]:
    """What a provider would reject: calls without an answer directly after them, and answers without a call."""
    due: list[str | None] = []
    loose: list[object] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id in due:
                due.remove(message.tool_call_id)
            else:
                loose.append(message)
            continue
        loose += due
        calls = (*message.tool_calls, *message.invalid_tool_calls) if isinstance(message, AIMessage) else ()
        due = [call["id"] for call in calls]
    return loose + due


def turn(number: int, tokens: int = 100) -> list[AnyMessage]:
    """A question and an answer with this many tokens in total, including the counter's overhead of 5 per message."""
    half = "x" * ((tokens // 2 - 5) * 4)
    return [HumanMessage(half, id=f"h{number}"), AIMessage(half, id=f"a{number}")]


def ids(messages: Iterable[AnyMessage]) -> str:
    return " ".join(str(message.id) for message in messages)


def thread(turns: int, tokens: int = 100) -> list[AnyMessage]:
    return [message for number in range(turns) for message in turn(number, tokens)]


@pytest.mark.parametrize(
    ("messages", "keep", "folded"),
    [
        (thread(10), [], ""),  # just fits
        (thread(11), [], "h0 a0 h1 a1 h2 a2 h3 a3 h4 a4 h5 a5"),
        (thread(11), ["h2"], "h0 a0 h1 a1"),
        (thread(11), ["a2"], "h0 a0 h1 a1"),
        (thread(11), ["h8", "h10", "unknown"], "h0 a0 h1 a1 h2 a2 h3 a3 h4 a4 h5 a5"),
        (thread(11), ["h0"], ""),
        (thread(1, 5_000), [], ""),  # the last turn is kept at any size
        (thread(2, 5_000), [], "h0 a0"),  # one turn is folded at any size
        (thread(50), [], " ".join(f"h{n} a{n}" for n in range(10))),  # at most the budget at once
        ([AIMessage("x" * 8_000, id="a")], [], ""),
        ([AIMessage("x" * 8_000, id="a"), *turn(0)], [], "a"),
        ([], [], ""),
    ],
)
def test_beyond_the_budget_turns_are_folded_until_half_is_left(
    messages: list[AnyMessage], keep: list[str], folded: str
) -> None:
    assert ids(foldable(messages, 1_000, keep)) == folded


def test_a_fold_leaves_half_the_budget_so_that_folds_are_rare() -> None:
    messages: list[AnyMessage] = []
    folds = 0
    for number in range(1_000):
        messages += turn(number, 200)
        assert count_tokens_approximately(messages) <= 4_000 + 200
        if folded := foldable(messages, 4_000):
            folds += 1
            messages = messages[len(folded) :]
            assert 1_600 < count_tokens_approximately(messages) <= 2_000
    assert 80 < folds < 120


def test_reused_call_ids_do_not_prevent_folding() -> None:
    messages = [
        message for number in range(20) for message in (*turn(number)[:1], call("0"), answer("0"), *turn(number)[1:])
    ]
    folded = foldable(messages, 1_000)
    assert 900 < count_tokens_approximately(folded) <= 1_000
    assert loose_ends(folded) == loose_ends(messages[len(folded) :]) == []


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["human", "ai", "call", "tool"]), max_size=30), st.integers(0, 30))
def test_the_last_turn_and_the_messages_to_keep_are_never_folded(kinds: list[str], kept: int) -> None:
    messages: list[AnyMessage] = []
    for number, kind in enumerate(kinds):
        calls = [m.tool_calls[0]["id"] for m in messages if isinstance(m, AIMessage) and m.tool_calls]
        match kind:
            case "human":
                messages.append(HumanMessage("x" * 200))
            case "tool" if calls:
                messages.append(ToolMessage("x" * 200, tool_call_id=str(calls[-1])))
            case "call":
                messages.append(call(str(number)))
            case _:
                messages.append(AIMessage("x" * 200))
        messages[-1].id = str(number)
    folded = foldable(messages, 200, [str(kept)])
    left = messages[len(folded) :]
    assert folded == messages[: len(folded)]
    assert str(kept) not in ids(folded).split()
    humans = [message for message in messages if isinstance(message, HumanMessage)]
    assert not folded or humans[-1] in left
    for seen in (left, messages):
        assert loose_ends(window(seen, 300)) == []
