"""Replies with the habits of real models: thinking, calls written as text, no tools, nothing at all, and images."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.agent_graph import Graph
from agent.context import Context
from agent.providers import NoReply
from agent.terminal.threads import titled_threads
from agent.turn.nodes import MAX_TOOL_ROUNDS
from memory.threads.saver import ThreadSaver
from tests.collecting import asked
from tests.conftest import Setting
from tests.conversation import config_of, say
from tests.openai_server import Answer, Request, ScriptedOpenAI, Status, Text, ToolCalls

CALL = '{"name": "search_memory", "arguments": {"query": "tea"}}'
NO_TOOLS = Status(400, "registry/scripted does not support tools: zanzibar")


def replies(openai: ScriptedOpenAI) -> list[Request]:
    return [request for request in openai.requests if request.kind == "reply"]


async def messages_of(graph: Graph, thread: str) -> list[Any]:
    return list((await graph.aget_state(config_of(thread))).values["messages"])


async def without_stream(graph: Graph, user: str, text: str, thread: str) -> str:
    sent: Any = {"messages": [HumanMessage(text)]}
    state = await graph.ainvoke(sent, config_of(thread), context=Context(user_id=user))
    return str(state["messages"][-1].text)


@pytest.mark.parametrize("streamed", [True, False])
async def test_thinking_is_neither_shown_nor_saved_nor_sent_back(
    graph: Graph, openai: ScriptedOpenAI, user: str, streamed: bool
) -> None:
    thread = str(uuid.uuid4())
    openai.reply(Text("<think>\nThe user says hello.\n</think>\n\nHello, Ada."))
    shown = (
        (await say(graph, user, "Hi", thread)).reply if streamed else await without_stream(graph, user, "Hi", thread)
    )
    assert shown == "Hello, Ada."
    assert (await messages_of(graph, thread))[-1].content == "Hello, Ada."
    await say(graph, user, "Thanks!", thread)
    assert replies(openai)[-1].messages[2] == {"role": "assistant", "content": "Hello, Ada."}
    assert "says hello" not in json.dumps([request.body for request in openai.requests])


async def test_thinking_without_a_beginning_is_neither_saved_nor_streamed(
    graph: Graph, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    thread = str(uuid.uuid4())
    openai.reply(*[Text("The user says hello.\n</think>\n\nHello, Ada.")] * 2, Text("Bye."))
    assert (await say(graph, user, "Hi", thread)).reply == "Hello, Ada."
    assert (await messages_of(graph, thread))[-1].content == "Hello, Ada."
    assert (await say(graph, user, "Hi", thread)).reply == "Hello, Ada."
    assert (await say(graph, user, "Bye", thread)).reply == "Bye."
    assert caplog.text.count("thinking without a beginning model='scripted'") == 1


async def test_it_is_not_streamed_if_the_name_of_the_model_says_that_it_thinks(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    openai.reply(Text("Hm.\n</think>\n\nHello, Ada."), Text("Hello."), Text("Hello."))
    models = "openai:Some-R1-8B", "openai:Some-R1-8B", "openai:QwQ"
    said = [(await say(graph, user, "Hi", model=model)).reply for model in models]
    assert said == ["Hello, Ada.", "Hello.", "Hello."]
    openai.reply(Text("Hm, let me", finish="length"))
    with pytest.raises(NoReply, match="used up its tokens before it replied"):
        await say(graph, user, "Hi", model="openai:Some-R1-8B")


async def test_a_whole_reply_does_not_wait_for_the_end_of_its_stream(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    openai.reply(Text("Hello, Ada.", hang=True))
    async with asyncio.timeout(60):
        turn = await say(graph, user, "Hi")
    assert (turn.reply, turn.notice) == ("Hello, Ada.", None)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("text", [CALL, f"```json\n{CALL}\n```", f"<think>Hm.</think>\n<tool_call>{CALL}</tool_call>"])
async def test_a_call_that_is_written_as_text_is_carried_out(
    graph: Graph, openai: ScriptedOpenAI, user: str, text: str, streamed: bool
) -> None:
    thread = str(uuid.uuid4())
    openai.reply(Text(text), Text("You like tea."))
    shown = (
        (await say(graph, user, "Hi", thread)).reply if streamed else await without_stream(graph, user, "Hi", thread)
    )
    assert shown == "You like tea."
    _, again = replies(openai)
    call, result = again.messages[-2:]
    assert call["tool_calls"][0]["function"] == {"name": "search_memory", "arguments": '{"query": "tea"}'}
    assert (result["tool_call_id"], result["content"]) == (call["tool_calls"][0]["id"], "Nothing is known about that.")
    assert not call["content"]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        CALL.replace("search_memory", "get_weather"),
        CALL.replace("query", "question"),
        "<tool_call>search_memory(tea)</tool_call>",
        CALL[:-9],
    ],
    ids=["unknown tool", "wrong arguments", "no JSON", "cut off"],
)
async def test_a_written_call_that_cannot_be_carried_out_is_hidden(
    graph: Graph, openai: ScriptedOpenAI, user: str, text: str, streamed: bool
) -> None:
    thread = str(uuid.uuid4())
    openai.reply(Text(text), Text("You like tea."))
    shown = (
        (await say(graph, user, "Hi", thread)).reply if streamed else await without_stream(graph, user, "Hi", thread)
    )
    assert shown == "You like tea."
    assert ["tools" in request.body for request in replies(openai)] == [True, False]
    assert [message.text for message in await messages_of(graph, thread)] == ["Hi", "You like tea."]


async def test_a_model_that_only_writes_calls_is_reported(graph: Graph, openai: ScriptedOpenAI, user: str) -> None:
    openai.defaults["reply"] = Text(f"```json\n{CALL[:-1]}\n```")
    with pytest.raises(NoReply, match="wrote a call of a tool in place of a reply: set MODEL_TOOLS=off"):
        await say(graph, user, "Hi")


async def test_json_that_looks_like_a_call_of_an_unknown_tool_is_shown_in_the_end(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    written = CALL.replace("search_memory", "get_weather")
    openai.defaults["reply"] = Text(written)
    assert (await say(graph, user, "Write a call of get_weather.")).reply == written
    assert ["tools" in request.body for request in replies(openai)] == [True, False]


@pytest.mark.parametrize("streamed", [True, False])
async def test_calls_without_an_id_and_with_arguments_as_an_object_are_carried_out(
    graph: Graph, openai: ScriptedOpenAI, user: str, streamed: bool
) -> None:
    thread, calls = str(uuid.uuid4()), [("search_memory", {"query": "tea"}), ("search_memory", {"query": "milk"})]
    openai.reply(ToolCalls(calls, strict=False), Text("You like tea."))
    shown = (
        (await say(graph, user, "Hi", thread)).reply if streamed else await without_stream(graph, user, "Hi", thread)
    )
    assert shown == "You like tea."
    _, _, called, *results = replies(openai)[1].messages
    ids = [call["id"] for call in called["tool_calls"]]
    assert [json.loads(call["function"]["arguments"]) for call in called["tool_calls"]] == [given for _, given in calls]
    assert ids == [result["tool_call_id"] for result in results]
    assert len({*ids} - {None, ""}) == 2


@pytest.mark.parametrize("finish", ["length", ""])
async def test_a_call_that_was_cut_off_is_not_carried_out(
    graph: Graph, openai: ScriptedOpenAI, user: str, finish: str
) -> None:
    openai.reply(ToolCalls([("search_memory", '{"query": "te')], text="Let me see.", finish=finish))
    turn = await say(graph, user, "Hi")
    assert (turn.reply, turn.nodes.count("tools")) == ("Let me see.", 0)


async def test_a_model_that_only_calls_tools_is_stopped_and_its_calls_do_not_stay(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    thread = str(uuid.uuid4())
    openai.defaults["reply"] = ToolCalls([("search_memory", {"query": "tea"})])
    with pytest.raises(NoReply, match="wrote a call of a tool in place of a reply"):
        await say(graph, user, "Hi", thread)
    assert ["tools" in request.body for request in replies(openai)] == [True] * MAX_TOOL_ROUNDS + [False]
    openai.defaults["reply"] = Text("Here I am.")
    await say(graph, user, "Are you there?", thread)
    assert [message["role"] for message in replies(openai)[-1].messages] == ["system", "user", "user"]
    assert [message.text for message in await messages_of(graph, thread)] == ["Hi", "Are you there?", "Here I am."]


async def test_a_native_call_beside_a_written_one_is_the_only_one(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    openai.reply(ToolCalls([("search_memory", {"query": "milk"})], text=f"```json\n{CALL}\n```"), Text("Milk."))
    assert (await say(graph, user, "Hi")).reply == "Milk."
    assert len(replies(openai)[1].messages[-2]["tool_calls"]) == 1


async def test_a_server_that_refuses_tools_twice_is_asked_without_them(
    graph: Graph, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    openai.defaults["reply"] = lambda request: NO_TOOLS if "tools" in request.body else Text("Hello.")
    thread = str(uuid.uuid4())
    for _ in range(3):
        assert (await say(graph, user, "Hi", thread)).reply == "Hello."
    assert ["tools" in request.body for request in replies(openai)] == [True, False, True, False, False]
    assert caplog.text.count("tools refused model='scripted' status=400: asked without them from now on") == 1
    assert "zanzibar" not in caplog.text


async def test_a_refusal_that_stays_without_tools_is_not_remembered(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    for _ in range(3):
        openai.reply(NO_TOOLS, Status(400, "The tools are fine."))
        with pytest.raises(NoReply, match="the model's server answered 400: it does not accept the request"):
            await say(graph, user, "Hi")
    await say(graph, user, "Hi")
    assert "tools" in replies(openai)[-1].body


@pytest.mark.parametrize(
    "errors",
    [
        [Status(400, "Invalid input: 'Which tools do I own?'")],
        [Status(400, "messages with role 'tool' must be a response")],
        [Status(500, "tool call parser crashed", retry_after=0.01)] * 3,
    ],
    ids=["the user's word", "another fault", "a passing fault"],
)
async def test_an_error_about_tools_does_not_turn_them_off(
    graph: Graph, openai: ScriptedOpenAI, user: str, errors: list[Answer]
) -> None:
    for _ in range(3):
        openai.reply(*errors, Text("Hello."), Text("With tools."))
        assert (await say(graph, user, "Which tools do I own?")).reply == "Hello."
        assert (await say(graph, user, "Hi")).reply == "With tools."
        assert "tools" in replies(openai)[-1].body


async def test_a_request_that_is_too_long_with_tools_does_not_turn_them_off(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    for _ in range(3):
        openai.reply(Status(400, "The maximum context length is 4096 tokens; 200 are in the tools."))
        assert (await say(graph, user, "Hi")).reply == "OK."
    assert ["tools" in request.body for request in replies(openai)] == [True, False] * 3


async def test_a_request_that_is_too_long_is_not_repeated(graph: Graph, openai: ScriptedOpenAI, user: str) -> None:
    openai.reply(Status(400, "zanzibar", "context_length_exceeded"))
    with pytest.raises(NoReply, match="too long for 'openai:scripted': lower WINDOW_TOKENS or MAX_MESSAGE_CHARS"):
        await say(graph, user, "Hi")
    assert len(replies(openai)) == 1


async def test_a_model_without_tools_sees_no_calls(
    graph: Graph, openai: ScriptedOpenAI, user: str, setting: Setting
) -> None:
    thread = str(uuid.uuid4())
    openai.reply(ToolCalls([("search_memory", {"query": "tea"})]), Text("Tea."))
    await say(graph, user, "Hi", thread)
    setting(model_tools="off")
    await say(graph, user, "Thanks!", thread)
    request = replies(openai)[-1]
    assert "tools" not in request.body
    assert [(m["role"], m["content"]) for m in request.messages[1:]] == [
        ("user", "Hi"), ("assistant", "Tea."), ("user", "Thanks!"),
    ]  # fmt: skip


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Text(""), "the model gave an empty reply"),
        (Text("<think>Hm.</think>\n"), "the model gave an empty reply"),
        (Text("", refusal="I will not say zanzibar."), "the model refused to answer"),
        (Text("", finish="content_filter"), "the provider's content filter held the reply back"),
        (Text("", finish="length"), "the model used up its tokens before it replied"),
        (Text("<think>Hm, let", finish="length"), "the model used up its tokens before it replied"),
    ],
    ids=repr,
)
async def test_a_missing_reply_is_reported_with_its_reason(
    graph: Graph, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture,
    answer: Answer, reason: str, streamed: bool,
) -> None:  # fmt: skip
    thread = str(uuid.uuid4())
    openai.reply(answer)
    with caplog.at_level("INFO"), pytest.raises(NoReply, match=f"^No reply: {reason}"):
        await (say if streamed else without_stream)(graph, user, "Hi", thread)
    assert "zanzibar" not in caplog.text
    assert (await say(graph, user, "Are you there?", thread)).reply == "OK."
    assert [message["role"] for message in replies(openai)[-1].messages] == ["system", "user", "user"]


@pytest.mark.parametrize(
    ("finish", "notice"),
    [
        ("stop", None),
        ("length", "The reply is not whole: the model used up its tokens."),
        ("content_filter", "The reply is not whole: the provider's content filter cut it off."),
        ("", "The reply may not be whole: the connection to the model's server ended early."),
    ],
)
async def test_a_reply_that_is_cut_off_is_shown_with_a_notice(
    graph: Graph, openai: ScriptedOpenAI, user: str, finish: str, notice: str | None
) -> None:
    thread = str(uuid.uuid4())
    openai.reply(Text("Once upon", finish=finish))
    turn = await say(graph, user, "Tell me a story.", thread)
    assert turn.reply == (await messages_of(graph, thread))[-1].text == "Once upon"
    assert (turn.notice or "").startswith(notice or "")
    assert bool(turn.notice) == bool(notice)


async def test_a_stream_that_ends_as_an_error_names_its_code(graph: Graph, openai: ScriptedOpenAI, user: str) -> None:
    openai.reply(Text("Once upon", error="overloaded"))
    with pytest.raises(NoReply, match=r"the model's server ended the reply with an error \(overloaded\): ask again"):
        await say(graph, user, "Tell me a story.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Status(429, "zanzibar", "insufficient_quota", 0.01), "answered 429 (insufficient_quota): the account has no "
         "quota left: check the plan of OPENAI_API_KEY."),
        (Status(429, "zanzibar", "rate_limit_exceeded", 0.01), "answered 429 (rate_limit_exceeded): it is asked too "
         "often"),
        (Status(402, "zanzibar"), "answered 402: the account has no quota left"),
        (Status(400, "zanzibar", "content_filter"), "(content_filter): the provider's content filter refused"),
        (Status(401, "zanzibar", "No key, zanzibar!"), "answered 401: it refused the key: check OPENAI_API_KEY."),
        (Status(404, "zanzibar", "model_not_found"), "answered 404 (model_not_found): it does not know"),
        (Status(400, "The context length is 4096 tokens. zanzibar"), "lower WINDOW_TOKENS or MAX_MESSAGE_CHARS"),
        (Status(413, "zanzibar"), "answered 413: the request is too long for 'openai:scripted': lower WINDOW_TOKENS"),
        (Status(409, "zanzibar", retry_after=0.01), "answered 409: it is busy with a conflicting request: try again."),
        (Status(403, "zanzibar", "unsupported_country_region_territory"), "is not available in this country or region"),
    ],
    ids=repr,
)  # fmt: skip
async def test_a_provider_error_names_status_code_and_setting(
    graph: Graph, openai: ScriptedOpenAI, user: str, answer: Answer, reason: str
) -> None:
    openai.defaults["reply"] = answer
    with pytest.raises(NoReply) as error:
        await say(graph, user, "Hello")
    assert reason in str(error.value)
    assert "zanzibar" not in str(error.value)


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


async def test_a_message_of_an_image_alone_reaches_the_model(
    graph: Graph, openai: ScriptedOpenAI, user: str, saver: ThreadSaver, setting: Setting
) -> None:
    setting(window_tokens=300)
    thread = str(uuid.uuid4())
    openai.reply(Text("A cat."))
    sent: Any = {"messages": [HumanMessage([IMAGE])]}
    state = await graph.ainvoke(sent, config_of(thread), context=Context(user_id=user))
    assert state["messages"][-1].text == "A cat."
    assert replies(openai)[0].messages[-1]["content"] == [IMAGE]
    assert openai.calls("extraction") == 0
    await say(graph, user, "I like cats.", thread)
    assert asked(openai) == [["I like cats."]]
    assert replies(openai)[1].messages[1]["content"] == [IMAGE]
    assert [title for _, title in await titled_threads(saver, user)] == ["I like cats."]
    for _ in range(6):
        await say(graph, user, "Well? " * 60, thread)
    assert (await graph.aget_state(config_of(thread))).values["summary"]["begins_with"] == "I like cats."


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422, 500])
async def test_an_image_that_the_server_refuses_does_not_stop_the_thread(
    graph: Graph, openai: ScriptedOpenAI, user: str, status: int
) -> None:
    thread, error = str(uuid.uuid4()), Status(status, "image input is not supported: zanzibar", retry_after=0.01)
    openai.defaults["reply"] = lambda request: error if "image_url" in json.dumps(request.body) else Text("Hello.")
    sent: Any = {"messages": [HumanMessage([IMAGE])]}
    state = await graph.ainvoke(sent, config_of(thread), context=Context(user_id=user))
    assert state["messages"][-1].text == "Hello."
    assert state["notice"].startswith("The model's server refused the image or file, so the model did not see it")
    turn = await say(graph, user, "I like cats.", thread)
    assert (turn.reply, turn.notice) == ("Hello.", None)
    request = replies(openai)[-1]
    assert request.messages[1]["content"] == [{"type": "text", "text": "[image that you cannot read]"}]
    assert "tools" in request.body
    assert (await messages_of(graph, thread))[0].content == [IMAGE]


async def test_a_message_of_empty_blocks_is_still_empty(graph: Graph, openai: ScriptedOpenAI, user: str) -> None:
    sent: Any = {"messages": [HumanMessage([{"type": "text", "text": " "}])]}
    state = await graph.ainvoke(sent, config_of(str(uuid.uuid4())), context=Context(user_id=user))
    assert isinstance(state["messages"][-1], AIMessage)
    assert state["messages"][-1].text == "The message is empty: write something."
    assert openai.requests == []
