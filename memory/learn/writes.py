"""Writes of facts that no model proposed: each reads what is known, decides and writes, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from memory.facts import portable
from memory.facts.changes import Changes, retired
from memory.facts.fact import Fact, Repeat, Source
from memory.learn import reconcile
from memory.ledger.ledger import Ledger


async def put(ledger: Ledger, user_id: str, fact: Fact, now: datetime) -> Changes:
    """Write one fact under its key, in place of the one that has that key (see `reconcile.put`)."""
    async with ledger.transaction(user_id) as transaction:
        known = await transaction.known(keys=[fact.key], slots=[fact.slot])
        return await transaction.write(reconcile.put(fact, known), now)


async def retract(ledger: Ledger, user_id: str, key: str, now: datetime) -> Changes:
    """Retract the unretired fact under `key`, if there is one."""
    async with ledger.transaction(user_id) as transaction:
        known = await transaction.known(keys=[key])
        return await transaction.write(Changes(retired=tuple(retired(fact, "retracted", now) for fact in known)), now)


async def restore(
    ledger: Ledger,
    user_id: str,
    facts: Sequence[Fact],
    repeats: Mapping[str, Sequence[Repeat]],
    extracted: Sequence[Source],
    now: datetime,
) -> int:
    """Add facts as they are, all or none (see `portable.merge`). Returns how many are new here.

    `repeats` maps their ids to the times they were said again, `extracted` are the messages to mark as extracted.
    """
    async with ledger.transaction(user_id) as transaction:
        await transaction.mark_extracted(extracted)
        known = await transaction.known(
            ids={fact.id for fact in facts},
            keys={fact.key for fact in facts},
            texts={fact.text for fact in facts},
            slots={fact.slot for fact in facts if fact.exclusive},
        )
        changes = await transaction.write(portable.merge(facts, known, repeats), now)
        return len(changes.added)
