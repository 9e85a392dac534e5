"""What is shown of a reply while it is generated: no thinking and no written tool call, in pieces of any size."""

import json

import pytest

from agent.chat_models.reply_filter import ReplyFilter

TOOLS = {"search_memory", "start_task"}
SEARCH = '{"name": "search_memory", "arguments": {"query": {"home": "city"}}}'
QUERY = {"query": {"home": "city"}}
WEATHER = '{"name": "get_weather", "arguments": {"city": "Lima"}}'
SIZES = (1, 2, 3, 7, 10_000)


def shown(reply: ReplyFilter, text: str, size: int) -> list[str]:
    """What is shown after each piece of this size, and at the end."""
    return [*(reply.feed(text[at : at + size]) for at in range(0, len(text), size)), reply.finish()]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hello,  Ada.\n", "Hello,  Ada.\n"),
        ("<think>a\nb</think>\n\nHi <b>x</b>", "Hi <b>x</b>"),
        ("Sure. <thinking>x</thinking>Yes.", "Sure. Yes."),
        ("<think>a</think>b\n<think>c</think>d", "b\nd"),
        ("[THINK]a[/THINK]b", "b"),
        ("<think>never ends", ""),
        ("The `<think>` tag and a < b, a <tool", "The `<think>` tag and a < b, a <tool"),
        ('```json\n{"city": "Lima"}\n```\nDone.', '```json\n{"city": "Lima"}\n```\nDone.'),
        ('```python\nx = {\n"name": 1}\n```', '```python\nx = {\n"name": 1}\n```'),
        ('{"name": "Ada", "age": 5}', '{"name": "Ada", "age": 5}'),
        ("[link](x)\n- [ ] a\n[1] b\n[ {", "[link](x)\n- [ ] a\n[1] b\n[ {"),
        (f"Such as:\n```json\n{WEATHER}\n```\nOr so.", f"Such as:\n```json\n{WEATHER}\n```\nOr so."),
        ("{}", "{}"),
        ("``", "``"),
        ("a\n<tool_c", "a\n<tool_c"),
    ],
)
def test_a_reply_is_shown_without_thinking(text: str, rest: str, size: int) -> None:
    reply = ReplyFilter(TOOLS)
    assert "".join(shown(reply, text, size)) == rest
    assert (reply.calls, reply.hid_call) == ([], False)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "text",
    [
        SEARCH,
        f"```json\n{SEARCH}\n```",
        f"```\n{SEARCH}\n```\nDone.",
        f"<tool_call>\n{SEARCH}\n</tool_call>",
        f"```json\n<tool_call>{SEARCH}</tool_call>\n```",
        f"[{SEARCH}]",
        f"[TOOL_CALLS] [{SEARCH}]",
        f"<think>Hm.</think>\n\n  {SEARCH}",
        json.dumps({"type": "function", "function": {"name": "search_memory", "arguments": json.dumps(QUERY)}}),
        '{"tool_calls": [{"tool": "search_memory", "parameters": {"query": {"home": "city"}}}]}',
    ],
)
def test_a_written_call_is_held_back_and_read(text: str, size: int) -> None:
    reply = ReplyFilter(TOOLS)
    assert "".join(shown(reply, text, size)) == ""
    [call] = reply.calls
    assert (call.name, call.arguments) == ("search_memory", QUERY)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (WEATHER, ""),
        (SEARCH[:-9], ""),
        ("<tool_call>search_memory(query)</tool_call>", ""),
        ('[TOOL_CALLS]search_memory{"query": 1}', ""),
        ("<function=search_memory><parameter=query>x</parameter></function>", ""),
        (f"Let me see.\n```json\n{SEARCH}\n```", "Let me see.\n"),
        (f"Let me see.\n<tool_call>{WEATHER}</tool_call>", "Let me see.\n"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_hidden(text: str, rest: str, size: int) -> None:
    reply = ReplyFilter(TOOLS)
    assert "".join(shown(reply, text, size)) == rest
    assert reply.hid_call


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", ["Hm, <hello>.\n</think>\n\nHello.", "<think>Hm.</think>Hello.", "Hello."])
def test_a_reply_that_begins_with_thinking_is_held_back_until_that_ends(text: str, size: int) -> None:
    assert "".join(shown(ReplyFilter(TOOLS, begins_thinking=True), text, size)) == "Hello."


def test_several_written_calls_are_read_in_order() -> None:
    reply = ReplyFilter(TOOLS)
    shown(reply, f"<tool_call>{SEARCH}</tool_call>\n<tool_call>{WEATHER}</tool_call>", 5)
    assert [call.name for call in reply.calls] == ["search_memory", "get_weather"]


def test_ordinary_text_passes_with_each_piece() -> None:
    pieces = ["Hello", ", Ada", ".\n\n", "Two < three", "; [x](y)", "."]
    reply = ReplyFilter(TOOLS)
    assert [reply.feed(piece) for piece in pieces] == pieces
    assert reply.finish() == ""


def test_a_json_reply_is_shown_as_soon_as_it_is_no_call() -> None:
    reply = ReplyFilter(TOOLS)
    assert [reply.feed(piece) for piece in ("```json\n", '{"ci', "ty")] == ["", '```json\n{"ci', "ty"]
