"""Writes of facts that no model proposed: each reads what is known, decides and writes, in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from memory.facts.changes import Changes, retired
from memory.facts.fact import Fact, Source, key_forms
from memory.facts.portable import Repeats, merge
from memory.facts.roll_back import RollBack, Taught
from memory.facts.roll_back import roll_back as decided
from memory.learn import reconcile
from memory.ledger.ledger import Ledger
from memory.ledger.transaction import Transaction

Write = Callable[[Transaction], Awaitable[Changes]]  # such as `put`, with all but the first argument given


async def put(transaction: Transaction, key: str, fact_after: Callable[[Fact | None], Fact], now: datetime) -> Changes:
    """Write a fact under `key`, in place of the one that has it (see `reconcile.put`), from which `fact_after` makes
    the new one."""
    before = await _under(transaction, key)
    fact = fact_after(before)
    if before:
        fact = fact.model_copy(update={"key": before.key})
    known = await transaction.known(keys=[fact.key], slots=[fact.slot] if fact.exclusive else [])
    return await transaction.write(reconcile.put(fact, known), now)


async def retract(transaction: Transaction, key: str, now: datetime) -> Changes:
    """Retract the unretired fact under `key`, if there is one."""
    fact = await _under(transaction, key)
    return await transaction.write(Changes(retired=(retired(fact, "retracted", now),) if fact else ()), now)


async def _under(transaction: Transaction, key: str) -> Fact | None:
    """The unretired fact under `key`, or else under the other form of the key."""
    known = await transaction.known(keys=key_forms(key))
    return min(known, key=lambda fact: fact.key != key, default=None)


async def restore(
    ledger: Ledger, user_id: str, facts: Sequence[Fact], repeats: Repeats, extracted: Sequence[Source], now: datetime
) -> Changes:
    """Add what `portable.load` has read, all or nothing (see `portable.merge`)."""
    async with ledger.transaction(user_id) as transaction:
        await transaction.mark_extracted(extracted)
        slots = {fact.slot for fact in facts if fact.exclusive}
        known = await transaction.known(
            ids={f.id for f in facts}, keys={f.key for f in facts}, texts={f.text for f in facts}, slots=slots
        )
        return await transaction.write(merge(facts, known, repeats), now)


async def roll_back(ledger: Ledger, user_id: str, taught: Taught, now: datetime) -> RollBack:
    """Undo what was taught (see `memory.facts.roll_back`), all or nothing."""
    async with ledger.transaction(user_id) as transaction:
        change = decided(*await transaction.everything(), taught, now)
        await transaction.roll_back(change, now)
    return change
