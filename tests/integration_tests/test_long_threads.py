"""Threads that outgrow their window: the messages sent to the model, those that are folded, and those that are kept."""

import asyncio
import json
import re
import threading
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import convert_to_messages, count_tokens_approximately
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.agent_graph import Graph
from agent.context import Context
from agent.terminal.threads import titled_threads
from graphs.chat import builder
from memory.items.store import FactStore
from memory.threads.saver import ThreadSaver
from memory.threads.summary import SUMMARY_PROMPT, SUMMARY_TOKENS
from memory.user_memory import UserMemory
from tests.conftest import Setting
from tests.conversation import candidate, config_of, found, say
from tests.openai_server import After, Answer, Request, ScriptedOpenAI, Status, Text, ToolCalls

WINDOW = 400


@pytest.fixture
def graph(saver: AsyncPostgresSaver, store: FactStore, setting: Setting) -> Graph:
    setting(window_tokens=WINDOW)
    return builder.compile(checkpointer=saver, store=store)


def is_summary(request: Request) -> bool:
    return request.kind == "reply" and request.messages[0]["content"] == SUMMARY_PROMPT


def summing(request: Request) -> Answer:
    """A model with longer replies, which calls a tool for every third message and summarizes in one sentence."""
    last = request.messages[-1]
    if is_summary(request):
        return Text(f"<Summary> after {json.loads(last['content'])['messages'][-1]['text'].split()[-1]}")
    if last["role"] == "user" and int(last["content"].split()[-1]) % 3 == 0:
        return ToolCalls([("search_memory", {"query": "tea"})])
    return Text(f"{'Certainly so. ' * 12}Reply {len(request.messages)}")


def replies(openai: ScriptedOpenAI) -> list[Request]:
    return [request for request in openai.requests if request.kind == "reply" and not is_summary(request)]


def summaries(openai: ScriptedOpenAI) -> list[Request]:
    return [request for request in openai.requests if is_summary(request)]


def sent_with(request: Request) -> list[BaseMessage]:
    """The messages sent to the model."""
    return convert_to_messages(dict(message) for message in request.messages)


async def values(graph: Graph, thread: str) -> Mapping[str, Any]:
    return (await graph.aget_state(config_of(thread))).values


def said(messages: list[AnyMessage]) -> list[str]:
    return [message.text for message in messages if isinstance(message, HumanMessage)]


@pytest.fixture
def thread() -> str:
    return str(uuid.uuid4())


async def test_each_turn_the_model_sees_system_message_summary_and_window(
    graph: Graph, openai: ScriptedOpenAI, user: str, thread: str
) -> None:
    openai.defaults["reply"] = summing
    for number in range(25):
        await say(graph, user, f"This is what I say as my message {number}", thread)
        messages = (await values(graph, thread))["messages"]
        assert count_tokens_approximately(messages) <= WINDOW + 150  # the last turn may exceed the window
    assert 3 <= len(summaries(openai)) <= 8
    assert [request.status for request in openai.requests if request.status != 200] == []  # no loose tool calls
    for request in replies(openai):
        system, first, *rest = sent_with(request)
        assert isinstance(first, HumanMessage)
        assert count_tokens_approximately([first, *rest]) <= WINDOW
        assert ("<summary>" in system.text) == (request.number > summaries(openai)[0].number)
        assert count_tokens_approximately([system]) < 400
    assert "never instructions.\n&lt;Summary&gt; after" in str(replies(openai)[-1].messages[0]["content"])
    final = await values(graph, thread)
    assert len(final["messages"]) < 20
    assert final["summary"]["begins_with"] == "This is what I say as my message 0"


async def test_every_message_is_summarized_once_and_stays_in_the_history(
    graph: Graph, openai: ScriptedOpenAI, user: str, thread: str
) -> None:
    openai.defaults["reply"] = summing
    sent = [f"This is what I say as my message {number}" for number in range(18)]
    for text in sent:
        await say(graph, user, text, thread)
    folded = [
        message["text"]
        for request in summaries(openai)
        for message in json.loads(str(request.messages[-1]["content"]))["messages"]
        if message["from"] == "user"
    ]
    left = said((await values(graph, thread))["messages"])
    assert folded + left == sent
    assert len(folded) > 9
    before = [json.loads(str(request.messages[-1]["content"]))["summary"] for request in summaries(openai)]
    assert before[0] == ""
    assert all(re.fullmatch(r"<Summary> after .+", text) for text in before[1:])
    history = [messages_of(state) async for state in graph.aget_state_history(config_of(thread))]
    assert {text for messages in history for text in said(messages)} == set(sent)


def messages_of(state: Any) -> list[AnyMessage]:
    messages: list[AnyMessage] = state.values.get("messages", [])
    return messages


async def until_folding(graph: Graph, openai: ScriptedOpenAI, user: str, thread: str, limit: int = 30) -> int:
    """Talk until the first summary is requested; returns the number of messages."""
    for number in range(limit):
        await say(graph, user, f"This is what I say as my message {number}", thread)
        if summaries(openai):
            return number + 1
    raise AssertionError("The thread was never folded.")


async def test_the_summary_is_made_after_the_reply_and_never_streamed(
    graph: Graph, openai: ScriptedOpenAI, user: str, thread: str
) -> None:
    may_answer = threading.Event()
    openai.defaults["reply"] = lambda request: (
        After(may_answer, Text("A secret summary.")) if is_summary(request) else summing(request)
    )
    async with asyncio.timeout(60):
        for number in range(30):
            turn = asyncio.ensure_future(say(graph, user, f"This is what I say as my message {number}", thread))
            while not turn.done() and not summaries(openai):  # noqa: ASYNC110 - the server has its own thread
                await asyncio.sleep(0.01)
            if not turn.done():
                break
    (request,) = summaries(openai)
    assert request.at > (replies(openai)[-1].finished or request.at)
    may_answer.set()
    done = await turn
    assert "secret" not in done.reply
    assert {node for node, text in done.events if text != "done"} == {"respond"}
    assert set(done.nodes[done.nodes.index("respond") + 1 :]) >= {"summarize", "extract_memories", "reconcile"}
    assert (await values(graph, thread))["summary"]["text"] == "A secret summary."


@pytest.mark.parametrize("failure", [Status(500), Text(""), ToolCalls([("search_memory", {"query": "x"})])], ids=repr)
async def test_a_failed_summary_removes_nothing_and_is_tried_again(
    graph: Graph, openai: ScriptedOpenAI, user: str, thread: str, failure: Answer
) -> None:
    working = threading.Event()

    def answer(request: Request) -> Answer:
        return failure if is_summary(request) and not working.is_set() else summing(request)

    openai.defaults["reply"] = answer
    count = await until_folding(graph, openai, user, thread)
    for number in range(count, count + 5):
        asked = len(summaries(openai))
        turn = await say(graph, user, f"This is what I say as my message {number}", thread)
        assert "Reply" in turn.reply
        assert len(summaries(openai)) > asked
    state = await values(graph, thread)
    assert len(said(state["messages"])) == count + 5
    assert "summary" not in state
    for request in replies(openai):
        assert count_tokens_approximately(sent_with(request)[1:]) <= WINDOW
    working.set()
    for number in range(count + 5, count + 7):
        await say(graph, user, f"This is what I say as my message {number}", thread)
    state = await values(graph, thread)
    assert len(said(state["messages"])) < 6
    assert state["summary"]["begins_with"] == "This is what I say as my message 0"


async def test_messages_not_yet_extracted_are_not_folded(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, thread: str
) -> None:
    openai.defaults |= {"reply": summing, "extraction": Status(401)}
    for number in range(20):
        await say(graph, user, f"I like tea, and this is message {number}", thread)
    assert summaries(openai) == []
    assert len(said((await values(graph, thread))["messages"])) == 20

    openai.defaults["extraction"] = found(candidate("Likes tea", "I like tea", "likes"))
    for number in range(20, 26):
        await say(graph, user, f"Go on with message {number}", thread)
    assert [fact.text for fact in await UserMemory(store, user).current()] == ["Likes tea"]
    shown = [
        message["text"]
        for request in openai.requests
        if request.kind == "extraction" and request.status == 200
        for message in json.loads(str(request.messages[-1]["content"]))["messages"]
    ]
    assert shown == [f"I like tea, and this is message {number}" for number in range(20)] + [
        f"Go on with message {number}" for number in range(20, 26)
    ]
    assert len(said((await values(graph, thread))["messages"])) < 10


async def test_a_folded_thread_is_listed_by_its_first_message(
    graph: Graph, openai: ScriptedOpenAI, saver: ThreadSaver, user: str, thread: str
) -> None:
    openai.defaults["reply"] = summing
    await until_folding(graph, openai, user, thread)
    ((listed, title),) = await titled_threads(saver, user)
    assert (listed.id, title) == (thread, "This is what I say as my message 0")


async def test_a_fork_from_before_a_summary_has_its_messages_and_folds_again(
    graph: Graph, openai: ScriptedOpenAI, user: str, thread: str
) -> None:
    openai.defaults["reply"] = summing
    count = await until_folding(graph, openai, user, thread)
    async for state in graph.aget_state_history(config_of(thread)):
        if not state.next and len(said(messages_of(state))) == count - 1:
            break
    assert "summary" not in state.values
    other = f"This is another thing to say as message {count - 1}"
    await graph.ainvoke({"messages": [HumanMessage(other)]}, state.config, context=Context(user_id=user))
    forked = await values(graph, thread)
    assert said(forked["messages"])[-1] == other
    assert forked["summary"]["begins_with"] == "This is what I say as my message 0"


async def test_the_offline_model_summarizes_a_long_thread_in_the_users_words(
    graph: Graph, user: str, thread: str, setting: Setting, offline_model: None
) -> None:
    setting(chat_model="offline")
    for number in range(80):
        turn = await say(graph, user, f"The parcel number {number} came today.", thread)
        assert turn.reply
    state = await values(graph, thread)
    assert count_tokens_approximately(state["messages"]) <= WINDOW
    assert len(state["summary"]["text"]) <= SUMMARY_TOKENS * 4
    shown = re.findall(r"The user said: The parcel number (\d+) came today\.", state["summary"]["text"])
    first_left = int(said(state["messages"])[0].split()[3])
    assert [int(number) for number in shown] == list(range(first_left - len(shown), first_left))
    assert len(shown) > 20
    assert not any(isinstance(message, ToolMessage) for message in state["messages"][:1])
    assert isinstance(state["messages"][-1], AIMessage)
