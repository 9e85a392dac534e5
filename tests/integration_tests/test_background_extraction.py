"""The graph `background_extraction` on its own."""

import uuid
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.agent_graph import Graph
from agent.context import Context
from agent.identity import AgentStore
from agent.turn import nodes
from agent.turn.extraction_schedule import background_input
from graphs.background_extraction import builder as background_builder
from memory.errors import BadInput
from memory.extraction.utterances import EXTRACTION_MESSAGES, utterances_of
from memory.facts.fact import utc_now
from memory.items.store import FactStore
from memory.threads.threads import background_thread, list_threads
from memory.user_memory import UserMemory
from tests.collecting import asked, collects, known
from tests.conftest import Setting
from tests.conversation import config_of
from tests.openai_server import ScriptedOpenAI
from tests.torture import script
from tests.torture.script import items


async def test_the_background_graph_learns_from_all_its_utterances(
    saver: AsyncPostgresSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    graph = background_builder.compile(checkpointer=saver, store=store)
    thread, names = str(uuid.uuid4()), [f"stamps{number:02}" for number in range(23)]
    utterances = utterances_of([HumanMessage(items(name), id=name) for name in names], utc_now(), thread)
    config, pool = config_of(background_thread(user, thread)), store.pool
    given: Any = background_input(thread, utterances, utc_now())
    await graph.ainvoke(given, config, context=Context(user_id=user))
    assert [len(part) for part in asked(openai)] == [EXTRACTION_MESSAGES, EXTRACTION_MESSAGES, 3]
    assert await known(store, user) == collects(*names)
    await graph.ainvoke(given, config, context=Context(user_id=user))
    assert openai.calls("extraction") == 3

    with pytest.raises(BadInput, match="belongs to another user"):
        await graph.ainvoke(given, config, context=Context(user_id=user + "-mallory"))
    assert await list_threads(pool, user) == []
    assert [saved async for saved in saver.alist(config)] != []
    await UserMemory(store, user).forget(thread=thread)
    assert [saved async for saved in saver.alist(config)] == []
    assert await known(store, user) == []


async def test_background_threads_save_no_messages_and_can_be_forgotten(
    saver: AsyncPostgresSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    graph = background_builder.compile(checkpointer=saver, store=store)
    thread = str(uuid.uuid4())
    config = config_of(background_thread(user, thread))
    given: Any = background_input(thread, utterances_of("Zanzibar it is.", utc_now(), thread), utc_now())
    await graph.ainvoke(given, config, context=Context(user_id=user), durability="exit")
    saved = [saved async for saved in saver.alist(config)]
    assert len(saved) == 1
    assert "Zanzibar" not in repr(saved)
    await UserMemory(store, user).forget_everything()
    assert [saved async for saved in saver.alist(config)] == []


async def test_the_background_graph_accepts_no_times_in_the_future(
    saver: AsyncPostgresSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    graph = background_builder.compile(checkpointer=saver, store=store)
    thread = str(uuid.uuid4())
    given: Any = background_input(
        thread, utterances_of([HumanMessage(items("stamps"), id="1")], utc_now(), thread), utc_now()
    )
    given["utterances"][0]["said_at"] = given["started_at"] = "2999-01-01T00:00:00-08:00"
    await graph.ainvoke(given, config_of(background_thread(user, thread)), context=Context(user_id=user))
    (fact,) = await UserMemory(store, user).current()
    assert fact.observed_at <= utc_now()
    request = next(request for request in openai.requests if request.kind == "extraction")
    assert " -08:00" in str(request.messages[-1]["content"])  # the day is that of the user's time zone


async def test_the_users_day_reaches_the_background_also_if_recall_fails(
    graph: Graph,
    store: AgentStore,
    openai: ScriptedOpenAI,
    user: str,
    setting: Setting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting(extract="background", extract_after=0)
    monkeypatch.setattr(nodes, "RECALL_TIMEOUT", 0.0)
    given: Any = {"messages": [HumanMessage(items("stamps"))]}
    context = Context(user_id=user, timezone="Asia/Tokyo")
    await graph.ainvoke(given, config_of(str(uuid.uuid4())), context=context)
    await store.debouncer.flush()
    (request,) = (request for request in openai.requests if request.kind == "extraction")
    assert "+09:00" in str(request.messages[-1]["content"])
