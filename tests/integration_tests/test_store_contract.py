"""What LangGraph promises of a store, checked on its own PostgresStore, on ordinary items and on facts.

Facts break some of the promises, and only those that DIFFERENCES names.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langgraph.store.base import BaseStore, GetOp, InvalidNamespaceError, Item, Op, PutOp, SearchOp

from memory.errors import BadInput
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from tests.collecting import wait_until

Namespace = tuple[str, ...]
Promise = Callable[[BaseStore, Namespace], Awaitable[None]]


def text(words: str) -> dict[str, Any]:
    return {"text": words}


async def texts(store: BaseStore, space: Namespace, **options: Any) -> list[str]:
    return [item.value["text"] for item in await store.asearch(space, **options)]


async def got(store: BaseStore, space: Namespace, key: str) -> Item:
    item = await store.aget(space, key)
    assert item is not None
    return item


async def until_gone(store: BaseStore, space: Namespace, key: str) -> None:
    async def is_gone() -> bool:
        return await store.aget(space, key, refresh_ttl=False) is None

    await wait_until(is_gone)


async def a_put_is_read_under_its_namespace_and_key(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "a key: ü, 雪", text("One"))
    item = await got(store, space, "a key: ü, 雪")
    assert (item.namespace, item.key, item.value["text"]) == (space, "a key: ü, 雪", "One")
    assert item.created_at == item.updated_at
    assert item.created_at.utcoffset() is not None
    assert await store.aget(space, "another key") is None


async def a_key_becomes_a_string(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, 5, text("One"))  # type: ignore[arg-type]
    assert (await got(store, space, "5")).key == "5"


async def another_put_replaces_the_value_and_keeps_the_first_date(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"))
    first = await got(store, space, "k")
    await store.aput(space, "k", text("Two"))
    item = await got(store, space, "k")
    assert item.value["text"] == "Two"
    assert (item.created_at, item.updated_at > first.updated_at) == (first.created_at, True)
    (found,) = await store.asearch(space)
    assert (found.created_at, found.updated_at) == (item.created_at, item.updated_at)


async def the_same_value_again_is_an_update(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"))
    first = await got(store, space, "k")
    await store.aput(space, "k", text("One"))
    assert (await got(store, space, "k")).updated_at > first.updated_at


async def a_deleted_item_is_gone_and_begins_anew(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"))
    first = await got(store, space, "k")
    await store.adelete(space, "k")
    await store.adelete(space, "never there")
    assert await store.aget(space, "k") is None
    assert await store.asearch(space) == []
    await store.aput(space, "k", text("Two"))
    assert (await got(store, space, "k")).created_at > first.created_at


async def any_json_object_is_a_value(store: BaseStore, space: Namespace) -> None:
    value = {"colour": "red", "sizes": [1, 2.5, None, True], "nested": {"a": {"b": "ü"}}, "content": "x"}
    await store.aput(space, "k", value)
    assert (await got(store, space, "k")).value == value


async def a_put_replaces_the_whole_value(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", {"text": "Is allergic to nuts", "category": "constraint"})
    await store.aput(space, "k", text("Is allergic to nuts and eggs"))
    assert (await got(store, space, "k")).value.get("category") != "constraint"


async def items_under_other_keys_stay_as_they_are(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "a", {"text": "Lives in Lima", "attribute": "home city"})
    await store.aput(space, "b", {"text": "Lives in Rome", "attribute": "home city"})
    assert sorted(await texts(store, space)) == ["Lives in Lima", "Lives in Rome"]


async def a_search_pages_without_gaps_the_latest_first(store: BaseStore, space: Namespace) -> None:
    for number in range(5):
        await store.aput(space, f"k{number}", text(f"Fact number {number}"))
    pages = [await texts(store, space, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert pages == [[f"Fact number {n}" for n in page] for page in ((4, 3), (2, 1), (0,), ())]


async def a_search_of_a_prefix_finds_what_is_below(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"))
    found = await store.asearch(space[:-1], limit=1_000)
    assert [(item.key, item.value["text"]) for item in found if item.namespace == space] == [("k", "One")]
    assert all(item.namespace[: len(space) - 1] == space[:-1] for item in found)


async def a_search_of_everything_finds_it_as_well(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"))
    assert space in {item.namespace for item in await store.asearch((), limit=1_000)}


async def every_namespace_below_another_takes_items(store: BaseStore, space: Namespace) -> None:
    await store.aput((*space, "deeper"), "k", text("One"))
    assert await texts(store, (*space, "deeper")) == ["One"]


async def a_filter_compares_fields(store: BaseStore, space: Namespace) -> None:
    for key, importance in (("a", 0.2), ("b", 0.5), ("c", 0.8)):
        await store.aput(space, key, {"text": f"Fact {key}", "importance": importance, "category": "work"})

    async def keys(wanted: dict[str, Any]) -> list[str]:
        return sorted(item.key for item in await store.asearch(space, filter=wanted))

    assert await keys({"importance": 0.5}) == ["b"]
    assert await keys({"importance": {"$gt": 0.2, "$lte": 0.8}}) == ["b", "c"]
    assert await keys({"importance": {"$ne": 0.5}, "category": "work"}) == ["a", "c"]
    assert await keys({"importance": {"$lt": 0.5}}) == ["a"]
    assert await keys({"nothing": "x"}) == []


async def an_empty_query_finds_everything_without_a_score(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"))
    for query in ("", None):
        assert [item.score for item in await store.asearch(space, query=query)] == [None]


async def namespaces_are_listed_by_prefix_suffix_wildcard_and_depth(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"))
    for conditions in ({"prefix": space}, {"suffix": space[-1:]}, {"prefix": ("*", space[-1])}):
        assert await store.alist_namespaces(**conditions) == [space]
    assert await store.alist_namespaces(prefix=space[:1], max_depth=1) == [space[:1]]
    assert await store.alist_namespaces(prefix=("nowhere", *space)) == []
    every = await store.alist_namespaces(limit=100_000)
    assert await store.alist_namespaces(limit=1, offset=every.index(space)) == [space]


async def a_namespace_without_items_is_not_listed(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"), ttl=0.0005)
    await store.aput(space, "l", text("Two"))
    await store.adelete(space, "l")
    await until_gone(store, space, "k")
    assert await store.alist_namespaces(prefix=space) == []


async def a_batch_answers_in_order_and_reads_none_of_its_own_writes(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"))
    ops: list[Op] = [
        GetOp(space, "k"),
        PutOp(space, "k", text("Two")),
        GetOp(space, "k"),
        SearchOp(space),
        GetOp(space, "none"),
    ]
    first, put, second, found, none = await store.abatch(ops)
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert (first.value["text"], put, none) == ("One", None, None)
    assert isinstance(found, list)
    assert (await got(store, space, "k")).value["text"] == "Two"
    assert second.value["text"] == "One"


async def of_two_puts_in_a_batch_the_last_one_counts(store: BaseStore, space: Namespace) -> None:
    await store.abatch([PutOp(space, "k", text("One")), PutOp(space, "k", text("Two"))])
    assert await texts(store, space) == ["Two"]


async def concurrent_puts_leave_one_item(store: BaseStore, space: Namespace) -> None:
    await asyncio.gather(*(store.aput(space, "k", text(f"Value {number}")) for number in range(10)))
    assert len(await store.asearch(space)) == 1


async def a_bad_namespace_is_refused_everywhere(store: BaseStore, space: Namespace) -> None:
    for bad in (("a.b",), ("a", ""), ("a", "\x00"), (1,)):
        for call in (
            store.aget(bad, "k"),  # type: ignore[arg-type]
            store.aput(bad, "k", text("One")),  # type: ignore[arg-type]
            store.adelete(bad, "k"),  # type: ignore[arg-type]
            store.asearch(bad),  # type: ignore[arg-type]
            store.alist_namespaces(prefix=bad),  # type: ignore[arg-type]
            store.alist_namespaces(suffix=bad),  # type: ignore[arg-type]
            store.abatch([GetOp(bad, "k")]),  # type: ignore[arg-type]
        ):
            with pytest.raises(InvalidNamespaceError):
                await call
    for reserved in ((), ("langgraph", "x")):
        with pytest.raises(InvalidNamespaceError):
            await store.aput(reserved, "k", text("One"))


async def synchronous_calls_work_on_other_threads_only(store: BaseStore, space: Namespace) -> None:
    await asyncio.to_thread(store.put, space, "k", text("One"))
    assert (await asyncio.to_thread(store.search, space))[0] == (await store.asearch(space))[0]
    assert await asyncio.to_thread(store.get, space, "k") == await store.aget(space, "k")
    assert await asyncio.to_thread(store.list_namespaces, prefix=space) == [space]
    for call in (
        lambda: store.get(space, "k"),
        lambda: store.search(space),
        lambda: store.put(space, "k", text("Two")),
        lambda: store.delete(space, "k"),
        lambda: store.list_namespaces(),
        lambda: store.batch([GetOp(space, "k")]),
    ):
        with pytest.raises(asyncio.InvalidStateError):
            call()
    await asyncio.to_thread(store.delete, space, "k")
    assert await store.asearch(space) == []


async def a_time_to_live_ends(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "short", text("One"), ttl=0.0005)
    await store.aput(space, "long", text("Two"), ttl=60)
    await until_gone(store, space, "short")
    assert await texts(store, space, refresh_ttl=False) == ["Two"]


async def a_read_may_begin_the_time_to_live_anew(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"), ttl=60)
    assert await store.aget(space, "k", refresh_ttl=True)
    assert await texts(store, space, refresh_ttl=True) == ["One"]


async def a_put_without_a_time_to_live_ends_it(store: BaseStore, space: Namespace) -> None:
    for key in ("k", "l"):
        await store.aput(space, key, text("One"), ttl=0.01)
    await store.aput(space, "k", text("Two"))
    await until_gone(store, space, "l")
    assert await store.aget(space, "k")


async def a_put_may_be_left_out_of_the_index(store: BaseStore, space: Namespace) -> None:
    await store.aput(space, "k", text("One"), index=False)
    assert (await got(store, space, "k")).value["text"] == "One"


PROMISES: list[Promise] = [
    a_put_is_read_under_its_namespace_and_key,
    a_key_becomes_a_string,
    another_put_replaces_the_value_and_keeps_the_first_date,
    the_same_value_again_is_an_update,
    a_deleted_item_is_gone_and_begins_anew,
    any_json_object_is_a_value,
    a_put_replaces_the_whole_value,
    items_under_other_keys_stay_as_they_are,
    a_search_pages_without_gaps_the_latest_first,
    a_search_of_a_prefix_finds_what_is_below,
    a_search_of_everything_finds_it_as_well,
    every_namespace_below_another_takes_items,
    a_filter_compares_fields,
    an_empty_query_finds_everything_without_a_score,
    namespaces_are_listed_by_prefix_suffix_wildcard_and_depth,
    a_namespace_without_items_is_not_listed,
    a_batch_answers_in_order_and_reads_none_of_its_own_writes,
    of_two_puts_in_a_batch_the_last_one_counts,
    concurrent_puts_leave_one_item,
    a_bad_namespace_is_refused_everywhere,
    synchronous_calls_work_on_other_threads_only,
    a_time_to_live_ends,
    a_read_may_begin_the_time_to_live_anew,
    a_put_without_a_time_to_live_ends_it,
    a_put_may_be_left_out_of_the_index,
]

DIFFERENCES: dict[Promise, str] = {
    any_json_object_is_a_value: "A value has fields of a fact, and needs `text`. `content` is read back as `text`.",
    a_put_replaces_the_whole_value: "What a put leaves out stays as it was; `null` stands for the default.",
    the_same_value_again_is_an_update: "Putting the same again changes nothing, not even `updated_at`.",
    items_under_other_keys_stay_as_they_are: "A put into a slot of one value also supersedes another key's fact.",
    every_namespace_below_another_takes_items: "Below `facts` only `facts_namespace(user_id)` holds anything.",
    a_batch_answers_in_order_and_reads_none_of_its_own_writes: "In a batch, a read sees what was put before it.",
    a_read_may_begin_the_time_to_live_anew: "No read makes a fact live longer: `refresh_ttl=True` is refused.",
    a_put_without_a_time_to_live_ends_it: "A put without `ttl` keeps the earlier end, unless `valid_until` is `null`.",
    a_put_may_be_left_out_of_the_index: "A fact is always indexed, by its text: `index` is refused.",
}  # fmt: skip
"""The promises that facts do not keep, and what they do instead, in the words of docs/python-api.md."""


@pytest.mark.parametrize("kind", ["LangGraph's own store", "ordinary items", "facts"])
async def test_a_store_keeps_the_promises_of_langgraphs_stores(store: FactStore, user: str, kind: str) -> None:
    tested = store._items if kind == "LangGraph's own store" else store
    broken: dict[str, BaseException] = {}
    for number, promise in enumerate(PROMISES):
        owner = f"{user}-{kind[:1]}{number}"
        try:
            await promise(tested, facts_namespace(owner) if kind == "facts" else ("items", owner))
        except (AssertionError, BadInput) as error:
            broken[promise.__name__] = error
    assert set(broken) == ({promise.__name__ for promise in DIFFERENCES} if kind == "facts" else set()), broken
