"""Reindexing for another embedder: the old collection is used until the new one is complete, even after a crash."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import memory.index.queue as index_queue
from agent.persistence import configured_embedder, open_store
from agent.settings import Settings
from memory import maintenance
from memory.embedded.connect import Addresses
from memory.errors import BadInput, Unavailable
from memory.facts.fact import owner_key
from memory.index.embeddings import Embedder
from memory.index.protocol import Damaged, Entry
from memory.index.registry import activate
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.maintenance import doctor, reindex
from memory.user_memory import UserMemory
from tests.commands import Run
from tests.gate import Gate
from tests.index import (
    CITIES,
    WordVectors,
    entries,
    found,
    keys,
    remember,
    settings_of_its_own,
    vector,
    write_without_index,
)
from tests.openai_server import ScriptedOpenAI, Status, Vectors


@pytest.fixture
def settings(servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path) -> Settings:
    return settings_of_its_own(servers, openai, tmp_path)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[FactStore]:
    async with open_store(settings) as store:
        yield store


async def test_the_old_collection_is_used_until_a_reindex_is_complete(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_queue, "PAGE", 3)
    await remember(store, user, *CITIES)
    old, reported = store.index, list[tuple[int, int]]()
    model = WordVectors()
    found_meanwhile: list[int] = []

    async def look(texts: list[str]) -> list[list[float]]:
        found_meanwhile.append(len(await old.search(owner_key(user), await vector(store, "lived"), 10)))
        assert store.index is old
        return model.embed_documents(texts)

    with monkeypatch.context() as looking:
        looking.setattr(model, "aembed_documents", look)
        await reindex(store, Embedder("words", lambda: model), lambda done, total: reported.append((done, total)))
    assert reported == [(0, 7), (3, 7), (6, 7), (7, 7)]
    assert found_meanwhile == [7] * 4  # one call is for the dimension
    assert store.embedder.name == "words"
    assert len(await store.index.search(owner_key(user), await vector(store, "lived"), 10)) == 7
    assert (await doctor(store)).clean
    with pytest.raises(Damaged, match="is gone"):
        await old.count()


async def test_a_write_during_a_reindex_reaches_both_collections(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await remember(store, user, "Austin", "Lima")
    queue, old = store.queue, store.index
    seen: list[list[Entry]] = []

    def write_meanwhile(done: int, total: int) -> None:
        if done == 2 and not seen:
            seen.append([])
            task.append(asyncio.create_task(write()))

    async def write() -> None:
        assert store.queue is queue
        await remember(store, user, "Rome")
        await store.adelete(facts_namespace(user), "Lima")
        seen[0] = await entries(store)

    async def activate_after_writing(*arguments: object) -> None:
        await asyncio.gather(*task)
        await activate(*arguments)  # type: ignore[arg-type]  # passed on unchanged

    task: list[asyncio.Task[None]] = []
    monkeypatch.setattr(maintenance, "activate", activate_after_writing)
    await reindex(store, Embedder("words", WordVectors), write_meanwhile)
    assert len(seen[0]) == 3
    assert seen[0] == await entries(store)
    assert store.index is not old
    assert (await doctor(store)).clean


async def test_an_interrupted_reindex_continues(settings: Settings, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_queue, "PAGE", 3)
    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
        with pytest.raises(Unavailable, match="words"):
            await reindex(store, Embedder("words", lambda: WordVectors(answers=2)))
        assert len(await found(store, user, "lived")) == 7
    async with open_store(settings) as store:
        assert store.embedder.name == "local"
        again, reported = WordVectors(), list[tuple[int, int]]()
        await reindex(store, Embedder("words", lambda: again), lambda done, total: reported.append((done, total)))
        assert reported == [(3, 7), (6, 7), (7, 7)]
        assert sum(map(len, again.calls)) == 5  # one text is for the dimension
        assert (await doctor(store)).clean


class FewerLetters(WordVectors):
    """Vectors of 20 dimensions."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [vector[:20] for vector in super().embed_documents(texts)]


async def test_an_interrupted_reindex_starts_over_for_another_dimension(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_queue, "PAGE", 3)
    await remember(store, user, *CITIES)
    with pytest.raises(Unavailable, match="words"):
        await reindex(store, Embedder("words", lambda: WordVectors(answers=2)), backend="pgvector")
    reported = list[tuple[int, int]]()
    shorter = Embedder("words", FewerLetters)
    await reindex(store, shorter, lambda done, total: reported.append((done, total)), backend="pgvector")
    assert reported == [(0, 7), (3, 7), (6, 7), (7, 7)]
    assert (await doctor(store)).clean
    assert (await UserMemory(store, user).search("lived in Lima"))[0].similarity > 0.5


async def test_reindex_for_the_same_embedder_makes_a_fresh_collection(store: FactStore, user: str) -> None:
    await remember(store, user, *CITIES)
    old = store.index.name
    await reindex(store, store.embedder)
    assert store.index.name != old
    assert (await doctor(store)).clean


async def test_a_reindex_changes_the_number_of_shards(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    users = ["ada", "bob", "eve", "kim"]
    async with open_store(settings) as store:
        for user in users:
            await remember(store, user, *CITIES)
    wanted = settings.model_copy(update={"chroma_shards": 3})
    async with open_store(wanted) as store:
        assert "has 1 shards, and CHROMA_SHARDS is 3" in caplog.text
        assert store.index.shards == 1
        before = await entries(store)
        await reindex(store, store.embedder, shards=wanted.chroma_shards)
        assert store.index.shards == 3
        assert await entries(store) == before
    caplog.clear()
    async with open_store(wanted) as store:
        assert "shards" not in caplog.text
        assert (await doctor(store)).clean
        for user in users:
            near = await store.index.search(owner_key(user), await vector(store, "lived"), 10)
            assert set(near) == {key.fact_id for key in (await keys(store, user)).values()}


async def test_another_embedder_in_the_settings_is_not_used_until_a_reindex(
    settings: Settings, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(settings) as store:
        await remember(store, user, "Austin")
    wanted = settings.model_copy(update={"embedder": "openai:vectors"})
    async with open_store(wanted) as store:
        assert store.embedder.name == "local"
        assert await found(store, user, "lived") == ["Has lived in Austin"]
    (record,) = [record for record in caplog.records if "python -m agent reindex" in record.getMessage()]
    assert record.levelname == "WARNING"


async def test_without_facts_another_embedder_is_used_at_once(settings: Settings) -> None:
    async with open_store(settings) as store:
        old = store.index
        assert store.embedder.name == "local"
        wanted = settings.model_copy(update={"embedder": "openai:vectors"})
        async with open_store(wanted) as other:
            assert other.embedder.name == "openai:vectors"
            assert other.index.name != old.name
        with pytest.raises(Damaged, match="is gone"):
            await old.count()


async def test_the_error_for_a_lost_embedder_key_says_how_to_change_it(
    settings: Settings, user: str, openai: ScriptedOpenAI, offline_model: None
) -> None:
    keyless = settings.model_copy(update={"openai_api_key": None, "chat_model": "offline"})
    async with open_store(settings.model_copy(update={"embedder": "openai:vectors"})) as store:
        await remember(store, user, "Austin")
    with pytest.raises(BadInput, match=r"'openai:vectors'.*OPENAI_API_KEY.*EMBEDDER is 'local'.*any.*reindex"):
        async with open_store(keyless):
            pass
    openai.embedding(*[Status(401)] * 9)
    async with open_store(settings) as store:
        await reindex(store, configured_embedder(settings))
    async with open_store(keyless) as store:
        assert await found(store, user, "lived") == ["Has lived in Austin"]


async def test_an_embedder_that_does_not_answer_delays_the_index_and_not_the_start(
    settings: Settings, user: str, openai: ScriptedOpenAI
) -> None:
    wanted = settings.model_copy(update={"embedder": "openai:vectors"})
    async with open_store(wanted) as store:
        await remember(store, user, "Austin")
        await write_without_index(store, {user: ["Lima"]})
    openai.embedding(*[Status(401)] * 2)
    reported: list[str] = []
    async with open_store(wanted, reported.append) as store:
        assert "recall goes by words" in reported[0]
        assert set(await found(store, user, "Austin or Lima?")) == {"Has lived in Austin", "Has lived in Lima"}


async def test_an_index_moves_away_from_a_server_that_is_gone(
    settings: Settings, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Gate(settings.chroma_url) as gate:
        here = settings.model_copy(update={"chroma_url": gate.url})
        async with open_store(here) as store:
            await remember(store, user, *CITIES)
            old = store.index
            await gate.set("refuses")
            await reindex(store, store.embedder, backend="pgvector")
            assert (store.index.backend, (await doctor(store)).clean) == ("pgvector", True)
            assert len(await found(store, user, "lived")) == 7
        assert f"index not deleted yet name={old.name} backend=chroma" in caplog.text
        await gate.set("open")
        async with open_store(here.model_copy(update={"index": "pgvector"})) as store:
            with pytest.raises(Damaged, match="is gone"):
                await old.count()


def test_reindex_moves_the_index_and_says_what_to_set(
    settings: Settings, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, user: str
) -> None:
    monkeypatch.setenv("POSTGRES_URL", settings.postgres_url)
    monkeypatch.setenv("CHROMA_SHARDS", "1")

    async def fill() -> None:
        async with open_store() as store:
            await remember(store, user, "Austin")

    asyncio.run(fill())
    moved = run("reindex", "--to", "pgvector")
    assert (moved.code, "the index in pgvector holds the vectors of local\n" in moved.err) == (0, True)
    assert "now set INDEX=pgvector" in moved.err
    assert run("doctor", "--json").json["backend"] == "pgvector"
    assert "The index is kept in pgvector, and INDEX is chroma: `python -m agent reindex` changes it." in caplog.text
    caplog.clear()
    monkeypatch.setenv("INDEX", "pgvector")
    assert run("doctor", "--json").json["clean"] is True
    assert "INDEX" not in caplog.text
    monkeypatch.setenv("INDEX", "chroma")
    back = run("reindex")
    assert (back.code, "the index in chroma" in back.err, "now set" in back.err) == (0, True, False)


async def test_an_embedder_of_another_dimension_leaves_recall_to_words(
    settings: Settings, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings.model_copy(update={"embedder": "openai:vectors"})
    openai.defaults["embedding"] = Vectors(64)
    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
        openai.defaults["embedding"] = Vectors(32)  # in a running process
        assert "Has lived in Lima" in await found(store, user, "Who has lived in Lima?")
    async with open_store(settings) as store:  # and in a new one
        await remember(store, user, "Quito")
        memory = UserMemory(store, user)
        for call in (memory.recall("Quito and Lima?"), memory.search("the past of Lima", past=True)):
            await call
        assert {"Has lived in Lima", "Has lived in Quito"} <= {*await found(store, user, "Lima or Quito")}
        said = "now gives vectors of 32 dimensions, and the facts have 64: run `python -m agent reindex`."
        assert caplog.text.count(said) >= 3
        await reindex(store, configured_embedder(settings))
        caplog.clear()
        assert (await doctor(store)).clean
        assert (await memory.search("lived in Quito"))[0].similarity > 0.5
        assert not caplog.records
