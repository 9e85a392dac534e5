"""Writes to a user's memory: each reads what is known, decides and writes, in one transaction."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime

from memory.facts.changes import Changes, Held, Proposal, TakenBack, retired
from memory.facts.fact import Fact, Source, key_forms
from memory.facts.portable import Repeats, merge
from memory.facts.roll_back import RollBack, Taught, plan_roll_back
from memory.facts.timeline import set_back
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


async def decide(
    transaction: Transaction, proposals: Sequence[Proposal], retracted: Mapping[str, TakenBack], now: datetime
) -> Changes:
    """What becomes of what messages say (see `reconcile.reconcile`). Nothing is written."""
    facts = [proposal.fact for proposal in proposals]
    known = await transaction.known(
        ids={*retracted, *(fact.id for fact in facts), *(i for p in proposals for i in (*p.relations, *p.doubtful))},
        texts={fact.text for fact in facts},
        slots={fact.slot for fact in facts},
        ended_after=min((fact.observed_at for fact in facts), default=None),
    )
    # What a clock that was ahead has dated later than now was said before all of this nevertheless.
    said_at = [*(fact.observed_at for fact in facts), *(taken.said_at for taken in retracted.values())]
    start = min(said_at, default=now)
    return reconcile.reconcile(proposals, retracted, [set_back(fact, start, now) for fact in known])


async def keep_held(ledger: Ledger, user_id: str, ids: Collection[str], now: datetime) -> Changes:
    """Write held items as if they had not been doubtful, all or none. Raises BadInput for an unknown id."""
    async with ledger.transaction(user_id) as transaction:
        held = await transaction.take_held(ids)
        new = [
            Proposal(item.fact.model_copy(update={"recorded_at": now}), item.relations)
            for item in held
            if not item.ends
        ]
        changes = await transaction.write(await decide(transaction, new, {}, now), now)
        over = {item.id: item.fact for item in held if item.ends}
        known = [fact.id for fact in await transaction.known(ids=over) if not fact.retired_at]
        return changes + await transaction.write(Changes(retired=tuple(over[fact_id] for fact_id in known)), now)


async def restore(
    ledger: Ledger,
    user_id: str,
    facts: Sequence[Fact],
    repeats: Repeats,
    extracted: Sequence[Source],
    now: datetime,
    held: Sequence[Held] = (),
    held_days: int = 0,
) -> Changes:
    """Add what `portable.load` has read, all or nothing (see `portable.merge`)."""
    async with ledger.transaction(user_id) as transaction:
        await transaction.mark_extracted(extracted)
        slots = {fact.slot for fact in facts if fact.exclusive}
        known = await transaction.known(
            ids={f.id for f in facts}, keys={f.key for f in facts}, texts={f.text for f in facts}, slots=slots
        )
        await transaction.hold(held, held_days)
        return await transaction.write(merge(facts, known, repeats), now)


async def roll_back(ledger: Ledger, user_id: str, taught: Taught, now: datetime) -> RollBack:
    """Undo what was taught (see `memory.facts.roll_back`), all or nothing."""
    async with ledger.transaction(user_id) as transaction:
        facts, repeats, held = await transaction.everything()
        change = plan_roll_back(facts, repeats, taught, now, held)
        await transaction.roll_back(change, now)
    return change
