"""The graph on a host that ignores our openers and hands it a Postgres saver and a store of its own, as Aegra does."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.store.memory import InMemoryStore
from langgraph.store.postgres.aio import AsyncPostgresStore

from agent.agent_graph import AgentGraph, Graph
from agent.context import Context
from agent.server import memory as host_memory
from agent.state import Input, State
from graphs.chat import builder
from memory.errors import BadInput
from memory.items.item import facts_namespace
from memory.ledger.pool import open_pool
from memory.user_memory import UserMemory
from tests.collecting import asked
from tests.conversation import HOME, candidate, found, say
from tests.openai_server import ScriptedOpenAI, Text

AUSTIN = candidate("Lives in Austin", "I moved to Austin", "home city", category="location")
ANONYMOUS = SimpleNamespace(identity="anonymous", is_authenticated=False)
"""What Aegra hands to a run without an auth file."""


@pytest.fixture
async def hosted(environment: dict[str, str]) -> AsyncIterator[Graph]:
    """The chat as such a host runs it. What it opened is closed with the test, as the host would end."""
    async with open_pool(environment["POSTGRES_URL"]) as pool:
        saver, items = AsyncPostgresSaver(pool), AsyncPostgresStore(pool)
        await saver.setup()
        await items.setup()
        yield builder.compile(checkpointer=saver, store=items)
        await host_memory.close()
        assert not host_memory.opened


def run_of(user: object, thread: str = "", **configurable: object) -> RunnableConfig:
    """The config of a run as Aegra makes it."""
    named = {"user_id": user.identity} if isinstance(user, SimpleNamespace) else {}
    ids = {"thread_id": thread or str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "langgraph_auth_user": user}
    return {"configurable": ids | named | configurable}


def says(text: str) -> Input:
    return {"messages": [HumanMessage(text)]}


async def test_memory_opens_itself_once_and_remembers_across_threads(
    hosted: Graph, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="agent")
    openai.reply(Text("Hello."), Text("Safe travels."), Text("In Austin."))
    openai.extraction(found(HOME), found(AUSTIN))
    first, second = await asyncio.gather(
        say(hosted, user, "I live in San Francisco."), say(hosted, f"{user}-other", "Hello")
    )
    assert first.changes
    assert first.changes["added"] == ["Lives in San Francisco"]
    changes = (await say(hosted, user, "I moved to Austin")).changes
    assert changes
    assert changes["retired"] == ["Lives in San Francisco"]
    await say(hosted, user, "Where do I live?")
    prompt = [request for request in openai.requests if request.kind == "reply"][-1].messages[0]["content"]
    assert "Lives in Austin" in prompt
    assert "San Francisco" not in prompt
    opened = [line for line in caplog.messages if line.startswith("memory was opened from the settings")]
    assert len(opened) == 1, second


async def test_what_nodes_put_is_in_the_hosts_store_and_facts_are_beside_it(
    environment: dict[str, str], openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With threads that are not in Postgres, which is logged once, and an update by hand before the first run."""
    items = InMemoryStore()

    async def prefer(state: State, runtime: Any) -> dict[str, object]:
        await runtime.store.aput(("preferences", user), "tone", {"value": "short"})
        facts = await runtime.store.asearch(facts_namespace(user))
        return {"notice": ", ".join(fact.value["text"] for fact in facts)}

    outer = AgentGraph(State, context_schema=Context, input_schema=Input)
    outer.add_node("chat", builder.compile())
    outer.add_node("prefer", prefer)
    outer.set_entry_point("chat")
    outer.add_edge("chat", "prefer")
    graph = outer.compile(checkpointer=InMemorySaver(), store=items)
    openai.extraction(found(HOME))
    alone = builder.compile(checkpointer=InMemorySaver(), store=items)
    await alone.aupdate_state(run_of(None), says("Hi"), as_node="respond")
    host_memory.told.clear()
    for _ in range(2):
        result = await graph.ainvoke(says("I live in San Francisco."), run_of(None), context=Context(user_id=user))
    assert result["notice"] == "Lives in San Francisco"
    assert items.get(("preferences", user), "tone")
    assert sum("InMemorySaver keeps threads outside POSTGRES_URL" in line for line in caplog.messages) == 1
    await host_memory.close()


async def test_threads_that_the_host_keeps_elsewhere_belong_to_their_users(
    environment: dict[str, str], openai: ScriptedOpenAI, user: str
) -> None:
    hosted = builder.compile(checkpointer=InMemorySaver(), store=InMemoryStore())
    mine, hers, thread = SimpleNamespace(identity=user), SimpleNamespace(identity=f"{user}-2"), str(uuid.uuid4())
    await hosted.ainvoke(says("Hello"), run_of(mine, thread))
    before = (await hosted.aget_state(run_of(mine, thread))).config["configurable"]["checkpoint_id"]
    with pytest.raises(BadInput, match="belongs to another user"):
        await hosted.ainvoke(says("What did she say?"), run_of(hers, thread))
    with pytest.raises(BadInput, match="belongs to another user"):
        await hosted.aupdate_state(run_of(hers, thread), says("Hi"), as_node="respond")
    assert (await hosted.aget_state(run_of(mine, thread))).config["configurable"]["checkpoint_id"] == before
    await hosted.ainvoke(says("Hello again"), run_of(mine, thread))
    result = await hosted.ainvoke(says("Another branch"), run_of(mine, thread, checkpoint_id=before))
    assert [message.content for message in result["messages"] if message.type == "human"] == ["Hello", "Another branch"]
    with pytest.raises(BadInput, match="has no checkpoint 'unknown'"):
        await hosted.ainvoke(says("Hello"), run_of(mine, thread, checkpoint_id="unknown"))
    await host_memory.close()


async def test_a_placeholder_for_everybody_is_no_identity(hosted: Graph, openai: ScriptedOpenAI, user: str) -> None:
    with pytest.raises(BadInput, match=r"names no user: .*ANONYMOUS_RUNS=allow"):
        await hosted.ainvoke(says("I live in Lima."), run_of(ANONYMOUS))
    assert openai.requests == []
    openai.extraction(found(HOME))
    mine, hers = SimpleNamespace(identity=user), SimpleNamespace(identity=f"{user}-2")
    thread = str(uuid.uuid4())
    await hosted.ainvoke(says("I live in San Francisco."), run_of(mine, thread))
    with pytest.raises(BadInput, match="belongs to another user"):
        await hosted.ainvoke(says("What did she say?"), run_of(hers, thread))
    (opened,) = host_memory.opened.values()
    assert [fact.text for fact in await UserMemory(opened.store.result(), user).all()] == ["Lives in San Francisco"]
    assert await UserMemory(opened.store.result(), "anonymous").all() == []


async def test_a_run_that_a_killed_server_begins_again_says_nothing_twice(
    hosted: Graph, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed after the reply was saved, killed again once all is done, and begun again after a later run."""
    openai.extraction(found(HOME))
    mine, thread = SimpleNamespace(identity=user), str(uuid.uuid4())
    run, text = run_of(mine, thread), "I live in San Francisco."
    async for step in hosted.astream(says(text), run, stream_mode="updates", durability="sync"):
        if "respond" in step:
            break
    assert (await hosted.aget_state(run)).next == ("extract_memories",)
    for _ in range(2):
        await hosted.ainvoke(says(text), run)
    await hosted.ainvoke(says("Thanks!"), run_of(mine, thread))
    result = await hosted.ainvoke(says(text), run)
    assert [message.type for message in result["messages"]] == ["human", "ai"] * 2
    assert asked(openai) == [[text]]
    assert sum(request.kind == "reply" for request in openai.requests) == 2
    assert sum("run continued" in line for line in caplog.messages) == 3


async def test_a_key_that_the_hosts_checkpointer_would_not_use_is_refused(
    hosted: Graph, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("LANGGRAPH_AES_KEY", "0123456789abcdef")
    with pytest.raises(BadInput, match="LANGGRAPH_AES_KEY is set, and AsyncPostgresSaver would save threads unencrypt"):
        await say(hosted, user, "Hello")


async def test_aegra_does_not_start_with_a_key_that_it_would_not_use(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LANGGRAPH_AES_KEY", "0123456789abcdef")
    with pytest.raises(BadInput):
        async with host_memory.lifespan(None):
            pass
    assert not host_memory.opened
    wrong = "the server does not start: LANGGRAPH_AES_KEY is set, and Aegra would save threads unencrypted: "
    assert [record.getMessage().startswith(wrong) for record in caplog.records if record.levelname == "ERROR"] == [True]


async def test_an_error_of_the_settings_is_raised_by_each_run_until_it_is_mended(
    hosted: Graph, openai: ScriptedOpenAI, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("CHAT_MODEL", "gpt")
    for _ in range(2):
        with pytest.raises(BadInput, match="CHAT_MODEL"):
            await say(hosted, user, "Hello")
    monkeypatch.setenv("CHAT_MODEL", "openai:scripted")
    openai.reply(Text("Hello."))
    assert (await say(hosted, user, "Hello")).reply == "Hello."
