"""UserMemory and the store raise BadInput or Unavailable, whatever they are given and whatever Postgres does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp

from memory.errors import BadInput, Unavailable
from memory.extraction.utterances import SAID_AT
from memory.items.item import EDITABLE, facts_namespace
from memory.items.store import FactStore
from memory.learn.verbatim import Memory
from memory.threads.saver import ThreadSaver
from memory.user_memory import UserMemory
from tests.memories import remembering, store_of_its_own
from tests.openai_server import ScriptedOpenAI, Text

FACTS, ITEMS = facts_namespace("hostile"), ("items", "hostile")
EARLY = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
LATE = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))
HOSTILE: list[Any] = [
    None, True, -1, 2**70, 1.5, float("nan"), "", "\x00", "\ud800", "x" * 10_000_000, "a.b", b"x", [], ["a"], {},
    {"a": 1}, {1: 2}, {"$x": 1}, ("a", "b"), {1}, object(), EARLY, LATE, datetime(1, 1, 1),  # noqa: DTZ001
]  # fmt: skip

Call = Callable[[FactStore, UserMemory, Any], Awaitable[object]]


def message(**fields: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": "I like tea"} | fields]


def put_of(name: str) -> Call:
    return lambda store, _, value: store.aput(FACTS, "k", {"text": "x", name: value})


CALLS: dict[str, Call] = {
    **{f"put {name}": put_of(name) for name in EDITABLE},
    "put content": lambda s, _, v: s.aput(FACTS, "k", {"content": v}),
    "get key": lambda s, _, v: s.aget(FACTS, v),
    "get refresh": lambda s, _, v: s.aget(FACTS, "k", refresh_ttl=v),
    "put key": lambda s, _, v: s.aput(FACTS, v, {"text": "x"}),
    "put value": lambda s, _, v: s.aput(FACTS, "k", v),
    "put index": lambda s, _, v: s.aput(FACTS, "k", {"text": "x"}, index=v),
    "put ttl": lambda s, _, v: s.aput(FACTS, "k", {"text": "x"}, ttl=v),
    "delete key": lambda s, _, v: s.adelete(FACTS, v),
    "search query": lambda s, _, v: s.asearch(FACTS, query=v),
    "search filter": lambda s, _, v: s.asearch(FACTS, filter=v),
    "search field": lambda s, _, v: s.asearch(FACTS, filter={"text": v}),
    "search limit": lambda s, _, v: s.asearch(FACTS, limit=v),
    "search offset": lambda s, _, v: s.asearch(FACTS, offset=v),
    "get item": lambda s, _, v: s.aget(ITEMS, v),
    "get item refresh": lambda s, _, v: s.aget(ITEMS, "k", refresh_ttl=v),
    "put item": lambda s, _, v: s.aput(ITEMS, v, {"a": 1}),
    "put item value": lambda s, _, v: s.aput(ITEMS, "k", v),
    "put item field": lambda s, _, v: s.aput(ITEMS, "k", {"a": [v]}),
    "put item ttl": lambda s, _, v: s.aput(ITEMS, "k", {"a": 1}, ttl=v),
    "delete item": lambda s, _, v: s.adelete(ITEMS, v),
    "search items": lambda s, _, v: s.asearch(ITEMS, filter={"a": v}, query=v),
    "search items limit": lambda s, _, v: s.asearch(ITEMS, limit=v),
    "get namespace": lambda s, _, v: s.aget(v, "k"),
    "get user": lambda s, _, v: s.aget(("facts", v), "k"),
    "get label": lambda s, _, v: s.aget(("items", v), "k"),
    "put namespace": lambda s, _, v: s.aput(v, "k", {"text": "x"}),
    "put label": lambda s, _, v: s.aput(("items", v), "k", {"text": "x"}),
    "delete namespace": lambda s, _, v: s.adelete(v, "k"),
    "search namespace": lambda s, _, v: s.asearch(v),
    "list prefix": lambda s, _, v: s.alist_namespaces(prefix=v),
    "list suffix": lambda s, _, v: s.alist_namespaces(suffix=(v,)),
    "list depth": lambda s, _, v: s.alist_namespaces(max_depth=v),
    "list limit": lambda s, _, v: s.alist_namespaces(limit=v, offset=v),
    "batch": lambda s, _, v: s.abatch(v),
    "batch operation": lambda s, _, v: s.abatch([v]),
    "batch get": lambda s, _, v: s.abatch([GetOp(v, v, v)]),
    "batch put": lambda s, _, v: s.abatch([PutOp(v, v, v, v, v)]),
    "batch search": lambda s, _, v: s.abatch([SearchOp(FACTS, v, 5, 0, v, v)]),
    "batch list": lambda s, _, v: s.abatch([ListNamespacesOp(v)]),
    "batch condition": lambda s, _, v: s.abatch([ListNamespacesOp((MatchCondition(v, v),))]),
    "synchronous put": lambda s, _, v: asyncio.to_thread(s.put, ("items", v), "k", v),
    "user": lambda s, _, v: UserMemory(s, v).current(),
    "recall": lambda _, m, v: m.recall(v),
    "recall limit": lambda _, m, v: m.recall("tea", v),
    "search": lambda _, m, v: m.search(v),
    "search count": lambda _, m, v: m.search("tea", v),
    "context": lambda _, m, v: m.context(v),
    "context budget": lambda _, m, v: m.context("tea", v),
    "context zone": lambda _, m, v: m.context("tea", zone=v),
    "history": lambda _, m, v: m.history(v),
    "history of a slot": lambda _, m, v: m.history((v, v)),
    "as of": lambda _, m, v: m.as_of(v),
    "observe": lambda _, m, v: m.observe(v),
    "observe message": lambda _, m, v: m.observe([v]),
    "observe content": lambda _, m, v: m.observe(message(content=v)),
    "observe role": lambda _, m, v: m.observe(message(role=v)),
    "observe id": lambda _, m, v: m.observe(message(id=v)),
    "observe said at": lambda _, m, v: m.observe(message(additional_kwargs={SAID_AT: v})),
    "observe at": lambda _, m, v: m.observe("I like tea", at=v),
    "observe zone": lambda _, m, v: m.observe("I like tea", zone=v),
    "observe thread": lambda _, m, v: m.observe("I like tea", thread_id=v),
    "remember": lambda _, m, v: m.remember(v),
    "remember at": lambda _, m, v: m.remember("x", at=v),
    "remember subject": lambda _, m, v: m.remember("x", subject=v),
    "remember source": lambda _, m, v: m.remember("x", source=v),
    "remember all": lambda _, m, v: m.remember_all(v),
    "remember each": lambda _, m, v: m.remember_all([v]),
    "remember Memory": lambda _, m, v: m.remember_all([Memory(v, v, v, v)]),
    "import": lambda _, m, v: m.import_(v),
    "import line": lambda _, m, v: m.import_([v]),
    "forget fact": lambda _, m, v: m.forget(fact=v),
    "forget category": lambda _, m, v: m.forget(category=v),
    "forget thread": lambda _, m, v: m.forget(thread=v),
}  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(EDITABLE), parts),
    max_leaves=5,
)


@pytest.fixture
def memory(store: FactStore, user: str, openai: ScriptedOpenAI) -> UserMemory:
    openai.defaults["extraction"] = Text('{"facts": [], "retracted": []}')
    return remembering(store, user)


async def test_hostile_arguments_are_taken_or_refused(store: FactStore, memory: UserMemory) -> None:
    async def attempt(name: str, call: Call, value: object) -> None:
        try:
            with suppress(BadInput):
                await call(store, memory, value)
        except Exception as error:
            raise AssertionError(f"{name}, {value!a:.60}: {error!r:.300}") from error

    for name, call in CALLS.items():
        await asyncio.gather(*(attempt(name, call, value) for value in HOSTILE))


@given(name=st.sampled_from(sorted(CALLS)), value=JSON)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_json_is_taken_or_refused(store: FactStore, memory: UserMemory, name: str, value: Any) -> None:
    with suppress(BadInput):
        await CALLS[name](store, memory, value)


async def lists_all(memory: UserMemory) -> list[str]:
    return [line async for line in memory.export()]


async def test_a_lost_connection_makes_every_method_unavailable(store: FactStore, user: str) -> None:
    memory, space, url = UserMemory(store, user), facts_namespace(user), str(store.pool.conninfo)
    await store.aput(space, "k", {"text": "Likes tea"})
    tables = "memory.facts, memory.users, memory.failed_extractions, memory.reinforcements, store, checkpoints"
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"
    connect = psycopg.AsyncConnection.connect
    async with await connect(url) as holder, await connect(url, autocommit=True) as killer:
        await holder.execute(f"lock table {tables} in access exclusive mode".encode())
        calls: list[Awaitable[object]] = [
            memory.current(), memory.all(), memory.recall("tea"), memory.search("tea", past=True), memory.profile(),
            memory.history("x"), memory.as_of(datetime.now(UTC)), memory.remember("Likes milk"), memory.given_up(),
            lists_all(memory), memory.forget(thread="x"), memory.forget_everything(), store.aget(space, "k"),
            store.aput(space, "k", {"text": "Likes milk"}), store.adelete(space, "k"),
            store.asearch(space, query="tea"), store.alist_namespaces(), store.aget(ITEMS, "k"),
            store.aput(ITEMS, "k", {}), store.asearch(ITEMS),
        ]  # fmt: skip
        running = asyncio.gather(*calls, return_exceptions=True)
        while not running.done():  # each call waits for a table, and some of them again without vectors
            await killer.execute(kill)
            await asyncio.wait([running], timeout=0.05)
    assert [result for result in running.result() if not isinstance(result, Unavailable)] == []
    assert [fact.text for fact in await memory.current()] == ["Likes tea"]


@pytest.mark.parametrize(
    ("state", "says"), [("disk_full", "disk is full"), ("read_only_sql_transaction", "is read-only")]
)
async def test_what_postgres_refuses_to_write_is_unavailable(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, user: str, state: str, says: str
) -> None:
    async with store_of_its_own(monkeypatch, f"refuses_{state}") as store:
        async with store.pool.connection() as connection:
            raising = f"begin raise exception using errcode = '{state}'; end"
            function = f"create function refuse() returns trigger language plpgsql as $${raising}$$"
            await connection.execute(function)
            for table in ("memory.facts", "store"):
                await connection.execute(f"create trigger refused before insert on {table} execute function refuse()")
        for call in (
            store.aput(facts_namespace(user), "k", {"text": "Likes tea"}),
            store.aput(ITEMS, "k", {}),
            UserMemory(store, user).remember("Likes tea"),
        ):
            with pytest.raises(Unavailable, match=says):
                await call
        assert await UserMemory(store, user).current() == []


async def test_a_moment_that_no_time_zone_has_is_refused_by_its_text(memory: UserMemory) -> None:
    for moment in (EARLY, LATE):
        for call in (memory.observe("I like tea", at=moment), memory.as_of(moment)):
            with pytest.raises(BadInput, match=moment.isoformat()[:10]):
                await call


def test_a_saver_from_a_connection_string_says_what_to_use() -> None:
    with pytest.raises(BadInput, match="open_checkpointer"):
        ThreadSaver.from_conn_string("postgresql://localhost")
