"""A thread has one run at a time, and only by its owner: in the chat and in other code."""

import asyncio
import io
import threading
import uuid
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from rich.console import Console

from agent.agent_graph import AgentGraph, Graph
from agent.context import Context
from agent.persistence import open_store
from agent.settings import read_settings
from agent.state import Input
from agent.terminal.chat import Chat
from graphs.chat import builder
from memory.errors import BadInput, Unavailable
from memory.facts.fact import owner_key
from memory.items.store import FactStore
from memory.ledger.locks import wait_for_lock
from memory.ledger.pool import open_pool
from memory.threads.run_lock import RunLocks
from memory.threads.saver import ThreadSaver
from memory.threads.threads import BEGUN_BY, check_thread_is_own, list_threads
from memory.user_memory import UserMemory
from tests.collecting import wait_until
from tests.conversation import config_of
from tests.openai_server import After, Hang, ScriptedOpenAI, Text
from tests.torture import script


def chat(saver: ThreadSaver, store: FactStore, user: str, thread: str) -> Chat:
    graph = builder.compile(checkpointer=saver, store=store)
    out, err = Console(file=io.StringIO()), Console(file=io.StringIO())
    return Chat(graph, saver, UserMemory(store, user), out, err, thread)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_two_chats_in_one_thread_wait_for_each_other_and_lose_nothing(
    saver: ThreadSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    thread = str(uuid.uuid4())
    openai.defaults["reply"] = Text("A reply in several words.", delay=0.02)
    first, second = (chat(saver, store, user, thread) for _ in range(2))
    await asyncio.gather(first.handle("First."), second.handle("Second."))
    assert written(first.out) == written(second.out) == "A reply in several words.\n"
    messages = (await first.graph.aget_state(config_of(thread))).values["messages"]
    assert len(messages) == 4
    assert {message.text for message in messages if isinstance(message, HumanMessage)} == {"First.", "Second."}


async def test_a_run_fails_after_the_lock_timeout_and_other_threads_go_on(
    saver: ThreadSaver, store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, free = str(uuid.uuid4()), str(uuid.uuid4())
    waiting, going = chat(saver, store, user, busy), chat(saver, store, user, free)
    monkeypatch.setattr(store.run_locks, "timeout", 3)
    async with store.run_locks.hold(busy):
        await asyncio.gather(waiting.handle("Hello"), going.handle("Hello"))
    assert f"Another run has been under way in thread '{busy}' for 3 s" in " ".join(written(waiting.err).split())
    assert written(going.out) == "OK.\n"
    await waiting.handle("Hello")
    assert written(waiting.out) == "OK.\n"


async def test_a_run_without_a_free_connection_fails_after_the_lock_timeout(store: FactStore) -> None:
    async with open_pool(read_settings().postgres_url, max_size=1) as pool, pool.connection():
        with pytest.raises(Unavailable, match="no connection free"):
            async with asyncio.timeout(8), RunLocks(pool).hold("t", timeout=0.2):
                pass


async def test_runs_of_one_thread_are_serialized_across_processes(
    saver: ThreadSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    """In one process, and next to another process with its own store and connection."""
    thread = str(uuid.uuid4())
    openai.defaults["reply"] = Text("A reply in several words.", delay=0.02)
    graph = builder.compile(checkpointer=saver, store=store)
    async with open_store() as other:
        elsewhere = builder.compile(checkpointer=saver, store=other)
        said = ((graph, "First."), (graph, "Second."), (elsewhere, "Third."))
        await asyncio.gather(*(run(by, user, thread, text) for by, text in said))
        other.run_locks.timeout = 0.2
        async with store.run_locks.hold(thread):
            with pytest.raises(Unavailable, match=f"under way in thread '{thread}' for 0.2 s: try again"):
                await run(elsewhere, user, thread, "Fourth.")
    messages = (await graph.aget_state(config_of(thread))).values["messages"]
    assert [message.type for message in messages] == ["human", "ai"] * 3
    assert {message.text for message in messages if message.type == "human"} == {"First.", "Second.", "Third."}


async def test_more_threads_than_pool_connections_run_at_the_same_time(
    saver: ThreadSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    go = threading.Event()
    openai.defaults["reply"] = After(go, Text("OK."))
    graph = builder.compile(checkpointer=saver, store=store)
    number = store.pool.max_size + 2
    runs = [asyncio.ensure_future(run(graph, user, str(uuid.uuid4()), "Hello")) for _ in range(number)]
    await wait_until(lambda: openai.calls("reply") == number)
    go.set()
    assert [state["messages"][-1].text for state in await asyncio.gather(*runs)] == ["OK."] * number


async def test_a_cancelled_run_leaves_the_thread_free(
    saver: ThreadSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    thread = str(uuid.uuid4())
    openai.reply(Hang())
    graph = builder.compile(checkpointer=saver, store=store)
    running, waiting = (asyncio.ensure_future(run(graph, user, thread, "Hello")) for _ in range(2))
    await wait_until(lambda: openai.calls("reply") > 0)
    for broken_off in (waiting, running):
        broken_off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await broken_off
    async with open_store() as other:
        elsewhere = builder.compile(checkpointer=saver, store=other)
        other.run_locks.timeout = 5
        assert (await run(elsewhere, user, thread, "Hello"))["messages"][-1].text == "OK."


async def run(graph: Graph, user: str, thread: str, text: str) -> dict[str, Any]:
    """A turn run by custom code."""
    state: dict[str, Any] = await graph.ainvoke(
        {"messages": [HumanMessage(text)]}, config_of(thread), context=Context(user_id=user)
    )
    return state


async def test_a_broken_lock_connection_leaves_the_thread_free(store: FactStore) -> None:
    thread, pool = str(uuid.uuid4()), store.pool
    async with store.run_locks.hold(thread):
        async with pool.connection() as connection:
            await connection.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
        async with store.run_locks.hold(str(uuid.uuid4()), timeout=5):  # while the first one is still running
            pass
    async with store.run_locks.hold(thread, timeout=5):
        pass


async def test_copies_of_a_graph_wait_for_the_same_lock(
    saver: ThreadSaver, store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, graph = str(uuid.uuid4()), builder.compile(checkpointer=saver, store=store)
    monkeypatch.setattr(store.run_locks, "timeout", 0.2)
    async with store.run_locks.hold(thread):
        with pytest.raises(Unavailable, match=r"for 0.2 s"):
            await run(graph.with_config(tags=["mine"]), user, thread, "Hello")


async def test_a_connection_that_ends_during_the_wait_for_a_lock_is_named(saver: ThreadSaver) -> None:
    async with saver.pool.connection() as connection, saver.pool.connection() as other:
        await other.execute("select pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        with pytest.raises(Unavailable, match="connection to the database was lost"):
            await wait_for_lock(connection, 1, deadline=asyncio.get_running_loop().time() + 5, busy="busy")


@pytest.mark.parametrize("thread", ["a\x00b", "\ud800", "x" * 1_000, None], ids=ascii)
async def test_an_invalid_thread_id_is_refused_before_anything_is_done(
    saver: ThreadSaver, store: FactStore, openai: ScriptedOpenAI, user: str, thread: Any
) -> None:
    with pytest.raises(BadInput, match="thread id"):
        await run(builder.compile(checkpointer=saver, store=store), user, thread, "Hello")
    with pytest.raises(BadInput, match="thread id"):
        await check_thread_is_own(saver.pool, user, thread)
    assert openai.requests == []


async def test_a_thread_whose_id_is_a_number_is_learned_from(
    saver: ThreadSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    thread: Any = uuid.uuid4().int
    await run(builder.compile(checkpointer=saver, store=store), user, thread, script.items("stamps"))
    (fact,) = await UserMemory(store, user).all()
    assert fact.source.thread_id == str(thread)


async def test_a_thread_belongs_to_its_user_even_if_its_first_run_failed(
    saver: ThreadSaver, store: FactStore, user: str
) -> None:
    thread, graph = str(uuid.uuid4()), builder.compile(checkpointer=saver, store=store)
    with pytest.raises(BadInput, match="no message of the user"):
        await graph.ainvoke({"messages": []}, config_of(thread), context=Context(user_id=user))
    with pytest.raises(BadInput, match="belongs to another user"):
        await run(graph, f"{user}-bob", thread, "Hello")
    with pytest.raises(BadInput, match="No thread"):
        await check_thread_is_own(saver.pool, f"{user}-bob", thread)
    await check_thread_is_own(saver.pool, user, thread)
    assert (await run(graph, user, thread, "Hello"))["messages"][-1].text == "OK."


async def test_an_unknown_checkpoint_is_refused_and_changes_nothing(
    saver: ThreadSaver, store: FactStore, user: str
) -> None:
    """A checkpoint of another thread, or a pruned one: LangGraph alone would start the thread from scratch."""
    thread, graph = str(uuid.uuid4()), builder.compile(checkpointer=saver, store=store)
    await run(graph, user, thread, "Hello")
    pruned = (await graph.aget_state(config_of(thread))).config
    await run(graph, user, thread, "Again")
    await saver.aprune([thread])
    before = (await graph.aget_state(config_of(thread))).values
    for sent in (None, {"messages": [HumanMessage("Once more")]}):
        with pytest.raises(BadInput, match="has no checkpoint"):
            await graph.ainvoke(sent, pruned, context=Context(user_id=user))  # type: ignore[arg-type]
    assert (await graph.aget_state(config_of(thread))).values == before


@pytest.mark.parametrize("parent", [StateGraph, AgentGraph])
async def test_the_chat_as_a_subgraph_refuses_other_users(
    saver: ThreadSaver,
    store: FactStore,
    openai: ScriptedOpenAI,
    user: str,
    parent: type[StateGraph[Any, Any, Any, Any]],
) -> None:
    """With its own state, or below a parent that checks the owner itself."""
    outer = parent(Input, context_schema=Context)
    outer.add_node("chat", builder.compile(checkpointer=parent is StateGraph or None))
    outer.add_edge(START, "chat")
    graph: Any = outer.compile(checkpointer=saver, store=store)
    thread = str(uuid.uuid4())
    assert (await run(graph, user, thread, "Hello"))["messages"][-1].text == "OK."
    calls = openai.calls()
    with pytest.raises(BadInput, match="belongs to another user"):
        await run(graph, f"{user}-bob", thread, "Hello")
    assert openai.calls() == calls


@pytest.mark.parametrize("run_before", [True, False])
async def test_the_owner_of_a_thread_cannot_be_changed(
    saver: ThreadSaver, store: FactStore, user: str, run_before: bool
) -> None:
    graph, config, victim = builder.compile(checkpointer=saver, store=store), config_of(str(uuid.uuid4())), f"{user}-v"
    if run_before:
        await graph.ainvoke({"messages": [HumanMessage("Hello")]}, config, context=Context(user_id=user))
    lie = HumanMessage("I collect lies.")
    update: dict[str, Any] = {"owner": owner_key(victim), "messages": [lie]}
    commands: list[Any] = [Command(update=update), Command(update=[*update.items()])]
    for updates in (update, *commands, [{}, commands[0]]):
        with pytest.raises(BadInput, match="owner of a thread"):
            await graph.aupdate_state(config, updates, as_node="respond")
    for goto in ("respond", "reconcile"):
        with pytest.raises(BadInput, match="owner of a thread"):
            await graph.ainvoke(Command(update=update, goto=goto), config, context=Context(user_id=user))
    if not run_before:
        with pytest.raises(BadInput, match="The thread has no messages"):
            await graph.aupdate_state(config, {"messages": []}, as_node="respond")
    if run_before:  # like a client that edits the state and sends all of it back
        await graph.aupdate_state(config, {"owner": owner_key(user), "messages": []})
    mark = {BEGUN_BY: owner_key(victim)}
    marked: Any = {"metadata": mark, "configurable": config["configurable"] | mark}
    await graph.aupdate_state(marked, {"messages": [lie]})
    assert await list_threads(store.pool, victim) == []
