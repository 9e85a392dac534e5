"""Forks: a run from an earlier checkpoint has its messages and its task, and the current facts."""

import json
import uuid
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.constants import START
from langgraph.types import StateSnapshot

from agent.agent_graph import Graph
from agent.context import Context
from memory.errors import BadInput
from memory.facts.fact import owner_key
from memory.items.store import FactStore
from memory.threads.tasks import active_tasks
from memory.threads.threads import list_threads
from memory.user_memory import UserMemory
from tests.conversation import candidate, config_of, found, say
from tests.openai_server import Request, ScriptedOpenAI, Text, ToolCalls

SECOND = "Two people, from the city where I live."
INTRODUCTION = "I live in Lima, and I need a trip to Lisbon."
LIMA = candidate("Lives in Lima", "I live in Lima", "home city", exclusive=True)
OSLO = candidate("Lives in Oslo", "I live in Oslo", "home city", exclusive=True)
CUSCO = candidate("Lives in Cusco", "I moved to Cusco", "home city", exclusive=True)


@pytest.fixture
async def thread(graph: Graph, openai: ScriptedOpenAI, user: str) -> str:
    """A thread in which a trip is started, updated and ended in three turns. Then the user moves in another thread."""
    thread = str(uuid.uuid4())
    openai.reply(ToolCalls([("start_task", {"type": "trip", "data": {"to": "Lisbon"}})]), Text("To Lisbon."))
    openai.extraction(found(LIMA))
    await say(graph, user, INTRODUCTION, thread)
    openai.reply(ToolCalls([("update_task", {"changes": {"people": 2}})]), Text("Two."))
    await say(graph, user, SECOND, thread)
    openai.reply(ToolCalls([("finish_task", {"status": "done"})]), Text("Done."))
    await say(graph, user, "Book it.", thread)
    openai.extraction(found(CUSCO))
    await say(graph, user, "I moved to Cusco.")
    openai.requests.clear()
    return thread


async def checkpoint(graph: Graph, thread: str, turn: int, node: str) -> StateSnapshot:
    """The first checkpoint of a turn before `node`."""
    found = [
        snapshot
        async for snapshot in graph.aget_state_history(config_of(thread))
        if snapshot.next == (node,) and len(said(snapshot)) == turn
    ]
    return found[-1]


def said(snapshot: StateSnapshot) -> list[str]:
    return [message.text for message in snapshot.values.get("messages", ()) if isinstance(message, HumanMessage)]


async def run_again(graph: Graph, user: str, config: RunnableConfig, *texts: str) -> dict[str, Any]:
    """Continue from a checkpoint, unchanged or with new messages. Returns the thread's values afterwards."""
    sent: Any = {"messages": [HumanMessage(text) for text in texts]} if texts else None
    await graph.ainvoke(sent, config, context=Context(user_id=user), durability="sync")
    return (await graph.aget_state(config_of(config["configurable"]["thread_id"]))).values


def asked(openai: ScriptedOpenAI) -> Request:
    """The first reply request since then."""
    return next(request for request in openai.requests if request.kind == "reply")


def extracted(openai: ScriptedOpenAI) -> list[str]:
    """The messages of the extraction requests since then."""
    requests = [json.loads(str(r.messages[-1]["content"])) for r in openai.requests if r.kind == "extraction"]
    return [message["text"] for request in requests for message in request["messages"]]


async def facts(store: FactStore, user: str) -> list[str]:
    return [fact.text for fact in await UserMemory(store, user).all()]


@pytest.mark.parametrize("node", ["recall", "respond", "tools"])
async def test_a_fork_has_the_checkpoints_messages_and_task_and_todays_facts(
    graph: Graph, openai: ScriptedOpenAI, user: str, thread: str, node: str
) -> None:
    past = await checkpoint(graph, thread, 2, node)
    openai.reply(Text("Again."))
    values = await run_again(graph, user, past.config)
    system, *session = asked(openai).messages
    assert [message["content"] for message in session if message["role"] == "user"] == [INTRODUCTION, SECOND]
    assert '"to": "Lisbon"' in str(system["content"])
    assert "- Lives in Cusco" in str(system["content"])
    assert "Lima" not in str(system["content"])
    assert values["task"]["status"] == "in_progress"
    assert ("people" in values["task"]["data"]) == (node == "tools")


async def test_a_task_that_has_ended_is_open_again_in_an_earlier_fork(
    graph: Graph, openai: ScriptedOpenAI, saver: AsyncPostgresSaver, store: FactStore, user: str, thread: str
) -> None:
    assert await active_tasks(store.pool, saver.serde, user) == []
    await run_again(graph, user, (await checkpoint(graph, thread, 3, "recall")).config)
    (entry,) = await active_tasks(store.pool, saver.serde, user)
    assert (entry.thread_id, entry.task["data"]) == (thread, {"to": "Lisbon", "people": 2})
    openai.reply(ToolCalls([("finish_task", {"status": "cancelled"})]), Text("Cancelled."))
    await say(graph, user, "Cancel it.", thread)
    assert await active_tasks(store.pool, saver.serde, user) == []


@pytest.mark.parametrize("node", ["recall", "respond", "extract_memories", "reconcile"])
async def test_messages_extracted_before_a_fork_are_not_extracted_again(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, thread: str, node: str
) -> None:
    openai.defaults["extraction"] = found(LIMA)
    before = await facts(store, user)
    await run_again(graph, user, (await checkpoint(graph, thread, 1, node)).config)
    await say(graph, user, "Tell me a story.", thread)
    assert extracted(openai) == ["Tell me a story."]
    assert await facts(store, user) == before == ["Lives in Lima", "Lives in Cusco"]


async def test_a_message_said_in_a_fork_instead_of_another_is_extracted_once(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, thread: str
) -> None:
    openai.extraction(found(OSLO))
    past = await checkpoint(graph, thread, 1, START)
    values = await run_again(graph, user, past.config, "I live in Oslo.")
    assert [m.text for m in values["messages"] if isinstance(m, HumanMessage)] == [INTRODUCTION, "I live in Oslo."]
    await say(graph, user, "Tell me a story.", thread)
    assert extracted(openai) == ["I live in Oslo.", "Tell me a story."]
    assert await facts(store, user) == ["Lives in Lima", "Lives in Cusco", "Lives in Oslo"]


@pytest.mark.parametrize("node", ["recall", "extract_memories"])
async def test_a_message_that_is_rewritten_in_a_fork_is_extracted_once_more(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, thread: str, node: str
) -> None:
    openai.extraction(found(OSLO))
    past = await checkpoint(graph, thread, 1, node)
    first = past.values["messages"][0]
    rewritten = {"messages": [HumanMessage("I live in Oslo.", id=first.id)]}
    values = await run_again(graph, user, await graph.aupdate_state(past.config, rewritten))
    assert [m.text for m in values["messages"] if isinstance(m, HumanMessage)] == ["I live in Oslo."]
    await say(graph, user, "Tell me a story.", thread)
    assert extracted(openai) == ["I live in Oslo.", "Tell me a story."]
    assert await facts(store, user) == ["Lives in Lima", "Lives in Cusco", "Lives in Oslo"]


async def test_a_fork_belongs_to_its_user_and_is_refused_to_others(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, thread: str
) -> None:
    past = await checkpoint(graph, thread, 2, "respond")
    attempts: list[tuple[str, list[str]]] = [("recall", []), ("recall", ["I am Bob."]), ("respond", []), ("tools", [])]
    for node, texts in [*attempts, ("extract_memories", [])]:
        with pytest.raises(BadInput, match="belongs to another user"):
            await run_again(graph, f"{user}-bob", (await checkpoint(graph, thread, 2, node)).config, *texts)
    assert await facts(store, f"{user}-bob") == []
    assert openai.requests == []
    assert thread not in [entry.id for entry in await list_threads(store.pool, f"{user}-bob")]
    values = await run_again(graph, user, past.config)
    assert values["owner"] == owner_key(user)
    (mine,) = [entry.id for entry in await list_threads(store.pool, user) if entry.id == thread]
    assert mine == thread
