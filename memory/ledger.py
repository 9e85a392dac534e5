"""The ledger: every fact of every user, and all that ever happened to it, in Postgres.

Each write is one transaction under the user's advisory lock: the new facts, the retired ones, what the index has yet to
learn, and the user's memory version. What is acknowledged here is never lost; the index can be rebuilt from it.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from psycopg.rows import DictRow

from memory import reconcile
from memory.fact import Fact, Repeat, RetiredReason, Source, check_user_id, is_storable, owner_key
from memory.postgres import Connection, Pool, locked_transaction
from memory.reconcile import Changes, Proposal, Retirement

COLUMNS = (
    "id", "key", "text", "subject", "attribute", "exclusive", "category", "importance", "quote",
    "thread_id", "message_id", "valid_from", "valid_until", "observed_at", "recorded_at",
    "retired_at", "retired_reason", "successor", "ended_at",
)  # fmt: skip
SELECT = f"select {', '.join(COLUMNS)} from memory.facts where owner = %(owner)s"
INSERT = (
    f"insert into memory.facts (owner, digest, {', '.join(COLUMNS)}) "
    f"values (%(owner)s, %(digest)s, {', '.join(f'%({column})s' for column in COLUMNS)})"
)
NOTHING: Mapping[str, datetime] = MappingProxyType({})
CURRENT = "retired_at is null and (valid_until is null or valid_until > %(now)s)"

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


class Ledger:
    """Facts in Postgres. Every method is about one user and touches nobody else's rows."""

    def __init__(self, pool: Pool, *, lock_timeout: float = 10) -> None:
        self.pool = pool
        self._lock_timeout = lock_timeout

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
        return [_fact(row) for row in rows]

    async def by_key(self, user_id: str, keys: Sequence[str], now: datetime) -> dict[str, Fact]:
        """The current facts under these keys."""
        rows = await self._rows(f"{SELECT} and {CURRENT} and key = any(%(keys)s)", user_id, now=now, keys=list(keys))
        return {fact.key: fact for fact in map(_fact, rows)}

    async def extracted(self, user_id: str, thread_id: str, message_ids: Sequence[str]) -> set[str]:
        """Those of the messages that facts were already taken from."""
        rows = await self._rows(
            "select message_id from memory.extracted_messages "
            "where owner = %(owner)s and thread_id = %(thread)s and message_id = any(%(ids)s)",
            user_id,
            thread=storable_id(thread_id),
            ids=[storable_id(message_id) for message_id in message_ids],
        )
        done = {row["message_id"] for row in rows}
        return {message_id for message_id in message_ids if storable_id(message_id) in done}

    async def learn(
        self,
        user_id: str,
        proposals: Sequence[Proposal],
        now: datetime,
        *,
        retracted: Mapping[str, datetime] = NOTHING,
        sources: Sequence[Source] = (),
    ) -> Changes:
        """Reconcile proposals with what is known, and write the outcome, in one transaction.

        `sources` are the messages this completes: proposals of a message that was completed before are ignored, so
        that an extraction that is run again changes nothing.
        """
        async with self._writing(user_id) as (connection, owner):
            fresh = await _complete_messages(connection, owner, sources)
            proposals = [p for p in proposals if p.fact.source.message_id is None or p.fact.source in fresh]
            known = await _known(connection, owner, proposals, [*retracted])
            changes = reconcile.reconcile(proposals, retracted if fresh or not sources else NOTHING, known)
            return await _write(connection, owner, changes, now)

    async def retire(self, user_id: str, ids: Sequence[str], reason: RetiredReason, now: datetime) -> Changes:
        """Retire those of the facts that are current; the rest of `ids` is ignored."""
        async with self._writing(user_id) as (connection, owner):
            known = await _known(connection, owner, (), ids)
            retired = tuple(Retirement(fact, reason, now) for fact in known if fact.retired_at is None)
            return await _write(connection, owner, Changes(retired=retired), now)

    async def put(self, user_id: str, fact: Fact, now: datetime) -> Changes:
        """Write one fact under its key, in place of the one that has that key (see `reconcile.put`)."""
        async with self._writing(user_id) as (connection, owner):
            known = await _known(connection, owner, [Proposal(fact)], (), keys=[fact.key])
            return await _write(connection, owner, reconcile.put(fact, known), now)

    async def retract_key(self, user_id: str, key: str, now: datetime) -> Changes:
        """Retract the current fact under `key`, if there is one."""
        facts = await self.by_key(user_id, [key], now)
        return await self.retire(user_id, [fact.id for fact in facts.values()], "retracted", now)

    async def all(self, user_id: str) -> list[Fact]:
        """Every fact there ever was, in the order they were recorded."""
        return [_fact(row) for row in await self._rows(f"{SELECT} order by number", user_id)]

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

        What is there already stays. Where both have a current fact for what holds one value, the later one wins.
        """
        async with self._writing(user_id) as (connection, owner):
            await _complete_messages(connection, owner, extracted)
            cursor = await connection.execute("select id from memory.facts where owner = %s", (owner,))
            there = {row["id"] for row in await cursor.fetchall()}
            new = [fact for fact in facts if fact.id not in there]
            if there:
                new, retired = await _merge(connection, owner, new)
                await _retire(connection, owner, retired, now)
            await _insert(connection, owner, new)
            await _reinforce(
                connection,
                owner,
                [(fact.id, r.thread_id, r.message_id, r.observed_at) for fact in new for r in repeats.get(fact.id, ())],
            )
            return len(new)

    async def erase(
        self, user_id: str, *, ids: Sequence[str] = (), category: str | None = None, thread_id: str | None = None
    ) -> int:
        """Delete facts for good, with their history: those of `ids`, of a category, or said in a thread; how many."""
        async with self._writing(user_id) as (connection, owner):
            cursor = await connection.execute(
                "delete from memory.facts where owner = %s and (id = any(%s) or category = %s or thread_id = %s) "
                "returning id",
                (owner, list(ids), category, storable_id(thread_id)),
            )
            gone = [row["id"] for row in await cursor.fetchall()]
            await _queue(connection, owner, gone)
            return len(gone)

    async def erase_user(self, user_id: str) -> int:
        """Delete all that is known about the user; how many facts that were."""
        async with self._writing(user_id) as (connection, owner):
            cursor = await connection.execute("delete from memory.facts where owner = %s returning id", (owner,))
            gone = [row["id"] for row in await cursor.fetchall()]
            await _queue(connection, owner, gone)
            await connection.execute("delete from memory.extracted_messages where owner = %s", (owner,))
            await connection.execute("delete from memory.users where owner = %s", (owner,))
            return len(gone)

    async def users(self) -> list[str]:
        """Ids of the users who have current facts."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "select user_id from memory.users u where exists "
                "(select from memory.facts f where f.owner = u.owner and retired_at is null) order by user_id"
            )
            return [row["user_id"] for row in await cursor.fetchall()]

    async def unindexed_owners(self) -> list[str]:
        """Owner keys of the users whose index is behind the ledger."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute("select distinct owner from memory.index_queue")
            return [row["owner"] for row in await cursor.fetchall()]

    @asynccontextmanager
    async def indexing(self, owner: str, limit: int) -> AsyncIterator[list[Fact]]:
        """Up to `limit` facts whose state the index has yet to learn; leaving without an error marks them as learnt.

        One at a time per user, so that an older state is never written over a newer one.
        """
        async with locked_transaction(self.pool, "index", owner, timeout=self._lock_timeout) as connection:
            cursor = await connection.execute(
                f"{SELECT} and id in "
                "(select fact_id from memory.index_queue where owner = %(owner)s limit %(limit)s) for share",
                {"owner": owner, "limit": limit},
            )
            facts = [_fact(row) for row in await cursor.fetchall()]
            yield facts
            await connection.execute(
                "delete from memory.index_queue where owner = %s and fact_id = any(%s)",
                (owner, [fact.id for fact in facts]),
            )

    async def _rows(self, query: str, user_id: str, **parameters: object) -> list[DictRow]:
        owner = owner_key(check_user_id(user_id))
        async with self.pool.connection() as connection:
            cursor = await connection.execute(query, {"owner": owner, **parameters})
            return await cursor.fetchall()

    @asynccontextmanager
    async def _writing(self, user_id: str) -> AsyncIterator[tuple[Connection, str]]:
        """A transaction with this user's lock, whose end is a new version of the user's memory."""
        owner = owner_key(check_user_id(user_id))
        async with locked_transaction(self.pool, "user", owner, timeout=self._lock_timeout) as connection:
            await connection.execute(
                "insert into memory.users (owner, user_id, version) values (%s, %s, 1) "
                "on conflict (owner) do update set version = memory.users.version + 1",
                (owner, user_id),
            )
            yield connection, owner


async def _complete_messages(connection: Connection, owner: str, sources: Sequence[Source]) -> set[Source]:
    """Note that facts were taken from these messages; those of them for which this is the first time."""
    fresh = set()
    for source in sources:
        cursor = await connection.execute(
            "insert into memory.extracted_messages values (%s, %s, %s) on conflict do nothing",
            (owner, storable_id(source.thread_id), storable_id(source.message_id)),
        )
        if cursor.rowcount:
            fresh.add(source)
    return fresh


async def _known(
    connection: Connection,
    owner: str,
    proposals: Sequence[Proposal],
    ids: Sequence[str],
    keys: Sequence[str] = (),
) -> list[Fact]:
    """What `reconcile` has to see: the proposals' slots, texts, ids and relations; the facts of `ids` and `keys`."""
    cursor = await connection.execute(
        f"{SELECT} and (id = any(%(ids)s) or (retired_at is null and "
        "(digest = any(%(digests)s) or key = any(%(keys)s) or (subject, attribute) in "
        "(select * from unnest(%(subjects)s::text[], %(attributes)s::text[])))))",
        {
            "owner": owner,
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
    return [_fact(row) for row in await cursor.fetchall()]


async def _write(connection: Connection, owner: str, changes: Changes, now: datetime) -> Changes:
    """Write what was decided; returns it as it now stands in the ledger."""
    added = tuple(
        fact.model_copy(update={"recorded_at": now, "retired_at": now if fact.retired_reason else None})
        for fact in changes.added
    )
    # Retired first: a slot and a key have room for one current fact.
    retired = await _retire(connection, owner, changes.retired, now)
    await _insert(connection, owner, added)
    repeats = [(r.fact.id, r.source.thread_id, r.source.message_id, r.observed_at) for r in changes.reinforced]
    await _reinforce(connection, owner, repeats)
    return Changes(added, changes.reinforced, retired)


async def _merge(
    connection: Connection, owner: str, facts: Sequence[Fact]
) -> tuple[list[Fact], tuple[Retirement, ...]]:
    """Fit facts of elsewhere into a memory that has its own: those to be inserted, and those they retire."""
    current = [Proposal(fact) for fact in facts if fact.retired_at is None]
    changes = reconcile.reconcile(current, NOTHING, await _known(connection, owner, current, ()))
    history = [fact for fact in facts if fact.retired_at]
    added = [
        fact.model_copy(update={"retired_at": fact.recorded_at}) if fact.retired_reason else fact
        for fact in changes.added
    ]
    return [*history, *added], changes.retired


async def _retire(
    connection: Connection, owner: str, retirements: Sequence[Retirement], now: datetime
) -> tuple[Retirement, ...]:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "update memory.facts set retired_at = %s, retired_reason = %s, successor = %s, ended_at = %s "
            "where owner = %s and id = %s",
            [(now, r.reason, r.successor, r.ended_at, owner, r.fact.id) for r in retirements],
        )
    await _queue(connection, owner, [r.fact.id for r in retirements])
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


async def _insert(connection: Connection, owner: str, facts: Sequence[Fact]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(INSERT, [_parameters(owner, fact) for fact in facts])
    await _queue(connection, owner, [fact.id for fact in facts])


async def _reinforce(
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


async def _queue(connection: Connection, owner: str, ids: Sequence[str]) -> None:
    """Note that the index is behind on these facts, whether they changed or are gone."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "insert into memory.index_queue values (%s, %s) on conflict do nothing",
            [(owner, fact_id) for fact_id in ids],
        )


def _parameters(owner: str, fact: Fact) -> dict[str, object]:
    values = fact.model_dump(exclude={"source"})
    values["thread_id"], values["message_id"] = (
        storable_id(fact.source.thread_id),
        storable_id(fact.source.message_id),
    )
    return {"owner": owner, "digest": text_digest(fact.text), **values}


def _fact(row: Mapping[str, object]) -> Fact:
    values = dict(row)
    values["source"] = {"thread_id": values.pop("thread_id"), "message_id": values.pop("message_id")}
    return Fact.model_validate(values)
