"""A collection that is lost while processes use it: recall stays right, and one of them rebuilds it."""

import asyncio
import os
import shutil
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agent.persistence import open_store
from agent.settings import Settings
from memory import maintenance
from memory.embedded.connect import Addresses, embedded_servers
from memory.index.chroma import ChromaIndex, open_chroma
from memory.maintenance import doctor
from memory.store import FactStore
from tests.index import CITIES, found, refuse, remember, settings_of_its_own, until_clean
from tests.openai_server import ScriptedOpenAI
from tests.processes import server_pid


@pytest.fixture
def settings(servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path) -> Settings:
    """With so few facts in memory that recall asks the collection."""
    return settings_of_its_own(servers, openai, tmp_path).model_copy(update={"cached_facts": 2})


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "RETRY_PAUSE", 0.3)


async def delete_collection(settings: Settings, store: FactStore) -> None:
    """Delete it as another program may."""
    async with open_chroma(settings.chroma_url) as server:
        await ChromaIndex(server, store.index.name, store.index.shards).drop()


async def lost(store: FactStore) -> str:
    return (await doctor(store)).damage


async def everything_is_found(store: FactStore, user: str) -> None:
    for city in CITIES:
        assert (await found(store, user, f"When did I live in {city}?"))[0] == f"Has lived in {city}"


async def test_a_deleted_collection_is_rebuilt_once_a_search_misses_it(
    settings: Settings, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
        await delete_collection(settings, store)
        assert "is gone" in await lost(store)
        searching = asyncio.create_task(until_clean(store))
        while not searching.done():
            await everything_is_found(store, user)
        await searching
        await everything_is_found(store, user)
        assert "Rebuilding it from the ledger: 7 facts." in caplog.text


async def test_a_deleted_collection_is_rebuilt_once_a_write_misses_it(settings: Settings, user: str) -> None:
    async with open_store(settings.model_copy(update={"cached_facts": 100})) as store:
        await remember(store, user, *CITIES[:-1])
        await delete_collection(settings, store)
        await remember(store, user, CITIES[-1])
        await until_clean(store)
        assert await store.index.count() == len(CITIES)


async def test_an_empty_collection_is_never_searched_before_its_facts_are_queued(
    settings: Settings, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, queued = ChromaIndex.start_over, list[int]()

    async def create_and_look(index: ChromaIndex) -> None:
        await create(index)
        queued.append(await store.queue.size())

    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
        monkeypatch.setattr(ChromaIndex, "start_over", create_and_look)
        await store.queue.start_over()
        assert queued == [len(CITIES)]


async def test_a_write_that_the_collection_refuses_keeps_its_vectors(
    settings: Settings, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(settings) as store:
        with monkeypatch.context() as away:
            away.setattr(ChromaIndex, "put", refuse)
            await remember(store, user, *CITIES)
            _, vectors = await store.ledger.newest(user, 100, store.embedder.name)
            assert (len(vectors), vectors.count(None)) == (len(CITIES), 0)
            assert await store.queue.size() == len(CITIES)


async def test_of_two_processes_that_miss_it_one_rebuilds(
    settings: Settings, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(settings)) for _ in range(2)]
        await remember(stores[0], user, *CITIES)
        await delete_collection(settings, stores[0])
        await asyncio.gather(*(found(store, user, "Austin") for store in stores))
        await asyncio.gather(*map(until_clean, stores))
        for store in stores:
            await everything_is_found(store, user)
        assert caplog.text.count("Rebuilding it from the ledger") == 1


async def test_a_chroma_that_was_wiped_and_restarted_is_filled_again(
    settings: Settings, user: str, tmp_path: Path
) -> None:
    data_dir = tmp_path / "wiped"
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(embedded_servers(data_dir, frozenset({"chroma"})))
        here = settings.model_copy(update={"chroma_url": servers.chroma})
        store = await stack.enter_async_context(open_store(here))
        await remember(store, user, *CITIES)
        shutil.rmtree(data_dir / "chroma" / "data")
        os.kill(server_pid(data_dir, "chroma"), signal.SIGKILL)
        await everything_is_found(store, user)
        await until_clean(store)
        assert await store.index.count() == len(CITIES)
