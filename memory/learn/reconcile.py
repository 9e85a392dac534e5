"""Candidates beside what is known, to decisions: add, reinforce, supersede, retract or drop. Pure; it reads no clock.

The model proposes relations, this code decides. Only a fact in the same slot (subject and attribute) can be replaced,
and anything doubtful is added beside, never instead.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from memory.facts.fact import Fact, RetiredReason, Source, normalize

SINGLE_VALUED = frozenset({
    "name", "home city", "home country", "employer", "occupation", "age", "birthday", "origin", "native language",
    "marital status", "time zone", "email", "phone",
})  # fmt: skip
"""Attributes that hold one value at a time, whatever a model says."""

MANY_VALUED = frozenset({
    "likes", "dislikes", "preference", "allergy", "diet", "spoken language", "language", "tool", "skill", "project",
    "hobby", "relation", "family", "friend", "pet", "goal", "decision", "event", "note",
})  # fmt: skip
"""Attributes that hold many values side by side, whatever a model says."""

RelationKind = Literal["unrelated", "duplicate", "refines", "replaces"]


def is_exclusive(attribute: str, proposed: bool) -> bool:
    """Whether a slot of this attribute holds one value at a time."""
    return attribute in SINGLE_VALUED or (proposed and attribute not in MANY_VALUED)


@dataclass(frozen=True)
class Proposal:
    """A fact that may be added, and how the model relates it to facts that were known when it was asked."""

    fact: Fact
    relations: Mapping[str, RelationKind] = field(default_factory=dict)
    """Known fact id -> relation."""


@dataclass(frozen=True)
class Retirement:
    """A fact that stops being current."""

    fact: Fact
    reason: RetiredReason
    ended_at: datetime
    """When it stopped holding in the world."""
    successor: str | None = None


@dataclass(frozen=True)
class Reinforcement:
    """A known fact that was said again."""

    fact: Fact
    source: Source
    observed_at: datetime


@dataclass(frozen=True)
class Changes:
    """What one reconciliation does to a user's memory."""

    added: tuple[Fact, ...] = ()
    """New facts; one with a `retired_reason` is history from the start."""
    reinforced: tuple[Reinforcement, ...] = ()
    retired: tuple[Retirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.reinforced or self.retired)

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(self.added + other.added, self.reinforced + other.reinforced, self.retired + other.retired)


class _Current:
    """The facts that are current while proposals are gone through, found by slot and by words."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.by_id: dict[str, Fact] = {}
        self._by_slot: dict[tuple[str, str], dict[str, Fact]] = {}
        self._by_words: dict[tuple[str, tuple[str, ...]], dict[str, Fact]] = {}
        for fact in facts:
            self.add(fact)

    def _places(self, fact: Fact) -> tuple[dict[str, Fact], ...]:
        slot = self._by_slot.setdefault(fact.slot, {})
        return self.by_id, slot, self._by_words.setdefault((fact.subject, same_words(fact.text)), {})

    def add(self, fact: Fact) -> None:
        for place in self._places(fact):
            place[fact.id] = fact

    def remove(self, fact: Fact) -> None:
        for place in self._places(fact):
            place.pop(fact.id, None)

    def in_slot(self, fact: Fact) -> list[Fact]:
        return list(self._by_slot.get(fact.slot, {}).values())

    def in_same_words(self, fact: Fact) -> list[Fact]:
        return list(self._by_words.get((fact.subject, same_words(fact.text)), {}).values())


def reconcile(proposals: Iterable[Proposal], retracted: Mapping[str, datetime], known: Iterable[Fact]) -> Changes:
    """Decide what becomes of each proposal, in order, each seeing what the ones before it did.

    `retracted` are the facts that were taken back, and when that was said. `known` holds at least the current facts in
    the proposals' slots, those with the same text, those that `relations` and `retracted` name, and every fact,
    current or not, that has a proposal's id. What was said later wins, in whatever order it arrives.
    """
    everything = {fact.id: fact for fact in known}
    current = _Current(fact for fact in everything.values() if fact.retired_at is None)
    ended = [fact for fact in everything.values() if fact.retired_at is not None]
    added: dict[str, Fact] = {}
    reinforced: list[Reinforcement] = []
    retired: dict[str, Retirement] = {}

    def retire(fact: Fact, reason: RetiredReason, ended_at: datetime, successor: str | None = None) -> None:
        current.remove(fact)
        if fact.id in added:  # said and overtaken in one breath: it enters the history as retired
            added[fact.id] = _retired(fact, reason, ended_at, successor)
        else:
            retired[fact.id] = Retirement(fact, reason, ended_at, successor)

    for fact_id, said_at in retracted.items():
        fact = current.by_id.get(fact_id)
        if fact and fact.last_said_at <= said_at:
            retire(fact, "retracted", said_at)

    for proposal in proposals:
        fact = proposal.fact
        if fact.id in everything or fact.id in added:
            continue  # the same write again
        if repeat := _repeated(proposal, current):
            if repeat.id not in added:
                reinforced.append(Reinforcement(repeat, fact.source, fact.observed_at))
                latest = max(repeat.last_said_at, fact.observed_at)
                current.add(repeat.model_copy(update={"said_again_at": latest}))
            continue
        if overtaken := _overtaken(fact, ended):
            added[fact.id] = overtaken
            continue
        if fact.is_past:
            for other in current.in_slot(fact):
                if _is_ended(proposal, other):
                    retire(other, "expired", fact.valid_until or fact.observed_at, fact.id)
            added[fact.id] = _retired(fact, "expired", fact.valid_until or fact.observed_at, None)
            continue
        rivals = [(other, reason) for other in current.in_slot(fact) if (reason := _rivalry(proposal, other))]
        later = max((other for other, _ in rivals if other.last_said_at > fact.observed_at), key=_said, default=None)
        if later:  # an older message that arrives late: it was already overtaken
            ended_at = later.starts_at if later.starts_at > fact.starts_at else later.last_said_at
            added[fact.id] = _retired(fact, "superseded", ended_at, later.id)
            continue
        for other, reason in rivals:  # a plan that gives way to another one was given up when that was said
            retire(
                other, reason, min(fact.observed_at, fact.starts_at) if other.is_planned else fact.starts_at, fact.id
            )
        added[fact.id] = fact
        current.add(fact)

    return Changes(tuple(added.values()), tuple(reinforced), tuple(retired.values()))


def put(fact: Fact, known: Iterable[Fact]) -> Changes:
    """A fact put under a key by hand: it takes the place of what has that key or, if it holds one value, that slot.

    What was over when it was said takes nothing's place but its key's, and in a slot what was said later stays.
    """
    current = [other for other in known if other.retired_at is None]
    same_key = next((other for other in current if other.key == fact.key), None)
    if same_key and _content(same_key) == _content(fact):
        return Changes()
    rivals = [
        other
        for other in current
        if other is not same_key
        and (fact.exclusive and other.exclusive and other.slot == fact.slot and fact.is_planned == other.is_planned)
    ]
    later = max((other for other in rivals if other.last_said_at > fact.observed_at), key=_said, default=None)
    if fact.is_past or later:
        rivals = []
    if fact.is_past:
        fact = _retired(fact, "expired", fact.valid_until or fact.observed_at, None)
    elif later:
        fact = _retired(fact, "superseded", max(later.starts_at, fact.starts_at), later.id)
    replaced = [*rivals, *([same_key] if same_key else [])]
    return Changes(
        (fact,), retired=tuple(Retirement(other, "superseded", fact.starts_at, fact.id) for other in replaced)
    )


def _content(fact: Fact) -> dict[str, object]:
    """What a put says, without when it was written."""
    return fact.model_dump(exclude={"id", "observed_at", "recorded_at", "said_again_at"})


def same_words(text: str) -> tuple[str, ...]:
    """What of a text has to be the same for a repeat: its words in order, without case, closing marks and articles.

    No more is left out: "Likes C" and "Likes C++", "Likes jazz" and "Likes no jazz" are not the same.
    """
    return tuple(word for word in normalize(text).split() if word not in ARTICLES)


ARTICLES = frozenset({"a", "an", "the"})


def _overtaken(fact: Fact, ended: Iterable[Fact]) -> Fact | None:
    """The fact as history, where what was said since had made an end of it before it arrived; otherwise None."""
    for other in ended:
        if other.ended_at is None or other.retired_reason is None or other.slot != fact.slot:
            continue
        if same_words(other.text) == same_words(fact.text) and fact.observed_at < other.ended_at:
            return _retired(fact, other.retired_reason, other.ended_at, other.successor)
        said_later = other.last_said_at > fact.observed_at and not (other.is_past or other.is_planned)
        if fact.exclusive and other.exclusive and said_later and not fact.is_planned:
            return _retired(fact, "superseded", max(other.starts_at, fact.starts_at), other.id)
    return None


def _repeated(proposal: Proposal, current: _Current) -> Fact | None:
    """The current fact that the proposal only says again, if there is one.

    It is no repeat if the known fact did not hold when it was said, as one that was over, still a plan, or overtaken by
    a plan whose time had come; nor if it says other dates.
    """
    fact = proposal.fact
    slot = current.in_slot(fact)
    begun = [plan for plan in slot if plan.exclusive and plan.is_planned and plan.starts_at <= fact.observed_at]
    said_so = [other for other in slot if proposal.relations.get(other.id) == "duplicate"]
    for other in (*current.in_same_words(fact), *said_so):
        over = other.valid_until is not None and other.valid_until <= fact.observed_at
        over |= other.exclusive and any(other.starts_at < plan.starts_at for plan in begun)
        same_dates = fact.valid_from in (None, other.valid_from) and fact.valid_until in (None, other.valid_until)
        if same_dates and not over and (fact.is_planned or not other.is_planned):
            return other
    return None


def _is_ended(proposal: Proposal, other: Fact) -> bool:
    """Whether a fact that was over when it was said tells the end of a known one."""
    same = same_words(proposal.fact.text) == same_words(other.text)
    related = proposal.relations.get(other.id, "unrelated") != "unrelated"
    ends_it = same or (proposal.fact.valid_until or proposal.fact.observed_at) > other.starts_at
    return ends_it and other.last_said_at <= proposal.fact.observed_at and (same or related)


def _rivalry(proposal: Proposal, other: Fact) -> RetiredReason | None:
    """Why the later one of two facts in a slot takes the place of the other, or None where both stand.

    What holds now and what is planned for later stand beside each other until the plan's time has come.
    """
    fact = proposal.fact
    other_is_later = other.is_planned and other.starts_at > fact.observed_at
    overtaken_plan = fact.is_planned and not other.is_planned and other.last_said_at >= fact.starts_at
    if fact.is_planned != other_is_later and not overtaken_plan:
        return None
    over = other.valid_until is not None and other.valid_until <= fact.observed_at
    if fact.exclusive and other.exclusive:
        return "expired" if over else "superseded"
    if same_words(fact.text) == same_words(other.text):  # and yet no repeat: it says other dates
        if fact.valid_from and other.valid_from and fact.valid_from != other.valid_from:
            return None  # two dentist's appointments are two
        return "expired" if over else "refined"
    match proposal.relations.get(other.id):
        case "refines":
            return "refined"
        case "replaces":
            return "superseded"
    return None


def _retired(fact: Fact, reason: RetiredReason, ended_at: datetime, successor: str | None) -> Fact:
    return fact.model_copy(update={"retired_reason": reason, "ended_at": ended_at, "successor": successor})


def _said(fact: Fact) -> tuple[datetime, str]:
    return fact.observed_at, fact.id
