"""Shared fixtures: real servers, started once per session, settings that point at them, and a scripted model."""

import asyncio
import gc
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.agent_graph import Graph
from agent.identity import AgentStore
from agent.persistence import open_checkpointer, open_store
from agent.settings import Settings
from graphs.chat import builder
from memory.embedded.connect import Addresses, embedded_servers
from memory.threads.saver import ThreadSaver
from tests.openai_server import ScriptedOpenAI
from tests.redis_server import installed

Setting = Callable[..., None]

EXPECTED: dict[str, Any] = {
    "index": "chroma", "extract": "inline", "after_reply_timeout": "20", "memory_tokens": "1500",
    "window_tokens": "4000", "max_message_chars": "32000",
}  # fmt: skip
"""The settings that the integration tests expect, whatever the defaults of a fork are."""

SLOWEST_FILES = ("test_fork.py", "test_fresh.py")
"""The longest files among those that do not use the shared servers: the other files keep their order."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the slowest files first: one that is left for the end would run alone while the other process has no work.
    Deselect the tests of Redis where no server for them is installed; pytest counts them."""
    places = {name: place for place, name in enumerate(SLOWEST_FILES)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
    needless = [] if installed() else [item for item in items if item.get_closest_marker("redis")]
    if needless:
        config.hook.pytest_deselected(items=needless)
        items[:] = [item for item in items if item not in needless]


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported, since it stays until the end: it takes a tenth of the time."""
    gc.freeze()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """An embedded Postgres and Chroma for this test process, in use until the session ends."""
    directory = tmp_path_factory.mktemp("servers")
    ready, done = threading.Event(), threading.Event()
    found: list[Addresses | BaseException] = []

    async def use() -> None:
        async with embedded_servers(directory, frozenset({"postgres", "chroma"})) as addresses:
            found.append(addresses)
            ready.set()
            await asyncio.to_thread(done.wait)

    def run() -> None:
        try:
            asyncio.run(use())
        except BaseException as error:  # the fixture raises it
            found.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    if isinstance(found[0], BaseException):
        raise found[0]
    yield found[0]
    done.set()
    thread.join()


@pytest.fixture
def openai() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI() as server:
        yield server


def variables_for(servers: Addresses, openai: ScriptedOpenAI, directory: Path) -> dict[str, str]:
    """Every setting as an environment variable: these servers, this model, data in `directory`, EXPECTED, and otherwise
    the defaults."""
    variables = dict.fromkeys(Settings.model_fields, "") | EXPECTED
    return {name.upper(): value for name, value in variables.items()} | {
        "POSTGRES_URL": servers.postgres or "",
        "CHROMA_URL": servers.chroma or "",
        "DATA_DIR": str(directory / ".data"),
        "OPENAI_API_KEY": "test",
        "OPENAI_BASE_URL": openai.url,
        "CHAT_MODEL": "openai:scripted",
        "MODEL_TIMEOUT": "2",
        "EMBEDDED_IDLE_TIMEOUT": "0",  # no server outlives its test
        "LOG_LEVEL": "INFO",
        "RUNS_PER_MINUTE": "0",  # tests are faster than people
    }


@pytest.fixture
def environment(
    servers: Addresses, openai: ScriptedOpenAI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, str]:
    """Environment variables that point at this session's servers and this test's model; set and returned."""
    variables = variables_for(servers, openai, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
async def store(environment: dict[str, str]) -> AsyncIterator[AgentStore]:
    async with open_store() as store:
        yield store


@pytest.fixture
def setting(store: AgentStore) -> Setting:
    """Changes the settings of the store, and so of its graphs: setting(extract="batched")."""

    def change(**values: object) -> None:
        store.settings = store.settings.model_copy(update=values)

    return change


@pytest.fixture
async def saver(environment: dict[str, str]) -> AsyncIterator[ThreadSaver]:
    async with open_checkpointer() as saver:
        yield saver


@pytest.fixture
def graph(saver: ThreadSaver, store: AgentStore) -> Graph:
    """The chat graph."""
    return builder.compile(checkpointer=saver, store=store)


@pytest.fixture
def user() -> str:
    """A user that no other test uses."""
    return f"ada-{uuid.uuid4()}"
