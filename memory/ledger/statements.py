"""Facts as rows: the statements that read and write them, each within a transaction of the ledger's."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from psycopg.rows import DictRow

from memory.facts.fact import Fact, Source, is_storable
from memory.learn import reconcile
from memory.learn.reconcile import Changes, Proposal, Retirement
from memory.ledger.postgres import Connection

COLUMNS = (
    "id", "key", "text", "subject", "attribute", "exclusive", "category", "importance", "quote",
    "thread_id", "message_id", "previous", "valid_from", "valid_until", "observed_at", "recorded_at",
    "retired_at", "retired_reason", "successor", "ended_at",
)  # fmt: skip
SELECT = (
    f"select {', '.join(COLUMNS)}, "
    "(select max(r.observed_at) from memory.reinforcements r where r.owner = facts.owner and r.fact_id = facts.id) "
    "as said_again_at from memory.facts where owner = %(owner)s"
)
INSERT = (
    f"insert into memory.facts (owner, digest, {', '.join(COLUMNS)}) "
    f"values (%(owner)s, %(digest)s, {', '.join(f'%({column})s' for column in COLUMNS)})"
)
NOTHING: Mapping[str, datetime] = MappingProxyType({})
CURRENT = """
    retired_at is null and (valid_until is null or valid_until > %(now)s)
    and not (exclusive and exists (
        select from memory.facts plan
        where plan.owner = facts.owner and plan.subject = facts.subject and plan.attribute = facts.attribute
        and plan.retired_at is null and plan.exclusive and (plan.valid_until is null or plan.valid_until > %(now)s)
        and plan.valid_from > plan.observed_at and plan.valid_from <= %(now)s
        and plan.valid_from > coalesce(facts.valid_from, facts.observed_at)
    ))
"""
"""What holds now: not retired, not over, and not overtaken by a plan whose time has come."""

EVERY_THREAD = ""

SLICE = 25
"""Rows that are read without letting others have their turn: about a millisecond's worth."""

LONGEST_ID = 255
"""Characters of a thread or message id that the ledger keeps; a longer one is replaced by its hash."""


def text_digest(text: str) -> str:
    """32 hex digits that repeats of the text share (see `reconcile.same_words`)."""
    return hashlib.sha256(" ".join(reconcile.same_words(text)).encode()).hexdigest()[:32]


def storable_id(identifier: str | None) -> str | None:
    """`identifier`, or its hash where Postgres or an index would not take it (too long, NUL, lone surrogates)."""
    if identifier is None or (len(identifier) <= LONGEST_ID and is_storable(identifier)):
        return identifier
    return hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()


async def facts_of(rows: Sequence[DictRow]) -> list[Fact]:
    """The rows as facts; the event loop is let go between slices of them."""
    facts: list[Fact] = []
    for start in range(0, len(rows), SLICE):
        facts += map(fact_of_row, rows[start : start + SLICE])
        await asyncio.sleep(0)
    return facts


async def complete_messages(connection: Connection, owner: str, sources: Sequence[Source]) -> set[Source]:
    """Note that facts were taken from these messages; those of them for which this is the first time."""
    fresh = set()
    for source in sources:
        cursor = await connection.execute(
            "insert into memory.extracted_messages values (%s, %s, %s) on conflict do nothing",
            (owner, storable_id(source.thread_id), storable_id(source.message_id)),
        )
        if cursor.rowcount:
            fresh.add(source)
    threads, messages = _ids_of(sources)
    await connection.execute(
        "delete from memory.failed_extractions where owner = %s "
        "and (thread_id, message_id) in (select * from unnest(%s::text[], %s::text[]))",
        (owner, threads, messages),
    )
    return fresh


async def note_failures(connection: Connection, owner: str, sources: Sequence[Source]) -> None:
    """Note that once more an extraction of these messages gave nothing of use."""
    threads, messages = _ids_of(sources)
    await connection.execute(
        "insert into memory.failed_extractions as f select %s, thread, message, 1 "
        "from unnest(%s::text[], %s::text[]) as failed (thread, message) "
        "on conflict (owner, thread_id, message_id) do update set failures = f.failures + 1",
        (owner, threads, messages),
    )


def _ids_of(sources: Sequence[Source]) -> tuple[list[str | None], list[str | None]]:
    return [storable_id(s.thread_id) for s in sources], [storable_id(s.message_id) for s in sources]


async def note_forgotten(connection: Connection, owner: str, thread_id: str) -> None:
    """Note that a thread, or every one, is forgotten as of now: extractions under way are not to bring it back."""
    await connection.execute(
        "insert into memory.forgotten values (%s, %s, clock_timestamp()) "
        "on conflict (owner, thread_id) do update set forgotten_at = excluded.forgotten_at",
        (owner, thread_id),
    )


async def forgotten_since(
    connection: Connection, owner: str, sources: Iterable[Source], started_at: datetime
) -> set[Source]:
    """Those of the messages whose thread was forgotten after `started_at`."""
    cursor = await connection.execute(
        "select thread_id from memory.forgotten where owner = %s and forgotten_at >= %s", (owner, started_at)
    )
    threads = {row["thread_id"] for row in await cursor.fetchall()}
    return {source for source in sources if {EVERY_THREAD, storable_id(source.thread_id)} & threads}


async def known_to_reconcile(
    connection: Connection,
    owner: str,
    proposals: Sequence[Proposal],
    ids: Sequence[str],
    keys: Sequence[str] = (),
) -> list[Fact]:
    """What `reconcile` has to see: the proposals' slots, texts, ids and relations; the facts of `ids` and `keys`.

    Of what is retired, beside the ids, that which may have overtaken a proposal: it ended after that was said.
    """
    cursor = await connection.execute(
        f"{SELECT} and (id = any(%(ids)s) or (retired_at is null and key = any(%(keys)s)) or "
        "((retired_at is null or ended_at > %(oldest)s) and (digest = any(%(digests)s) or (subject, attribute) in "
        "(select * from unnest(%(subjects)s::text[], %(attributes)s::text[])))))",
        {
            "owner": owner,
            "oldest": min((p.fact.observed_at for p in proposals), default=None),
            "ids": [
                *ids,
                *(p.fact.id for p in proposals),
                *(known for p in proposals for known in p.relations),
            ],
            "keys": list(keys),
            "digests": [text_digest(p.fact.text) for p in proposals],
            "subjects": [p.fact.subject for p in proposals],
            "attributes": [p.fact.attribute for p in proposals],
        },
    )
    return [fact_of_row(row) for row in await cursor.fetchall()]


async def known_to_merge(connection: Connection, owner: str, facts: Sequence[Fact]) -> list[Fact]:
    """What `portable.merge` has to see: those of the facts that are here, and what stands where they would."""
    held = [fact for fact in facts if fact.exclusive]
    cursor = await connection.execute(
        f"{SELECT} and (id = any(%(ids)s) or retired_at is null and (key = any(%(keys)s) or digest = any(%(digests)s) "
        "or exclusive and (subject, attribute) in "
        "(select * from unnest(%(subjects)s::text[], %(attributes)s::text[]))))",
        {
            "owner": owner,
            "ids": [fact.id for fact in facts],
            "keys": [fact.key for fact in facts],
            "digests": [text_digest(fact.text) for fact in facts],
            "subjects": [fact.subject for fact in held],
            "attributes": [fact.attribute for fact in held],
        },
    )
    return await facts_of(await cursor.fetchall())


async def write_changes(connection: Connection, owner: str, changes: Changes, now: datetime) -> Changes:
    """Write what was decided; returns it as it now stands in the ledger."""
    added = tuple(
        fact.model_copy(update={"recorded_at": now, "retired_at": now if fact.retired_reason else None})
        for fact in changes.added
    )
    # Retired first: a slot and a key have room for one current fact.
    retired = await retire_facts(connection, owner, changes.retired, now)
    await insert_facts(connection, owner, added)
    repeats = [(r.fact.id, r.source.thread_id, r.source.message_id, r.observed_at) for r in changes.reinforced]
    await insert_repeats(connection, owner, repeats)
    return Changes(added, changes.reinforced, retired)


async def retire_facts(
    connection: Connection, owner: str, retirements: Sequence[Retirement], now: datetime
) -> tuple[Retirement, ...]:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "update memory.facts set retired_at = %s, retired_reason = %s, successor = %s, ended_at = %s "
            "where owner = %s and id = %s",
            [(now, r.reason, r.successor, r.ended_at, owner, r.fact.id) for r in retirements],
        )
    return tuple(
        replace(
            r,
            fact=r.fact.model_copy(
                update={
                    "retired_at": now,
                    "retired_reason": r.reason,
                    "successor": r.successor,
                    "ended_at": r.ended_at,
                }
            ),
        )
        for r in retirements
    )


async def insert_facts(connection: Connection, owner: str, facts: Sequence[Fact]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(INSERT, [_parameters(owner, fact) for fact in facts])


async def insert_repeats(
    connection: Connection, owner: str, repeats: Sequence[tuple[str, str | None, str | None, datetime]]
) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "insert into memory.reinforcements values (%s, %s, %s, %s, %s) on conflict do nothing",
            [
                (owner, fact_id, storable_id(thread_id) or "", storable_id(message_id) or "", observed_at)
                for fact_id, thread_id, message_id, observed_at in repeats
            ],
        )


WITH_VECTORS = f"""
    select facts.*, v.vector from (
        select number, {SELECT.removeprefix("select ")} and {{condition}} order by number desc limit %(limit)s
    ) as facts
    left join memory.vectors v on (v.owner, v.embedder, v.fact_id) = (%(owner)s, %(embedder)s, facts.id)
    order by number desc
"""
NEWEST = WITH_VECTORS.format(condition="retired_at is null and number < %(before)s")
THESE = WITH_VECTORS.format(condition="id = any(%(ids)s)")
PAST = WITH_VECTORS.format(
    condition=f"""(
        retired_at is not null and (id = any(%(ids)s) or %(all)s and retired_reason in ('superseded', 'expired'))
        or retired_at is null and not ({CURRENT})
    )"""
)
OVER = f"select id from memory.facts where owner = %(owner)s and retired_at is null and not ({CURRENT})"
HELD = """
    select id, recorded_at, (
        select max(r.observed_at) from memory.reinforcements r where r.owner = f.owner and r.fact_id = f.id
    ) as said_again_at
    from memory.facts f where owner = %(owner)s and retired_at is null order by number desc limit %(limit)s
"""


def _parameters(owner: str, fact: Fact) -> dict[str, object]:
    values = fact.model_dump(exclude={"source", "said_again_at"})
    values["previous"] = list(fact.source.previous)
    values["thread_id"], values["message_id"] = (
        storable_id(fact.source.thread_id),
        storable_id(fact.source.message_id),
    )
    return {"owner": owner, "digest": text_digest(fact.text), **values}


def fact_of_row(row: Mapping[str, object]) -> Fact:
    """A fact from a row that has its COLUMNS."""
    values = dict(row)
    values["source"] = {name: values.pop(name) for name in ("thread_id", "message_id", "previous")}
    return Fact.model_validate(values)
