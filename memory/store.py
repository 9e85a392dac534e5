"""FactStore: memory as a LangGraph store, so that `runtime.store`, Studio and the server's API see the facts. In the
namespace `facts_namespace(user_id)` an item is a fact: a put adds or supersedes it, a delete retracts, a search ranks
as recall does. All other namespaces hold ordinary items, kept by LangGraph's own PostgresStore."""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, groupby
from operator import eq, ge, gt, le, lt, ne
from typing import Any, cast
from urllib.parse import quote, unquote

from langgraph.store.base import BaseStore, GetOp, Item, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp
from langgraph.store.memory import InMemoryStore

from memory.errors import BadInput, quoted
from memory.facts.fact import MAX_KEY, Fact, check_text, utc_now
from memory.facts.slots import NOTE, attribute_name, is_exclusive
from memory.index.queue import IndexQueue
from memory.index.registry import OpenIndex
from memory.learn import writes
from memory.learn.verbatim import stated_fact
from memory.ledger.ledger import Ledger
from memory.parts import Parts
from memory.recall.cache import yield_to_loop
from memory.recall.search import RecallOptions

FACTS = "facts"
# The fields of a fact that a put may set, and that an item shows as its value.
EDITABLE = (
    "text", "subject", "attribute", "exclusive", "category", "importance", "quote", "source", "tense", "valid_from",
    "valid_until", "observed_at",
)  # fmt: skip
OPERATORS = {"$eq": eq, "$ne": ne, "$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}  # of a search's filter
Value = dict[str, Any]  # what LangGraph calls an item's value: any JSON object


def facts_namespace(user_id: str) -> tuple[str, str]:
    """The namespace of a user's facts. The id is percent-encoded, since a label may hold no dot."""
    return FACTS, quote(user_id, safe="").replace(".", "%2E")


def namespace_user(namespace: Sequence[str]) -> str | None:
    """The user whose facts a namespace holds, or None if it holds ordinary items."""
    if len(namespace) != 2 or namespace[0] != FACTS:
        return None
    user_id = unquote(namespace[1])
    if facts_namespace(user_id) != tuple(namespace):  # two labels for one user would slip past a check of the label
        raise BadInput(f"The label {namespace[1]!r} is no user's: write it as facts_namespace(user_id) does.")
    return user_id


class FactStore(Parts, BaseStore):
    """Facts and ordinary items behind LangGraph's store interface. Open it with `agent.persistence.open_store`."""

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
        self._items, self._loop = items, asyncio.get_running_loop()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """For synchronous callers on other threads; on the event loop itself it would be a deadlock."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            raise RuntimeError("Called from async code: use the store's async methods (aget, aput, asearch, adelete).")
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations in order, and return their results in that order. Consecutive ones on ordinary items run as
        one batch, whose reads see none of its writes, as in every LangGraph store."""
        results: list[Result] = []
        for user_id, group in groupby(ops, _facts_of):
            if user_id is None:
                results += await self._item_ops([*group])
            else:
                results += [await self._fact_op(user_id, op) for op in group]
        return results

    async def _item_ops(self, ops: list[Op]) -> list[Result]:
        """Operations on ordinary items; namespaces are listed with those of facts."""
        results = await self._items.abatch([*map(_from_the_first, ops)])
        for number, op in enumerate(ops):
            if isinstance(op, ListNamespacesOp):
                facts = InMemoryStore()  # it knows what the conditions mean
                facts.batch([PutOp(facts_namespace(user_id), "", {}) for user_id in await self.ledger.users()])
                found = cast(list[list[tuple[str, ...]]], [results[number], *facts.batch([_from_the_first(op)])])
                results[number] = sorted({*chain(*found)})[op.offset : op.offset + op.limit]
        return results

    async def _fact_op(self, user_id: str, op: Op) -> Result:
        now = utc_now()
        match op:
            case GetOp(key=key):
                facts = await self.ledger.current(user_id, now, key=[key])
                return Item(**_item(op.namespace, facts[0])) if facts else None
            case PutOp(key=key, value=None):
                await writes.retract(self.ledger, user_id, key, now)
            case PutOp(key=key, value=value):
                await writes.put(self.ledger, user_id, fact_from_value(key, cast(Value, value), now, ttl=op.ttl), now)
            case SearchOp():
                return await self._search(user_id, op)
        await self.update_index(user_id)
        return None

    async def _search(self, user_id: str, op: SearchOp) -> list[SearchItem]:
        until, scored = op.offset + op.limit, list[tuple[Fact, float | None]]()
        only = (lambda fact: matches(fact_value(fact), op.filter)) if op.filter else None
        if op.query:
            hits = await self.searcher(user_id).search(op.query, until, only=only)
            scored += [(hit.fact, hit.score) for hit in hits]
        else:
            for number, fact in enumerate(reversed(await self.ledger.current(user_id, utc_now()))):
                if only is None or only(fact):
                    scored.append((fact, None))
                await yield_to_loop(number)
        items: list[SearchItem] = []
        for number, (fact, score) in enumerate(scored[op.offset : until]):
            items.append(SearchItem(**_item(op.namespace_prefix, fact), score=score))
            await yield_to_loop(number)
        return items


def _from_the_first(op: Op) -> Op:
    """The operation, without its offset if it lists namespaces."""
    return op._replace(limit=op.offset + op.limit, offset=0) if isinstance(op, ListNamespacesOp) else op


def _facts_of(op: Op) -> str | None:
    """The user whose facts the operation is on, or None if it is on ordinary items. Raises BadInput."""
    if isinstance(op, ListNamespacesOp):
        return None
    namespace = op.namespace_prefix if isinstance(op, SearchOp) else op.namespace
    user_id = namespace_user(namespace)
    if isinstance(op, PutOp) and user_id is None and namespace[:1] == (FACTS,):
        raise BadInput(f"No item can be put into {namespace!r}: facts are kept in ({FACTS!r}, <user>) itself.")
    return user_id


def fact_from_value(key: str, value: Value, now: datetime, *, ttl: float | None = None) -> Fact:
    """A fact from the value that was put under `key`: `text`, or `content` as LangGraph's examples write it, and any
    other EDITABLE fields. `ttl` is in minutes, as everywhere in LangGraph. Raises BadInput."""
    taken = {name: value[name] for name in EDITABLE if value.get(name) is not None}
    attribute = attribute_name(str(taken.get("attribute", NOTE)))
    taken |= {"attribute": attribute, "exclusive": is_exclusive(attribute, bool(taken.get("exclusive")))}
    try:
        if ttl is not None:
            taken["valid_until"] = now + timedelta(minutes=ttl)
        values = {"id": uuid.uuid4().hex, "text": value.get("content"), **taken}
        return stated_fact(check_text("key", key, MAX_KEY), values, now)
    except (BadInput, OverflowError) as error:
        problem = error if isinstance(error, BadInput) else "It holds a time that is out of range."
        raise BadInput(f"The value under {quoted(key)} cannot be kept: {problem}") from error


def _item(namespace: tuple[str, ...], fact: Fact) -> dict[str, Any]:
    written = dict.fromkeys(("created_at", "updated_at"), fact.recorded_at)
    return {"namespace": namespace, "key": fact.key, "value": fact_value(fact), **written}


def fact_value(fact: Fact) -> Value:
    return fact.model_dump(mode="json", include=set(EDITABLE))


def matches(value: Any, wanted: Any) -> bool:
    """Whether a JSON value meets a store filter. By hand: LangGraph's own function compares numbers only."""
    if not isinstance(wanted, Mapping):
        return bool(value == wanted)
    if any(name.startswith("$") for name in wanted):
        return all(_compare(value, operator, operand) for operator, operand in wanted.items())
    return isinstance(value, Mapping) and all(matches(value.get(name), part) for name, part in wanted.items())


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator not in OPERATORS:
        raise BadInput(f"Unknown filter operator {operator!r}: use {', '.join(OPERATORS)}.")
    try:
        return bool(OPERATORS[operator](value, operand))
    except TypeError:  # a string is neither more nor less than a number
        return False
