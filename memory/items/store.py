"""FactStore: memory as a LangGraph store, so that `runtime.store`, Studio and the server's API see the facts. In the
namespace `facts_namespace(user_id)` an item is a fact: a put adds or supersedes it, a delete retracts, a search ranks
as recall does. All other namespaces hold ordinary items, kept by LangGraph's own PostgresStore."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from copy import copy
from functools import partial, wraps
from itertools import chain, groupby
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)
from langgraph.store.memory import InMemoryStore

from memory.errors import MAX_COUNT, BadInput, expect, expect_count, quoted
from memory.facts.changes import Changes
from memory.facts.fact import MAX_KEY, Fact, check_text, key_forms, utc_now
from memory.index.queue import IndexQueue
from memory.index.registry import OpenIndex
from memory.items.batches import Batches
from memory.items.item import FACTS, all_fields, fact_from_value, fact_value, facts_namespace, matches, namespace_user
from memory.learn import writes
from memory.ledger.ledger import Ledger
from memory.parts import Parts
from memory.recall.cache import yield_to_loop
from memory.recall.search import RecallOptions

ITEMS = "items"
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class BadNamespace(BadInput, InvalidNamespaceError):
    """A namespace that no LangGraph store accepts."""


def checked(method: Callable[Arguments, Awaitable[Answer]]) -> Callable[Arguments, Coroutine[Any, Any, Answer]]:
    """A method of BaseStore, with the namespaces among its arguments checked. It raises BadInput or Unavailable."""
    signature = inspect.signature(method)

    @wraps(method)
    async def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        given = signature.bind(*args, **kwargs).arguments
        for name in {"namespace", "namespace_prefix", "prefix", "suffix"} & given.keys():
            optional = signature.parameters[name].default is None
            expect(tuple | list | None if optional else tuple | list, **{name: given[name]})
            if given.get("refresh_ttl") and namespace_user(given[name]) is not None:
                raise BadInput("A fact's time to live does not begin anew when it is read: leave `refresh_ttl` out.")
        try:
            return await method(*args, **kwargs)
        except BadInput:
            raise
        except InvalidNamespaceError as error:
            raise BadNamespace(str(error)) from error

    return call


def from_threads(
    method: "Callable[Concatenate[FactStore, Arguments], Coroutine[Any, Any, Answer]]",
) -> "Callable[Concatenate[FactStore, Arguments], Answer]":
    """The synchronous form of a method, for callers on other threads than the event loop's, where it would wait for
    itself."""

    def call(store: "FactStore", /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is store.loop:  # as LangGraph's own stores do
            raise asyncio.InvalidStateError(f"Called from async code: use `await store.{method.__name__}(...)`.")
        return asyncio.run_coroutine_threadsafe(method(store, *args, **kwargs), store.loop).result()

    return call


class FactStore(Parts, BaseStore):
    """Facts and ordinary items behind LangGraph's store interface. Open it with `agent.persistence.open_store`. Its
    methods raise BadInput or Unavailable; a bad namespace is LangGraph's InvalidNamespaceError, too."""

    supports_ttl = True

    def __init__(
        self,
        ledger: Ledger,
        queue: IndexQueue,
        open_index: OpenIndex,
        items: BaseStore,
        options: RecallOptions | None = None,
    ) -> None:
        """`items` keeps everything that is not a fact."""
        super().__init__(ledger, queue, open_index, options)
        self.loop, self._items = asyncio.get_running_loop(), items
        self._reads, self._writes = Batches(self._read_facts), Batches(self._write_facts)
        self._item_batches = Batches(self._item_ops)

    def beside(self, items: BaseStore) -> Self:
        """The same facts, with other ordinary items: those of a host that brings its own store."""
        both = copy(self)
        both._items, both._item_batches = items, Batches(both._item_ops)
        return both

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations in order, and return their results in that order. Consecutive ones on ordinary items run as
        one batch, whose reads see none of its writes, as in every LangGraph store."""
        expect(Iterable, ops=ops)
        results: list[Result] = []
        for user_id, group in groupby([*map(_checked, ops)], _facts_of):
            if user_id is not None:
                results += await self._fact_ops(user_id, group)
            elif len(several := [*group]) > 1 or isinstance(several[0], ListNamespacesOp):
                results += await self._item_ops(ITEMS, several)
            else:
                results.append(await self._item_batches.add(ITEMS, several[0]))
        return results

    aget = checked(BaseStore.aget)
    asearch = checked(BaseStore.asearch)
    aput = checked(BaseStore.aput)
    adelete = checked(BaseStore.adelete)
    alist_namespaces = checked(BaseStore.alist_namespaces)

    batch = from_threads(abatch)
    get = from_threads(aget)
    search = from_threads(asearch)
    put = from_threads(aput)
    delete = from_threads(adelete)
    list_namespaces = from_threads(alist_namespaces)

    async def _item_ops(self, _: str, ops: list[Op]) -> list[Result]:
        """Operations on ordinary items; what lists namespaces, or searches everybody's, finds facts as well."""
        try:
            results = await self._items.abatch([*map(_with_all_before, ops)])
        except BadInput:
            raise
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BadInput(f"LangGraph's store does not accept this: {error}") from error
        for number, op in enumerate(ops):
            if isinstance(op, ListNamespacesOp):
                facts = InMemoryStore()  # it knows what the conditions mean
                facts.batch([PutOp(facts_namespace(user_id), "", {}) for user_id in await self.ledger.users()])
                found = cast(list[list[tuple[str, ...]]], [results[number], *facts.batch([_with_all_before(op)])])
                results[number] = sorted({*chain(*found)})[op.offset : op.offset + op.limit]
            elif _finds_everybodys_facts(op):
                found_items = cast(list[SearchItem], results[number])
                results[number] = await self._search_everybody(cast(SearchOp, op), found_items)
        return results

    async def _fact_ops(self, user_id: str, ops: Iterable[Op]) -> list[Result]:
        """Operations on a user's facts; consecutive puts are written together, and consecutive gets read together."""
        results: list[Result] = []
        for _, group in groupby(ops, type):
            results += await asyncio.gather(*(self._fact_op(user_id, op) for op in group))
        return results

    async def _fact_op(self, user_id: str, op: Op) -> Result:
        now = utc_now()
        if isinstance(op, GetOp | PutOp):
            check_text("key", op.key, MAX_KEY)
        match op:
            case GetOp(key=key):
                return await self._reads.add(user_id, key)
            case PutOp(key=key, value=None):
                await self._writes.add(user_id, partial(writes.retract, key=key, now=now))
            case PutOp(key=key, value=Mapping() as value, ttl=ttl):
                if op.index is not None:
                    raise BadInput("A fact is always indexed, by its text: leave `index` out.")

                def after(before: Fact | None) -> Fact:
                    return fact_from_value(key, value, now, ttl=ttl, before=before)

                await self._writes.add(user_id, partial(writes.put, key=key, fact_after=after, now=now))
            case SearchOp():
                return await self._search(user_id, op)
        return None

    async def _read_facts(self, user_id: str, keys: list[str]) -> list[Item | None]:
        """What is under each of these keys, or else under another form of it."""
        forms = [key_forms(key) for key in keys]
        current = await self.ledger.current(user_id, utc_now(), key=[*chain(*forms)])
        first = {fact.key: fact for fact in reversed(current)}
        facts = [next((first[form] for form in of_key if form in first), None) for of_key in forms]
        items = iter(await self._items_of(user_id, [fact for fact in facts if fact]))
        return [Item(**next(items) | {"key": key}) if fact else None for key, fact in zip(keys, facts, strict=True)]

    async def _write_facts(self, user_id: str, together: list[writes.Write]) -> list[Changes]:
        async with self.ledger.transaction(user_id) as transaction:
            changes = [await write(transaction) for write in together]
        await self.update_index(user_id, [fact_id for change in changes for fact_id in change.ids])
        return changes

    async def _search(self, user_id: str, op: SearchOp) -> list[SearchItem]:
        until, scored = op.offset + op.limit, list[tuple[Fact, float | None]]()
        only = (lambda fact: matches(all_fields(fact), op.filter)) if op.filter else None
        if op.query:
            hits = await self.searcher(user_id).search(op.query, until, only=only)
            scored += [(hit.fact, hit.score) for hit in hits]
        else:
            for number, fact in enumerate(reversed(await self.ledger.current(user_id, utc_now()))):
                if only is None or only(fact):
                    scored.append((fact, None))
                await yield_to_loop(number)
        shown = scored[op.offset : until]
        items = await self._items_of(user_id, [fact for fact, _ in shown])
        return [SearchItem(**item, score=score) for item, (_, score) in zip(items, shown, strict=True)]

    async def _search_everybody(self, op: SearchOp, found: list[SearchItem]) -> list[SearchItem]:
        """The ordinary items that were `found` and the facts of all users, best or latest first. It costs a search for
        each user."""
        first = cast(SearchOp, _with_all_before(op))
        for user_id in await self.ledger.users():
            found = [*found, *await self._search(user_id, first)]
            found.sort(key=lambda item: (item.score is None, -(item.score or 0), -item.updated_at.timestamp()))
            del found[first.limit :]
        return found[op.offset :]

    async def _items_of(self, user_id: str, facts: list[Fact]) -> list[dict[str, Any]]:
        """The facts as the arguments of items."""
        put = [fact.key for fact in facts if fact.key != fact.id]  # others are the first under their key
        created = await self.ledger.first_written(user_id, put) if put else {}
        items, namespace = list[dict[str, Any]](), facts_namespace(user_id)
        for number, fact in enumerate(facts):
            written = {"created_at": created.get(fact.key, fact.recorded_at), "updated_at": fact.recorded_at}
            items.append({"namespace": namespace, "key": fact.key, "value": fact_value(fact), **written})
            await yield_to_loop(number)
        return items


def _checked(op: Op) -> Op:
    """The operation, with its namespace as a tuple. Raises BadInput."""
    match op:
        case ListNamespacesOp():
            expect(tuple | list | None, match_conditions=op.match_conditions)
            for condition in op.match_conditions or ():
                expect(MatchCondition, match_conditions=condition)
                expect(tuple | list, path=condition.path)
                if condition.match_type not in ("prefix", "suffix"):
                    raise BadInput("`match_type` must be 'prefix' or 'suffix'.")
            expect(int | None, max_depth=op.max_depth)
            expect_count(limit=op.limit, offset=op.offset)
        case SearchOp(namespace_prefix=namespace):
            expect(tuple | list, namespace_prefix=namespace)
            expect(dict | None, filter=op.filter)
            for name in op.filter or ():
                expect(str, filter=name)
            expect(str | None, query=op.query)
            expect_count(limit=op.limit, offset=op.offset)
            expect(bool, refresh_ttl=op.refresh_ttl)
            op = op._replace(namespace_prefix=tuple(namespace))
        case GetOp(namespace=namespace, key=key) | PutOp(namespace=namespace, key=key):
            expect(tuple | list, namespace=namespace)
            expect(str, key=key)
            op = op._replace(namespace=tuple(namespace))
            if isinstance(op, GetOp):
                expect(bool, refresh_ttl=op.refresh_ttl)
            else:
                expect(Mapping | None, value=op.value)
                expect(int | float | None, ttl=op.ttl)
        case _:
            raise BadInput(f"The store has no operation {type(op).__name__}.")
    try:
        validate_op_namespace(op)
    except InvalidNamespaceError as error:
        raise BadNamespace(str(error)) from error
    return op


def _with_all_before(op: Op) -> Op:
    """The operation, without its offset if facts are added to what it finds."""
    if isinstance(op, ListNamespacesOp):
        return op._replace(limit=MAX_COUNT, offset=0)  # Postgres and Python sort differently
    if isinstance(op, SearchOp) and _finds_everybodys_facts(op):
        return op._replace(limit=op.offset + op.limit, offset=0)
    return op


def _finds_everybodys_facts(op: Op) -> bool:
    return isinstance(op, SearchOp) and op.namespace_prefix in ((), (FACTS,))


def _facts_of(op: Op) -> str | None:
    """The user whose facts the operation is on, or None if it is on ordinary items. Raises BadInput."""
    if isinstance(op, ListNamespacesOp):
        return None
    namespace = op.namespace_prefix if isinstance(op, SearchOp) else op.namespace
    user_id = namespace_user(namespace)
    if isinstance(op, PutOp) and user_id is None and namespace[:1] == (FACTS,):
        raise BadInput(f"No item can be put into {quoted(str(namespace))}: facts are in ({FACTS!r}, <user>).")
    return user_id
