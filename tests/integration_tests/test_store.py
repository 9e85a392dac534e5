"""FactStore as a LangGraph store: facts in the facts' namespace, ordinary items in all others."""

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from langgraph.store.base import GetOp, ListNamespacesOp, PutOp, SearchOp

from memory.errors import BadInput
from memory.facts.fact import owner_key
from memory.items.item import fact_value, facts_namespace
from memory.items.store import FactStore
from memory.user_memory import UserMemory


async def test_a_put_is_remembered_and_a_put_on_its_key_supersedes_it(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    await store.aput(space, "car", {"text": "Car is red", "attribute": "car"})
    await store.aput(space, "car", {"text": "Car is blue", "attribute": "car"})
    item = await store.aget(space, "car")
    assert item is not None
    assert item.value["text"] == "Car is blue"
    assert [fact.text for fact in await UserMemory(store, user).current()] == ["Car is blue"]
    (old, new) = await history(store, user)
    assert (old["text"], old["retired_reason"], old["successor"]) == ("Car is red", "superseded", new["id"])


async def test_a_put_into_an_exclusive_slot_supersedes_another_keys_fact(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    await store.aput(space, "a", {"text": "Lives in Lima", "attribute": "home city"})
    await store.aput(space, "b", {"text": "Lives in Rome", "attribute": "home_city"})
    assert await store.aget(space, "a") is None
    assert [item.key for item in await store.asearch(space)] == ["b"]


async def test_putting_the_same_again_writes_no_second_fact(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    value = {"text": "Car is red", "attribute": "car"}
    await store.aput(space, "car", value)
    await store.aput(space, "car", value)
    assert len(await history(store, user)) == 1


async def test_a_delete_retracts_and_keeps_the_history(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    await store.aput(space, "car", {"text": "Car is red"})
    await store.adelete(space, "car")
    await store.adelete(space, "never there")
    assert await store.aget(space, "car") is None
    assert await store.asearch(space, query="car") == []
    assert [row["retired_reason"] for row in await history(store, user)] == ["retracted"]


async def test_a_search_ranks_like_recall(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    for key, text in {"a": "Lives in Austin", "b": "Is allergic to shellfish", "c": "Loves Italian food"}.items():
        await store.aput(space, key, {"text": text, "category": "preference" if key == "c" else "fact"})
    found = await store.asearch(space, query="Which food do I like?")
    hits = await UserMemory(store, user).search("Which food do I like?")
    assert [item.key for item in found] == [hit.fact.key for hit in hits]
    assert found[0].key == "c"
    assert found[0].score
    assert [item.key for item in await store.asearch(space, filter={"category": "preference"})] == ["c"]


async def test_facts_and_items_page_without_gap_or_overlap(store: FactStore, user: str) -> None:
    for space in (facts_namespace(user), ("items", user)):
        for n in range(7):
            await store.aput(space, f"k{n}", {"text": f"Fact number {n}"})
        pages = [await store.asearch(space, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert len({item.key for page in pages for item in page}) == 7


async def test_langmem_tools_write_facts(store: FactStore, user: str) -> None:
    space, key = facts_namespace(user), str(uuid.uuid4())
    await store.aput(space, key, {"content": "Likes green tea"})
    assert [hit.fact.text for hit in await UserMemory(store, user).search("tea")] == ["Likes green tea"]
    await store.aput(space, key, {"content": "Likes black tea"})
    assert [item.value["text"] for item in await store.asearch(space, query="tea")] == ["Likes black tea"]
    await store.adelete(space, key)
    assert await UserMemory(store, user).current() == []


async def test_langmem_changes_and_deletes_what_the_agent_learned(store: FactStore, user: str) -> None:
    """langmem writes the key of a fact as a UUID with dashes. A learned fact has one without."""
    space, memory, key = facts_namespace(user), UserMemory(store, user), uuid.uuid4()
    value = {"text": "Is allergic to nuts", "attribute": "allergy", "category": "constraint", "importance": 0.9}
    await store.aput(space, key.hex, value | {"valid_from": "2020-01-01T00:00Z", "quote": "Nuts? Never."})
    await store.aput(space, str(key), {"content": "Is allergic to nuts and eggs"})
    (fact,) = await memory.current()
    assert fact.key == key.hex
    assert fact_value(fact) == {**fact_value(fact), **value, "text": "Is allergic to nuts and eggs"}
    assert fact.quote == ""
    assert fact.valid_from == datetime(2020, 1, 1, tzinfo=UTC)
    for form in (key.hex, str(key)):
        item = await store.aget(space, form)
        assert item is not None
        assert (item.key, item.value) == (form, fact_value(fact))
    await store.adelete(space, str(key))
    assert await memory.current() == []
    assert [version.fact.retired_reason for version in await memory.history(fact.id)] == ["retracted", "superseded"]


async def test_a_put_after_the_end_of_a_fact_holds_again(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    await store.aput(space, "k", {"text": "Is in a meeting", "category": "event"}, ttl=0)
    await store.aput(space, "k", {"text": "Is in another meeting"})
    item = await store.aget(space, "k")
    assert item is not None
    assert "valid_until" not in item.value


async def test_an_item_was_created_when_its_key_was_first_written(store: FactStore, user: str) -> None:
    space, written = facts_namespace(user), []
    for text in ("Car is red", "Car is blue", "Car is green"):
        await store.aput(space, "car", {"text": text})
        written.append((await UserMemory(store, user).current())[0].recorded_at)
    for item in (await store.aget(space, "car"), *await store.asearch(space), *await store.asearch(space, query="car")):
        assert item is not None
        assert (item.created_at, item.updated_at) == (written[0], written[2])


async def test_a_search_by_prefix_finds_what_the_namespaces_list(store: FactStore, user: str) -> None:
    users = [f"{user}-{name}" for name in ("ana", "b.o@x", "ünal")]
    for name in users:
        for text in ("Likes tea", "Likes coffee"):
            await store.aput(facts_namespace(name), text, {"text": text})
    await store.aput(("notes", user), "k", {"text": "Likes milk"})
    spaces = {facts_namespace(name) for name in users}
    for prefix in ((), ("facts",)):
        found = await store.asearch(prefix, limit=100_000)
        assert {item.namespace for item in found} >= spaces | ({("notes", user)} if not prefix else set())
        assert {item.namespace for item in found} == {*await store.alist_namespaces(prefix=prefix, limit=100_000)}
        assert found == sorted(found, key=lambda item: item.updated_at, reverse=True)
        assert [*found[:2], *await store.asearch(prefix, offset=2, limit=100_000)] == found
    ranked = await store.asearch(("facts",), query="coffee", filter={"text": {"$gt": "Likes"}}, limit=100_000)
    assert {item.namespace for item in ranked[: len(users)] if item.key == "Likes coffee"} <= spaces
    assert [item.score for item in ranked] == sorted((item.score for item in ranked if item.score), reverse=True)
    assert {item.namespace for item in await store.asearch(facts_namespace(users[1]))} == {facts_namespace(users[1])}


async def test_the_operations_of_a_batch_run_in_order(store: FactStore, user: str) -> None:
    facts, items = facts_namespace(user), ("items", user)
    results = await store.abatch([
        PutOp(facts, "k", {"text": "One"}),
        GetOp(facts, "k"),
        PutOp(items, "k", {"n": 1}),
        PutOp(facts, "k", {"text": "Two"}),
        GetOp(facts, "k"),
        GetOp(items, "missing"),
        ListNamespacesOp(limit=100_000),
        SearchOp(facts),
    ])  # fmt: skip
    texts = [getattr(result, "value", {}).get("text") for result in results]
    assert texts[1] == "One"
    assert texts[4] == "Two"
    assert results[5] is None
    assert facts in results[6]  # type: ignore[operator]
    assert [item.value["text"] for item in results[7]] == ["Two"]  # type: ignore[union-attr]


async def test_namespaces_of_facts_and_items_are_listed_together(store: FactStore, user: str) -> None:
    await store.aput(facts_namespace(user), "k", {"text": "x"})
    await store.aput(("notes", user, "deep"), "k", {"a": 1})
    assert await store.alist_namespaces(suffix=(user,)) == [("facts", user)]
    assert await store.alist_namespaces(prefix=("*", user)) == [("facts", user), ("notes", user, "deep")]
    assert ("notes", user) in await store.alist_namespaces(prefix=("notes",), max_depth=2, limit=10_000)
    assert ("facts",) in await store.alist_namespaces(max_depth=1)


async def test_ordinary_items_are_kept_by_langgraphs_store(store: FactStore, user: str) -> None:
    await store.aput(("items", user), "k", {"a": 1})
    item = await store.aget(("items", user), "k")
    assert item is not None
    assert item.value == {"a": 1}
    assert len(await store.asearch(("items",), filter={"a": 1}, limit=100)) >= 1
    await store.adelete(("items", user), "k")
    assert await store.aget(("items", user), "k") is None


async def test_synchronous_methods_work_only_from_another_thread(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    await asyncio.to_thread(store.put, space, "k", {"text": "Likes tea"})
    item = await asyncio.to_thread(store.get, space, "k")
    assert item is not None
    assert item.value["text"] == "Likes tea"
    with pytest.raises(asyncio.InvalidStateError, match=r"await store\.aget"):
        store.get(space, "k")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "text: is missing"),
        ({"text": ""}, "text: must"),
        ({"text": " \n"}, "text: must"),
        ({"text": 5}, "text: must be a valid string"),
        ({"text": "x\x00"}, "The text 'x.*NUL"),
        ({"text": "x" * 1_001}, "text: must have at most 1000 characters"),
        ({"text": "x", "importance": 7}, "importance: must be less than or equal to 1|importance: must be at most 1"),
        ({"text": "x", "category": "diet"}, "category: must be 'identity', "),
        ({"text": "x", "attribute": ["a"]}, "attribute: must be a valid string"),
        ({"text": "x", "subject": 5}, "subject: must be a valid string"),
        ({"text": "x", "exclusive": "x"}, "exclusive: must be a valid boolean"),
        ({"text": "x", "source": []}, "source: must"),
        ({"text": "x", "valid_from": "0001-01-01T00:00+14:00"}, "valid_from: 0001.* is before 0001-01-02"),
        ({"text": "x", "colour": "red", "size": 5}, "'colour', 'size' unknown here"),
        ({"text": "x", "content": "y"}, "`text` or `content`, not both"),
        ({"content": {"x": "y"}}, "`content` is of type dict: give str"),
    ],
)
async def test_an_invalid_value_is_refused_with_the_field_and_changes_nothing(
    store: FactStore, user: str, value: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BadInput, match=f"^The value under 'k' cannot be kept: .*{problem}"):
        await store.aput(facts_namespace(user), "k", value)
    with pytest.raises(BadInput, match="out of range"):
        await store.aput(facts_namespace(user), "k", {"text": "x"}, ttl=1e12)
    assert await history(store, user) == []


async def test_a_fact_is_gone_when_its_time_to_live_is_over(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    await store.aput(space, "short", {"text": "Is in a meeting"}, ttl=0)
    await store.aput(space, "long", {"text": "Is on holiday"}, ttl=60)
    assert [item.key for item in await store.asearch(space)] == ["long"]
    assert [item.key for item in await store.asearch(space, query="on holiday in a meeting")] == ["long"]


async def test_an_ordinary_item_is_not_read_after_its_time_to_live(store: FactStore, user: str) -> None:
    await store.aput(("items", user), "short", {"a": 1}, ttl=0.0001)
    await store.aput(("items", user), "long", {"a": 1}, ttl=60)
    deadline = time.monotonic() + 10
    while await store.aget(("items", user), "short", refresh_ttl=False):
        assert time.monotonic() < deadline
    assert [item.key for item in await store.asearch(("items", user))] == ["long"]


async def test_a_filter_is_applied_before_the_best_are_chosen(store: FactStore, user: str) -> None:
    space = facts_namespace(user)
    for n in range(70):
        await store.aput(space, f"k{n}", {"text": f"Likes music album number {n}", "category": "preference"})
    await store.aput(space, "job", {"text": "Works on music software", "category": "work"})
    found = await store.asearch(space, query="likes music album", filter={"category": "work"})
    assert [item.key for item in found] == ["job"]
    assert len(await store.asearch(space, query="likes music album", limit=100)) == 71


@pytest.mark.parametrize("label", ["%62ob", "%ff", "a%2eb", "%FC"])
async def test_another_spelling_of_a_user_in_a_namespace_is_refused(store: FactStore, label: str) -> None:
    with pytest.raises(BadInput, match="facts_namespace"):
        await store.asearch(("facts", label))


async def test_a_hit_that_the_ledger_does_not_confirm_is_never_returned(store: FactStore, user: str) -> None:
    """The index lists another user's fact and a retracted fact as this user's: recall returns neither."""
    await store.aput(facts_namespace(user), "mine", {"text": "Likes tea"})
    (mine,) = await UserMemory(store, user).current()
    other = user + "-other"
    await store.aput(facts_namespace(other), "theirs", {"text": "Likes tea with milk"})
    (theirs,) = await UserMemory(store, other).current()
    vectors = await store.embedder.embed([mine.text, theirs.text])
    await store.adelete(facts_namespace(user), "mine")
    await store.index.put([owner_key(user)] * 2, [mine, theirs], vectors)
    assert len(await store.index.search(owner_key(user), vectors[0], 10)) == 2
    assert await UserMemory(store, user).search("tea") == []


async def test_a_fact_cannot_be_edited_even_by_hand(store: FactStore, user: str) -> None:
    for text in ("Likes tea", "Likes coffee"):  # which retires the first
        await store.aput(facts_namespace(user), "k", {"text": text})
    async with store.pool.connection() as connection:
        for change in ("text = 'Likes beer'", "retired_at = null", "importance = 1"):
            with pytest.raises(psycopg.Error, match="may not be edited"):
                await connection.execute(f"update memory.facts set {change} where owner = %s", (owner_key(user),))  # noqa: S608


async def history(store: FactStore, user: str) -> list[dict[str, Any]]:
    """All rows of a user, in the order they were written."""
    async with store.pool.connection() as connection:
        cursor = await connection.execute(
            "select * from memory.facts where owner = %s order by number", (owner_key(user),)
        )
        return await cursor.fetchall()
