"""One write to a user's memory: everything that it reads and writes is committed together or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from psycopg.rows import DictRow

from memory.facts.changes import Changes, Reinforcement
from memory.facts.fact import Fact, Source, is_storable
from memory.ledger.postgres import Connection
from memory.ledger.statements import INSERT, SELECT, facts_of, row_of_fact, stored_id, text_digest

ALL_THREADS = ""
"""Stands for every thread in memory.forgotten."""


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
        slots: Iterable[tuple[str, str]] = (),
        ended_after: datetime | None = None,
    ) -> list[Fact]:
        """The facts with these ids, and the unretired ones with one of these keys, texts or slots.

        Of the retired ones with such a key, text or slot also those that stopped holding after `ended_after`.
        """
        subjects, attributes = zip(*slots, strict=True) if (slots := list(slots)) else ((), ())
        rows = await self._rows(
            f"{SELECT} and (id = any(%(ids)s) or (retired_at is null or ended_at > %(ended_after)s) and "
            "(key = any(%(keys)s) or digest = any(%(digests)s) or (subject, attribute) in "
            "(select * from unnest(%(subjects)s::text[], %(attributes)s::text[]))))",
            ids=list(ids),
            keys=list(keys),
            digests=[text_digest(text) for text in texts],
            subjects=list(subjects),
            attributes=list(attributes),
            ended_after=ended_after,
        )
        return await facts_of(rows)

    async def write(self, changes: Changes, now: datetime) -> Changes:
        """Write what was decided. Returns it as it now stands in the ledger."""

        def stamped(facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
            return tuple(
                fact.model_copy(update={"retired_at": fact.retired_at or now}) if fact.retired_reason else fact
                for fact in facts
            )

        written = Changes(stamped(changes.added), changes.reinforced, stamped(changes.retired))
        await self.retire(written.retired)  # first: a slot and a key have room for one current fact
        await self.add(written.added)
        await self.reinforce(written.reinforced)
        return written

    async def add(self, facts: Sequence[Fact]) -> None:
        await self._each(INSERT, [row_of_fact(self._owner, fact) for fact in facts])

    async def retire(self, facts: Sequence[Fact]) -> None:
        await self._each(
            "update memory.facts set retired_at = %s, retired_reason = %s, successor = %s, ended_at = %s "
            "where owner = %s and id = %s",
            [(f.retired_at, f.retired_reason, f.successor, f.ended_at, self._owner, f.id) for f in facts],
        )

    async def reinforce(self, repeats: Sequence[Reinforcement]) -> None:
        await self._each(
            "insert into memory.reinforcements values (%s, %s, %s, %s, %s) on conflict do nothing",
            [
                (self._owner, r.fact.id, stored_id(r.source.thread_id) or "", stored_id(r.source.message_id) or "",
                 r.observed_at)
                for r in repeats
            ],
        )  # fmt: skip

    async def mark_extracted(self, sources: Sequence[Source], started_at: datetime | None = None) -> set[Source]:
        """Mark these messages as extracted. Returns those that may be learned from.

        These are the ones that were not marked before, and whose thread was not forgotten after `started_at`.
        """
        messages = _columns_of(sources)
        new = await self._rows(
            "insert into memory.extracted_messages select %(owner)s, * from unnest(%(threads)s::text[], "
            "%(messages)s::text[]) on conflict do nothing returning thread_id, message_id",
            **messages,
        )
        await self._connection.execute(
            "delete from memory.failed_extractions where owner = %(owner)s and (thread_id, message_id) in "
            "(select * from unnest(%(threads)s::text[], %(messages)s::text[]))",
            {"owner": self._owner, **messages},
        )
        forgotten = {
            row["thread_id"]
            for row in await self._rows(
                "select thread_id from memory.forgotten where owner = %(owner)s and forgotten_at >= %(started_at)s",
                started_at=started_at,
            )
        }
        fresh = {(row["thread_id"], row["message_id"]) for row in new if row["thread_id"] not in forgotten}
        return {
            source
            for source in sources
            if (stored_id(source.thread_id), stored_id(source.message_id)) in fresh and ALL_THREADS not in forgotten
        }

    async def count_failures(self, sources: Sequence[Source]) -> None:
        """Count one more failed extraction for each of these messages."""
        await self._connection.execute(
            "insert into memory.failed_extractions as f select %(owner)s, thread, message, 1 "
            "from unnest(%(threads)s::text[], %(messages)s::text[]) as failed (thread, message) "
            "on conflict (owner, thread_id, message_id) do update set failures = f.failures + 1",
            {"owner": self._owner, **_columns_of(sources)},
        )

    async def erase(self, *, ids: Sequence[str] = (), category: str | None = None, thread_id: str | None = None) -> int:
        """Delete facts and their history: by id, by category, or by the thread they were said in. Returns how many."""
        erased = [
            row["id"]
            for row in await self._rows(
                "delete from memory.facts where owner = %(owner)s "
                "and (id = any(%(ids)s) or category = %(category)s or thread_id = %(thread)s) returning id",
                ids=[i for i in ids if is_storable(i)],
                category=category,
                thread=stored_id(thread_id),
            )
        ]
        await self._connection.execute(
            "update memory.facts set successor = null where owner = %s and successor = any(%s)", (self._owner, erased)
        )
        if thread_id is not None:
            for table in ("reinforcements", "failed_extractions"):
                await self._connection.execute(
                    f"delete from memory.{table} where owner = %s and thread_id = %s",
                    (self._owner, stored_id(thread_id)),
                )
            await self._mark_forgotten(stored_id(thread_id) or ALL_THREADS)
        return len(erased)

    async def erase_user(self) -> int:
        """Delete everything that is known about the user. Returns how many facts that were."""
        cursor = await self._connection.execute("delete from memory.facts where owner = %s", (self._owner,))
        for table in ("extracted_messages", "failed_extractions", "users"):
            await self._connection.execute(f"delete from memory.{table} where owner = %s", (self._owner,))
        await self._mark_forgotten(ALL_THREADS)
        return cursor.rowcount

    async def _mark_forgotten(self, thread_id: str) -> None:
        """Keep extractions that are under way from bringing back what is being deleted."""
        await self._connection.execute(
            "insert into memory.forgotten values (%s, %s, clock_timestamp()) "
            "on conflict (owner, thread_id) do update set forgotten_at = excluded.forgotten_at",
            (self._owner, thread_id),
        )

    async def _rows(self, query: str, **parameters: object) -> list[DictRow]:
        cursor = await self._connection.execute(query, {"owner": self._owner, **parameters})
        return await cursor.fetchall()

    async def _each(self, query: str, parameters: Sequence[Sequence[object] | Mapping[str, object]]) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.executemany(query, parameters)


def _columns_of(sources: Sequence[Source]) -> dict[str, list[str | None]]:
    return {
        "threads": [stored_id(source.thread_id) for source in sources],
        "messages": [stored_id(source.message_id) for source in sources],
    }
