"""The ledger: every fact of every user and its history, in Postgres. A trigger queues each write for the index."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from struct import iter_unpack
from typing import NamedTuple

from psycopg.rows import DictRow

from memory.facts.changes import Held, MemoryVersion
from memory.facts.fact import Fact, Repeat, Source, check_user_id, in_utc, owner_key
from memory.facts.timeline import current_at
from memory.ledger.cipher import KEY_ID, OVERHEAD
from memory.ledger.keyed_locks import KeyedLocks
from memory.ledger.locks import busy_message, locked_transaction
from memory.ledger.pool import Pool
from memory.ledger.rows import (
    HELD,
    REPEATS,
    SAID_AGAIN_AT,
    SELECT,
    facts_of,
    forgotten_thread,
    held_of_row,
    repeats_of,
    stored_id,
    vector_of_row,
)
from memory.ledger.transaction import Transaction

MAX_PAST = 2_000  # past facts to look at, the newest first, when the index has not narrowed them down
STEMS_PER_SLICE = 500  # facts whose stems are decrypted before other tasks get a turn: less than a millisecond's worth
VECTORS_PAGE = 100  # facts with vectors to read at a time, since psycopg blocks the event loop while it parses a result

# Facts of a slot that something is planned for; `current_at` decides which of them is current.
IN_PLANNED_SLOT = """exclusive and (subject, attribute) in (
    select subject, attribute from memory.facts
    where owner = %(owner)s and retired_at is null and exclusive and (tense = 'planned' or valid_from > observed_at))"""
WITH_VECTORS = f"""select facts.*, v.vector, v.key_id as vector_key from (
        select number, {SELECT.removeprefix("select ")} and number < %(before)s and ({{condition}})
        order by number desc limit %(page)s
    ) as facts left join memory.vectors v on (v.owner, v.embedder, v.fact_id) = (%(owner)s, %(embedder)s, facts.id)
    order by number desc"""

WithVectors = tuple[list[Fact], dict[str, bytes]]  # facts; and fact id -> stored vector, for those that have one


class Revision(NamedTuple):
    """What differs between two states of an unretired fact."""

    recorded_at: datetime  # changes when the fact was erased and learned anew
    said_again_at: datetime | None


class Failures(NamedTuple):
    """The useless answers of a model about a message that waits to be extracted."""

    useless: int = 0  # until the model has worked for another message, they count once
    last_at: datetime | None = None
    works_since: bool = False  # whether the model has given a usable answer about another message of the user since


class GivenUp(NamedTuple):
    """A message that no facts could be taken from. Its ids are those of the ledger (see `stored_id`)."""

    thread_id: str
    message_id: str
    given_up_at: datetime
    failures: int
    cause: str  # the class of the last error


class Stems(NamedTuple):
    """The stems of a user's unretired facts about one subject: each field has all facts, in the same order."""

    subject: str
    ids: bytes  # each ended by a NUL
    threads: bytes  # a number for each fact's thread, or for the fact if it has none: 8 bytes, big-endian
    lengths: bytes  # how many stems each fact has: 4 bytes, big-endian
    hashes: bytes  # as `memory.language.text.hashes` makes them


class Ledger:
    """Facts in Postgres. All methods but `users` and `versions_where_forgotten` are about one user, and touch no other
    user's rows."""

    def __init__(self, pool: Pool, *, lock_timeout: float = 10) -> None:
        self.pool, self._cipher = pool, pool.cipher
        self._timeout = lock_timeout
        self._locks = KeyedLocks()

    @asynccontextmanager
    async def transaction(self, user_id: str) -> AsyncIterator[Transaction]:
        """A transaction that holds the user's lock, or raises Unavailable."""
        owner = owner_key(check_user_id(user_id))
        async with (
            self._locks.hold(owner, timeout=self._timeout, busy=busy_message(self._timeout)),
            locked_transaction(self.pool, "user", owner, timeout=self._timeout) as connection,
        ):
            insert = "insert into memory.users (owner, user_id) values (%s, %s) on conflict do nothing"
            await connection.execute(insert, (owner, user_id))
            yield Transaction(connection, owner, self._cipher)

    async def version(self, user_id: str) -> MemoryVersion:
        untold = "select count(*) from memory.untold_limits where owner = %(owner)s"
        query = f"select version as number, ({untold}) as untold from memory.users where owner = %(owner)s"
        rows = await self._rows(query, user_id)
        return MemoryVersion(**rows[0]) if rows else MemoryVersion()

    async def all(self, user_id: str) -> list[Fact]:
        """Every fact there ever was, oldest first."""
        return await self._facts(user_id, "true")

    async def current(self, user_id: str, now: datetime, **wanted: list[str]) -> list[Fact]:
        """The facts that are current at `now`, oldest first; with `category=["work"]` or another column, of these."""
        condition = " or ".join(f"{column} = any(%({column})s)" for column in wanted) or "true"
        facts = await self._facts(user_id, f"retired_at is null and ({condition})", **wanted)
        rivals = await self.in_planned_slots(user_id) if wanted and any(fact.exclusive for fact in facts) else []
        candidates = {fact.id: fact for fact in (*facts, *rivals)}
        current = {fact.id for fact in current_at(candidates.values(), now)}
        return [fact for fact in facts if fact.id in current]

    async def first_written(self, user_id: str, keys: Sequence[str]) -> dict[str, datetime]:
        """Key -> when a fact was first written under it, since one that had it was last retracted."""
        query = """select key, min(recorded_at) as at from memory.facts f
            where owner = %(owner)s and key = any(%(keys)s) and not exists (
                select from memory.facts g where g.owner = f.owner and g.key = f.key and g.number >= f.number
                and g.retired_reason = 'retracted')
            group by key"""
        return {row["key"]: in_utc(row["at"]) for row in await self._rows(query, user_id, keys=[*keys])}

    async def in_planned_slots(self, user_id: str) -> list[Fact]:
        """The unretired facts of slots that something is planned for: one may take another's place with time."""
        return await self._facts(user_id, f"retired_at is null and {IN_PLANNED_SLOT}")

    async def revisions(self, user_id: str, limit: int) -> dict[str, Revision]:
        """Ids and revisions of up to `limit` unretired facts, the newest first."""
        query = f"""select id, recorded_at, {SAID_AGAIN_AT} from memory.facts
            where owner = %(owner)s and retired_at is null order by number desc limit %(limit)s"""
        rows = await self._rows(query, user_id, limit=limit)
        return {row["id"]: Revision(row["recorded_at"], row["said_again_at"]) for row in rows}

    async def newest(self, user_id: str, limit: int, embedder: str, ids: Sequence[str] | None = None) -> WithVectors:
        """Up to `limit` unretired facts, of `ids` or of all, the newest first."""
        condition = "retired_at is null" if ids is None else "retired_at is null and id = any(%(ids)s)"
        page = min(limit, VECTORS_PAGE)
        return await self._with_vectors(user_id, condition, limit, page, embedder=embedder, ids=list(ids or ()))

    async def stems(self, user_id: str) -> list[Stems]:
        """The stems of all unretired facts. Few large values, since many small ones take long to parse."""
        encrypted = f"case when key_id is null then 0 else {OVERHEAD} end"
        query = f"""select subject, string_agg(convert_to(id, 'UTF8') || '\\000', '') as ids,
                string_agg(int8send(hashtextextended(coalesce(nullif(thread_id, ''), id), 0)), '') as threads,
                string_agg(int4send((octet_length(stems) - {encrypted}) / 4), '') as lengths,
                string_agg(stems, '') as hashes, string_agg(rpad(coalesce(key_id, ''), {KEY_ID}), '') as keys
            from memory.facts where owner = %(owner)s and retired_at is null group by subject order by subject"""
        rows, owner = await self._rows(query, user_id), owner_key(user_id)
        for row in rows:
            if (keys := row.pop("keys")).strip():
                row["hashes"] = await self._decrypted(owner, keys, row["lengths"], row["hashes"])
        return [Stems(**row) for row in rows]

    async def _decrypted(self, owner: str, keys: str, lengths: bytes, stems: bytes) -> bytes:
        """The hashes of stems, one fact after the other, of which some or all are encrypted."""
        parts, start = list[bytes](), 0
        for number, (length,) in enumerate(iter_unpack(">i", lengths)):
            if number % STEMS_PER_SLICE == 0:
                await asyncio.sleep(0)
            key_id = keys[number * KEY_ID : (number + 1) * KEY_ID].strip() or None
            end = start + 4 * length + (OVERHEAD if key_id else 0)
            parts.append(self._cipher.decrypt(owner, key_id, stems[start:end]))
            start = end
        return b"".join(parts)

    async def vectors(self, user_id: str, ids: Sequence[str], embedder: str) -> dict[str, bytes]:
        """Fact id -> vector, for those of these facts that have one."""
        query = """select owner, fact_id, vector, key_id as vector_key from memory.vectors
            where owner = %(owner)s and embedder = %(embedder)s and fact_id = any(%(ids)s)"""
        rows = await self._rows(query, user_id, embedder=embedder, ids=[*ids])
        return {row["fact_id"]: vector_of_row(row, self._cipher) for row in rows}

    async def past(self, user_id: str, now: datetime, embedder: str, ids: Iterable[str] | None = None) -> WithVectors:
        """Facts that held once but no longer do, newest first.

        `ids` narrows down the retired facts; those that are over or overtaken and not yet retired come in any case.
        """
        condition = (
            "retired_at is not null and (id = any(%(ids)s) or %(all)s and retired_reason in ('superseded', 'expired')) "
            f"or retired_at is null and (valid_until <= %(now)s or {IN_PLANNED_SLOT})"
        )
        parameters = {"all": ids is None, "ids": list(ids or ()), "now": now, "embedder": embedder}
        facts, stored = await self._with_vectors(user_id, condition, MAX_PAST, MAX_PAST, **parameters)
        current = {fact.id for fact in current_at([fact for fact in facts if not fact.retired_at], now)}
        return [f for f in facts if (f.was_true if f.retired_at else f.id not in current)], stored

    async def unextracted(
        self, user_id: str, thread_id: str, message_ids: Sequence[str], since: datetime | None = None
    ) -> dict[str, Failures]:
        """Those of the messages that wait to be extracted, in order, with their failures; none if the thread was
        forgotten `since`."""
        if not message_ids:
            return {}
        stored = {message_id: stored_id(message_id) for message_id in message_ids}
        query = """select id, coalesce(failures, 0) as useless, failed_at as last_at,
                coalesce(extracted_at > failed_at, false) as works_since
            from unnest(%(ids)s::text[]) as id left join memory.users u on u.owner = %(owner)s
            left join memory.failed_extractions f on f.owner = %(owner)s and thread_id = %(thread)s and message_id = id
            where given_up_at is null and not memory.is_forgotten(%(owner)s, %(name)s, %(since)s)
                and not exists (select from memory.extracted_messages
                    where owner = %(owner)s and thread_id = %(thread)s and message_id = id)"""
        of_thread = {"thread": stored_id(thread_id), "name": forgotten_thread(thread_id), "since": since}
        rows = await self._rows(query, user_id, ids=[*stored.values()], **of_thread)
        failures = {row.pop("id"): Failures(**row) for row in rows}
        return {message_id: failures[known] for message_id, known in stored.items() if known in failures}

    async def given_up(self, user_id: str) -> list[GivenUp]:
        """The messages that were given up, the latest last."""
        query = f"""select {", ".join(GivenUp._fields)} from memory.failed_extractions
            where owner = %(owner)s and given_up_at is not null order by given_up_at, thread_id, message_id"""
        return [GivenUp(**row) for row in await self._rows(query, user_id)]

    async def reinforcements(self, user_id: str) -> dict[str, list[Repeat]]:
        """Fact id -> each time the fact was said again, oldest first."""
        return repeats_of(await self._rows(REPEATS, user_id))

    async def untold_limits(self, user_id: str) -> list[Fact]:
        """The facts about hard limits that messages have retired, and that the user was not told of."""
        untold = "select fact_id from memory.untold_limits where owner = %(owner)s"
        return await self._facts(user_id, f"rolled_back_at is null and id in ({untold})")

    async def delete_untold(self, user_id: str, ids: Sequence[str]) -> None:
        query = "delete from memory.untold_limits where owner = %(owner)s and fact_id = any(%(ids)s) returning fact_id"
        await self._rows(query, user_id, ids=[*ids])

    async def held(self, user_id: str) -> list[Held]:
        """What is held back, the oldest first."""
        items = [held_of_row(row, self._cipher) for row in await self._rows(HELD, user_id)]
        return sorted(items, key=lambda item: (item.held_at, item.id))

    async def extracted_messages(self, user_id: str) -> list[Source]:
        query = "select thread_id, message_id from memory.extracted_messages where owner = %(owner)s order by 1, 2"
        return [Source.model_validate(row) for row in await self._rows(query, user_id)]

    async def users(self) -> list[str]:
        """Ids of the users who have facts that are not over."""
        query = """select user_id from memory.users u where exists (
                select from memory.facts f where f.owner = u.owner and retired_at is null
                and (valid_until is null or valid_until > now())
            ) order by user_id"""
        return [row["user_id"] for row in await self.pool.fetch(query)]

    async def versions_where_forgotten(self, owners: Sequence[str]) -> dict[str, int]:
        """Those of these users, by `owner_key`, who forgot something in the last minute -> their memory's version."""
        query = """select u.owner, coalesce(version, 0) as version from unnest(%(owners)s::text[]) as u (owner)
            left join memory.users v on v.owner = u.owner where exists (select from memory.forgotten f
                where f.owner = u.owner and forgotten_at > now() - interval '1 minute')"""
        return {row["owner"]: row["version"] for row in await self.pool.fetch(query, owners=[*owners])}

    async def _facts(self, user_id: str, condition: str, **parameters: object) -> list[Fact]:
        rows = await self._rows(f"{SELECT} and {condition} order by number", user_id, **parameters)
        return await facts_of(rows, self._cipher)

    async def _with_vectors(self, user_id: str, condition: str, limit: int, page: int, **values: object) -> WithVectors:
        query = WITH_VECTORS.format(condition=condition)
        facts, stored, before, more = list[Fact](), dict[str, bytes](), 2**63 - 1, True
        while more and len(facts) < limit:
            rows = await self._rows(query, user_id, before=before, page=page, **values)
            stored |= {row["id"]: vector_of_row(row, self._cipher) for row in rows if row["vector"]}
            facts += await facts_of(rows, self._cipher)
            before, more = rows[-1]["number"] if rows else 0, len(rows) == page
        return facts[:limit], stored

    async def _rows(self, query: str, user_id: str, **parameters: object) -> list[DictRow]:
        return await self.pool.fetch(query, owner=owner_key(check_user_id(user_id)), **parameters)
