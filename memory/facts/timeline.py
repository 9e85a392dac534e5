"""Facts in time: what held at a moment, what was believed then, and the versions of a slot. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from memory.facts.fact import Fact


@dataclass(frozen=True)
class AsOf:
    """A user's facts at a moment, by both clocks."""

    held: list[Fact]
    """What held in the world then, as far as is known today."""
    believed: list[Fact]
    """What was taken to hold then, by what was known then."""


@dataclass(frozen=True)
class Version:
    """A fact in the chain of those that took each other's place."""

    number: int
    """1 for the oldest."""
    fact: Fact


def as_of(facts: Sequence[Fact], when: datetime) -> AsOf:
    """The user's facts at `when`; `facts` are all there ever were, in the order they were recorded."""
    return AsOf(held(facts, when), believed(facts, when))


def held(facts: Iterable[Fact], when: datetime) -> list[Fact]:
    """The facts whose valid time includes `when`; of a slot that holds one value, the one that began last.

    Of what was over when it was said ("I lived in Lima until 2019") nobody knows when it began: it holds until then,
    where nothing else is known.
    """
    holding = [
        fact for fact in facts if (fact.starts_at <= when or _began_some_time(fact)) and not _is_over(fact, when)
    ]
    by_weight = sorted(holding, key=lambda fact: (not _began_some_time(fact), fact.starts_at, fact.observed_at))
    last = {fact.slot: fact for fact in by_weight if fact.exclusive}
    return [fact for fact in holding if not fact.exclusive or last[fact.slot] is fact]


def believed(facts: Iterable[Fact], when: datetime) -> list[Fact]:
    """The facts that were current at `when`: recorded, not yet retired, not yet over."""
    return [
        fact
        for fact in facts
        if fact.recorded_at <= when
        and (fact.retired_at is None or when < fact.retired_at)
        and (fact.valid_until is None or when < fact.valid_until)
    ]


def versions(facts: Iterable[Fact]) -> list[Version]:
    """The facts as versions, newest first: by when they were said, then by when they were recorded."""
    ordered = sorted(facts, key=lambda fact: (fact.observed_at, fact.recorded_at))
    return [Version(number, fact) for number, fact in enumerate(ordered, 1)][::-1]


def chain(facts: Sequence[Fact], fact_id: str) -> list[Fact]:
    """The fact with this id and those it is linked to: what it took the place of, and what took its place.

    In a slot that holds one value that is the whole slot.
    """
    start = next((fact for fact in facts if fact.id == fact_id), None)
    if start is None:
        return []
    if start.exclusive:
        return [fact for fact in facts if fact.slot == start.slot]
    linked = {fact_id}
    while True:
        more = {fact.id for fact in facts if fact.successor in linked}
        more |= {fact.successor for fact in facts if fact.id in linked and fact.successor}
        if more <= linked:
            return [fact for fact in facts if fact.id in linked]
        linked |= more


def _began_some_time(fact: Fact) -> bool:
    return fact.is_past and fact.valid_from is None


def _is_over(fact: Fact, when: datetime) -> bool:
    ends = [end for end in (fact.valid_until, fact.ended_at) if end]
    return bool(ends) and min(ends) <= when
