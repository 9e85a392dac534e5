"""What is shown of a reply while it is generated: no thinking and no written tool call, in pieces of any size."""

import json

import pytest

from agent.chat_models.reply_filter import ReplyFilter

TOOLS = frozenset({"search_memory", "start_task"})
SEARCH = '{"name": "search_memory", "arguments": {"query": {"home": "city"}}}'
QUERY = {"query": {"home": "city"}}
WEATHER = '{"name": "get_weather", "arguments": {"city": "Lima"}}'
SIZES = (1, 2, 3, 7, 10_000)


def shown(reply: ReplyFilter, text: str, size: int) -> list[str]:
    """What is shown after each piece of this size, and at the end."""
    return [*(reply.feed(text[at : at + size]) for at in range(0, len(text), size)), reply.finish()]


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hello,  Ada.\n", "Hello,  Ada.\n"),
        ("<think>a\nb</think>\n\nHi <b>x</b>", "Hi <b>x</b>"),
        ("Sure.<thinking>x</thinking>Yes.", "Sure.Yes."),
        ("<think>a</think>b\n<think>c</think>d", "b\nd"),
        ("[THINK]a[/THINK]b", "b"),
        ("<think>never ends", ""),
        ("The `<think>` tag and a < b, a <tool", "The `<think>` tag and a < b, a <tool"),
        ('```json\n{"city": "Lima"}\n```\nDone.', '```json\n{"city": "Lima"}\n```\nDone.'),
        ('```python\nx = {\n"name": 1}\n```', '```python\nx = {\n"name": 1}\n```'),
        ('{"name": "Ada", "age": 5}', '{"name": "Ada", "age": 5}'),
        ("[link](x)\n- [ ] a\n[1] b\n[ {", "[link](x)\n- [ ] a\n[1] b\n[ {"),
        (f"Such as:\n```json\n{WEATHER}\n```\nOr so.", f"Such as:\n```json\n{WEATHER}\n```\nOr so."),
        (f"Such as {WEATHER}.", f"Such as {WEATHER}."),
        ('{"name": "get_weather", "parameters": {"type": "object", "properties": {}}}',) * 2,
        ("I have search_memory(query) and start_task(type, data).",) * 2,
        ('Call `search_memory(query="x")`, or `{"name": "search_memory"}`.',) * 2,
        ("Models write <tool_call> around a call.",) * 2,
        ('{"people": [{"name": "Ann"}, {"name": "Bo"}]}',) * 2,
        ("- one\n* two\n- [ ] three",) * 2,
        ("{}", "{}"),
        ("Hi {{ name }}, {{x}}\n{ {",) * 2,
        ("``", "``"),
        ("a\n<tool_c", "a\n<tool_c"),
    ],
)
def test_a_reply_is_shown_without_thinking(text: str, rest: str) -> None:
    for size in SIZES:
        reply = ReplyFilter(TOOLS)
        assert "".join(shown(reply, text, size)) == rest
        assert (reply.calls, reply.hid_call) == ([], False)


@pytest.mark.parametrize(
    "text",
    [
        SEARCH,
        f"```json\n{SEARCH}\n```",
        f"```\n{SEARCH}\n```\nDone.",
        f"<tool_call>\n{SEARCH}\n</tool_call>",
        f"```json\n<tool_call>{SEARCH}</tool_call>\n```",
        f"[{SEARCH}]",
        f"{{{SEARCH}}}",
        f"{{\n{SEARCH}",
        f"[TOOL_CALLS] [{SEARCH}]",
        f"<think>Hm.</think>\n\n  {SEARCH}",
        json.dumps({"type": "function", "function": {"name": "search_memory", "arguments": json.dumps(QUERY)}}),
        '{"tool_calls": [{"tool": "search_memory", "parameters": {"query": {"home": "city"}}}]}',
        str(json.loads(SEARCH)),
        SEARCH.replace("}}}", "},},}"),
        f"- {SEARCH}",
        f"<TOOL_CALL>{SEARCH}</TOOL_CALL>",
        f"<tools>\n{SEARCH}\n</tools>",
        json.dumps({"tool": "search_memory", "tool_input": QUERY}),
        json.dumps({"search_memory": QUERY}),
        SEARCH.replace("search_memory", "functions.search_memory"),
        f"search_memory(query={QUERY['query']})",
        f"[search_memory(query={QUERY['query']})]",
        f"```python\nsearch_memory(query={QUERY['query']})\n```",
        f"```tool_code\nprint(search_memory(query={QUERY['query']}))\n```",
        f"<function=search_memory>{json.dumps(QUERY)}</function>",
        f"[TOOL_CALLS]search_memory{json.dumps(QUERY)}",
        f"Action: search_memory\nAction Input: {json.dumps(QUERY)}",
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>search_memory\n```json\n{json.dumps(QUERY)}\n```",
        f"<|tool_call_begin|>functions.search_memory:0<|tool_call_argument_begin|>{json.dumps(QUERY)}<|tool_call_end|>",
        f"<|channel|>commentary to=functions.search_memory <|constrain|>json<|message|>{json.dumps(QUERY)}<|call|>",
        f"analysisHm.assistantcommentary to=functions.search_memory json{json.dumps(QUERY)}",
        f"<|start|>assistant to=functions.search_memory<|channel|>commentary json<|message|>{json.dumps(QUERY)}",
        f"<TOOLCALL>[{SEARCH}]</TOOLCALL>",
        f'<|START_ACTION|>[{{"tool_name": "search_memory", "parameters": {json.dumps(QUERY)}}}]<|END_ACTION|>',
        f"<|tool_call_start|>[search_memory(query={QUERY['query']})]<|tool_call_end|>",
        f"```python\nresult = search_memory(query={QUERY['query']})\nprint(result)\n```",
        SEARCH.replace("name", "function_name"),
        f"[search_memory: {json.dumps(QUERY)}]",
    ],
)
def test_a_written_call_is_held_back_and_read(text: str) -> None:
    for size in SIZES:
        reply = ReplyFilter(TOOLS)
        assert "".join(shown(reply, text, size)) == ""
        [call] = reply.calls
        assert (call.name, call.arguments) == ("search_memory", QUERY)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (WEATHER, ""),
        (SEARCH[:-9], ""),
        ("<tool_call>search_memory(query)</tool_call>", ""),
        ("[TOOL_CALLS]search_memory", ""),
        ('<invoke name="search_memory">\n<parameter name="query">home</parameter>\n</invoke>', ""),
        ("search_memory('home')", ""),
        (f"I will call {SEARCH} now.", "I will call "),
        (f"I'll look it up: ```json\n{SEARCH}\n```", "I'll look it up: "),
        (f"Sure. <tool_call>{SEARCH}</tool_call>", "Sure. "),
        (f"<tool_call>{SEARCH[:-9]}", ""),
        ("<function=search_memory><parameter=query>x</parameter></function>", ""),
        (f"Let me see.\n```json\n{SEARCH}\n```", "Let me see.\n"),
        (SEARCH.replace('"name"', "name").replace('"arguments"', "arguments"), ""),
        ("<search_memory>\n<query>home</query>\n</search_memory>", ""),
        ('<tool name="search_memory"><query>home</query></tool>', ""),
        ('<|tool_call>call:search_memory{query:<|"|>home<|"|>}<tool_call|>', ""),
        ('<｜DSML｜function_calls>\n<｜DSML｜invoke name="search_memory">\n</｜DSML｜invoke>', ""),
        ("<minimax:tool_call>\n<invoke name='search_memory'></invoke>\n</minimax:tool_call>", ""),
        ("name: search_memory\narguments:\n  query: home", ""),
        (f"Let me see.\n<tool_call>{WEATHER}</tool_call>", "Let me see.\n"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_hidden(text: str, rest: str) -> None:
    for size in SIZES:
        reply = ReplyFilter(TOOLS)
        assert "".join(shown(reply, text, size)) == rest
        assert reply.hid_call


def test_a_call_of_an_unknown_tool_is_shown_where_no_tool_is_offered() -> None:
    for size in SIZES:
        assert "".join(shown(ReplyFilter(TOOLS, may_call=False), WEATHER, size)) == WEATHER
        assert "".join(shown(ReplyFilter(TOOLS, may_call=False), SEARCH, size)) == ""


def test_a_call_in_thinking_without_a_beginning_is_not_carried_out() -> None:
    for size in SIZES:
        reply = ReplyFilter(TOOLS)
        assert "".join(shown(reply, f"I could call {SEARCH}\n</think>\nHello.", size)).endswith("</think>Hello.")
        assert (reply.calls, reply.hid_call) == ([], False)


def test_half_a_call_is_not_carried_out() -> None:
    reply = ReplyFilter(TOOLS)
    shown(reply, SEARCH[:-2], 3)
    assert (reply.calls, reply.hid_call) == ([], True)


@pytest.mark.parametrize("text", ["Hm, <hello>.\n</think>\n\nHello.", "<think>Hm.</think>Hello.", "Hello."])
def test_a_reply_that_begins_with_thinking_is_held_back_until_that_ends(text: str) -> None:
    for size in SIZES:
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
