"""What goes on while the many texts of an import are embedded, which may take minutes."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from memory.facts.fact import owner_key
from memory.index.embeddings import Embedder
from memory.index.queue import WITHOUT_LOCK, IndexQueue
from memory.items.store import FactStore
from memory.learn.verbatim import Memory
from memory.user_memory import UserMemory
from tests.benchmarks.place import HashedWords

MANY = WITHOUT_LOCK + 1


class SlowWithMany(HashedWords):
    """An embedder that answers a call with as many texts as an import has once `go` is set."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.calls = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if len(texts) >= MANY:
            self.calls += 1
            self.asked.set()
            self.go.wait()
        return super().embed_documents(texts)


@pytest.fixture
async def model(store: FactStore) -> AsyncIterator[SlowWithMany]:
    """The model that embeds for the store."""
    model = SlowWithMany()
    store.use_index(IndexQueue(store.pool, store.queue.index, Embedder("local", lambda: model)))
    yield model
    model.go.set()


async def started_import(store: FactStore, user: str, model: SlowWithMany) -> asyncio.Task[int]:
    """An import whose texts are being embedded."""
    texts = [Memory(f"Move {number} was good") for number in range(MANY)]
    running = asyncio.create_task(UserMemory(store, user).remember_all(texts))
    await asyncio.to_thread(model.asked.wait)
    return running


async def test_the_user_writes_searches_and_forgets_while_an_import_is_embedded(
    store: FactStore, user: str, model: SlowWithMany
) -> None:
    memory = UserMemory(store, user)
    running = await started_import(store, user, model)
    async with asyncio.timeout(5):  # half of what a lock is waited for
        assert await memory.remember("Likes green tea") == 1
        hits = {hit.fact.text: hit.similarity for hit in await memory.search("green tea", 100)}
        assert hits["Likes green tea"] > 0.5
        assert hits["Move 1 was good"] == 0
        move = next(fact for fact in await memory.current() if fact.text == "Move 1 was good")
        assert await memory.forget(fact=move.id) == 1
    assert not running.done()
    model.go.set()
    assert await running == MANY
    await store.update_index(user)
    assert await store.queue.waiting(owner_key(user)) == []
    assert (await memory.search("Move 2 was good"))[0].similarity > 0.5


async def test_what_an_import_embeds_is_not_embedded_a_second_time_beside_it(
    store: FactStore, user: str, model: SlowWithMany
) -> None:
    running = await started_import(store, user, model)
    update = asyncio.create_task(store.queue.drain())  # as a start of another process does
    async with asyncio.timeout(5), store.pool.connection() as connection:
        waiting = 0
        while not waiting:
            waiting = (await connection.execute("select from pg_locks where not granted")).rowcount
    model.go.set()
    assert await running == MANY
    await update
    assert model.calls == 1
    assert (await UserMemory(store, user).search("Move 2 was good"))[0].similarity > 0.5
