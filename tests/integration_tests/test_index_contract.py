"""What every kind of index keeps: the protocol, recall that stays right whatever happens to it, and its repair."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import memory.index.queue as index_queue
from agent.persistence import configured_embedder, index_kind, open_services, open_store
from agent.settings import Settings
from memory import maintenance
from memory.embedded.connect import Addresses
from memory.facts.fact import Fact, owner_key
from memory.index import breaker
from memory.index.protocol import Backend, Damaged, Entry, FactKey, Index, Vectors, unit
from memory.index.registry import Kind, Registered, index_name
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.learn.verbatim import Memory
from memory.maintenance import Finding, doctor, reindex, repair
from memory.recall.search import POOL
from memory.user_memory import UserMemory
from tests.backends import BACKENDS, WITH_SERVER, Rig, open_own_server, open_rig
from tests.facts import NOON, make_fact
from tests.index import (
    CITIES,
    entries,
    found,
    keys,
    refuse,
    remember,
    settings_of_its_own,
    until_clean,
    vector,
    write_without_index,
)
from tests.memories import put, texts
from tests.openai_server import ScriptedOpenAI

ADA, BOB = owner_key("ada"), owner_key("bob")
DIMENSION = 24
HOSTILE = ("a.b,{c}", 'x" | *', "u'--\\ %s", "ü 猫\n$@-", "facts:*")


@pytest.fixture(params=BACKENDS)
async def rig(
    request: pytest.FixtureRequest, servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path
) -> AsyncIterator[Rig]:
    """With so few facts in memory that recall asks the index."""
    own = settings_of_its_own(servers, openai, tmp_path).model_copy(update={"cached_facts": 2})
    async with open_rig(request.param, own) as rig:
        yield rig


@pytest.fixture
async def store(rig: Rig) -> AsyncIterator[FactStore]:
    async with open_store(rig.settings) as store:
        yield store


@pytest.fixture
async def index(rig: Rig) -> AsyncIterator[Index]:
    """An empty index for vectors of DIMENSION dimensions."""
    async with open_services(rig.settings) as services:
        kind = index_kind(rig.settings)._replace(embedder="words")
        index = await services.open_index(Registered(index_name("words", DIMENSION), kind, DIMENSION))
        await services.check_index()
        await index.start_over()
        yield index
        await index.drop()


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "RETRY_PAUSE", 0.3)


def directions(*rows: tuple[float, float]) -> Vectors:
    """Vectors whose other components are 0."""
    return unit(np.pad(np.array(rows, np.float32), ((0, 0), (0, DIMENSION - 2))))


SKY, SEA, BOTH = (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)


def retired(fact: Fact, reason: str = "superseded") -> Fact:
    return fact.model_copy(update={"retired_at": NOON, "retired_reason": reason, "ended_at": NOON})


async def scanned(index: Index) -> list[Entry]:
    return sorted([entry async for page in index.scan() for entry in page])


async def test_a_search_finds_the_nearest_facts_of_one_user(index: Index) -> None:
    sky, sea, both, of_bob = map(make_fact, ("The sky", "The sea", "Both", "Bob's sky"))
    await index.put([ADA, ADA, ADA, BOB], [sky, sea, both, of_bob], directions(SKY, SEA, BOTH, SKY))
    (query,) = directions(SKY)
    near = await index.search(ADA, query, 10)
    assert list(near) == [sky.id, both.id, sea.id]
    assert list(near.values()) == pytest.approx([1, 0.5**0.5, 0], abs=1e-5)
    assert list(await index.search(ADA, query, 2)) == [sky.id, both.id]
    assert list(await index.search(BOB, query, 10)) == [of_bob.id]
    assert await index.search(owner_key("eve"), query, 10) == {}


async def test_a_retired_fact_is_found_in_the_past_if_it_held_and_else_never(index: Index) -> None:
    home, wrong, now = map(make_fact, ("Lives in Lima", "Lives in Rome", "Lives in Austin"))
    vectors, (query,) = directions(SKY, SKY, SKY), directions(SKY)
    await index.put([ADA] * 3, [home, wrong, now], vectors)
    assert {*await index.search(ADA, query, 10)} == {home.id, wrong.id, now.id}
    await index.put([ADA] * 2, [retired(home), retired(wrong, "retracted")], vectors[:2])
    assert [*await index.search(ADA, query, 10)] == [now.id]
    assert [*await index.search(ADA, query, 10, past=True)] == [home.id]
    assert await index.count() == 3
    live = {key.fact_id: live for key, live in await scanned(index)}
    assert live == {home.id: False, wrong.id: False, now.id: True}


async def test_a_put_finds_out_which_facts_are_new_and_which_have_another_vector(index: Index) -> None:
    sky, sea, both = map(make_fact, ("The sky", "The sea", "Both"))
    await index.put([ADA, ADA], [sky, sea], directions(SKY, SKY))
    await index.put([ADA] * 3, [retired(sky), sea, both], directions(SKY, SEA, BOTH))
    (query,) = directions(SEA)
    assert await index.search(ADA, query, 10) == pytest.approx({sea.id: 1, both.id: 0.5**0.5}, abs=1e-5)
    assert await index.search(ADA, query, 10, past=True) == pytest.approx({sky.id: 0}, abs=1e-5)


async def test_two_users_may_have_a_fact_of_one_id_and_lose_it_alone(index: Index) -> None:
    fact = make_fact("The sky")
    await index.put([ADA, BOB], [fact, fact], directions(SKY, SEA))
    await index.remove([FactKey(ADA, fact.id), FactKey(ADA, "0" * 32)])
    assert await scanned(index) == [Entry(FactKey(BOB, fact.id), True)]
    (query,) = directions(SEA)
    assert await index.search(BOB, query, 10) == {fact.id: pytest.approx(1, abs=1e-5)}


async def test_facts_of_many_pages_that_were_put_twice_are_all_scanned_and_found(index: Index) -> None:
    users = [owner_key(f"user {number}") for number in range(50)]
    facts = [make_fact(f"City {number}") for number in range(3_500)]
    owners = [users[number % 50] for number in range(len(facts))]
    chance = np.random.default_rng(3)
    groups = chance.normal(size=(5, DIMENSION))[chance.integers(0, 5, len(facts))]
    vectors = unit((groups + 0.05 * chance.normal(size=groups.shape)).astype(np.float32))
    for start in range(0, len(facts), 250):
        page = slice(start, start + 250)
        await index.put(owners[page], facts[page], vectors[page])
        await index.put(owners[page], [*map(retired, facts[page])], vectors[page])
    assert await index.count() == len(facts)
    expected = [Entry(FactKey(owner, fact.id), False) for owner, fact in zip(owners, facts, strict=True)]
    assert await scanned(index) == sorted(expected)
    for number, user in enumerate(users):
        cosines = {facts[other].id: vectors[other] @ vectors[number] for other in range(number, len(facts), 50)}
        nearest = await index.search(user, vectors[number], 100, past=True)
        assert nearest == pytest.approx(cosines, abs=1e-5)
        assert [*nearest.values()] == sorted(nearest.values(), reverse=True)
        assert await index.search(user, vectors[number], 5, past=True) == dict([*nearest.items()][:5])


async def test_an_index_starts_over_empty_and_is_gone_once_dropped(index: Index) -> None:
    await index.put([ADA], [make_fact("The sky")], directions(SKY))
    await index.start_over()
    assert (await index.count(), await scanned(index)) == (0, [])
    await index.drop()
    await index.drop()
    (query,) = directions(SKY)
    for call in (index.count(), index.search(ADA, query, 1), scanned(index), index.remove([FactKey(ADA, "x")])):
        with pytest.raises(Damaged, match="is gone"):
            await call
    with pytest.raises(Damaged, match="is gone"):
        await index.put([ADA], [make_fact("The sky")], directions(SKY))


async def test_a_process_that_holds_no_facts_recalls_them_by_vector_and_by_words(
    rig: Rig, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_words = "Sold the chairs Amati, Guarneri, Stradivari, since they were too low for our flat"
    asked = "Where is the violin by Amati, Guarneri or Stradivari?"
    async with open_store(rig.settings.model_copy(update={"cached_facts": 0})) as store:
        memory, other = UserMemory(store, user), UserMemory(store, "another user")
        near = [f"Where the violin by composer {number} is" for number in range(POOL + 5)]
        await memory.remember_all([Memory(text) for text in (*near, by_words, "Has a dog")])
        await other.remember_all([Memory(asked), Memory("Has a pet")])
        for city in ("Lima", "Austin"):
            await put(store, user, "home", f"Lives in {city}", subject="user", attribute="home city", exclusive=True)
        await put(store, user, "nuts", "Is allergic to nuts", subject="user", category="constraint")
        (expected,) = [fact.id for fact in await memory.current() if fact.text == by_words]
        assert expected not in await store.index.search(owner_key(user), await vector(store, asked), POOL)
        with monkeypatch.context() as indexed:
            indexed.setattr(store.cache, "whole", refuse)  # which reads all facts if the index cannot be used
            assert by_words in await found(store, user, asked)
            assert (await found(store, user, "Which pet?"))[0] == "Has a dog"
            recalled = await memory.recall("Where did I live before?")
            assert "Lives in Austin" in texts(recalled.facts)
            assert "Lives in Lima" not in texts(recalled.facts)
            assert [hit.fact.text for hit in recalled.past] == ["Lives in Lima"]
            assert texts(recalled.profile) == ["Is allergic to nuts"]
            assert {fact.text for fact in recalled.facts}.isdisjoint({asked, "Has a pet"})
        (item,) = await store.asearch(facts_namespace(user), query=asked, filter={"text": near[-1]})
        assert item.value["text"] == near[-1]
        assert [*await store.cache.open(user)] == []


async def test_users_with_hostile_ids_find_and_forget_only_their_own(store: FactStore) -> None:
    for user, city in zip(HOSTILE, CITIES, strict=False):
        await remember(store, user, city, "Paris", "Athens")
    for user, city in zip(HOSTILE, CITIES, strict=False):
        assert sorted(await found(store, user, "lived")) == sorted(
            f"Has lived in {name}" for name in (city, "Paris", "Athens")
        )
    await UserMemory(store, HOSTILE[0]).forget_everything()
    assert await found(store, HOSTILE[0], "lived") == []
    assert len(await entries(store)) == 3 * (len(HOSTILE) - 1)


async def test_a_forgotten_fact_is_not_found_and_leaves_no_entry(store: FactStore, user: str) -> None:
    await remember(store, user, *CITIES)
    ids, memory = await keys(store, user), UserMemory(store, user)
    assert {entry.key for entry in await entries(store)} == {*ids.values()}
    assert await memory.forget(fact=ids["Lima"].fact_id) == 1
    assert {entry.key for entry in await entries(store)} == {*ids.values()} - {ids["Lima"]}
    assert await store.queue.size() == 0
    assert "Has lived in Lima" not in await found(store, user, "Has lived in Lima")
    assert ids["Lima"].fact_id not in await store.index.search(owner_key(user), await vector(store, "Lima"), 50)


async def test_doctor_reports_differences_and_repair_fixes_them(store: FactStore, user: str) -> None:
    await remember(store, user, *CITIES)
    ids, owner = await keys(store, user), owner_key(user)
    facts = {fact.key: fact for fact in await UserMemory(store, user).all()}
    assert (await doctor(store)).clean
    near, stranger = (await vector(store, "lived"))[None], make_fact("Unknown to the ledger")
    await store.index.remove([ids["Lima"]])
    await store.index.put([owner], [retired(facts["Rome"])], near)
    await store.index.put([owner], [stranger], near)
    await write_without_index(store, {user: ["Paris"]})
    report = await doctor(store)
    assert not report.clean
    assert (report.missing, report.stale) == (Finding(1, (ids["Lima"].fact_id,)), Finding(1, (ids["Rome"].fact_id,)))
    assert (report.orphans, report.queued) == (Finding(1, (stranger.id,)), 1)
    assert "lived" not in repr(report)
    await repair(store, report)
    again = await doctor(store)
    assert again.clean
    assert again.facts == again.indexed == 8


async def test_doctor_says_that_an_index_is_damaged_and_repair_rebuilds_it(
    rig: Rig, store: FactStore, user: str
) -> None:
    await remember(store, user, *CITIES)
    await rig.damage(store.index, owner_key(user))
    report = await doctor(store)
    assert report.damage
    assert not report.clean
    await repair(store, report)
    assert (await doctor(store)).clean
    assert len(await store.index.search(owner_key(user), await vector(store, "lived"), 10)) == 7


async def test_a_start_repairs_what_an_index_lacks_or_has_too_much(rig: Rig, user: str) -> None:
    reported: list[str] = []
    async with open_store(rig.settings) as store:
        await remember(store, user, *CITIES)
        known = await entries(store)
        await store.index.remove([known[0].key])
    async with open_store(rig.settings, reported.append) as store:
        assert reported == [f"The index {store.index.name!r} holds 6 of 7 facts: comparing them."]
        assert await entries(store) == known
        near = (await vector(store, "lived"))[None]
        await store.index.put([owner_key(user)], [make_fact("Unknown to the ledger")], near)
    async with open_store(rig.settings, reported.append) as store:
        assert reported[1:] == [f"The index {store.index.name!r} holds 8 of 7 facts: comparing them."]
        assert await entries(store) == known
        assert (await doctor(store)).clean


async def everything_is_found(store: FactStore, user: str) -> None:
    for city in CITIES:
        assert (await found(store, user, f"When did I live in {city}?"))[0] == f"Has lived in {city}"


@pytest.mark.parametrize("noticed_by", ["write", "search"])
async def test_an_index_that_is_lost_is_rebuilt_by_one_process_once_it_is_missed(
    rig: Rig, user: str, noticed_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(rig.settings)) for _ in range(2)]
        await remember(stores[0], user, *CITIES[:-1])
        if noticed_by == "write":
            await stores[1].index.drop()
            await remember(stores[0], user, CITIES[-1])
            await until_clean(stores[1])
        else:
            await remember(stores[0], user, CITIES[-1])
            await rig.damage(stores[1].index, owner_key(user))
            rebuilding = asyncio.gather(*map(until_clean, stores))
            while not rebuilding.done():
                await asyncio.gather(*(everything_is_found(store, user) for store in stores))
            await rebuilding
        await asyncio.gather(*(everything_is_found(store, user) for store in stores))
        assert caplog.text.count("Rebuilding it from the ledger") == 1


async def test_an_index_that_hangs_delays_one_search_and_then_none(
    rig: Rig, store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "PAUSE", 1.0)
    await remember(store, user, *CITIES)
    store.options = replace(store.options, timeout=breaker.MAX_LOST + 0.1)
    started = time.monotonic()
    async with rig.hang(store.index):
        assert len(await found(store, user, "lived")) == 7
        assert time.monotonic() - started >= breaker.MAX_LOST
        before = time.monotonic()
        assert len(await found(store, user, "lived")) == 7
        assert time.monotonic() - before < breaker.MAX_LOST
    await until_clean(store)
    assert len(await store.index.search(owner_key(user), await vector(store, "lived"), 10)) == 7


@pytest.mark.parametrize("backend", WITH_SERVER)
async def test_a_server_that_was_killed_and_wiped_is_filled_again(
    backend: Backend, servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    own = settings_of_its_own(servers, openai, tmp_path).model_copy(update={"cached_facts": 2})
    async with open_own_server(backend, own, tmp_path / "server") as server, open_store(server.settings) as store:
        await remember(store, user, *CITIES)
        server.wipe()
        await everything_is_found(store, user)
        await until_clean(store)
        assert await store.index.count() == len(CITIES)


def reindex_until_killed(settings: Settings, backend: Backend) -> None:
    """Reindex to another place, in a process that is killed halfway."""

    def kill(done: int, total: int) -> None:
        if done >= 3:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run() -> None:
        async with open_services(settings) as services:
            parts = await services.memory_parts()
            await reindex(parts, configured_embedder(settings), kill, backend=backend, shards=1)

    index_queue.PAGE = 3
    asyncio.run(run())


async def test_a_killed_move_to_another_place_leaves_the_old_one_and_goes_on(
    rig: Rig, servers: Addresses, user: str
) -> None:
    target = next(backend for backend in get_args(Backend) if backend != rig.settings.index)
    settings = rig.settings.model_copy(update={"chroma_url": servers.chroma})
    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
        old = store.index
    child = multiprocessing.get_context("spawn").Process(target=reindex_until_killed, args=[settings, target])
    child.start()
    await asyncio.to_thread(child.join, 60)
    assert child.exitcode == -signal.SIGKILL
    async with open_store(settings) as store:
        assert store.index.name == old.name
        await everything_is_found(store, user)
        reported: list[tuple[int, int]] = []
        await reindex(
            store, store.embedder, lambda done, total: reported.append((done, total)), backend=target, shards=1
        )
        assert reported[0] == (3, 7)
        assert store.index.backend == target
        await everything_is_found(store, user)
    async with open_store(settings.model_copy(update={"index": target, "chroma_shards": 1})) as store:
        assert (store.index.backend, (await doctor(store)).clean) == (target, True)
        former = await store.open_index(Registered(old.name, Kind(old.backend, "local", old.shards), 384))
        with pytest.raises(Damaged, match="is gone"):
            await former.count()
