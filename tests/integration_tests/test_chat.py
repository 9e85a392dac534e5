"""The chat of the terminal, without the terminal: one run of a thread at a time."""

import asyncio
import io
import uuid

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from rich.console import Console

from agent.terminal import Chat
from graphs.chat import builder
from memory.store import FactStore
from memory.threads import one_run
from memory.user_memory import UserMemory
from tests.conversation import config_of
from tests.openai_server import ScriptedOpenAI, Text


def chat(saver: AsyncPostgresSaver, store: FactStore, user: str, thread: str) -> Chat:
    graph = builder.compile(checkpointer=saver, store=store)
    out, err = Console(file=io.StringIO()), Console(file=io.StringIO())
    return Chat(graph, saver, UserMemory(store, user), out, err, thread)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_two_chats_in_one_thread_wait_for_each_other_and_lose_nothing(
    saver: AsyncPostgresSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    thread = str(uuid.uuid4())
    openai.defaults["reply"] = Text("A reply in several words.", delay=0.02)
    first, second = (chat(saver, store, user, thread) for _ in range(2))
    await asyncio.gather(first.handle("First."), second.handle("Second."))
    assert written(first.out) == written(second.out) == "A reply in several words.\n"
    messages = (await first.graph.aget_state(config_of(thread))).values["messages"]
    assert len(messages) == 4
    assert {message.text for message in messages if isinstance(message, HumanMessage)} == {"First.", "Second."}


async def test_a_run_that_waits_too_long_for_another_is_told_so_and_other_threads_go_on(
    saver: AsyncPostgresSaver, store: FactStore, user: str
) -> None:
    busy, free = str(uuid.uuid4()), str(uuid.uuid4())
    waiting, going = chat(saver, store, user, busy), chat(saver, store, user, free)
    waiting.patience = 0.2
    async with one_run(store.ledger.pool, busy):
        await asyncio.gather(waiting.handle("Hello"), going.handle("Hello"))
    assert "Another run has been under way" in " ".join(written(waiting.err).split())
    assert written(going.out) == "OK.\n"
    await waiting.handle("Hello")
    assert written(waiting.out) == "OK.\n"
