"""What a chat prints of extractions in the background, and how it and the store close while a model hangs."""

import asyncio
import io
import threading
import time
import uuid
from typing import cast

import pytest
from langgraph.store.postgres.aio import AsyncPostgresStore
from rich.console import Console

from agent.agent_graph import Graph
from agent.identity import AgentStore
from agent.persistence import open_store
from agent.settings import read_settings
from agent.terminal.chat import Chat
from agent.turn.extraction_schedule import with_extraction_model
from graphs.chat import builder
from memory.facts.changes import Changes
from memory.ledger.pool import Connection
from memory.threads.saver import ThreadSaver
from memory.user_memory import UserMemory
from tests.collecting import collects, known, wait_until
from tests.conftest import Setting
from tests.conversation import say
from tests.openai_server import After, Hang, ScriptedOpenAI, Text
from tests.torture import script
from tests.torture.script import items

LIMIT = 0.5  # seconds, in place of AFTER_REPLY_TIMEOUT's 20
SOON = 5.0


@pytest.fixture
async def chat(graph: Graph, saver: ThreadSaver, store: AgentStore, openai: ScriptedOpenAI, user: str) -> Chat:
    openai.defaults["extraction"] = script.extraction
    memory = await with_extraction_model(UserMemory(store, user), store.settings)
    out, err = (Console(file=io.StringIO(), width=1_000) for _ in range(2))
    return Chat(graph, saver, memory, out, err, str(uuid.uuid4()))


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


async def test_what_is_learned_in_the_background_is_printed_at_once(chat: Chat, setting: Setting) -> None:
    setting(extract="background", extract_after=0)
    await chat.handle(items("stamps"))
    await wait_until(lambda: len(printed(chat.out)) > 1)
    assert printed(chat.out) == ["OK.", "learned: collects stamps"]


async def test_what_is_learned_in_the_background_is_printed_after_a_reply(
    chat: Chat, openai: ScriptedOpenAI, setting: Setting
) -> None:
    setting(extract="background", extract_after=0)
    asked, replied, learned = threading.Event(), threading.Event(), threading.Event()
    openai.extraction(After(asked, script.extraction))
    openai.reply(Text("First."), After(replied, Text("Second.")))
    told = chat.store.learned_later

    def tell(changes: Changes) -> None:
        told(changes)
        learned.set()

    chat.store.learned_later = tell
    await chat.handle(items("stamps"))
    answering = asyncio.create_task(chat.handle("Thanks!"))
    await wait_until(lambda: openai.calls("reply") == 2)
    asked.set()
    await wait_until(learned.is_set)
    assert printed(chat.out) == ["First."]
    replied.set()
    await answering
    assert printed(chat.out) == ["First.", "Second.", "learned: collects stamps"]


@pytest.mark.parametrize("extract", ["batched", "background"])
async def test_leaving_while_the_model_hangs_ends_in_time_and_loses_nothing(
    chat: Chat, openai: ScriptedOpenAI, setting: Setting, user: str, extract: str
) -> None:
    setting(extract=extract, extract_after=3_600, after_reply_timeout=LIMIT)
    openai.defaults["extraction"] = Hang()
    await chat.handle(items("stamps"))
    started = time.monotonic()
    await chat.finish()
    assert time.monotonic() - started < SOON
    left = f"Nothing was learned yet from 1 message of thread {chat.thread_id}"
    reason = "it takes longer than AFTER_REPLY_TIMEOUT, 0.5 s"
    again = f"`python -m agent catch-up --user {user}` tries again."
    assert printed(chat.err)[1:] == [f"error: {left} ({reason}): {again}"]
    openai.defaults["extraction"] = script.extraction
    setting(extract="inline", after_reply_timeout=60)
    await chat.finish()
    assert printed(chat.out) == ["OK.", "learned: collects stamps"]


async def test_a_store_closes_within_the_limit_while_the_model_hangs(
    saver: ThreadSaver, store: AgentStore, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    openai.defaults["extraction"] = Hang()
    background = {"extract": "background", "extract_after": 3_600, "after_reply_timeout": LIMIT}
    thread = str(uuid.uuid4())
    async with open_store(read_settings().model_copy(update=background)) as closing:
        await say(builder.compile(checkpointer=saver, store=closing), user, items("stamps"), thread)
        started = time.monotonic()
    assert time.monotonic() - started < SOON
    assert "background extraction not within 0.5 s of closing: `python -m agent catch-up`" in caplog.text
    openai.defaults["extraction"] = script.extraction
    await say(builder.compile(checkpointer=saver, store=store), user, "Hello", thread)
    assert await known(store, user) == collects("stamps")


async def test_a_store_closes_although_a_sweep_of_its_items_waits_for_a_lock(store: AgentStore) -> None:
    async with store.pool.connection() as connection, connection.transaction():
        await connection.execute("lock table store in access exclusive mode")
        async with open_store(read_settings()) as closing:
            items = cast(AsyncPostgresStore, closing._items)
            await items.stop_ttl_sweeper()
            await items.start_ttl_sweeper(cast(int, 0.0001))
            await wait_until(lambda: waits(connection))
            started = time.monotonic()
        assert time.monotonic() - started < SOON


async def waits(connection: Connection) -> bool:
    """Whether something waits for the lock of the items."""
    cursor = await connection.execute("select 1 from pg_locks where relation = 'store'::regclass and not granted")
    return bool(await cursor.fetchall())
