"""The ledger: every fact of every user, and all that ever happened to it, in Postgres.

Each write is one transaction under the user's advisory lock: the new facts, the retired ones, and the user's memory
version; a trigger queues what the index has yet to learn. What is acknowledged here is never lost; the index can be
rebuilt from it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple
from weakref import WeakValueDictionary

from psycopg.rows import DictRow

from memory.errors import Unavailable
from memory.facts.fact import Fact, Repeat, RetiredReason, Source, check_user_id, is_storable, owner_key
from memory.facts.portable import merge
from memory.learn import reconcile
from memory.learn.reconcile import Changes, Proposal, Retirement
from memory.ledger.postgres import Connection, Pool, locked_transaction, other_writer
from memory.ledger.statements import (
    CURRENT,
    EVERY_THREAD,
    HELD,
    NEWEST,
    NOTHING,
    OVER,
    PAST,
    SELECT,
    SLICE,
    THESE,
    complete_messages,
    fact_of_row,
    facts_of,
    forgotten_since,
    insert_facts,
    insert_repeats,
    known_to_merge,
    known_to_reconcile,
    note_failures,
    note_forgotten,
    retire_facts,
    storable_id,
    write_changes,
)

MAX_PAST = 2_000
"""Past facts that are looked at where the collection does not say which."""

VECTORS_PAGE = 100
"""Facts whose vectors are read at a time: what arrives at once is taken in at once."""


class Held(NamedTuple):
    """What may differ between a fact and the same one as it is held in memory."""

    recorded_at: datetime
    """Another one where it was erased and has come again."""
    said_again_at: datetime | None


class Ledger:
    """Facts in Postgres. Every method is about one user and touches nobody else's rows."""

    def __init__(self, pool: Pool, *, lock_timeout: float = 10) -> None:
        self.pool = pool
        self._lock_timeout = lock_timeout
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def version(self, user_id: str) -> int:
        """A number that grows with every write to this user's memory; 0 before the first."""
        rows = await self._rows("select version from memory.users where owner = %(owner)s", user_id)
        return int(rows[0]["version"]) if rows else 0

    async def current(
        self,
        user_id: str,
        now: datetime,
        *,
        ids: Sequence[str] | None = None,
        categories: Sequence[str] | None = None,
    ) -> list[Fact]:
        """The facts that hold at `now`, oldest first: all, or those among `ids` or of `categories`."""
        rows = await self._rows(
            f"{SELECT} and {CURRENT} and (%(all)s or id = any(%(ids)s) or category = any(%(categories)s)) "
            "order by number",
            user_id,
            now=now,
            all=ids is None and categories is None,
            ids=list(ids or ()),
            categories=list(categories or ()),
        )
        return await facts_of(rows)

    async def held(self, user_id: str, newest: int) -> dict[str, Held]:
        """Ids of up to so many facts that are not retired, the newest first -> what may differ from what is held."""
        rows = await self._rows(HELD, user_id, limit=newest)
        return {row["id"]: Held(row["recorded_at"], row["said_again_at"]) for row in rows}

    async def over(self, user_id: str, now: datetime) -> set[str]:
        """Ids of the facts that are not retired, and do not hold at `now` all the same."""
        return {row["id"] for row in await self._rows(OVER, user_id, now=now)}

    async def newest(self, user_id: str, count: int, embedder: str) -> tuple[list[Fact], list[bytes | None]]:
        """Up to so many facts that are not retired, the newest first, and each one's vector, where it has one yet."""
        facts: list[Fact] = []
        vectors: list[bytes | None] = []
        before = 2**63 - 1
        while len(facts) < count:
            limit = min(VECTORS_PAGE, count - len(facts))
            rows = await self._rows(NEWEST, user_id, before=before, limit=limit, embedder=embedder)
            vectors += [row["vector"] for row in rows]
            facts += await facts_of(rows)
            if len(rows) < limit:
                break
            before = rows[-1]["number"]
        return facts, vectors

    async def these(self, user_id: str, ids: Sequence[str], embedder: str) -> tuple[list[Fact], list[bytes | None]]:
        """The facts of these ids, the newest first, and each one's vector, where it has one yet."""
        rows = await self._rows(THESE, user_id, ids=list(ids), limit=len(ids), embedder=embedder)
        return await facts_of(rows), [row["vector"] for row in rows]

    async def past(
        self, user_id: str, now: datetime, embedder: str, ids: Iterable[str] | None = None
    ) -> list[tuple[Fact, bytes | None]]:
        """What was true and is not any more, the newest first, each with its vector by that embedder.

        Of what is retired those of `ids`, or all, of which the newest MAX_PAST.
        """
        given = {"all": ids is None, "ids": list(ids or ()), "limit": MAX_PAST}
        rows = await self._rows(PAST, user_id, now=now, embedder=embedder, **given)
        facts = zip(await facts_of(rows), (row["vector"] for row in rows), strict=True)
        return [(fact, vector) for fact, vector in facts if fact.retired_at is None or fact.was_true]

    async def by_key(self, user_id: str, keys: Sequence[str], now: datetime) -> dict[str, Fact]:
        """The current facts under these keys."""
        rows = await self._rows(f"{SELECT} and {CURRENT} and key = any(%(keys)s)", user_id, now=now, keys=list(keys))
        return {fact.key: fact for fact in map(fact_of_row, rows)}

    async def unextracted(self, user_id: str, thread_id: str, message_ids: Sequence[str]) -> dict[str, int]:
        """Those of the messages that no facts were taken from yet, in order -> how often that failed for good."""
        stored = {message_id: storable_id(message_id) for message_id in message_ids}
        rows = await self._rows(
            "select id, coalesce(failures, 0) as failures from unnest(%(ids)s::text[]) as id "
            "left join memory.failed_extractions on owner = %(owner)s and thread_id = %(thread)s and message_id = id "
            "where not exists (select from memory.extracted_messages "
            "where owner = %(owner)s and thread_id = %(thread)s and message_id = id)",
            user_id,
            thread=storable_id(thread_id),
            ids=[*stored.values()],
        )
        failures = {row["id"]: int(row["failures"]) for row in rows}
        return {message_id: failures[stored_id] for message_id, stored_id in stored.items() if stored_id in failures}

    async def note_failures(self, user_id: str, sources: Sequence[Source]) -> None:
        """Note that a model's answer for these messages was of no use."""
        async with self._writing(user_id) as (connection, owner):
            await note_failures(connection, owner, sources)

    async def learn(
        self,
        user_id: str,
        proposals: Sequence[Proposal],
        now: datetime,
        *,
        retracted: Mapping[str, datetime] = NOTHING,
        sources: Sequence[Source] = (),
        started_at: datetime | None = None,
    ) -> Changes:
        """Reconcile proposals with what is known, and write the outcome, in one transaction.

        `sources` are the messages this completes: proposals of a message that was completed before are ignored, so
        that an extraction that is run again changes nothing; likewise those of a message that was forgotten since
        the extraction had `started_at`.
        """
        async with self._writing(user_id) as (connection, owner):
            fresh = await complete_messages(connection, owner, sources)
            if started_at:
                fresh -= await forgotten_since(connection, owner, fresh, started_at)
            proposals = [p for p in proposals if p.fact.source.message_id is None or p.fact.source in fresh]
            known = await known_to_reconcile(connection, owner, proposals, [*retracted])
            changes = reconcile.reconcile(proposals, retracted if fresh or not sources else NOTHING, known)
            return await write_changes(connection, owner, changes, now)

    async def retire(self, user_id: str, ids: Sequence[str], reason: RetiredReason, now: datetime) -> Changes:
        """Retire those of the facts that are current; the rest of `ids` is ignored."""
        async with self._writing(user_id) as (connection, owner):
            known = await known_to_reconcile(connection, owner, (), ids)
            retired = tuple(Retirement(fact, reason, now) for fact in known if fact.retired_at is None)
            return await write_changes(connection, owner, Changes(retired=retired), now)

    async def put(self, user_id: str, fact: Fact, now: datetime) -> Changes:
        """Write one fact under its key, in place of the one that has that key (see `reconcile.put`)."""
        async with self._writing(user_id) as (connection, owner):
            known = await known_to_reconcile(connection, owner, [Proposal(fact)], (), keys=[fact.key])
            return await write_changes(connection, owner, reconcile.put(fact, known), now)

    async def retract_key(self, user_id: str, key: str, now: datetime) -> Changes:
        """Retract the current fact under `key`, if there is one."""
        facts = await self.by_key(user_id, [key], now)
        return await self.retire(user_id, [fact.id for fact in facts.values()], "retracted", now)

    async def all(self, user_id: str) -> list[Fact]:
        """Every fact there ever was, in the order they were recorded."""
        return await facts_of(await self._rows(f"{SELECT} order by number", user_id))

    async def reinforcements(self, user_id: str) -> dict[str, list[Repeat]]:
        """Fact id -> each time the fact was said again, oldest first."""
        rows = await self._rows(
            "select fact_id, thread_id, message_id, observed_at from memory.reinforcements where owner = %(owner)s "
            "order by observed_at, thread_id, message_id",
            user_id,
        )
        repeats: dict[str, list[Repeat]] = {}
        for row in rows:
            repeats.setdefault(row.pop("fact_id"), []).append(Repeat.model_validate(row))
        return repeats

    async def extracted_messages(self, user_id: str) -> list[Source]:
        """The messages that facts were taken from."""
        rows = await self._rows(
            "select thread_id, message_id from memory.extracted_messages where owner = %(owner)s order by 1, 2", user_id
        )
        return [Source.model_validate(row) for row in rows]

    async def restore(
        self,
        user_id: str,
        facts: Sequence[Fact],
        repeats: Mapping[str, Sequence[Repeat]],
        extracted: Sequence[Source],
        now: datetime,
    ) -> int:
        """Write an exported memory back, as it was, in one transaction; how many facts are new here.

        What is there already stays (see `portable.merge`).
        """
        async with self._writing(user_id) as (connection, owner):
            await complete_messages(connection, owner, extracted)
            changes = merge(facts, await known_to_merge(connection, owner, facts))
            await retire_facts(connection, owner, changes.retired, now)
            await insert_facts(connection, owner, changes.added)
            again = [(fact.id, repeat) for fact in facts for repeat in repeats.get(fact.id, ())]
            await insert_repeats(
                connection, owner, [(fact_id, r.thread_id, r.message_id, r.observed_at) for fact_id, r in again]
            )
            return len(changes.added)

    async def erase(
        self, user_id: str, *, ids: Sequence[str] = (), category: str | None = None, thread_id: str | None = None
    ) -> int:
        """Delete facts for good, with their history: those of `ids`, of a category, or said in a thread; how many."""
        async with self._writing(user_id) as (connection, owner):
            cursor = await connection.execute(
                "delete from memory.facts where owner = %s and (id = any(%s) or category = %s or thread_id = %s) "
                "returning id",
                (owner, [i for i in ids if is_storable(i)], category, storable_id(thread_id)),
            )
            gone = [row["id"] for row in await cursor.fetchall()]
            await connection.execute(
                "update memory.facts set successor = null where owner = %s and successor = any(%s)", (owner, gone)
            )
            await connection.execute(
                "delete from memory.reinforcements where owner = %s and thread_id = %s", (owner, storable_id(thread_id))
            )
            if thread_id is not None:
                await connection.execute(
                    "delete from memory.failed_extractions where owner = %s and thread_id = %s",
                    (owner, storable_id(thread_id)),
                )
                await note_forgotten(connection, owner, storable_id(thread_id) or EVERY_THREAD)
            return len(gone)

    async def erase_user(self, user_id: str) -> int:
        """Delete all that is known about the user; how many facts that were."""
        async with self._writing(user_id) as (connection, owner):
            cursor = await connection.execute("delete from memory.facts where owner = %s", (owner,))
            await connection.execute("delete from memory.extracted_messages where owner = %s", (owner,))
            await connection.execute("delete from memory.failed_extractions where owner = %s", (owner,))
            await connection.execute("delete from memory.users where owner = %s", (owner,))
            await note_forgotten(connection, owner, EVERY_THREAD)
            return cursor.rowcount

    async def users(self) -> list[str]:
        """Ids of the users who have current facts."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "select user_id from memory.users u where exists "
                "(select from memory.facts f where f.owner = u.owner and retired_at is null) order by user_id"
            )
            return [row["user_id"] for row in await cursor.fetchall()]

    async def _rows(self, query: str, user_id: str, **parameters: object) -> list[DictRow]:
        owner = owner_key(check_user_id(user_id))
        rows: list[DictRow] = []
        async with self.pool.connection() as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(query, {"owner": owner, **parameters})
            while page := await cursor.fetchmany(SLICE):
                rows += page
                await asyncio.sleep(0)
        return rows

    @asynccontextmanager
    async def _writing(self, user_id: str) -> AsyncIterator[tuple[Connection, str]]:
        """A transaction with this user's lock, whose end is a new version of the user's memory."""
        owner = owner_key(check_user_id(user_id))
        async with (
            self._gate(owner),
            locked_transaction(self.pool, "user", owner, timeout=self._lock_timeout) as connection,
        ):
            await connection.execute(
                "insert into memory.users (owner, user_id) values (%s, %s) "
                "on conflict (owner) do update set version = default",
                (owner, user_id),
            )
            yield connection, owner

    @asynccontextmanager
    async def _gate(self, owner: str) -> AsyncIterator[None]:
        """One writer of a user at a time in this process: the others wait here, and hold no connection meanwhile."""
        gate = self._gates.setdefault(owner, asyncio.Lock())
        try:
            async with asyncio.timeout(self._lock_timeout):
                await gate.acquire()
        except TimeoutError as error:
            raise Unavailable(other_writer(self._lock_timeout)) from error
        try:
            yield
        finally:
            gate.release()
