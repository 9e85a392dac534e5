"""A database that does not answer any more is named, and soon, whatever the chat is doing; afterwards it goes on."""

import asyncio
import io
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console

from agent.context import Context
from agent.persistence import open_checkpointer, open_store
from agent.settings import read_settings
from agent.terminal.chat import Chat
from agent.turn import limits, nodes
from agent.turn.extraction_schedule import with_extraction_model
from graphs.chat import builder
from memory.embedded.connect import Addresses
from memory.errors import Unavailable
from memory.ledger import locks
from memory.ledger.locks import NoAnswer
from memory.ledger.pool import Pool, open_pool
from memory.threads import run_lock, saver
from memory.user_memory import UserMemory
from tests.collecting import collects, known
from tests.conversation import config_of
from tests.gate import Gate
from tests.openai_server import Answer, Hang, Request, ScriptedOpenAI, Text
from tests.torture import script
from tests.torture.script import items

ANSWER_TIMEOUT = 0.5  # seconds, in place of 10
SOON = 10 * ANSWER_TIMEOUT
NO_ANSWER = "error: The database does not answer: check that Postgres runs, and try again."


@pytest.fixture
async def database(servers: Addresses) -> AsyncIterator[Gate]:
    address = conninfo_to_dict(servers.postgres or "")
    socket = f"{address['host']}/.s.PGSQL.{address['port']}"
    url = f"postgresql://{address['user']}@host/{address['dbname']}?sslmode=disable&gssencmode=disable"
    async with Gate(url, socket) as gate:
        yield gate


@pytest.fixture
async def chat(
    environment: dict[str, str], database: Gate, openai: ScriptedOpenAI, user: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Chat]:
    for module in (locks, run_lock, saver):
        monkeypatch.setattr(module, "ANSWER_TIMEOUT", ANSWER_TIMEOUT)
    monkeypatch.setattr(run_lock, "UNLOCK_TIMEOUT", ANSWER_TIMEOUT)
    openai.defaults["extraction"] = script.extraction
    settings = read_settings().model_copy(update={"postgres_url": database.url})
    async with open_checkpointer(settings) as saving, open_store(settings) as store:
        store.settings = settings.model_copy(update={"after_reply_timeout": 8.5})  # 0.5 s for an extraction
        graph = builder.compile(checkpointer=saving, store=store)
        memory = await with_extraction_model(UserMemory(store, user), settings)
        out, err = (Console(file=io.StringIO(), width=1_000) for _ in range(2))
        yield Chat(graph, saving, memory, out, err, str(uuid.uuid4()))
        await database.set("open")


async def told(chat: Chat, line: str) -> list[str]:
    """The lines of errors that the chat answers with, and soon."""
    before, started = len(errors(chat)), time.monotonic()
    await chat.handle(line)
    assert time.monotonic() - started < SOON
    return errors(chat)[before:]


def errors(chat: Chat) -> list[str]:
    assert isinstance(chat.err.file, io.StringIO)
    return chat.err.file.getvalue().splitlines()


async def test_a_turn_and_a_command_name_the_database_and_a_later_turn_succeeds(chat: Chat, database: Gate) -> None:
    assert await told(chat, items("stamps")) == []
    await database.set("stops")
    for line in (items("coins"), items("coins"), "/memories", "/threads"):
        assert await told(chat, line) == [NO_ANSWER]
    await database.set("open")
    async with asyncio.timeout(60):
        while await told(chat, items("cups")):  # until the pool has connections again
            pass
    assert await known(chat.store, chat.memory.user_id) == collects("stamps", "cups")


async def test_a_turn_ends_where_only_the_connections_from_before_are_silent(chat: Chat, database: Gate) -> None:
    assert await told(chat, items("stamps")) == []
    pool = chat.store.pool
    connections = [await pool.getconn() for _ in range(3)]
    await database.set("loses")
    await pool.putconn(await pool.getconn())  # a new one, that answers, is the first to be used
    for connection in connections:
        await pool.putconn(connection)
    async with asyncio.timeout(60):
        while turn := await told(chat, items("coins")):
            assert turn == [NO_ANSWER]


@pytest.mark.parametrize("kind", ["reply", "extraction"])
async def test_a_database_that_stops_in_the_middle_of_a_turn_ends_it(
    chat: Chat, database: Gate, openai: ScriptedOpenAI, kind: str
) -> None:
    loop = asyncio.get_running_loop()

    def stop(request: Request) -> Answer:
        asyncio.run_coroutine_threadsafe(database.set("stops"), loop).result()
        return script.extraction(request) if kind == "extraction" else Text("Yes.")

    openai.defaults[kind] = stop  # type: ignore[index]
    assert await told(chat, items("coins")) == [NO_ANSWER]


@pytest.mark.parametrize("answers", [True, False])
async def test_what_follows_a_reply_ends_in_time_also_without_the_database(
    chat: Chat, database: Gate, openai: ScriptedOpenAI, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """Checkpoints are saved beside the next step here: extraction, reconcile, saving and unlocking may each wait."""
    for module in (limits, nodes):
        monkeypatch.setattr(module, "RECONCILE_TIMEOUT", 1.0)
    monkeypatch.setattr(saver, "ANSWER_TIMEOUT", 60.0)
    monkeypatch.setattr(run_lock, "UNLOCK_TIMEOUT", 60.0)
    chat.store.settings = chat.store.settings.model_copy(update={"after_reply_timeout": 2.5})
    loop, replied = asyncio.get_running_loop(), 0.0

    async def stop_database() -> None:
        """Once the checkpoints before the reply are saved: these have a limit of their own."""
        saved = "select 1 from checkpoints where thread_id = %s and (metadata->>'step')::int = 1"
        async with chat.store.pool.connection() as connection:
            while not (await connection.execute(saved, (chat.thread_id,))).rowcount:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await database.set("stops")

    def stop(request: Request) -> Answer:
        asyncio.run_coroutine_threadsafe(stop_database(), loop).result()
        return script.extraction(request) if answers else Hang()

    openai.defaults["extraction"] = stop
    given: Any = {"messages": [HumanMessage(items("coins"))]}
    context = Context(user_id=chat.memory.user_id)
    updates = chat.graph.astream(given, config_of(chat.thread_id), context=context, stream_mode="updates")
    with suppress(NoAnswer):
        async for update in updates:
            replied = time.monotonic() if "respond" in update else replied
    assert replied
    assert time.monotonic() - replied < SOON


async def test_leaving_the_chat_names_the_database_and_how_to_go_on(chat: Chat, database: Gate) -> None:
    chat.store.settings = chat.store.settings.model_copy(update={"extract": "batched"})
    assert await told(chat, items("stamps")) == []
    await database.set("stops")
    started = time.monotonic()
    await chat.finish()
    assert time.monotonic() - started < SOON
    again = f"`python -m agent catch-up --user {chat.memory.user_id}`"
    assert errors(chat) == [f"{NO_ANSWER} {again} learns from what waits."]


async def test_a_database_that_was_away_is_reached_as_soon_as_it_is_back(database: Gate) -> None:
    async with open_pool(database.url, timeout=2) as pool:
        await database.set("refuses")
        for _ in range(3):  # the pool pauses for 1 s, then 2 s, then 4 s
            with pytest.raises(Unavailable):
                await ask(pool)
        await database.set("open")
        await ask(pool)


async def ask(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("select 1")
