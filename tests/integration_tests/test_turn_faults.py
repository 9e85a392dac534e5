"""Faults in the model, its answers or the input: the turn still replies, and the thread continues."""

import json
import traceback
import uuid
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable

from agent.agent_graph import Graph
from agent.context import Context
from agent.providers import NoReply
from agent.turn.nodes import MAX_TOOL_ROUNDS
from memory.errors import BadInput
from memory.items.store import FactStore
from tests.collecting import asked, known
from tests.conversation import HOME, INTRODUCTION, SHELLFISH, candidate, config_of, found, say
from tests.openai_server import Answer, Hang, Malformed, ScriptedOpenAI, Status, Text, ToolCalls
from tests.torture import script


@pytest.mark.parametrize(
    "failure",
    [(Status(500, retry_after=0.01),) * 9, (Hang(),) * 3, (Malformed(),), (Malformed('{"facts": "none"}'),)],
    ids=repr,
)
async def test_a_failed_extraction_keeps_the_reply_and_is_repeated_next_turn(
    graph: Graph,
    openai: ScriptedOpenAI,
    user: str,
    store: FactStore,
    failure: tuple[Answer, ...],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thread = str(uuid.uuid4())
    openai.reply(Text("Noted."))
    openai.extraction(*failure)
    turn = await say(graph, user, INTRODUCTION, thread)
    assert (turn.reply, turn.changes) == ("Noted.", None)
    assert await known(store, user) == []

    openai.extraction(found(HOME, SHELLFISH))
    await say(graph, user, "Thanks!", thread)
    asked = json.loads(str(openai.requests[-1].messages[-1]["content"]))
    assert asked["messages"][0]["text"] == INTRODUCTION
    assert await known(store, user) == ["Lives in San Francisco", "Is allergic to shellfish"]


async def test_a_model_that_does_not_answer_is_asked_again_each_turn(
    graph: Graph, openai: ScriptedOpenAI, user: str, store: FactStore
) -> None:
    thread = str(uuid.uuid4())
    openai.defaults["extraction"] = Status(401)
    await say(graph, user, "I like tea.", thread)
    for _ in range(5):
        await say(graph, user, "Hello", thread)
    openai.defaults["extraction"] = found(candidate("Likes tea", "I like tea", "likes"))
    await say(graph, user, "Hello", thread)
    assert await known(store, user) == ["Likes tea"]


async def test_small_faults_in_an_extraction_are_repaired_or_left_out(
    graph: Graph, openai: ScriptedOpenAI, user: str, store: FactStore
) -> None:
    short = {name: HOME[name] for name in ("text", "quote", "message", "subject", "attribute")}
    odd = {**SHELLFISH, "category": "allergy", "relations": [{"known": 1, "relation": "cousin"}]}
    openai.extraction(found(short, odd, {"text": "Lives nowhere"}))
    await say(graph, user, INTRODUCTION)
    assert await known(store, user) == ["Lives in San Francisco", "Is allergic to shellfish"]


async def test_tools_that_fail_tell_the_model_and_the_reply_goes_on(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    calls: list[tuple[str, dict[str, str]]] = [("finish_task", {"status": "done"}), ("nonsense", {})]
    openai.reply(ToolCalls(calls), Text("There was no task."))
    assert (await say(graph, user, "Finish it.")).reply == "There was no task."
    results = [message["content"] for message in openai.requests[1].messages if message["role"] == "tool"]
    assert "start one first" in results[0]


async def test_an_input_without_a_message_is_a_clear_error(graph: Graph, user: str) -> None:
    with pytest.raises(BadInput, match="no message of the user"):
        await graph.ainvoke({"messages": []}, config_of(str(uuid.uuid4())), context=Context(user_id=user))


async def test_a_rate_limited_call_is_repeated(graph: Graph, openai: ScriptedOpenAI, user: str) -> None:
    openai.reply(Status(429, retry_after=0.01), Text("Here I am."))
    openai.extraction(Status(429, retry_after=0.01), found())
    turn = await say(graph, user, "Tell me a story.")
    assert turn.reply == "Here I am."
    assert [request.kind for request in openai.requests] == ["reply", "reply", "extraction", "extraction"]


@pytest.mark.parametrize("text", ["", "   \n", "x" * 1_000_000], ids=["empty", "blank", "1 MB"])
async def test_an_unreadable_message_gets_a_reason_without_a_model_call(
    graph: Graph, openai: ScriptedOpenAI, user: str, text: str
) -> None:
    thread = str(uuid.uuid4())
    turn = await say(graph, user, text, thread)
    assert turn.reply.startswith("The message ")
    assert openai.requests == []
    assert (await say(graph, user, "Tell me a story.", thread)).reply == "OK."
    asked = json.loads(str(openai.requests[-1].messages[-1]["content"]))
    assert [message["text"] for message in asked["messages"]] == ["Tell me a story."]


@pytest.mark.parametrize(
    ("answer", "context", "reason"),
    [
        (Status(401, "zanzibar"), {}, "refused the key: check OPENAI_API_KEY."),
        (Status(404, "zanzibar"), {}, "'openai:scripted': check CHAT_MODEL and OPENAI_BASE_URL."),
        (Status(404, "zanzibar"), {"model": "openai:z"}, "'openai:z': check the run's `model` and OPENAI_BASE_URL."),
    ],
    ids=["key", "model", "model of the run"],
)
async def test_a_failed_reply_names_what_to_check_and_quotes_no_answer(
    graph: Graph, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture,
    answer: Answer, context: dict[str, str], reason: str,
) -> None:  # fmt: skip
    openai.defaults["reply"] = answer
    with caplog.at_level("INFO"), pytest.raises(NoReply) as error:
        await say(graph, user, "Hello", **context)
    assert str(error.value).endswith(reason)
    assert "zanzibar" not in "".join(traceback.format_exception(error.value))
    assert "zanzibar" not in caplog.text
    assert "no reply thread=" in caplog.text


class Odd(BaseChatModel):
    """A model whose package raises an unknown error that quotes the messages."""

    @property
    def _llm_type(self) -> str:
        return "odd"

    def bind_tools(self, *_: Any, **__: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise KeyError(messages[-1].text)


async def test_an_unknown_model_error_is_reported_without_its_text(
    graph: Graph, user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = str(uuid.uuid4())  # not a literal, because a traceback shows source lines
    monkeypatch.setattr("agent.turn.nodes.open_model", lambda *_: Odd())
    with caplog.at_level("INFO"), pytest.raises(NoReply) as error:
        await say(graph, user, said)
    assert str(error.value) == "No reply: KeyError from the model 'openai:scripted'."
    assert said not in "".join(traceback.format_exception(error.value))
    assert said not in caplog.text
    assert f"cause=KeyError at {Path(__file__).name}:" in caplog.text


@pytest.mark.parametrize("arguments", ["nonsense", '{"changes": ', "[]", "null"])
@pytest.mark.parametrize(
    "earlier", [[], [("start_task", {"type": "trip", "data": {}})]], ids=["alone", "after another"]
)
async def test_a_call_with_invalid_json_is_answered_and_the_thread_goes_on(
    graph: Graph, openai: ScriptedOpenAI, user: str, arguments: str, earlier: list[Any]
) -> None:
    """Providers refuse a tool call without a result, which would make the thread unusable."""
    thread = str(uuid.uuid4())
    openai.reply(ToolCalls([*earlier, ("search_memory", arguments)]), Text("Found nothing."))
    assert (await say(graph, user, "Tell me a story.", thread)).reply == "Found nothing."
    results = [m["content"] for r in openai.requests if r.kind == "reply" for m in r.messages if m["role"] == "tool"]
    assert (len(results), results[-1]) == (1 + len(earlier), "The arguments do not fit: query: is missing.")
    assert (await say(graph, user, "Another one.", thread)).reply == "OK."
    assert [request.status for request in openai.requests if request.status != 200] == []


@pytest.mark.parametrize("obeys", [True, False])
async def test_a_model_that_keeps_calling_tools_has_to_reply_without_them(
    graph: Graph, openai: ScriptedOpenAI, user: str, obeys: bool
) -> None:
    thread, call = str(uuid.uuid4()), ToolCalls([("search_memory", {"query": "tea"})], "Let me see.")
    openai.defaults["reply"] = lambda request: Text("OK.") if obeys and "tools" not in request.body else call
    turn = await say(graph, user, "Tell me a story.", thread)
    assert turn.nodes.count("tools") == MAX_TOOL_ROUNDS
    assert turn.reply.endswith("OK." if obeys else "Let me see.")
    openai.defaults["reply"] = Text("OK.")
    assert (await say(graph, user, "Another one.", thread)).reply == "OK."
    assert [request.status for request in openai.requests if request.status != 200] == []


async def test_tool_calls_written_into_a_thread_do_not_break_it(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    thread = str(uuid.uuid4())
    await say(graph, user, "Tell me a story.", thread)
    call = AIMessage("", tool_calls=[{"name": "search_memory", "args": {"query": "tea"}, "id": "1"}])
    late = [HumanMessage("Wait."), call, HumanMessage("Go on."), ToolMessage("Nothing.", tool_call_id="1")]
    await graph.aupdate_state(config_of(thread), {"messages": late})
    assert (await say(graph, user, "Well?", thread)).reply == "OK."


async def test_surrogates_are_joined_or_replaced_wherever_they_come_from(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    thread, changes = str(uuid.uuid4()), {"to": "\ud83d\ude00 \ud800"}
    openai.reply(ToolCalls([("start_task", {"type": "trip", "data": changes})]), Text("Noted \ud83d"))
    await say(graph, user, "I collect \ud83d\ude00s. I collect \ud800s.", thread)
    state = (await graph.aget_state(config_of(thread))).values
    assert state["messages"][0].text == "I collect 😀s. I collect \ufffds."
    assert state["task"]["data"] == {"to": "😀 \ufffd"}
    assert state["messages"][-1].text == "Noted \ufffd"
    assert await known(store, user) == ["Collects 😀s", "Collects \ufffds"]
    assert (await say(graph, user, "Another one.", thread)).reply == "OK."


@pytest.mark.parametrize("name", ["\ud800", "a\x00b", "", "x" * 10_000], ids=ascii)
async def test_whatever_id_a_client_gives_a_message_it_is_extracted_once(
    graph: Graph, openai: ScriptedOpenAI, user: str, name: str
) -> None:
    thread = str(uuid.uuid4())
    for _ in range(2):  # like a client that retries
        sent: Any = {"messages": [HumanMessage("I like tea.", id=name)]}
        await graph.ainvoke(sent, config_of(thread), context=Context(user_id=user))
    await say(graph, user, "I like milk.", thread)
    assert asked(openai) == [["I like tea."], ["I like milk."]]
    state = (await graph.aget_state(config_of(thread))).values
    assert [m.text for m in state["messages"] if isinstance(m, HumanMessage)] == ["I like tea.", "I like milk."]
