"""Decides what becomes of proposed facts: add, reinforce, supersede, retract or drop. Pure; it reads no clock.

The model proposes relations, this code decides. Only a fact in the same slot (subject and attribute) can be replaced;
when in doubt, both facts are kept.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from memory.facts.changes import Changes, Proposal, Reinforcement, retired
from memory.facts.fact import Fact, RetiredReason, same_words
from memory.facts.timeline import current_at

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


def is_exclusive(attribute: str, proposed: bool) -> bool:
    """Whether a slot of this attribute holds one value at a time."""
    return attribute in SINGLE_VALUED or (proposed and attribute not in MANY_VALUED)


class _Current:
    """The unretired facts during a reconciliation, found by slot and by (subject, words)."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._found: defaultdict[object, dict[str, Fact]] = defaultdict(dict)
        for fact in facts:
            self.put(fact)

    def put(self, fact: Fact) -> None:
        for key in (fact.slot, _words(fact)):
            self._found[key][fact.id] = fact

    def remove(self, fact: Fact) -> None:
        for key in (fact.slot, _words(fact)):
            del self._found[key][fact.id]

    def in_slot(self, fact: Fact) -> list[Fact]:
        return list(self._found[fact.slot].values())

    def with_words(self, fact: Fact) -> list[Fact]:
        return list(self._found[_words(fact)].values())


def reconcile(proposals: Iterable[Proposal], retracted: Mapping[str, datetime], known: Iterable[Fact]) -> Changes:
    """Decide on each proposal, in order; each sees the outcome of those before it.

    `retracted` maps ids of facts that the user took back to when. `known` holds at least the unretired facts in the
    proposals' slots, those with the same text, those that `relations` and `retracted` name, and every fact, retired or
    not, that has a proposal's id. What was said later wins, in whatever order it arrives.
    """
    by_id = {fact.id: fact for fact in known}
    current = _Current(fact for fact in by_id.values() if fact.retired_at is None)
    history = [fact for fact in by_id.values() if fact.retired_at is not None]
    added: dict[str, Fact] = {}
    reinforced: list[Reinforcement] = []
    gone: dict[str, Fact] = {}

    def retire(fact: Fact, reason: RetiredReason, ended_at: datetime, successor: str | None = None) -> None:
        current.remove(fact)
        outcome = added if fact.id in added else gone
        outcome[fact.id] = retired(fact, reason, ended_at, successor)

    for fact_id, said_at in retracted.items():
        if (taken := by_id.get(fact_id)) and taken.retired_at is None and taken.last_said_at <= said_at:
            retire(taken, "retracted", said_at)

    for proposal in proposals:
        fact = proposal.fact
        if fact.id in by_id or fact.id in added:
            continue  # the same write again
        if repeated := _repeated(proposal, current):
            if repeated.id not in added:
                reinforced.append(Reinforcement(repeated, fact.source, fact.observed_at))
                said_again_at = max(repeated.last_said_at, fact.observed_at)
                current.put(repeated.model_copy(update={"said_again_at": said_again_at}))
        elif ended := _ended_before_it_arrived(fact, history):
            added[fact.id] = ended
        elif fact.is_past:
            ended_at = fact.valid_until or fact.observed_at
            for other in current.in_slot(fact):
                if _tells_end_of(proposal, other):
                    retire(other, "expired", ended_at, fact.id)
            added[fact.id] = retired(fact, "expired", ended_at)
        else:
            rivals = [
                (other, reason) for other in current.in_slot(fact) if (reason := _reason_to_retire(proposal, other))
            ]
            if later := _said_later((other for other, _ in rivals), fact):
                ended_at = later.starts_at if later.starts_at > fact.starts_at else later.last_said_at
                added[fact.id] = retired(fact, "superseded", ended_at, later.id)
                continue
            for other, reason in rivals:  # a plan that gives way to another one was given up when that was said
                ended_at = min(fact.observed_at, fact.starts_at) if other.is_planned else fact.starts_at
                retire(other, reason, ended_at, fact.id)
            added[fact.id] = fact
            current.put(fact)

    return Changes(tuple(added.values()), tuple(reinforced), tuple(gone.values()))


def put(fact: Fact, known: Iterable[Fact]) -> Changes:
    """Write a fact under its key: it replaces the fact with that key and, if it holds one value, the one in its slot.

    In a slot, a fact that was over when it was said replaces nothing, and one that was said later stays.
    """
    current = [other for other in known if other.retired_at is None]
    same_key = [other for other in current if other.key == fact.key]
    if same_key and _content(same_key[0]) == _content(fact):
        return Changes()
    rivals = [
        other
        for other in current
        if other not in same_key
        and (fact.exclusive and other.exclusive and other.slot == fact.slot and fact.is_planned == other.is_planned)
    ]
    if fact.is_past:
        fact, rivals = retired(fact, "expired", fact.valid_until or fact.observed_at), []
    elif later := _said_later(rivals, fact):
        fact, rivals = retired(fact, "superseded", max(later.starts_at, fact.starts_at), later.id), []
    replaced = (retired(other, "superseded", fact.starts_at, fact.id) for other in (*rivals, *same_key))
    return Changes((fact,), retired=tuple(replaced))


def _content(fact: Fact) -> dict[str, object]:
    return fact.model_dump(exclude={"id", "observed_at", "recorded_at", "said_again_at"})


def _words(fact: Fact) -> tuple[str, tuple[str, ...]]:
    return fact.subject, same_words(fact.text)


def _said_later(others: Iterable[Fact], fact: Fact) -> Fact | None:
    """The latest of the others that were said after the fact: the fact arrives late, and was already overtaken."""
    later = (other for other in others if other.last_said_at > fact.observed_at)
    return max(later, key=lambda other: (other.observed_at, other.id), default=None)


def _ended_before_it_arrived(fact: Fact, history: Iterable[Fact]) -> Fact | None:
    """The fact as history, where something that was said after it has already ended it; otherwise None."""
    for other in history:
        if other.ended_at is None or other.retired_reason is None or other.slot != fact.slot:
            continue
        if _words(other) == _words(fact) and fact.observed_at < other.ended_at:
            return retired(fact, other.retired_reason, other.ended_at, other.successor)
        said_later = other.last_said_at > fact.observed_at and not (other.is_past or other.is_planned)
        if fact.exclusive and other.exclusive and said_later and not fact.is_planned:
            return retired(fact, "superseded", max(other.starts_at, fact.starts_at), other.id)
    return None


def _repeated(proposal: Proposal, current: _Current) -> Fact | None:
    """The known fact that the proposal only says again, if there is one.

    The known fact has to have been current when the proposal was said, no plan, and of the same dates.
    """
    fact, slot = proposal.fact, current.in_slot(proposal.fact)
    duplicates = [other for other in slot if proposal.relations.get(other.id) == "duplicate"]
    candidates = [*current.with_words(fact), *duplicates]
    current_then = {other.id for other in current_at([*slot, *candidates], fact.observed_at)}
    for other in candidates:
        same_dates = fact.valid_from in (None, other.valid_from) and fact.valid_until in (None, other.valid_until)
        if same_dates and other.id in current_then and (fact.is_planned or not other.is_planned):
            return other
    return None


def _tells_end_of(proposal: Proposal, other: Fact) -> bool:
    """Whether a fact that was over when it was said tells that a known one has ended."""
    fact, same = proposal.fact, _words(proposal.fact) == _words(other)
    related = proposal.relations.get(other.id, "unrelated") != "unrelated"
    ends_it = same or (related and (fact.valid_until or fact.observed_at) > other.starts_at)
    return ends_it and other.last_said_at <= fact.observed_at


def _reason_to_retire(proposal: Proposal, other: Fact) -> RetiredReason | None:
    """Why the later one of two facts in a slot replaces the other, or None where both are kept.

    A current fact and a plan for later are both kept until the plan's time has come.
    """
    fact = proposal.fact
    other_is_later = other.is_planned and other.starts_at > fact.observed_at
    overtaken_plan = fact.is_planned and not other.is_planned and other.last_said_at >= fact.starts_at
    if fact.is_planned != other_is_later and not overtaken_plan:
        return None
    over = other.valid_until is not None and other.valid_until <= fact.observed_at
    if fact.exclusive and other.exclusive:
        return "expired" if over else "superseded"
    if _words(fact) == _words(other):  # and yet no repeat: it says other dates
        if fact.valid_from and other.valid_from and fact.valid_from != other.valid_from:
            return None  # two dentist's appointments are two
        return "expired" if over else "refined"
    by_relation: dict[str | None, RetiredReason] = {"refines": "refined", "replaces": "superseded"}
    return by_relation.get(proposal.relations.get(other.id))
