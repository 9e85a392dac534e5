"""Where recall searches: cached facts, facts beyond the cache, and how both agree with the ledger."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from psycopg.rows import DictRow

from memory.facts.changes import Changes
from memory.facts.fact import Fact, Source, owner_key, utc_now
from memory.index.chroma import ChromaIndex
from memory.index.queue import IndexQueue
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.ledger.cipher import Cipher
from memory.ledger.rows import facts_of
from memory.recall.cache import FactCache
from memory.recall.table import Table
from memory.user_memory import UserMemory
from tests.index import refuse
from tests.memories import put

CITIES = ["Austin", "Lima", "Rome", "Oslo"]


async def test_a_plan_beyond_the_cache_replaces_a_cached_fact(store: FactStore, user: str) -> None:
    home, day = {"attribute": "home city", "exclusive": True}, timedelta(days=1)
    said = {"observed_at": (utc_now() - 9 * day).isoformat(), "valid_from": (utc_now() - day).isoformat()}
    await put(store, user, "plan", "Lives in Berlin", **home, **said)
    await put(store, user, "home", "Lives in Austin", **home, observed_at=(utc_now() - 5 * day).isoformat())
    memory = UserMemory(store, user)
    for held in (10, 1):
        store.cache.max_facts = held
        store.cache.forget(user)
        assert [fact.text for fact in (await memory.recall("Where do I live?")).facts] == ["Lives in Berlin"]
        assert [hit.fact.text for hit in await memory.search("Where do I live?")] == ["Lives in Berlin"]


async def test_a_fact_that_was_erased_and_learned_again_is_read_again(store: FactStore, user: str) -> None:
    memory, day = UserMemory(store, user), timedelta(days=1)
    other = FactCache(store.ledger, store.embedder.name, max_facts=10, max_bytes=10**9)
    await memory.remember("Likes tea", at=utc_now() - 700 * day)
    await other.open(user)
    await memory.forget_everything()
    again = utc_now() - day
    await memory.remember("Likes tea", at=again)
    (held,) = await other.open(user)
    assert held.observed_at == again


async def test_facts_forgotten_during_a_load_are_not_cached(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, user, "a", "Likes tea")
    newest = store.ledger.newest

    async def forgetting(user_id: str, count: int, embedder: str, ids: Sequence[str] | None = None) -> object:
        found = await newest(user_id, count, embedder, ids)
        store.cache.forget(user_id)
        return found

    store.cache.forget(user)
    monkeypatch.setattr(store.ledger, "newest", forgetting)
    await store.cache.open(user)
    assert owner_key(user) not in store.cache.owners


async def test_a_load_goes_on_if_its_caller_is_cancelled(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, user, "a", "Likes tea")
    go, newest = asyncio.Event(), store.ledger.newest

    async def slow(user_id: str, count: int, embedder: str, ids: Sequence[str] | None = None) -> object:
        await go.wait()
        return await newest(user_id, count, embedder, ids)

    store.cache.forget(user)
    monkeypatch.setattr(store.ledger, "newest", slow)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await store.cache.open(user)
    monkeypatch.undo()
    go.set()
    assert len(await store.cache.open(user)) == 1


async def test_a_write_of_another_process_is_recalled_at_once(store: FactStore, user: str) -> None:
    memory = UserMemory(store, user)
    await put(store, user, "a", "Likes tea")
    assert [hit.fact.text for hit in await memory.search("tea")] == ["Likes tea"]
    other = FactCache(store.ledger, store.embedder.name, max_facts=10, max_bytes=10**9)
    await other.open(user)
    await put(store, user, "b", "Likes green tea")
    assert len(await other.open(user)) == 2
    await memory.forget_everything()
    assert len(await other.open(user)) == 0


async def test_what_changes_facts_and_nothing_else_makes_a_new_version(store: FactStore, user: str) -> None:
    memory, start, versions = UserMemory(store, user), utc_now(), [await store.ledger.version(user)]
    for text in ("Likes tea", "Likes rye bread"):
        await memory.remember(text)
        versions.append(await store.ledger.version(user))
    await memory.forget(fact=(await memory.current())[0].id)
    versions.append(await store.ledger.version(user))
    await memory.roll_back(since=start)
    versions.append(await store.ledger.version(user))
    assert len({*versions}) == 5
    assert versions == sorted(versions)
    async with store.ledger.transaction(user) as transaction:
        await transaction.mark_extracted([Source(thread_id="t", message_id="m")])
        await transaction.write(Changes(), utc_now())
    assert await store.ledger.version(user) == versions[-1]


async def test_only_new_facts_are_read_from_the_ledger(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    async def count(rows: Sequence[DictRow], cipher: Cipher) -> list[Fact]:
        read.append(len(rows))
        return await facts_of(rows, cipher)

    monkeypatch.setattr("memory.ledger.ledger.facts_of", count)
    for number, city in enumerate(CITIES):
        await put(store, user, city, f"Has been to {city}")
        assert len(await UserMemory(store, user).search("Where have I been?")) == number + 1
    await UserMemory(store, user).search("Where have I been?")
    assert [rows for rows in read if rows] == [1, 1, 1, 1]


async def test_facts_beyond_the_cache_are_found_through_the_collection(store: FactStore, user: str) -> None:
    await put(store, user, "allergy", "Is allergic to shellfish", category="constraint")
    for city in CITIES:
        await put(store, user, city, f"Has been to {city}")
    everything = await UserMemory(store, user).recall("Have I been to Austin?")
    store.cache.max_facts = 2
    store.cache.forget(user)
    memory = UserMemory(store, user)
    assert not (await store.cache.open(user)).complete
    recalled = await memory.recall("Have I been to Austin?")
    assert [fact.text for fact in recalled.profile] == ["Is allergic to shellfish"]
    assert recalled.hits[0].fact.text == "Has been to Austin"
    assert {hit.fact.id for hit in recalled.hits} == {hit.fact.id for hit in everything.hits}
    await put(store, user, "Bonn", "Has been to Bonn")
    held = await store.cache.open(user)
    assert [fact.text for fact in held] == ["Has been to Oslo", "Has been to Bonn"]
    await store.adelete(facts_namespace(user), "Bonn")
    held = await store.cache.open(user)
    assert [fact.text for fact in held] == ["Has been to Rome", "Has been to Oslo"]
    only = await memory.search("Where have I been?", only=lambda fact: "Lima" in fact.text)
    assert [hit.fact.text for hit in only] == ["Has been to Lima"]
    assert {fact.text for fact in await store.searcher(user).near(["I have been to Austin"])} >= {"Has been to Austin"}


async def test_the_cache_is_bounded_and_keeps_the_latest_users(store: FactStore, user: str) -> None:
    users = [f"{user} {number}" for number in range(4)]
    for name in users:
        await put(store, name, "a", "Likes tea")
    tier = FactCache(store.ledger, store.embedder.name, max_facts=10, max_bytes=0)
    one = (await tier.open(users[0])).size
    tier = FactCache(store.ledger, store.embedder.name, max_facts=10, max_bytes=2 * one)
    for name in (users[0], users[1], users[0], users[2]):
        await tier.open(name)
    assert [len(tier._tables), tier._tables.keys() == {owner_key(users[0]), owner_key(users[2])}] == [2, True]


async def test_a_search_that_is_given_up_leaves_its_load_to_the_next_one(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, user, "a", "Likes tea")
    go, newest, loads = asyncio.Event(), store.ledger.newest, list[str]()

    async def slow(user_id: str, count: int, embedder: str, ids: Sequence[str] | None = None) -> object:
        loads.append(user_id)
        await go.wait()
        return await newest(user_id, count, embedder, ids)

    store.cache.forget(user)
    store.options = replace(store.options, timeout=1.0)
    monkeypatch.setattr(store.ledger, "newest", slow)
    memory = UserMemory(store, user)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await memory.search("tea")
    go.set()
    assert (await memory.search("tea"))[0].similarity > 0.3
    assert loads == [user]


async def test_a_fact_has_no_similarity_until_its_vector_is_there(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = UserMemory(store, user)

    async def similarities() -> dict[str, bool]:
        return {hit.fact.key: hit.similarity > 0.2 for hit in await memory.search("Have I been to Rome or Lima?")}

    await put(store, user, "Rome", "Has been to Rome")
    with monkeypatch.context() as away:
        away.setattr(IndexQueue, "drain", refuse)
        for city in ("Lima", "Oslo"):
            await put(store, user, city, f"Has been to {city}")
        assert await similarities() == {"Rome": True, "Lima": False, "Oslo": False}
        assert await memory.search("Who won the match in Barcelona?") == []
    await store.update_index(user)
    assert await similarities() == {"Rome": True, "Lima": True, "Oslo": True}


async def test_a_search_that_meets_a_fact_without_a_vector_reports_it(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr(IndexQueue, "drain", refuse)
        await put(store, user, "a", "Likes tea")
    reported: list[Exception] = []
    searcher = replace(store.searcher(user), report=reported.append)
    assert len(await searcher.search("tea", 1)) == 1
    await store.update_index(user)
    await searcher.search("tea", 1)
    assert [str(error) for error in reported] == ["Facts without a vector: 1."]


async def test_the_cache_agrees_with_the_ledger_on_what_is_current(store: FactStore, user: str) -> None:
    day, start = timedelta(days=1), utc_now().replace(microsecond=0)
    home = {"attribute": "home city", "exclusive": True}
    await put(store, user, "1", "Lives in Rome", **home)
    plan = {"valid_from": (start + 5 * day).isoformat()}
    await put(store, user, "2", "Moves to Oslo", **home, **plan, valid_until=(start + 9 * day).isoformat())
    await put(store, user, "3", "Is in Lima", valid_until=(start + 3 * day).isoformat())
    snapshot = await store.cache.open(user)
    assert len(snapshot) == 3
    for number in range(1, 12):
        moment = start + number * day
        assert snapshot.facts(snapshot.current(moment)) == await store.ledger.current(user, moment)


async def ready_to_search_beyond(store: FactStore, user: str) -> UserMemory:
    """The memory of a user with four facts, one of which is cached."""
    for city in CITIES:
        await put(store, user, city, f"Has been to {city}")
    store.cache.max_facts = 1
    store.cache.forget(user)
    return UserMemory(store, user)


async def test_facts_beyond_the_cache_are_found_without_the_collection(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = await ready_to_search_beyond(store, user)
    there = await memory.search("Have I been to Austin?")
    assert len(there) == len(CITIES)
    monkeypatch.setattr(ChromaIndex, "search", refuse)
    away = await memory.search("Have I been to Austin?")
    assert [hit.fact for hit in away] == [hit.fact for hit in there]
    assert [hit.similarity for hit in away] == pytest.approx([hit.similarity for hit in there], abs=1e-5)
    assert {fact.text for fact in await store.searcher(user).near(["I have been to Austin"])} >= {"Has been to Austin"}


async def test_recall_does_not_wait_for_a_collection_that_hangs(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, waiting_at_once = 0, []

    async def hang(*arguments: object, **named: object) -> None:
        nonlocal waiting
        waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            waiting_at_once.append(waiting)
            waiting -= 1

    memory = await ready_to_search_beyond(store, user)
    monkeypatch.setattr(ChromaIndex, "search", hang)
    store.options = replace(store.options, timeout=0.5)
    async with asyncio.timeout(5):
        recalled = await memory.recall("Had I been to Austin before?")
    assert recalled.hits[0].fact.text == "Has been to Austin"
    assert max(waiting_at_once) == 2  # the present and the past are searched concurrently


async def test_a_limit_beyond_the_collections_pool_searches_all_facts(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.recall.search.POOL", 2)
    memory = await ready_to_search_beyond(store, user)
    assert len(await memory.search("Have I been to Austin?", 10)) == len(CITIES)
    assert len((await memory.recall("Have I been to Austin?", 10)).hits) == len(CITIES)


async def test_a_store_search_reads_every_fact_only_for_a_filter(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready_to_search_beyond(store, user)
    whole, read = store.cache.whole, []

    async def count(user_id: str) -> Table:
        read.append(user_id)
        return await whole(user_id)

    monkeypatch.setattr(store.cache, "whole", count)
    space = facts_namespace(user)
    assert [item.key for item in await store.asearch(space, query="Have I been to Austin?", limit=1)] == ["Austin"]
    assert read == []
    wanted = {"text": "Has been to Lima"}
    assert [item.key for item in await store.asearch(space, query="Austin", filter=wanted)] == ["Lima"]
    assert read == [user]


async def test_the_ledger_is_asked_for_plans_once_per_search(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready_to_search_beyond(store, user)
    read, asked = store.ledger.in_planned_slots, list[str]()

    async def count(user_id: str) -> list[Fact]:
        asked.append(user_id)
        return await read(user_id)

    monkeypatch.setattr(store.ledger, "in_planned_slots", count)
    assert len(await store.searcher(user).near([f"I have been to {city}" for city in CITIES])) == len(CITIES)
    assert len(asked) == 1


async def test_a_fact_that_ends_while_it_is_cached_is_not_recalled(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = utc_now() + timedelta(days=1)
    await put(store, user, "a", "Is in Rome", valid_until=moment.isoformat())
    await put(store, user, "b", "Is allergic to figs", category="constraint", valid_until=moment.isoformat())
    memory = UserMemory(store, user)
    assert len((await memory.recall("Am I in Rome?")).facts) == 2
    monkeypatch.setattr("memory.recall.search.utc_now", lambda: moment)
    assert owner_key(user) in store.cache.owners
    assert (await memory.recall("Am I in Rome?")).facts == ()
