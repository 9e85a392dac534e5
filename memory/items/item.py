"""A fact as an item of a LangGraph store: its namespace, its value, and how a filter compares values. Pure."""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from memory.errors import BadInput, expect, quoted
from memory.facts.fact import Fact, check_user_id, owner_key
from memory.facts.slots import NOTE, attribute_name, is_exclusive
from memory.learn.verbatim import stated_fact
from memory.ledger.pool import Pool

FACTS, ITEMS = "facts", "users"  # the first label of the namespaces of users' facts, and of their ordinary items
# The fields of a fact that a put may set, and that an item shows as its value.
EDITABLE = (
    "text", "subject", "attribute", "exclusive", "category", "importance", "quote", "source", "tense", "valid_from",
    "valid_until", "observed_at",
)  # fmt: skip
KEPT = ("subject", "attribute", "category", "importance")  # what a put leaves out of these stays as it was
KEPT_WHILE_IT_HOLDS = ("tense", "valid_from", "valid_until")
KEPT_WITH_THE_TEXT = ("quote", "source", "observed_at")
ESCAPED = re.compile(r"[.%*\x00-\x1f\x7f-\x9f]")  # not allowed in a label, or with a meaning of its own, or unreadable
OPERATORS = {"$eq": eq, "$ne": ne, "$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}  # of a search's filter
Value = dict[str, Any]  # what LangGraph calls an item's value: any JSON object


def facts_namespace(user_id: str) -> tuple[str, str]:
    """The namespace of a user's facts, such as ("facts", "ü@x%2Ecom"): a label may hold no dot. Raises BadInput."""
    return FACTS, _label(user_id)


def items_namespace(user_id: str) -> tuple[str, str]:
    """The namespace of a user's ordinary items, in which, and below which, a server lets the user read and write."""
    return ITEMS, _label(user_id)


def _label(user_id: str) -> str:
    return ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", check_user_id(user_id))


def _unescaped(label: str) -> str:
    return re.sub("%([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), label)


def namespace_user(namespace: Sequence[str]) -> str | None:
    """The user whose facts a namespace holds, or None if it holds ordinary items. Raises BadInput."""
    if len(namespace) != 2 or namespace[0] != FACTS:
        return None
    user_id = _unescaped(namespace[1])
    if facts_namespace(user_id) != tuple(namespace):  # two labels for one user would slip past a check of the label
        raise BadInput(f"The label {quoted(namespace[1])} is no user's: write it as facts_namespace(user_id) does.")
    return user_id


async def delete_items(pool: Pool, user_id: str) -> int:
    """Delete the user's ordinary items: those of `items_namespace`, and of all other namespaces that have the user's id
    as a label, and no other known user's id. Returns how many."""
    label = _label(user_id)
    named = "select distinct prefix from store where %s = any(string_to_array(prefix, '.'))"
    known = "select owner from memory.users where owner = any(%s)"
    async with pool.connection() as connection:
        spaces = [row["prefix"].split(".") async for row in await connection.execute(named, (label,))]
        owners = {other: owner_key(_unescaped(other)) for space in spaces for other in space if other != label}
        of_others = {row["owner"] async for row in await connection.execute(known, ([*owners.values()],))}
        others = {other for other, owner in owners.items() if owner in of_others}
        own = [space for space in spaces if (space[1:2] == [label] if space[0] == ITEMS else others.isdisjoint(space))]
        prefixes = [*map(".".join, own)]
        return (await connection.execute("delete from store where prefix = any(%s)", (prefixes,))).rowcount


def fact_value(fact: Fact) -> Value:
    """What an item shows: the sentence, and those other fields that are not as in any fact."""
    return fact.model_dump(mode="json", include=set(EDITABLE), exclude_defaults=True)


def all_fields(fact: Fact) -> Value:
    """What a filter compares."""
    return fact.model_dump(mode="json", include=set(EDITABLE))


def fact_from_value(
    key: str, value: Mapping[str, Any], now: datetime, *, ttl: float | None = None, before: Fact | None = None
) -> Fact:
    """A fact from the value that was put under `key`: `text`, or `content` as LangGraph's examples write it, and any
    other EDITABLE fields. What it leaves out is as in `before`, the fact it replaces; null stands for the default.
    `ttl` is in minutes, as everywhere in LangGraph. Raises BadInput."""
    given = {("text" if name == "content" else name): part for name, part in value.items()}
    try:
        if unknown := [str(name) for name in given if name not in EDITABLE]:
            raise BadInput(f"{', '.join(map(quoted, unknown))} unknown here. A fact has {', '.join(EDITABLE)}.")
        if len(given) < len(value):
            raise BadInput("Give `text` or `content`, not both.")
        if "content" in value:
            expect(str, content=value["content"])
        if ttl is not None:
            given["valid_until"] = now + timedelta(minutes=ttl)
        values = {name: part for name, part in (_kept(before, given, now) | given).items() if part is not None}
        attribute = values.get("attribute", NOTE)
        exclusive = values.get("exclusive", False)
        if isinstance(attribute, str) and isinstance(exclusive, bool):
            values["exclusive"] = is_exclusive(attribute_name(attribute), exclusive)
        return stated_fact(key, {"id": uuid.uuid4().hex, **values}, now)
    except (ValueError, OverflowError) as error:
        problem = error if isinstance(error, BadInput) else "It holds a time that is out of range."
        raise BadInput(f"The value under {quoted(key)} cannot be kept: {problem}") from error


def _kept(before: Fact | None, given: Mapping[str, object], now: datetime) -> dict[str, object]:
    """The fields that stay as they were, as far as they are not given."""
    if before is None:
        return {}
    same_slot, same_text = "attribute" not in given, given.get("text") == before.text
    over = before.valid_until is not None and before.valid_until <= now
    names = [*KEPT, *(KEPT_WITH_THE_TEXT if same_text else ()), *(() if over else KEPT_WHILE_IT_HOLDS)]
    return {name: getattr(before, name) for name in (*names, *(["exclusive"] if same_slot else []))}


def matches(value: Any, wanted: Any) -> bool:
    """Whether a JSON value meets a store filter. By hand: LangGraph's own function compares numbers only."""
    if not isinstance(wanted, Mapping):
        return bool(value == wanted)
    if any(str(name).startswith("$") for name in wanted):
        return all(_compare(value, operator, operand) for operator, operand in wanted.items())
    return isinstance(value, Mapping) and all(matches(value.get(name), part) for name, part in wanted.items())


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator not in OPERATORS:
        raise BadInput(f"Unknown filter operator {operator!r}: use {', '.join(OPERATORS)}.")
    try:
        return bool(OPERATORS[operator](value, operand))
    except TypeError:  # a string is neither more nor less than a number
        return False
