"""The index lags behind or breaks: it is repaired from the ledger, which loses nothing."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from chromadb.api.models.AsyncCollection import AsyncCollection
from chromadb.api.types import GetResult, Include
from chromadb.errors import InternalError

import memory.index.queue as index_queue
from agent.persistence import open_store
from agent.settings import Settings
from memory import maintenance
from memory.embedded.connect import Addresses
from memory.facts.fact import Fact, owner_key
from memory.index.chroma import ChromaIndex, entry_id
from memory.index.embeddings import Embedder
from memory.index.protocol import Damaged, FactKey, Vectors
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.learn import writes
from memory.maintenance import Finding, doctor, repair
from tests.index import (
    CITIES,
    WordVectors,
    entries,
    found,
    keys,
    refuse,
    remember,
    settings_of_its_own,
    vector,
    write_without_index,
)
from tests.openai_server import ScriptedOpenAI


@pytest.fixture
def settings(servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path) -> Settings:
    return settings_of_its_own(servers, openai, tmp_path)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[FactStore]:
    async with open_store(settings) as store:
        yield store


async def collection(store: FactStore) -> AsyncCollection:
    """The collection itself, so that a test can change it."""
    async with cast(ChromaIndex, store.index)._collection(0) as opened:
        return opened


async def test_draining_the_queue_makes_one_embedding_call_per_page(
    store: FactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_queue, "PAGE", 4)
    model, reported = WordVectors(), list[tuple[int, int]]()
    await write_without_index(store, {"ada": CITIES[:5], "bob": CITIES[:3], "eve": CITIES[:1]})
    monkeypatch.setattr(store.queue, "embedder", Embedder("words", lambda: model, cache_size=0))
    await cast(ChromaIndex, store.index).start_over()  # with 26 dimensions
    await store.queue.drain(progress=lambda done, total: reported.append((done, total)))
    assert reported == [(4, 9), (8, 9), (9, 9)]
    assert len(model.calls) == 3
    assert len(await entries(store)) == 9
    assert await store.queue.size() == 0


async def test_a_fact_the_index_refuses_stays_queued_and_is_recalled(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await remember(store, user, "Austin")
    with monkeypatch.context() as broken:
        broken.setattr(ChromaIndex, "put", refuse)
        await remember(store, user, "Lima")
        assert await store.queue.size() == 1
        assert set(await found(store, user, "Austin or Lima?")) == {"Has lived in Austin", "Has lived in Lima"}
    await store.update_index(user)
    assert len(await entries(store)) == 2


async def test_an_empty_index_is_never_searched_before_its_facts_are_queued(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, queued = ChromaIndex.start_over, list[int]()

    async def create_and_look(index: ChromaIndex) -> None:
        await create(index)
        queued.append(await store.queue.size())

    await remember(store, user, *CITIES)
    monkeypatch.setattr(ChromaIndex, "start_over", create_and_look)
    await store.queue.start_over()
    assert queued == [len(CITIES)]


async def test_a_write_that_the_index_refuses_keeps_its_vectors(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChromaIndex, "put", refuse)
    await remember(store, user, *CITIES)
    _, stored = await store.ledger.newest(user, 100, store.embedder.name)
    assert len(stored) == len(CITIES)
    assert await store.queue.size() == len(CITIES)


async def test_a_fact_that_is_retired_while_it_is_being_indexed_stays_queued(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_without_index(store, {user: ["Austin"]})
    put = ChromaIndex.put

    async def retire_meanwhile(
        index: ChromaIndex, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors
    ) -> None:
        await put(index, owners, facts, vectors)
        monkeypatch.undo()
        async with store.ledger.transaction(user) as transaction:
            await writes.retract(transaction, "Austin", facts[0].recorded_at)

    monkeypatch.setattr(ChromaIndex, "put", retire_meanwhile)
    await store.queue.drain(owner_key(user))
    assert [entry.live for entry in await entries(store)] == [True]
    assert await store.queue.size() == 1
    await store.queue.drain(owner_key(user))
    assert [entry.live for entry in await entries(store)] == [False]
    assert await store.queue.size() == 0


async def test_a_missing_collection_fails_no_turn_and_is_rebuilt_at_start(settings: Settings, user: str) -> None:
    reported: list[str] = []
    async with open_store(settings, reported.append) as store:
        await remember(store, user, "Austin")
        await store.index.drop()
        await remember(store, user, "Lima")
        assert set(await found(store, user, "Austin or Lima?")) == {"Has lived in Austin", "Has lived in Lima"}
        assert len(await store.searcher(user).near(["I left Austin for Lima."])) == 2
    assert reported == []
    async with open_store(settings, reported.append) as store:
        assert reported == [
            f"The Chroma collection '{store.index.name}.0' is gone. Rebuilding it from the ledger: 2 facts."
        ]
        assert (await doctor(store)).clean
        assert len(await store.index.search(owner_key(user), await vector(store, "lived"), 10)) == 2


async def test_a_collection_that_can_be_read_but_not_written_is_rebuilt(
    settings: Settings, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    put = ChromaIndex.put

    async def break_once(index: ChromaIndex, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors) -> None:
        monkeypatch.setattr(ChromaIndex, "put", put)
        raise Damaged("The collection is broken.")

    async with open_store(settings) as store:
        await remember(store, user, "Austin")
        await write_without_index(store, {user: ["Lima"]})
    monkeypatch.setattr(ChromaIndex, "put", break_once)
    async with open_store(settings, reported.append) as store:
        assert reported == ["The collection is broken. Rebuilding it from the ledger: 2 facts."]
        assert (await doctor(store)).clean


async def test_a_collection_that_answers_and_finds_nothing_is_rebuilt(
    settings: Settings, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chroma behaves like this after its disk was full."""

    async def find_nothing(*_: object, **__: object) -> dict[str, list[list[str]]]:
        return {"ids": [[]], "distances": [[]]}

    reported: list[str] = []
    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
    monkeypatch.setattr(AsyncCollection, "query", find_nothing)
    async with open_store(settings, reported.append) as store:
        assert len(reported) == 1
        assert "does not find what it holds. Rebuilding it from the ledger: 7 facts." in reported[0]
        monkeypatch.undo()
        assert (await doctor(store)).clean


async def test_a_full_disk_does_not_cause_a_rebuild(
    settings: Settings, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise InternalError("error returned from database: (code: 13) database or disk is full")

    reported: list[str] = []
    async with open_store(settings) as store:
        await remember(store, user, "Austin")
        monkeypatch.setattr(AsyncCollection, "upsert", fail)
        await remember(store, user, "Lima")
    async with open_store(settings, reported.append) as store:
        monkeypatch.undo()
        assert len(await entries(store)) == 1
        assert await store.queue.size() == 1
    (line,) = reported
    assert "recall goes by words until it has caught up" in line
    assert "disk is full" in line


async def test_processes_that_start_at_once_repair_a_collection_together(settings: Settings, user: str) -> None:
    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
        await store.index.drop()

    async def start() -> None:
        async with open_store(settings) as store:
            assert len(await found(store, user, "lived")) == len(CITIES)

    await asyncio.gather(*(start() for _ in range(3)))
    async with open_store(settings) as store:
        assert (await doctor(store)).clean


async def test_closing_a_store_does_not_affect_requests_of_another_store(settings: Settings) -> None:
    closed = asyncio.Event()
    async with open_store(settings) as stays:

        async def ask() -> None:
            while not closed.is_set():
                assert await stays.index.count() == 0

        asking = asyncio.gather(*(ask() for _ in range(8)))
        async with open_store(settings):
            pass
        closed.set()
        await asking


def cut_vectors(chroma: Path) -> None:
    (file,) = chroma.glob("*/data_level0.bin")
    os.truncate(file, 5_000)  # each vector takes 1.6 KB


def overwrite_vectors(chroma: Path) -> None:
    for file in chroma.glob("*/*"):
        file.write_bytes(os.urandom(file.stat().st_size))


def overwrite_database(chroma: Path) -> None:
    database = chroma / "chroma.sqlite3"
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 4)
        file.write(os.urandom(size // 2))


def cut_database(chroma: Path) -> None:
    os.truncate(chroma / "chroma.sqlite3", 5_000)


def delete_database(chroma: Path) -> None:
    (chroma / "chroma.sqlite3").unlink()


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (cut_vectors, True),
        (overwrite_vectors, True),
        (overwrite_database, True),
        (cut_database, True),
        (delete_database, False),
    ],
)
async def test_broken_files_of_the_embedded_chroma_are_moved_and_rebuilt(
    settings: Settings, user: str, damage: Callable[[Path], None], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.index.chroma.SYNC_THRESHOLD", 3)  # so that vectors are written to separate files
    settings = settings.model_copy(update={"chroma_url": ""})
    directory = settings.data_dir / "chroma"
    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
        await found(store, user, "lived")
    damage(directory / "data")
    reported: list[str] = []
    async with open_store(settings, reported.append) as store:
        assert len([line for line in reported if "Rebuilding it from the ledger: 7 facts" in line]) == 1
        assert (await doctor(store)).clean
        assert len(await store.index.search(owner_key(user), await vector(store, "lived"), 10)) == 7
    aside = [*directory.glob("data.broken-*")]
    assert len(aside) == kept
    assert all(any(str(path) in line for line in reported) for path in aside)


async def test_doctor_reports_differences_and_repair_fixes_them(store: FactStore, user: str) -> None:
    await remember(store, user, *CITIES)
    ids = await keys(store, user)
    assert (await doctor(store)).clean
    opened = await collection(store)
    await opened.delete(ids=[entry_id(ids["Lima"])])
    await opened.update(ids=[entry_id(ids["Rome"])], metadatas=[{"live": "-"}])
    await opened.update(ids=[entry_id(ids["Oslo"])], metadatas=[{"live": owner_key("another")}])
    stranger = FactKey(owner_key(user), "0" * 32)
    vectors = np.ones((2, 384), dtype=np.float32)
    await opened.upsert(ids=[entry_id(stranger), "junk"], embeddings=vectors, metadatas=[{"live": "x"}] * 2)
    await write_without_index(store, {user: ["Paris"]})
    await store.aput(facts_namespace(user), "Cairo", {"text": "Has lived in Giza"})
    (cairo,) = [fact for fact in await store.ledger.all(user) if fact.text == "Has lived in Cairo"]
    async with store.pool.connection() as connection, connection.transaction():
        await connection.execute("alter table memory.facts disable trigger facts_are_not_edited")
        await connection.execute("update memory.facts set successor = 'nobody' where id = %s", (cairo.id,))
        await connection.execute("alter table memory.facts enable trigger facts_are_not_edited")
    reported: list[tuple[int, int]] = []
    report = await doctor(store, lambda done, total: reported.append((done, total)))
    assert not report.clean
    assert report.missing == Finding(1, (ids["Lima"].fact_id,))
    assert report.stale == Finding(2, tuple(sorted([ids["Rome"].fact_id, ids["Oslo"].fact_id])))
    assert report.orphans == Finding(2, ("0" * 32, "junk"))
    assert report.broken_chains == Finding(1, (cairo.id,))
    assert "lived" not in repr(report)
    assert reported == [(report.indexed, report.indexed)]
    await repair(store, report)
    again = await doctor(store)
    assert again.clean
    assert again.facts == again.indexed == 9
    assert len(await store.index.search(owner_key(user), await vector(store, "lived"), 20)) == 8


async def test_doctor_reads_every_vector_and_not_only_the_sample_of_a_start(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await remember(store, user, *CITIES)
    get = AsyncCollection.get

    async def fail(opened: AsyncCollection, *, include: Include, **wanted: Any) -> GetResult:
        if "limit" in wanted and "embeddings" in include:
            raise InternalError("Error getting embedding")
        return await get(opened, include=include, **wanted)

    monkeypatch.setattr(AsyncCollection, "get", fail)
    assert "Error getting embedding" in (await doctor(store)).damage


async def test_a_report_names_a_few_ids_of_many(store: FactStore, user: str) -> None:
    await write_without_index(store, {user: [f"City {n}" for n in range(30)]})
    async with store.pool.connection() as connection:
        await connection.execute("delete from memory.index_queue")
    report = await doctor(store)
    assert report.missing.count == 30
    assert len(report.missing.fact_ids) == maintenance.SHOWN_IDS
