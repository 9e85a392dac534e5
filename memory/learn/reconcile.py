"""Decides what becomes of proposed facts: add, reinforce, supersede, retract or drop. Pure; it reads no clock.

The model only proposes, and `memory.evidence.relations` says which relations between facts count. A fact can replace
one in its slot (subject and attribute), or one about the same subject that it `replaces` or `refines`; in doubt, both
are kept. What is temporary is kept beside what lasts, and a trip within a longer one beside that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from memory.evidence.relations import says_end, says_plan, takes_slot
from memory.evidence.timing import OPEN_END
from memory.facts.changes import Changes, Held, Proposal, Reinforcement, TakenBack, retired
from memory.facts.fact import Fact, Repeat, RetiredReason, Source
from memory.facts.slots import is_exclusive
from memory.facts.timeline import current_at

DAY = timedelta(days=1)


def reconcile(proposals: Iterable[Proposal], retracted: Mapping[str, TakenBack], known: Iterable[Fact]) -> Changes:
    """Decide on each proposal, in order; each sees the outcome of those before it.

    `retracted` has the ids of facts that the user took back. `known` holds the facts that these and the proposals
    name by id, text, slot or relation. What was said later wins, in whatever order it arrives.
    """
    by_id = {fact.id: fact for fact in known}
    current = {fact.id: fact for fact in by_id.values() if fact.retired_at is None}
    history = [fact for fact in by_id.values() if fact.retired_at is not None and fact.rolled_back_at is None]
    added, reinforced, gone = dict[str, Fact](), list[Reinforcement](), dict[str, Fact]()
    asked = dict[str, Held]()  # by the id of the known fact that may be over

    def retire(fact: Fact, reason: RetiredReason, ended_at: datetime, by: Source, successor: str | None = None) -> None:
        del current[fact.id]
        outcome = added if fact.id in added else gone
        outcome[fact.id] = retired(fact, reason, ended_at, successor, by)

    def ask(proposal: Proposal, reason: RetiredReason, ended_at: datetime, successor: str) -> None:
        fact, others = proposal.fact, (current.get(fact_id) for fact_id in proposal.doubtful)
        for other in others:
            if other and other.id != successor and other.last_said_at <= fact.observed_at:
                over = retired(other, reason, ended_at, successor, fact.source)
                asked[other.id] = Held(fact=over, reason="not certain", quote=fact.quote, held_at=fact.recorded_at)

    for fact_id, (said_at, source) in retracted.items():
        if (taken := current.get(fact_id)) and taken.last_said_at <= said_at:
            retire(taken, "retracted", said_at, source)

    for proposal in proposals:
        fact = proposal.fact
        if fact.id in by_id or fact.id in added:
            continue  # the same write again
        slot = [other for other in current.values() if other.slot == fact.slot]
        if len(slot) == 1 and is_exclusive(fact.attribute, None):  # what it was kept beside, in doubt, may be gone
            slot = [slot[0].model_copy(update={"exclusive": True})]
        rivals_in_slot = [f for f in slot if f.exclusive and f.is_temporary == fact.is_temporary]
        if fact.exclusive and any(_interrupts(fact, f) or not _may_take(proposal, f) for f in rivals_in_slot):
            fact = fact.model_copy(update={"exclusive": False})  # in doubt, both are kept
            proposal = replace(proposal, fact=fact)
        related = [other for other in current.values() if other.subject == fact.subject and _changes(proposal, other)]
        slot_and_related = slot + [other for other in related if other.slot != fact.slot]
        if repeated := _repeated(proposal, slot, [other for other in current.values() if other.words == fact.words]):
            if repeated.id not in added:
                thread_id, message_id = fact.source.thread_id or "", fact.source.message_id or ""
                repeat = Repeat(thread_id=thread_id, message_id=message_id, observed_at=fact.observed_at)
                reinforced.append(Reinforcement(repeated, repeat))
                said_again_at = max(repeated.last_said_at, fact.observed_at)
                current[repeated.id] = repeated.model_copy(update={"said_again_at": said_again_at})
                for other in related:
                    if other.id != repeated.id and proposal.relations[other.id] == "replaces":
                        retire(other, "superseded", fact.starts_at, fact.source, repeated.id)
                ask(proposal, "superseded", fact.starts_at, repeated.id)
        elif ended := _ended_before_it_arrived(fact, history):
            added[fact.id] = ended
        elif fact.is_past:
            ended_at = fact.valid_until or fact.observed_at
            for other in slot_and_related:
                if _tells_end_of(proposal, other):
                    retire(other, "expired", ended_at, fact.source, fact.id)
            added[fact.id] = retired(fact, "expired", ended_at)
            ask(proposal, "expired", ended_at, fact.id)
        else:
            rivals = [(other, reason) for other in slot_and_related if (reason := _reason_to_retire(proposal, other))]
            if later := _said_later((other for other, _ in rivals), fact):
                ended_at = later.starts_at if later.starts_at > fact.starts_at else later.last_said_at
                added[fact.id] = retired(fact, "superseded", ended_at, later.id)
                continue
            for other, reason in rivals:  # a plan that gives way to another one was given up when that was said
                ended_at = min(fact.observed_at, fact.starts_at) if other.is_planned else fact.starts_at
                retire(other, reason, ended_at, fact.source, fact.id)
            added[fact.id] = current[fact.id] = fact
            ask(proposal, "superseded", fact.starts_at, fact.id)
    held = tuple(item for item in asked.values() if item.id in current)
    return Changes(tuple(added.values()), tuple(reinforced), tuple(gone.values()), held)


def put(fact: Fact, known: Iterable[Fact]) -> Changes:
    """Write a fact in place of the one with its key and, if it holds one value, of an earlier one in its slot."""
    current = [other for other in known if other.retired_at is None]
    same_key = [other for other in current if other.key == fact.key]
    metadata = {"id", "observed_at", "recorded_at", "said_again_at", "restores"}
    if same_key and same_key[0].model_dump(exclude=metadata) == fact.model_dump(exclude=metadata):
        return Changes()
    in_slot = [f for f in current if f.exclusive and fact.exclusive and f.slot == fact.slot and f not in same_key]
    rivals = [f for f in in_slot if (f.is_planned, f.is_temporary) == (fact.is_planned, fact.is_temporary)]
    if fact.is_past:
        fact, rivals = retired(fact, "expired", fact.valid_until or fact.observed_at), []
    elif fact.observed_at < fact.recorded_at and (later := _said_later(rivals, fact)):  # else it is said now
        fact, rivals = retired(fact, "superseded", max(later.starts_at, fact.starts_at), later.id), []
    replaced = (retired(other, "superseded", fact.starts_at, fact.id) for other in (*rivals, *same_key))
    return Changes((fact,), retired=tuple(replaced))


def _said_later(others: Iterable[Fact], fact: Fact) -> Fact | None:
    """The latest of the others that were said after the fact, which arrives late and is already overtaken."""
    later = (other for other in others if other.last_said_at > fact.observed_at)
    return max(later, key=lambda other: (other.observed_at, other.id), default=None)


def _ended_before_it_arrived(fact: Fact, history: Iterable[Fact]) -> Fact | None:
    """The fact as history, where something that was said after it has already ended it; otherwise None."""
    for other in history:
        if other.ended_at is None or other.retired_reason is None or other.slot != fact.slot:
            continue
        if other.words == fact.words and fact.observed_at < other.ended_at:
            return retired(fact, other.retired_reason, other.ended_at, other.successor)
        said_later = other.last_said_at > fact.observed_at and not (other.is_past or other.is_planned)
        rivals = fact.exclusive and other.exclusive and fact.is_temporary == other.is_temporary
        if rivals and said_later and not fact.is_planned and other.retired_reason != "retracted":
            return retired(fact, "superseded", max(other.starts_at, fact.starts_at), other.id)
    return None


def _repeated(proposal: Proposal, slot: Sequence[Fact], same_words: Sequence[Fact]) -> Fact | None:
    """The known fact that the proposal repeats: current then, of the same dates, and not a plan."""
    fact = proposal.fact
    candidates = [*same_words, *(other for other in slot if proposal.relations.get(other.id) == "duplicate")]
    current_then = {other.id for other in current_at([*slot, *candidates], fact.observed_at)} if candidates else set()
    for other in candidates:
        # Small models date what they give back at the time of the message.
        dated_now = fact.valid_from and other.valid_from is None and fact.observed_at - fact.valid_from < DAY
        same_start = fact.valid_from in (None, other.valid_from) or dated_now
        same_dates = same_start and fact.valid_until in (None, other.valid_until)
        alike = fact.is_temporary == other.is_temporary and (fact.is_planned or not other.is_planned)
        if same_dates and other.id in current_then and alike:
            return other
    return None


def _may_take(proposal: Proposal, other: Fact) -> bool:
    """Whether a fact may take the place of another in a slot of one value: a relation or the words say so."""
    related = proposal.relations.get(other.id) in ("duplicate", "refines", "replaces")
    certain = other.id not in proposal.doubtful and takes_slot(proposal.fact, other)
    return related or proposal.fact.is_past or proposal.fact.words == other.words or certain


def _changes(proposal: Proposal, other: Fact) -> bool:
    return proposal.relations.get(other.id) in ("replaces", "refines")


def _apart(fact: Fact, other: Fact) -> bool:
    """Whether two plans begin at different times, or one of two temporary facts ends before the other begins."""
    if fact.is_planned and other.is_planned:
        return fact.starts_at != other.starts_at
    ends = [(fact.valid_until, other.starts_at), (other.valid_until, fact.starts_at)]
    return fact.is_temporary and other.is_temporary and any(end and end <= start for end, start in ends)


def _interrupts(fact: Fact, other: Fact) -> bool:
    """Whether a fact holds for a while, after which the other holds again: it lasts, or has a known, later end."""
    if not (fact.is_temporary and other.is_temporary):
        return fact.is_temporary
    return bool(fact.valid_until and other.valid_until and not _is_open(other) and fact.valid_until < other.valid_until)


def _is_open(fact: Fact) -> bool:
    """Whether it was not said until when it lasts."""
    return fact.valid_until in (None, fact.observed_at + OPEN_END)


def _tells_end_of(proposal: Proposal, other: Fact) -> bool:
    """Whether a fact that was over when it was said tells that a known one has ended."""
    fact, same = proposal.fact, proposal.fact.words == other.words
    related = proposal.relations.get(other.id) in ("duplicate", "refines", "replaces")
    ends_it = same or (related and (fact.valid_until or fact.observed_at) > other.starts_at)
    return ends_it and other.last_said_at <= fact.observed_at


def _reason_to_retire(proposal: Proposal, other: Fact) -> RetiredReason | None:
    """Why the later one of two facts in a slot replaces the other, or None where both are kept, as with a plan."""
    fact = proposal.fact
    other_is_later = other.is_planned and other.starts_at > fact.observed_at
    overtaken_plan = fact.is_planned and not other.is_planned and other.last_said_at >= fact.starts_at
    if fact.is_planned != other_is_later and not overtaken_plan:
        return "superseded" if says_plan(other) and proposal.relations.get(other.id) == "replaces" else None
    claims_it = proposal.relations.get(other.id) in ("refines", "replaces")
    if not claims_it and fact.words != other.words and _apart(fact, other):
        return None
    over = other.valid_until is not None and other.valid_until <= fact.observed_at
    by_relation: dict[str | None, RetiredReason] = {"refines": "refined", "replaces": "superseded"}
    claimed = by_relation.get(proposal.relations.get(other.id))
    in_one_place = fact.exclusive and other.exclusive and fact.slot == other.slot
    if fact.words != other.words and _interrupts(fact, other):
        # A new job with a known end may end the old one; a trip ends nothing.
        return claimed if claimed == "refined" or (fact.tense == "now" and says_end(fact)) else None
    if fact.words != other.words and other.is_temporary > fact.is_temporary:
        return claimed or ("superseded" if in_one_place and _is_open(other) else None)
    if in_one_place:
        return "expired" if over else "superseded"
    if fact.words == other.words:  # and yet no repeat: it says other dates
        if other.is_hard_limit and _interrupts(fact, other):
            return None  # an allergy does not end because it is said once more, with an end
        if fact.valid_from and other.valid_from and fact.valid_from != other.valid_from:
            return None  # two dentist's appointments are two
        return "expired" if over else "refined"
    return claimed
