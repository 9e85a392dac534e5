"""Each run uses the memory and the threads of the user that it names, in library use and on a server."""

import uuid
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import START, StateGraph

from agent.agent_graph import Graph
from agent.context import Context
from agent.identity import AgentStore
from agent.state import Input
from graphs.chat import builder
from memory.errors import BadInput
from memory.items.store import FactStore
from memory.threads.saver import ThreadSaver
from tests.collecting import collects, known
from tests.conftest import Setting
from tests.conversation import config_of
from tests.openai_server import ScriptedOpenAI, Text, ToolCalls
from tests.torture import script
from tests.torture.script import items


def said(text: str) -> Any:
    return {"messages": [HumanMessage(text)]}


def configured(user: object, thread: str | None = None) -> Any:
    """The config of LangGraph's own documentation."""
    return {"configurable": {"thread_id": thread or str(uuid.uuid4()), "user_id": user}}


async def test_the_user_in_configurable_has_a_memory_of_his_own(
    graph: Graph, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    ana, bob = f"{user}-ana", f"{user}-bob"
    await graph.ainvoke(said(items("stamps")), configured(ana))
    await graph.ainvoke(said(items("coins")), configured(bob), context=Context(memory_tokens=100))
    bound: Any = graph.with_config(configurable={"user_id": ana})
    await bound.ainvoke(said(items("cups")), config_of(str(uuid.uuid4())))
    assert await known(store, ana) == collects("stamps", "cups")
    assert await known(store, bob) == collects("coins")


@pytest.mark.parametrize("extract", ["inline", "background"])
async def test_keys_that_a_server_sets_too_make_no_server_of_a_library_run(
    graph: Graph, store: AgentStore, openai: ScriptedOpenAI, setting: Setting, user: str, extract: str
) -> None:
    setting(extract=extract, extract_after=0)
    openai.defaults["extraction"] = script.extraction
    config = configured(user)
    config["configurable"] |= {"graph_id": "chat", "assistant_id": "chat"}
    await graph.ainvoke(said(items("stamps")), config)
    assert await store.debouncer.flush() == {}
    assert await known(store, user) == collects("stamps")


async def test_a_tool_searches_the_memory_of_the_user_in_configurable(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    await graph.ainvoke(said(items("stamps")), configured(user))
    for name, found in ((user, True), (f"{user}-bob", False)):
        openai.reply(ToolCalls([("search_memory", {"query": "collections"})]), Text("Here."))
        state = await graph.ainvoke(said("What do I collect?"), configured(name))
        (answer,) = [message.text for message in state["messages"] if message.type == "tool"]
        assert ("Collects stamps" in answer) is found


async def test_the_thread_of_the_user_in_configurable_is_closed_to_others(graph: Graph, user: str) -> None:
    thread = str(uuid.uuid4())
    await graph.ainvoke(said("Hello"), configured(user, thread))
    for config, context in (
        (configured(f"{user}-bob", thread), None),
        (config_of(thread), None),
        (config_of(thread), Context(user_id=f"{user}-bob")),
    ):
        with pytest.raises(BadInput, match="belongs to another user"):
            await graph.ainvoke(said("Hello"), config, context=context)
    await graph.ainvoke(said("Hello"), config_of(thread), context=Context(user_id=user))
    await graph.ainvoke(said("Hello"), configured(user, thread))


async def test_an_update_of_the_state_asks_who_calls(graph: Graph, user: str) -> None:
    thread = str(uuid.uuid4())
    await graph.ainvoke(said("Hello"), configured(user, thread))
    for caller in (f"{user}-bob", "default", f"{user}-carol"):
        with pytest.raises(BadInput, match="belongs to another user"):
            await graph.aupdate_state(configured(caller, thread), said("Mine now."), as_node="respond")
    # Those whom a server without AUTH calls so are nobody in particular: Studio's edits, for example.
    for config in (configured(user, thread), config_of(thread), configured("langgraph-studio-user", thread)):
        await graph.aupdate_state(config, said("Hello again"), as_node="respond")
    assert len((await graph.aget_state(config_of(thread))).values["messages"]) == 5


async def test_a_parent_of_the_chat_passes_the_user_in_configurable_on(
    saver: ThreadSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    parent = StateGraph(Input)
    parent.add_node("chat", builder.compile())
    parent.add_edge(START, "chat")
    graph: Any = parent.compile(checkpointer=saver, store=store)
    await graph.ainvoke(said(items("stamps")), configured(user))
    assert await known(store, user) == collects("stamps")


async def test_a_run_that_names_its_user_wrongly_is_refused_and_saves_nothing(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    thread = str(uuid.uuid4())
    wrong: list[tuple[Any, Any, str]] = [
        (config_of(thread), {"userId": user}, "'userId' is unknown: did you mean user_id"),
        (
            {"configurable": {"thread_id": thread, "user id": user}},
            None,
            "'user id' .* is unknown: did you mean user_id",
        ),
        (configured(user, thread), Context(user_id=f"{user}-bob"), "names two users"),
        (configured(17, thread), None, "user id 17 is not a string"),
        (config_of(thread), {"user_id": 17}, "must be a string such as 'ana', not 17"),
        (config_of(thread), {"user_id": user, "timezone": "Oslo"}, "'Oslo' is not a time zone"),
    ]
    for config, context, problem in wrong:
        with pytest.raises(BadInput, match=problem):
            await graph.ainvoke(said("Hello"), config, context=context)
    assert (await graph.aget_state(config_of(thread))).values == {}
    assert openai.requests == []
