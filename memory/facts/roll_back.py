"""Undoes what a thread has taught, or all that was learned since a moment, and deletes no fact. Pure.

What was learned stops counting. A fact that it had retired is written once more, as a new fact, unless something that
stays says otherwise: a fact is never edited, so the old row keeps telling what was believed meanwhile.
"""

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from memory.facts.changes import Held, Reinforcement, retired
from memory.facts.fact import Fact, Repeat, Source
from memory.facts.portable import Claim, Repeats, claims

What = Literal["said", "said again", "retired", "rolled back"]


class Taught(NamedTuple):
    """What is to be undone: what the thread of this id has taught, or, without a thread, what was learned `since`."""

    thread_id: str | None = None  # as the ledger stores it
    since: datetime | None = None

    def covers(self, source: Source | Repeat | None, recorded_at: datetime) -> bool:
        if self.since:
            return recorded_at >= self.since
        return source is not None and source.thread_id is not None and source.thread_id == self.thread_id


@dataclass(frozen=True)
class RollBack:
    """What a roll-back does."""

    undone: tuple[Fact, ...] = ()  # what was learned
    replaced: tuple[Fact, ...] = ()  # facts that it had retired
    restored: tuple[Fact, ...] = ()  # the new facts in their place, in the same order
    repeats: tuple[Reinforcement, ...] = ()  # that known facts were said again
    held: tuple[Held, ...] = ()  # what was held back

    def __bool__(self) -> bool:
        return bool(self.undone or self.restored or self.repeats or self.held)


class FactEvent(NamedTuple):
    """Something that happened to a fact, and the message it comes from."""

    what: What
    at: datetime  # when it was said, or else when it was done
    source: Source | None  # None if it was done by hand
    quote: str = ""


def plan_roll_back(
    facts: Sequence[Fact], repeats: Repeats, taught: Taught, now: datetime, held: Iterable[Held] = ()
) -> RollBack:
    """Decide what a roll-back at `now` does. `facts` are all there ever were, `repeats` the times they were said again,
    and `held` what is held back. A fact that was also said outside of what is undone stays."""
    by_id = {fact.id: fact for fact in facts}
    counted = [fact for fact in facts if not fact.rolled_back_at]
    again = [
        (Reinforcement(fact, repeat), taught.covers(repeat, repeat.recorded_at or repeat.observed_at))
        for fact in counted
        for repeat in repeats.get(fact.id, ())
        if not repeat.rolled_back_at
    ]
    stays = {reinforcement.fact.id for reinforcement, covered in again if not covered}
    undone = {
        fact.id: _undone(fact, now)
        for fact in counted
        if fact.id not in stays and taught.covers(fact.source, by_id.get(fact.restores or "", fact).recorded_at)
    }
    taken = {claim for fact in counted if not fact.retired_at and fact.id not in undone for claim in _claims(fact)}
    replaced, restored = list[Fact](), list[Fact]()
    for fact in sorted(counted, key=lambda fact: (fact.last_said_at, fact.recorded_at), reverse=True):
        if fact.id in undone or not _was_retired_by(fact, taught, undone.keys()):
            continue
        if taught.since is None and _is_overtaken(fact, by_id, undone.keys()):
            continue
        if taken.isdisjoint(_claims(fact)):
            taken.update(_claims(fact))
            replaced.append(fact.model_copy(update={"rolled_back_at": now}))
            restored.append(_restored(fact, now))
    said_again = tuple(reinforcement for reinforcement, covered in again if covered)
    dropped = tuple(item for item in held if taught.covers(item.source, item.held_at))
    return RollBack(tuple(undone.values()), tuple(replaced), tuple(restored), said_again, dropped)


def provenance(facts: Sequence[Fact], repeats: Repeats, fact: Fact) -> list[FactEvent]:
    """Where a fact comes from, and what has happened to it since, oldest first."""
    origin = next((other for other in facts if other.id == fact.restores), None)
    said_in = fact.source if fact.source.message_id else None
    events = [FactEvent("said", fact.observed_at, said_in, fact.quote)]
    for repeat in repeats.get(fact.id, ()):
        source = Source(thread_id=repeat.thread_id, message_id=repeat.message_id)
        events.append(FactEvent("said again", repeat.observed_at, source))
        if repeat.rolled_back_at:
            events.append(FactEvent("rolled back", repeat.rolled_back_at, source))
    for row in (origin, fact):
        if row and row.retired_at and row.retired_at != row.rolled_back_at:
            events.append(FactEvent("retired", row.retired_at, row.retired_by))
        if row and row.rolled_back_at:
            events.append(FactEvent("rolled back", row.rolled_back_at, None))
    return sorted(events, key=lambda event: event.at)


def _undone(fact: Fact, now: datetime) -> Fact:
    """The fact as one that never held."""
    if not fact.retired_at:
        fact = retired(fact, "retracted", min(fact.starts_at, now)).model_copy(update={"retired_at": now})
    return fact.model_copy(update={"rolled_back_at": now})


def _restored(fact: Fact, now: datetime) -> Fact:
    """A new fact that says the same, was said at the same time, and is not retired."""
    identifier = hashlib.sha256(f"restores {fact.id}".encode()).hexdigest()[:32]  # a fact is restored once
    current = dict.fromkeys(("retired_at", "retired_reason", "successor", "ended_at", "retired_by"))
    origin = fact.restores or fact.id
    return fact.model_copy(update={**current, "id": identifier, "recorded_at": now, "restores": origin})


def _was_retired_by(fact: Fact, taught: Taught, undone: Container[str]) -> bool:
    """Whether something that is undone has retired the fact."""
    if not fact.retired_at:
        return False
    if taught.since or fact.retired_by:
        return taught.covers(fact.retired_by, fact.retired_at)
    return fact.successor in undone  # it arrived late, or a version before this one has retired it


def _is_overtaken(fact: Fact, by_id: Mapping[str, Fact], undone: Container[str]) -> bool:
    """Whether a later fact, which stays, has taken the place of what took this one's place."""
    seen, successor, by = set[str](), by_id.get(fact.successor or ""), fact.retired_by
    if successor and by and (successor.source.thread_id, successor.source.message_id) != (by.thread_id, by.message_id):
        return False  # a known fact was said again, which is undone, and was said to replace this one
    while successor and successor.id not in seen:
        if successor.id not in undone and not successor.rolled_back_at:
            return True
        seen.add(successor.id)
        successor = by_id.get(successor.successor or "")
    return False


def _claims(fact: Fact) -> Iterator[Claim]:
    """What keeps two facts from being current at the same time: a key, a slot of one value, the same words."""
    current = fact.model_copy(update={"retired_at": None})
    yield from (claim for claim in claims(current) if claim[0] != "id")
    yield "words", *fact.words
