"""The checkpointer: concurrent threads, encryption at rest, and the calls of a LangGraph server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.agent_graph import Graph
from agent.context import Context
from agent.persistence import open_checkpointer
from agent.terminal.threads import UNREADABLE, titled_threads
from graphs.chat import builder
from memory.errors import BadInput
from memory.items.store import FactStore
from memory.threads.saver import ThreadSaver
from memory.threads.summary import SUMMARY_PROMPT
from memory.threads.tasks import active_tasks
from tests.conftest import Setting
from tests.conversation import config_of, say
from tests.leftovers import rows_with
from tests.openai_server import Answer, Request, ScriptedOpenAI, Text, ToolCalls

KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210"


@asynccontextmanager
async def saver_with(monkeypatch: pytest.MonkeyPatch, key: str) -> AsyncIterator[ThreadSaver]:
    monkeypatch.setenv("LANGGRAPH_AES_KEY", key)
    async with open_checkpointer() as saver:
        yield saver


@pytest.fixture
def thread() -> str:
    return str(uuid.uuid4())


def config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


async def save(saver: AsyncPostgresSaver, thread: str, checkpoint: Checkpoint) -> None:
    await saver.aput(config(thread), checkpoint, {"source": "loop", "step": 1, "parents": {}}, {})


# --- concurrent threads --------------------------------------------------------------------------------------


async def test_a_thread_that_waits_for_the_database_does_not_block_others(saver: ThreadSaver, thread: str) -> None:
    checkpoint, other = empty_checkpoint(), str(uuid.uuid4())
    async with saver.pool.connection() as connection:
        async with connection.transaction():
            await connection.execute(
                "insert into checkpoints (thread_id, checkpoint_id, checkpoint) values (%s, %s, '{}')",
                (thread, checkpoint["id"]),
            )
            held = asyncio.ensure_future(save(saver, thread, checkpoint))
            async with asyncio.timeout(60):
                await save(saver, other, empty_checkpoint())
                assert await saver.aget_tuple(config(other))
            assert not held.done()
        await held
    assert await saver.aget_tuple(config(thread))


async def test_more_concurrent_calls_than_connections_all_complete(saver: ThreadSaver) -> None:
    threads = [str(uuid.uuid4()) for _ in range(saver.pool.max_size * 10)]
    await asyncio.gather(*(save(saver, thread, empty_checkpoint()) for thread in threads))
    found = await asyncio.gather(*(saver.aget_tuple(config(thread)) for thread in threads))
    assert all(found)


# --- encryption ----------------------------------------------------------------------------------------------


async def converse(graph: Graph, openai: ScriptedOpenAI, user: str, thread: str) -> None:
    """A conversation with a task, long enough to be summarized. Each part contains its own marker."""

    def answer(request: Request) -> Answer:
        if request.messages[0]["content"] == SUMMARY_PROMPT:
            return Text("They spoke of summarymark.")
        if len(request.messages) == 2 and request.messages[-1]["role"] == "user":
            return ToolCalls([("start_task", {"type": "trip", "data": {"to": "taskmark"}})])
        return Text("Certainly so. " * 20 + "replymark")

    openai.defaults["reply"] = answer
    for _ in range(4):
        await say(graph, user, "This is usermark. " * 5, thread)


@pytest.mark.parametrize(("key", "readable"), [("", True), (KEY, False), (OTHER_KEY, False)])
async def test_with_a_key_the_database_holds_no_readable_conversation(
    openai: ScriptedOpenAI,
    store: FactStore,
    user: str,
    thread: str,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    readable: bool,
    setting: Setting,
) -> None:
    setting(window_tokens=200)
    async with saver_with(monkeypatch, key) as saver:
        graph = builder.compile(checkpointer=saver, store=store)
        await converse(graph, openai, user, thread)
        values = (await graph.aget_state(config_of(thread))).values
        assert values["summary"]["text"] == "They spoke of summarymark."
        assert values["task"]["data"] == {"to": "taskmark"}
        for mark in ("usermark", "replymark", "summarymark", "taskmark"):
            everywhere = ["checkpoint_blobs", "checkpoint_writes"]
            assert await rows_with(saver.pool, thread, mark) == (everywhere if readable else [])
        assert "checkpoints" in await rows_with(saver.pool, thread, values["owner"])  # it is used to find threads


@pytest.mark.parametrize(
    ("key", "says"), [(OTHER_KEY, "another key than LANGGRAPH_AES_KEY"), ("", "LANGGRAPH_AES_KEY is empty")]
)
async def test_a_thread_saved_with_another_key_names_the_setting(
    openai: ScriptedOpenAI,
    store: FactStore,
    user: str,
    thread: str,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    says: str,
) -> None:
    openai.reply(ToolCalls([("start_task", {"type": "trip", "data": {}})]), Text("Noted."))
    async with saver_with(monkeypatch, KEY) as saver:
        await say(builder.compile(checkpointer=saver, store=store), user, "Hello", thread)
    async with saver_with(monkeypatch, key) as saver:
        with pytest.raises(BadInput, match=f"'{thread}' cannot be read. .* {says}.* `python -m agent forget --thread`"):
            await active_tasks(saver.pool, saver.serde, user)
        with pytest.raises(BadInput, match=says):
            await say(builder.compile(checkpointer=saver, store=store), user, "Hello again", thread)
        with pytest.raises(BadInput, match=says):
            [_ async for _ in saver.alist(config_of(thread))]
        assert [title for _, title in await titled_threads(saver, user)] == [UNREADABLE]


async def test_an_unencrypted_thread_is_encrypted_once_a_key_is_set(
    openai: ScriptedOpenAI, store: FactStore, user: str, thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with saver_with(monkeypatch, "") as saver:
        await say(builder.compile(checkpointer=saver, store=store), user, "The word is firstmark.", thread)
    async with saver_with(monkeypatch, KEY) as saver:
        graph = builder.compile(checkpointer=saver, store=store)
        await say(graph, user, "The word is secondmark.", thread)
        messages = (await graph.aget_state(config_of(thread))).values["messages"]
        assert [m.text for m in messages if isinstance(m, HumanMessage)] == [
            "The word is firstmark.",
            "The word is secondmark.",
        ]
        assert await rows_with(saver.pool, thread, "firstmark")
        assert not await rows_with(saver.pool, thread, "secondmark")


# --- calls of a server ---------------------------------------------------------------------------------------


async def run_as(graph: Graph, user: str, thread: str, run: str, text: str) -> None:
    """Run a turn as a server does, with the run's id in the metadata."""
    with_run: RunnableConfig = {**config_of(thread), "metadata": {"run_id": run}}
    await graph.ainvoke({"messages": [HumanMessage(text)]}, with_run, context=Context(user_id=user))


async def test_deleting_runs_restores_the_thread_and_leaves_no_rows(
    openai: ScriptedOpenAI, store: FactStore, saver: ThreadSaver, user: str, thread: str
) -> None:
    graph = builder.compile(checkpointer=saver, store=store)
    runs = [str(uuid.uuid4()) for _ in range(3)]
    await run_as(graph, user, thread, runs[0], "The word is firstmark.")
    before = await graph.aget_state(config_of(thread))
    rows = await row_count(saver, thread)
    await run_as(graph, user, thread, runs[1], "The word is secondmark.")
    await run_as(graph, user, thread, runs[2], "The word is thirdmark.")
    await saver.adelete_for_runs(runs[1:])
    assert await graph.aget_state(config_of(thread)) == before
    assert await rows_with(saver.pool, thread, "secondmark") == await rows_with(saver.pool, thread, "thirdmark") == []
    assert await row_count(saver, thread) == rows
    await say(graph, user, "Go on", thread)
    assert len((await graph.aget_state(config_of(thread))).values["messages"]) == 4


async def row_count(saver: ThreadSaver, thread: str) -> dict[str, int]:
    counts = {}
    async with saver.pool.connection() as connection:
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
            cursor = await connection.execute(f"select from {table} where thread_id = %s", (thread,))
            counts[table] = cursor.rowcount
    return counts


async def test_a_copied_thread_has_the_history_and_is_independent(
    openai: ScriptedOpenAI, store: FactStore, saver: ThreadSaver, user: str, thread: str
) -> None:
    graph, copy = builder.compile(checkpointer=saver, store=store), str(uuid.uuid4())
    await say(graph, user, "Hello", thread)
    await say(graph, user, "Hello again", thread)
    await saver.acopy_thread(thread, copy)
    original, copied = [
        [(state.values, state.next) async for state in graph.aget_state_history(config_of(name))]
        for name in (thread, copy)
    ]
    assert copied == original
    await say(graph, user, "This way", copy)
    assert len((await graph.aget_state(config_of(copy))).values["messages"]) == 6
    assert len((await graph.aget_state(config_of(thread))).values["messages"]) == 4
