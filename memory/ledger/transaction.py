"""One write to a user's memory: everything that it reads and writes is committed together or not at all."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from memory.errors import BadInput, quoted
from memory.facts.changes import Changes, Held
from memory.facts.fact import Fact, Repeat, Source, is_storable
from memory.facts.roll_back import RollBack
from memory.ledger.cipher import Cipher
from memory.ledger.pool import Connection
from memory.ledger.rows import (
    EVERYTHING,
    HELD,
    INSERT,
    REPEATS,
    SELECT,
    facts_of,
    forgotten_category,
    forgotten_digest,
    forgotten_thread,
    held_of_row,
    repeats_of,
    row_of_fact,
    row_of_held,
    stored_id,
)

ADD_REPEAT = """insert into memory.reinforcements
    (owner, fact_id, thread_id, message_id, observed_at, rolled_back_at)
    values (%(owner)s, %(fact)s, %(thread)s, %(message)s, %(observed_at)s, %(rolled_back_at)s) on conflict do nothing"""
ADD_HELD = """insert into memory.held
    select %(owner)s, %(id)s, %(item)s, %(thread)s, %(category)s, %(digest)s, %(successor)s,
        now() + make_interval(days => %(days)s), %(encrypted)s, %(key_id)s
    where not exists (select from memory.held where owner = %(owner)s and digest = %(digest)s
        and successor is not distinct from %(successor)s)
    on conflict do nothing"""
REMOVE_LAPSED = """delete from memory.held where (owner, id) in
    (select owner, id from memory.held where lapses_at < now() for update skip locked)"""
COPIED = {  # from a fact to the one that restores it: table -> columns, besides the owner and the fact's id
    "vectors": "embedder, vector, key_id",
    "reinforcements": "thread_id, message_id, observed_at, recorded_at, rolled_back_at",
}
KEEP_FORGOTTEN = "2 days"  # how long memory.forgotten names what was forgotten: longer than any run takes


class Transaction:
    """What a write may read and change, while it holds the user's lock. `Ledger.transaction` opens it."""

    def __init__(self, connection: Connection, owner: str, cipher: Cipher) -> None:
        self._connection, self._owner, self._cipher = connection, owner, cipher

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
        names = {"ids": [*ids], "keys": [*keys], "digests": self._digests(texts)}
        names |= {"subjects": [subject for subject, _ in slots], "attributes": [attribute for _, attribute in slots]}
        if not any(names.values()):
            return []
        matches = """(key = any(%(keys)s) or digest = any(%(digests)s) or (subject, attribute) in
            (select * from unnest(%(subjects)s::text[], %(attributes)s::text[])))"""
        history = f"or ended_at > %(ended_after)s and {matches}" if ended_after else ""
        query = f"{SELECT} and (id = any(%(ids)s) or retired_at is null and {matches} {history})"
        rows = await (await self._execute(query, ended_after=ended_after, **names)).fetchall()
        return await facts_of(rows, self._cipher)

    async def write(self, changes: Changes, now: datetime) -> Changes:
        """Write what was decided. Returns it as it now stands in the ledger."""
        if changes:
            await self._new_version()

        def dated(fact: Fact) -> Fact:
            return fact.model_copy(update={"retired_at": now}) if fact.retired_reason and not fact.retired_at else fact

        added, retired = tuple(map(dated, changes.added)), tuple(map(dated, changes.retired))
        await self.retire(retired)  # first: a slot and a key have room for one current fact
        await self.add(added)
        repeats = [
            {"fact": fact.id, "observed_at": repeat.observed_at, "rolled_back_at": repeat.rolled_back_at}
            | {"thread": stored_id(repeat.thread_id), "message": stored_id(repeat.message_id)}
            for fact, repeat in changes.reinforced
        ]
        await self._execute_each(ADD_REPEAT, repeats)
        limits = [{"fact": fact.id} for fact in retired if fact.is_hard_limit and fact.retired_by]
        await self._execute_each("insert into memory.untold_limits values (%(owner)s, %(fact)s)", limits)
        return Changes(added, changes.reinforced, retired)

    async def add(self, facts: Sequence[Fact]) -> None:
        await self._execute_each(INSERT, [row_of_fact(fact, self._owner, self._cipher) for fact in facts])

    async def retire(self, facts: Sequence[Fact]) -> None:
        query = """update memory.facts set retired_at = %(retired_at)s, retired_reason = %(retired_reason)s,
            successor = %(successor)s, ended_at = %(ended_at)s, rolled_back_at = %(rolled_back_at)s,
            retired_thread_id = %(retired_thread_id)s, retired_message_id = %(retired_message_id)s
            where owner = %(owner)s and id = %(id)s"""
        await self._execute_each(query, [row_of_fact(fact, self._owner, self._cipher) for fact in facts])
        if facts:  # whether they are over is no question any more
            await self.remove_held(ids=[fact.id for fact in facts])

    async def hold(self, items: Sequence[Held], days: int) -> None:
        """Keep what is doubtful apart from the facts for so many days, unless the same waits already. Remove what has
        lapsed, of all users."""
        await self._connection.execute(REMOVE_LAPSED)
        rows = [row_of_held(held, self._owner, self._cipher) for held in items]
        await self._execute_each(ADD_HELD, [{**row, "days": days} for row in rows])

    async def take_held(self, ids: Collection[str]) -> list[Held]:
        """Remove these held items, and return them in this order. Raises BadInput if one of them is not there."""
        query = """delete from memory.held where owner = %(owner)s and id = any(%(ids)s) and lapses_at >= now()
            returning owner, item, encrypted, key_id"""
        found = await self._execute(query, ids=[*filter(is_storable, ids)])
        held = {item.id: item for item in [held_of_row(row, self._cipher) async for row in found]}
        if unknown := [item_id for item_id in ids if item_id not in held]:
            why = "it was kept or dropped before, or has lapsed"
            raise BadInput(f"Nothing that is held back has the id {quoted(unknown[0])}: {why}. `held` lists what is.")
        return [held[item_id] for item_id in dict.fromkeys(ids)]

    async def remove_held(
        self,
        *,
        ids: Sequence[str] = (),
        category: str | None = None,
        threads: Sequence[str | None] = (),
        digests: Sequence[str] = (),
    ) -> int:
        """Remove held items of this category, from these threads, with these digests, or about facts with these ids.
        Returns how many."""
        query = """delete from memory.held where owner = %(owner)s and (id = any(%(ids)s) or successor = any(%(ids)s)
            or category = %(category)s or thread_id = any(%(threads)s) or digest = any(%(digests)s))"""
        names = {"category": category, "threads": [*threads], "digests": [*digests]}
        return (await self._execute(query, ids=[*ids], **names)).rowcount

    async def everything(self) -> tuple[list[Fact], dict[str, list[Repeat]], list[Held]]:
        """Every fact there ever was, oldest first, the times that each was said again, and what is held back."""
        rows = await (await self._execute(f"{SELECT} order by number")).fetchall()
        facts = await facts_of(rows, self._cipher)
        held = [held_of_row(row, self._cipher) async for row in await self._execute(HELD)]
        return facts, repeats_of(await (await self._execute(REPEATS)).fetchall()), held

    async def roll_back(self, change: RollBack, now: datetime) -> None:
        """Write what a roll-back at `now` does. What restores a fact has its vectors, and was said again as often."""
        await self._new_version()
        await self.retire((*change.undone, *change.replaced))
        await self.remove_held(ids=[item.id for item in change.held])
        query = """update memory.reinforcements set rolled_back_at = %(now)s where owner = %(owner)s
            and (fact_id, thread_id, message_id) = (%(fact)s, %(thread)s, %(message)s)"""
        repeats = [{"fact": f.id, "thread": said.thread_id, "message": said.message_id} for f, said in change.repeats]
        await self._execute_each(query, [{"now": now, **repeat} for repeat in repeats])
        await self.add(change.restored)
        pairs = zip(change.replaced, change.restored, strict=True)
        copies = [{"old": old.id, "new": new.id} for old, new in pairs]
        for table, others in COPIED.items():
            query = f"""insert into memory.{table} (owner, fact_id, {others}) select owner, %(new)s, {others}
                from memory.{table} where owner = %(owner)s and fact_id = %(old)s"""
            await self._execute_each(query, copies)

    async def forgotten_since(self, moment: datetime) -> set[str]:
        """What was forgotten since, as `memory.ledger.rows` names it."""
        query = "select what from memory.forgotten where owner = %(owner)s and forgotten_at >= %(moment)s"
        return {row["what"] async for row in await self._execute(query, moment=moment)}

    def names_of(self, fact: Fact) -> set[str]:
        """What `forgotten_since` names if the fact, or one of the same words, was forgotten."""
        return {forgotten_category(fact.category), *map(forgotten_digest, self._digests([fact.text]))}

    def _digests(self, texts: Iterable[str]) -> list[str]:
        return [digest for text in texts for digest in self._cipher.digests(self._owner, text)]

    async def mark_extracted(self, sources: Sequence[Source]) -> set[Source]:
        """Mark messages as extracted. Returns the new ones."""
        query = """with
            messages as (select * from unnest(%(threads)s::text[], %(messages)s::text[]) as m (thread_id, id)),
            cleared as (delete from memory.failed_extractions f using messages m
                where f.owner = %(owner)s and (f.thread_id, f.message_id) = (m.thread_id, m.id))
            insert into memory.extracted_messages select %(owner)s, thread_id, id from messages
            on conflict do nothing returning thread_id, message_id"""
        cursor = await self._execute(query, **_columns_of(sources))
        fresh = {(row["thread_id"], row["message_id"]) async for row in cursor}
        return {s for s in sources if (stored_id(s.thread_id), stored_id(s.message_id)) in fresh}

    async def model_answered(self) -> None:
        """Note that a model has just given a usable answer: it does not fail for everything."""
        await self._execute("update memory.users set extracted_at = clock_timestamp() where owner = %(owner)s")

    async def count_failures(self, sources: Sequence[Source], cause: str, *, limit: int) -> list[str | None]:
        """Count a useless answer about messages. Returns the ids of those that are given up, as they have `limit`.
        Until the model has given a usable answer about another message since the first, they count once: a model that
        fails for everything says nothing of a message."""
        query = """insert into memory.failed_extractions as f
            select %(owner)s, m.*, 1, %(cause)s, clock_timestamp(), clock_timestamp()
            from unnest(%(threads)s::text[], %(messages)s::text[]) as m (thread_id, id)
            on conflict (owner, thread_id, message_id) do update set
                failures = f.failures + (select coalesce(u.extracted_at > f.first_failed_at, false)::int
                    from memory.users u where u.owner = f.owner),
                cause = excluded.cause, failed_at = clock_timestamp()"""
        await self._execute(query, **_columns_of(sources), cause=cause)
        query = """update memory.failed_extractions set given_up_at = clock_timestamp()
            where owner = %(owner)s and failures >= %(limit)s and given_up_at is null returning message_id"""
        return [row["message_id"] async for row in await self._execute(query, limit=limit)]

    async def erase(
        self, *, ids: Sequence[str] = (), category: str | None = None, threads: Sequence[str] = ()
    ) -> tuple[list[str], int]:
        """Delete facts and their history: those with these ids, of this category, or said in these threads, of which
        nothing else is kept either. A fact goes with those that restore it, and with what is held back of it. Runs that
        are under way do not bring them back (see `forgotten_since`). Returns the facts' ids, and how many held items
        were deleted."""
        await self._new_version()
        stored, ids = [stored_id(thread) for thread in threads], [fact_id for fact_id in ids if is_storable(fact_id)]
        query = """delete from memory.facts where owner = %(owner)s
            and (category = %(category)s or thread_id = any(%(threads)s) or coalesce(restores, id) in
                (select coalesce(restores, id) from memory.facts where owner = %(owner)s and id = any(%(ids)s)))
            returning id, digest, text, key_id"""
        rows = await (await self._execute(query, ids=ids, category=category, threads=stored)).fetchall()
        erased = [row["id"] for row in rows]
        of_erased = "where owner = %(owner)s and successor = any(%(erased)s)"
        await self._execute(f"update memory.facts set successor = null {of_erased}", erased=erased)
        in_threads = "where owner = %(owner)s and thread_id = any(%(threads)s)"
        for table in ("reinforcements", "extracted_messages", "failed_extractions"):
            await self._execute(f"delete from memory.{table} {in_threads}", threads=stored)
        query = """update memory.facts set retired_thread_id = null, retired_message_id = null
            where owner = %(owner)s and retired_thread_id = any(%(threads)s)"""
        await self._execute(query, threads=stored)
        digests = [row["digest"] for row in rows] if ids else []
        digests += self._digests(row["text"] for row in rows if ids and row["key_id"] is None)
        held = await self.remove_held(ids=erased, category=category, threads=stored, digests=digests)
        names = [*map(forgotten_digest, digests)]
        names += [forgotten_category(category)] if category else []
        await self._mark_forgotten([*names, *map(forgotten_thread, threads)])
        return erased, held

    async def erase_user(self) -> tuple[int, int]:
        """Delete everything that is known about the user. Returns how many facts, and held items, were deleted."""
        erased = await self._execute("delete from memory.facts where owner = %(owner)s")
        held = await self._execute("delete from memory.held where owner = %(owner)s")
        for table in ("extracted_messages", "failed_extractions", "run_counts", "users"):
            await self._execute(f"delete from memory.{table} where owner = %(owner)s")
        await self._execute("delete from memory.forgotten where owner = %(owner)s")
        await self._mark_forgotten([EVERYTHING])
        return erased.rowcount, held.rowcount

    async def _new_version(self) -> None:
        """Tell caches that facts change."""
        await self._execute("update memory.users set version = default where owner = %(owner)s")

    async def _mark_forgotten(self, names: Sequence[str]) -> None:
        """Keep runs and extractions that are under way from bringing back what is deleted. The user's latest mark stays
        until a purge."""
        if not names:
            return
        query = """insert into memory.forgotten select distinct %(owner)s, unnest(%(names)s::text[])
            on conflict (owner, what) do update set forgotten_at = excluded.forgotten_at"""
        await self._execute(query, names=names)
        query = "delete from memory.forgotten where owner = %(owner)s and forgotten_at < now() - %(age)s::interval"
        await self._execute(query, age=KEEP_FORGOTTEN)

    async def _execute(self, query: str, **parameters: object) -> AsyncCursor[DictRow]:
        return await self._connection.execute(query, {"owner": self._owner, **parameters})

    async def _execute_each(self, query: str, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(query, [{"owner": self._owner, **row} for row in rows])


def _columns_of(sources: Iterable[Source]) -> dict[str, list[str | None]]:
    messages = [(stored_id(source.thread_id), stored_id(source.message_id)) for source in sources]
    return {"threads": [thread for thread, _ in messages], "messages": [message for _, message in messages]}
