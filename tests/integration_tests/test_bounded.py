"""Limits of a turn with a part that hangs or refuses: the reply comes within 5 s, and what follows ends within 20 s."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.messages import HumanMessage

from agent.agent_graph import Graph
from agent.context import Context
from agent.identity import AgentStore
from agent.persistence import open_checkpointer, open_store
from agent.settings import Settings
from agent.turn.extraction_schedule import REPEATS, with_extraction_model
from graphs.chat import builder
from memory import maintenance
from memory.embedded.connect import Addresses
from memory.extraction.extract import ExtractionFailed
from memory.index.embeddings import Embedder, open_embedder
from memory.index.queue import IndexQueue
from memory.learn.verbatim import Memory
from memory.user_memory import UserMemory
from tests.collecting import known
from tests.conftest import Setting
from tests.conversation import HOME, INTRODUCTION, candidate, config_of, found, say
from tests.gate import Gate
from tests.index import settings_of_its_own, until_clean
from tests.openai_server import After, Hang, ScriptedOpenAI, Status, Text, ToolCalls
from tests.openai_wire import Final

REPLY, AFTERWARDS = 5.0, 20.0  # seconds
Fault = Literal["hangs", "refuses"]
PAST = "Which tea did I like before, and which do I like now?"  # asks the collection for the past, too


@pytest.fixture
async def chroma(servers: Addresses) -> AsyncIterator[Gate]:
    async with Gate(servers.chroma or "") as gate:
        yield gate


@pytest.fixture
async def embedder(openai: ScriptedOpenAI) -> AsyncIterator[Gate]:
    async with Gate(openai.url) as gate:
        yield gate


@pytest.fixture
def settings(servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path, chroma: Gate) -> Settings:
    """With so few facts in memory that recall asks Chroma."""
    own = settings_of_its_own(servers, openai, tmp_path)
    return own.model_copy(update={"chroma_url": chroma.url, "embedder": "openai:vectors", "cached_facts": 3})


@pytest.fixture
async def store(settings: Settings, embedder: Gate) -> AsyncIterator[AgentStore]:
    async with open_store(settings) as store:
        vectors = open_embedder("openai:vectors", api_key="test", base_url=embedder.url)
        store.use_index(IndexQueue(store.pool, store.index, vectors))
        yield store


@pytest.fixture
async def graph(settings: Settings, store: AgentStore) -> AsyncIterator[Graph]:
    async with open_checkpointer(settings) as saver:
        yield builder.compile(checkpointer=saver, store=store)


async def turn(graph: Graph, user: str, text: str, thread: str | None = None) -> tuple[float, float]:
    """Seconds until the reply, and from there to the end. The model itself answers at once."""
    started = replied = time.monotonic()
    config, said = config_of(thread or str(uuid.uuid4())), {"messages": [HumanMessage(text)]}
    async for update in graph.astream(said, config, context=Context(user_id=user), stream_mode="updates"):  # type: ignore[arg-type]
        if "respond" in update:
            replied = time.monotonic()
    return replied - started, time.monotonic() - replied


def prompts(openai: ScriptedOpenAI) -> list[str]:
    """The system message of each reply's request."""
    return [str(request.messages[0]["content"]) for request in openai.requests if request.kind == "reply"]


@pytest.mark.parametrize("fault", ["hangs", "refuses"])
@pytest.mark.parametrize("part", ["embedder", "chroma", "model"])
async def test_a_turn_is_bounded_whatever_part_of_memory_fails(
    graph: Graph, store: AgentStore, openai: ScriptedOpenAI, user: str, chroma: Gate, embedder: Gate,
    setting: Setting, part: Literal["embedder", "chroma", "model"], fault: Fault,
) -> None:  # fmt: skip
    setting(model_timeout=1)  # and the client repeats what timed out
    await UserMemory(store, user).remember_all([Memory(f"Likes tea number {number}") for number in range(12)])
    openai.defaults["extraction"] = found(candidate("Likes cake", "cake", "likes"))
    if part == "model":
        failure: Final = Hang() if fault == "hangs" else Status(503)
        openai.defaults["extraction"] = failure
    else:
        await {"chroma": chroma, "embedder": embedder}[part].set(fault)
    measured = [await turn(graph, user, f"{PAST} I like cake.") for _ in range(2)]
    search = ToolCalls([("search_memory", {"query": PAST})])
    openai.reply(search, search, Text("OK."))
    measured.append(await turn(graph, user, "Thanks!"))
    assert [(reply, after) for reply, after in measured if reply > REPLY or after > AFTERWARDS] == []
    assert "Likes tea number" in prompts(openai)[0]
    assert ("Likes cake" in await known(store, user)) == (part != "model")


async def test_a_model_that_takes_long_to_load_delays_no_reply(
    graph: Graph, store: AgentStore, openai: ScriptedOpenAI, user: str
) -> None:
    await UserMemory(store, user).remember("Likes green tea")
    loaded = threading.Event()

    def load() -> Embeddings:
        loaded.wait()
        raise OSError("no weights")

    store.use_index(IndexQueue(store.pool, store.index, Embedder("openai:vectors", load)))
    reply, after = await turn(graph, user, "Which tea do I like?")
    loaded.set()
    assert (reply < REPLY, after < AFTERWARDS) == (True, True)
    assert "Likes green tea" in prompts(openai)[0]


@pytest.mark.parametrize("extract", ["inline", "background"])
async def test_a_slow_database_delays_a_turn_by_no_more_than_the_limits(
    graph: Graph, store: AgentStore, openai: ScriptedOpenAI, user: str, setting: Setting, extract: str
) -> None:
    setting(extract=extract)
    async with store.pool.connection() as connection, connection.transaction():
        await connection.execute("lock table memory.facts, memory.extracted_messages in access exclusive mode")
        reply, after = await turn(graph, user, "Where do I live?")
    assert (reply < REPLY, after < AFTERWARDS) == (True, True)


async def test_a_summary_that_hangs_ends_within_the_limit(
    graph: Graph, openai: ScriptedOpenAI, user: str, setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    setting(after_reply_timeout=9, window_tokens=100)  # 1 s for the summary
    openai.defaults["reply"] = lambda request: Text("Yes. " * 50) if "tools" in request.body else Hang()
    thread = str(uuid.uuid4())
    after = [(await turn(graph, user, "I like cake. " * 50, thread))[1] for _ in range(3)]
    assert max(after) < 9
    assert "summary failed" in caplog.text


async def test_an_extraction_that_is_cut_off_is_repeated_and_never_given_up(
    graph: Graph,
    store: AgentStore,
    openai: ScriptedOpenAI,
    user: str,
    setting: Setting,
    caplog: pytest.LogCaptureFixture,
) -> None:
    setting(after_reply_timeout=8.5)
    openai.defaults["extraction"] = Hang()
    thread = str(uuid.uuid4())
    await say(graph, user, INTRODUCTION, thread)
    assert "AFTER_REPLY_TIMEOUT" in caplog.text
    for _ in range(4):
        await say(graph, user, "Hello", thread)
    setting(after_reply_timeout=60)
    openai.defaults["extraction"] = found(HOME)
    await say(graph, user, "Hello", thread)
    assert await known(store, user) == ["Lives in San Francisco"]


async def test_a_slow_model_has_the_models_timeout_in_the_background(
    graph: Graph, store: AgentStore, openai: ScriptedOpenAI, user: str, setting: Setting
) -> None:
    setting(extract="background", extract_after=0, after_reply_timeout=8.01)
    answer = threading.Event()
    openai.defaults["extraction"] = After(answer, found(HOME))
    asyncio.get_running_loop().call_later(1, answer.set)
    await say(graph, user, INTRODUCTION)
    assert await store.debouncer.flush() == {}
    assert await known(store, user) == ["Lives in San Francisco"]


async def test_an_extraction_ends_within_its_timeout_with_all_repeats(
    store: AgentStore, openai: ScriptedOpenAI, user: str, setting: Setting
) -> None:
    openai.defaults["extraction"] = Hang()
    setting(model_timeout=0.5)
    usual = (await with_extraction_model(UserMemory(store, user), store.settings)).learner
    assert (usual.model is not None, usual.timeout) == (True, store.settings.model_timeout + REPEATS)
    with pytest.raises(ExtractionFailed, match="no answer within 1 s") as failed:
        await UserMemory(store, user, usual.model, timeout=1).observe(INTRODUCTION)
    assert failed.value.transient


async def test_a_stalled_chroma_delays_the_first_write_only_and_catches_up(
    store: AgentStore, user: str, chroma: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "RETRY_PAUSE", 0.5)
    memory = UserMemory(store, user)
    await memory.remember("Likes tea number 0")
    await chroma.set("hangs")
    started = time.monotonic()
    for number in range(1, 9):
        await memory.remember(f"Likes tea number {number}")
    assert time.monotonic() - started < 20  # each call that waits for Chroma takes 10
    assert await store.queue.size() == 8
    await chroma.set("open")
    await until_clean(store)
