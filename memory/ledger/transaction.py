"""One write to a user's memory: everything that it reads and writes is committed together or not at all."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from memory.facts.changes import Changes
from memory.facts.fact import Fact, Source, is_storable
from memory.ledger.pool import Connection
from memory.ledger.rows import INSERT, SELECT, facts_of, row_of_fact, stored_id, text_digest

ALL_THREADS = ""  # stands for every thread in memory.forgotten


class Transaction:
    """What a write may read and change, while it holds the user's lock. `Ledger.transaction` opens it."""

    def __init__(self, connection: Connection, owner: str) -> None:
        self._connection = connection
        self._owner = owner

    async def known(
        self,
        *,
        ids: Iterable[str] = (),
        keys: Iterable[str] = (),
        texts: Iterable[str] = (),
        slots: Collection[tuple[str, str]] = (),
        ended_after: datetime | None = None,
    ) -> list[Fact]:
        """The facts with these ids, and with one of these keys, texts or slots: unretired, or ended `ended_after`."""
        names = {"ids": [*ids], "keys": [*keys], "digests": [*map(text_digest, texts)]}
        names |= {"subjects": [subject for subject, _ in slots], "attributes": [attribute for _, attribute in slots]}
        matches = """(key = any(%(keys)s) or digest = any(%(digests)s) or (subject, attribute) in
            (select * from unnest(%(subjects)s::text[], %(attributes)s::text[])))"""
        history = f"or ended_at > %(ended_after)s and {matches}" if ended_after else ""
        query = f"{SELECT} and (id = any(%(ids)s) or retired_at is null and {matches} {history})"
        return await facts_of(await (await self._execute(query, ended_after=ended_after, **names)).fetchall())

    async def write(self, changes: Changes, now: datetime) -> Changes:
        """Write what was decided. Returns it as it now stands in the ledger."""

        def dated(fact: Fact) -> Fact:
            return fact.model_copy(update={"retired_at": now}) if fact.retired_reason and not fact.retired_at else fact

        added, retired = tuple(map(dated, changes.added)), tuple(map(dated, changes.retired))
        await self.retire(retired)  # first: a slot and a key have room for one current fact
        await self.add(added)
        repeats = [
            {"fact": fact.id, "observed_at": repeat.observed_at}
            | {"thread": stored_id(repeat.thread_id), "message": stored_id(repeat.message_id)}
            for fact, repeat in changes.reinforced
        ]
        row = "%(owner)s, %(fact)s, %(thread)s, %(message)s, %(observed_at)s"
        await self._execute_each(f"insert into memory.reinforcements values ({row}) on conflict do nothing", repeats)
        return Changes(added, changes.reinforced, retired)

    async def add(self, facts: Sequence[Fact]) -> None:
        await self._execute_each(INSERT, [row_of_fact(fact) for fact in facts])

    async def retire(self, facts: Sequence[Fact]) -> None:
        query = """update memory.facts set retired_at = %(retired_at)s, retired_reason = %(retired_reason)s,
            successor = %(successor)s, ended_at = %(ended_at)s where owner = %(owner)s and id = %(id)s"""
        await self._execute_each(query, [row_of_fact(fact) for fact in facts])

    async def mark_extracted(self, sources: Sequence[Source], started_at: datetime | None = None) -> set[Source]:
        """Mark messages as extracted. Returns the new ones whose thread was not forgotten after `started_at`."""
        query = """with
            messages as (select * from unnest(%(threads)s::text[], %(messages)s::text[]) as m (thread_id, id)),
            cleared as (delete from memory.failed_extractions f using messages m
                where f.owner = %(owner)s and (f.thread_id, f.message_id) = (m.thread_id, m.id)),
            new as (insert into memory.extracted_messages select %(owner)s, thread_id, id from messages
                on conflict do nothing returning thread_id, message_id)
            select thread_id, message_id from new where not exists (select from memory.forgotten f where
                f.owner = %(owner)s and f.thread_id in (%(all)s, new.thread_id) and forgotten_at >= %(started_at)s)"""
        cursor = await self._execute(query, **_columns_of(sources), all=ALL_THREADS, started_at=started_at)
        fresh = {(row["thread_id"], row["message_id"]) async for row in cursor}
        return {s for s in sources if (stored_id(s.thread_id), stored_id(s.message_id)) in fresh}

    async def model_answered(self) -> None:
        """Note that a model has just given a usable answer: it does not fail for everything."""
        await self._execute("update memory.users set extracted_at = clock_timestamp() where owner = %(owner)s")

    async def count_failures(
        self, sources: Sequence[Source], cause: str, started_at: datetime, *, limit: int
    ) -> list[str | None]:
        """Count a useless answer about messages, whose thread was not forgotten after `started_at`. Returns the ids of
        those that are given up, as they have `limit`. Until the model has given a usable answer about another message
        since the first, they count once: a model that fails for everything says nothing of a message."""
        query = """insert into memory.failed_extractions as f
            select %(owner)s, m.*, 1, %(cause)s, clock_timestamp(), clock_timestamp()
            from unnest(%(threads)s::text[], %(messages)s::text[]) as m (thread_id, id)
            where not exists (select from memory.forgotten g where g.owner = %(owner)s
                and g.thread_id in (%(all)s, m.thread_id) and forgotten_at >= %(started_at)s)
            on conflict (owner, thread_id, message_id) do update set
                failures = f.failures + (select coalesce(u.extracted_at > f.first_failed_at, false)::int
                    from memory.users u where u.owner = f.owner),
                cause = excluded.cause, failed_at = clock_timestamp()"""
        await self._execute(query, **_columns_of(sources), cause=cause, all=ALL_THREADS, started_at=started_at)
        query = """update memory.failed_extractions set given_up_at = clock_timestamp()
            where owner = %(owner)s and failures >= %(limit)s and given_up_at is null returning message_id"""
        return [row["message_id"] async for row in await self._execute(query, limit=limit)]

    async def erase(
        self, *, ids: Sequence[str] = (), category: str | None = None, thread_id: str | None = None
    ) -> list[str]:
        """Delete facts and their history: by id, by category, or by the thread they were said in. Returns their ids."""
        thread, ids = stored_id(thread_id), [fact_id for fact_id in ids if is_storable(fact_id)]
        query = """delete from memory.facts where owner = %(owner)s
            and (id = any(%(ids)s) or category = %(category)s or thread_id = %(thread)s) returning id"""
        cursor = await self._execute(query, ids=ids, category=category, thread=thread)
        erased = [row["id"] async for row in cursor]
        of_erased = "where owner = %(owner)s and successor = any(%(erased)s)"
        await self._execute(f"update memory.facts set successor = null {of_erased}", erased=erased)
        if thread is not None:
            in_thread = "where owner = %(owner)s and thread_id = %(thread)s"
            for table in ("reinforcements", "failed_extractions"):
                await self._execute(f"delete from memory.{table} {in_thread}", thread=thread)
            await self._mark_forgotten(thread)
        return erased

    async def erase_user(self) -> int:
        """Delete everything that is known about the user. Returns how many facts were deleted."""
        erased = await self._execute("delete from memory.facts where owner = %(owner)s")
        for table in ("extracted_messages", "failed_extractions", "run_counts", "users"):
            await self._execute(f"delete from memory.{table} where owner = %(owner)s")
        await self._mark_forgotten(ALL_THREADS)
        return erased.rowcount

    async def _mark_forgotten(self, thread_id: str) -> None:
        """Keep extractions that are running from bringing back what is deleted."""
        query = """insert into memory.forgotten values (%(owner)s, %(thread)s, clock_timestamp())
            on conflict (owner, thread_id) do update set forgotten_at = excluded.forgotten_at"""
        await self._execute(query, thread=thread_id)

    async def _execute(self, query: str, **parameters: object) -> AsyncCursor[DictRow]:
        return await self._connection.execute(query, {"owner": self._owner, **parameters})

    async def _execute_each(self, query: str, rows: Sequence[Mapping[str, object]]) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.executemany(query, [{"owner": self._owner, **row} for row in rows])


def _columns_of(sources: Iterable[Source]) -> dict[str, list[str | None]]:
    messages = [(stored_id(source.thread_id), stored_id(source.message_id)) for source in sources]
    return {"threads": [thread for thread, _ in messages], "messages": [message for _, message in messages]}
