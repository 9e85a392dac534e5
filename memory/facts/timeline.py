"""Facts in time: which are current, which held or were believed at a moment, and the versions of a slot. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from memory.facts.fact import Fact


class AsOf(NamedTuple):
    """A user's facts at a moment."""

    held: list[Fact]  # what held in the world then, as far as is known today: of a slot with one value, what began last
    believed: list[Fact]  # what was current then, as far as was known then


class Version(NamedTuple):
    """One of the facts that a slot had over time; number 1 is the oldest."""

    number: int
    fact: Fact


def current_at(unretired: Iterable[Fact], now: datetime) -> list[Fact]:
    """The facts, plans too, that are not over or overtaken at `now`. `unretired` holds all facts of a slot or none."""
    return _without_overtaken([fact for fact in unretired if not fact.valid_until or now < fact.valid_until], now)


def as_of(facts: Sequence[Fact], when: datetime) -> AsOf:
    """The user's facts at `when`. `facts` are all there ever were, in the order in which they were recorded."""
    begun = (fact for fact in facts if _has_begun(fact, when) and not fact.rolled_back_at)
    lasting = [fact for fact in begun if all(when < end for end in (fact.valid_until, fact.ended_at) if end)]
    known = (fact for fact in facts if fact.recorded_at <= when and (not fact.retired_at or when < fact.retired_at))
    return AsOf(held=_without_overtaken(lasting, when), believed=current_at(known, when))


def set_back(fact: Fact, moment: datetime, now: datetime) -> Fact:
    """The fact with dates after `now`, which a clock that was ahead has given it, moved to just before `moment`."""
    before, dates = moment - timedelta(microseconds=1), dict[str, datetime | None]()
    if fact.ended_at and fact.ended_at > now:
        dates["ended_at"] = before
    if fact.last_said_at > now:
        began = fact.valid_from and (before if before < fact.valid_from <= fact.observed_at else fact.valid_from)
        dates |= {"observed_at": before, "said_again_at": None, "valid_from": began}
    return fact.model_copy(update=dates) if dates else fact


def versions(facts: Iterable[Fact]) -> list[Version]:
    """The facts as versions, newest first: by when they were said, then by when they were recorded."""
    ordered = sorted(facts, key=lambda fact: (fact.observed_at, fact.recorded_at))
    return [Version(number, fact) for number, fact in enumerate(ordered, 1)][::-1]


def chain(facts: Sequence[Fact], fact_id: str) -> list[Fact]:
    """The fact with this id, those it replaced or restores, and those that replaced or restore it; of a slot with one
    value, the whole slot."""
    start = next((fact for fact in facts if fact.id == fact_id), None)
    if start is None:
        return []
    if start.exclusive:
        return [fact for fact in facts if fact.slot == start.slot]
    links = [(fact.id, other) for fact in facts for other in (fact.successor, fact.restores) if other]
    linked = {fact_id}
    while more := {end for link in links if not linked.isdisjoint(link) for end in link} - linked:
        linked |= more
    return [fact for fact in facts if fact.id in linked]


def _without_overtaken(facts: Sequence[Fact], when: datetime) -> list[Fact]:
    """Of each exclusive slot, drop what has begun except the last to begin; keep all else.

    What is temporary competes only with what is temporary: both it and what it interrupts are kept.
    """
    begun = [fact for fact in facts if fact.exclusive and _has_begun(fact, when)]
    begun.sort(key=lambda fact: (not _began_some_time(fact), fact.starts_at, fact.observed_at))
    last = {(fact.slot, fact.is_temporary): fact for fact in begun}
    rivals = ((fact, last.get((fact.slot, fact.is_temporary))) for fact in facts)
    return [fact for fact, rival in rivals if not fact.exclusive or rival in (None, fact) or not _has_begun(fact, when)]


def _has_begun(fact: Fact, when: datetime) -> bool:
    return fact.starts_at <= when or _began_some_time(fact)


def _began_some_time(fact: Fact) -> bool:
    """Whether it was over when it was said, without a known beginning: "I lived in Lima until 2019"."""
    return fact.is_past and fact.valid_from is None
