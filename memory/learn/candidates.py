"""From the candidates that a model found to proposed facts: which are kept, held back or dropped, and why. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from memory.evidence.pasted import is_pasted
from memory.evidence.quotes import clauses_around, is_quoted, own_names, says_own_name, sentence_around
from memory.evidence.relations import claimed_changes, counted
from memory.evidence.retractions import may_mean_another, names_it, taken_pair, takes_back
from memory.evidence.signals import Signals
from memory.evidence.support import NO_COSINES, Cosines, Pair, begins_with_i, compared, is_supported
from memory.evidence.timing import checked, timing
from memory.extraction.answer import Candidate, Retraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.changes import (
    MAX_DROPPED_TEXT,
    Dropped,
    DropReason,
    Held,
    HeldReason,
    Proposal,
    RelationKind,
    TakenBack,
    is_over,
    retired,
)
from memory.facts.fact import MAX_FACT_TEXT, Fact, Source, fact_id, is_storable
from memory.facts.slots import HARD_LIMITS, USER, attribute_name, is_exclusive, subject_name
from memory.guard.doubts import is_doubtful
from memory.guard.instructions import is_instruction
from memory.guard.secrets import SecretKind, secret_in
from memory.language.content import content

MAX_CANDIDATES = 20  # facts taken from one message, besides constraints; one that holds more is a document
MAX_SENTENCE = 2_000  # characters of the sentence around a quote that are judged
UNREADABLE = Dropped("", "unreadable")


class Judge(Protocol):
    """`is_instruction` or `is_doubtful`."""

    def __call__(self, text: str, *, said: bool = False) -> bool: ...


class Proposed(NamedTuple):
    """What becomes of an extraction."""

    kept: list[Proposal]  # candidates that may become facts
    retracted: dict[str, TakenBack]  # by the ids of the known facts
    held: list[Held]  # candidates that are held back until the user decides
    dropped: tuple[Dropped, ...]  # the rest


def to_compare(seed: str, found: Extracted) -> list[Pair]:
    """The pairs of texts whose cosines `proposals` needs, where words alone do not decide. `seed` as for `fact_id`."""
    names, pairs = _names(found), dict[Pair, None]()
    for candidate in found.extraction.facts:
        if said := message_of(candidate, found.utterances):
            pairs |= dict.fromkeys(compared(candidate, said.text))
            if fact := _fact(seed, candidate, said, said.said_at, names):
                pairs |= dict.fromkeys(claimed_changes(_claims(candidate, found.known), fact, found.known))
    for known, said, quote in _taken_back(found):
        if known and said and not names_it(known, around := sentence_around(quote, said.text)):
            pairs[taken_pair(known, around)] = None
    return [*pairs]


def needs_meaning(found: Extracted) -> bool:
    """Whether words alone leave it open for a candidate whether its message supports it."""
    said = ((candidate, message_of(candidate, found.utterances)) for candidate in found.extraction.facts)
    return any(message and compared(candidate, message.text) for candidate, message in said)


def proposals(seed: str, found: Extracted, now: datetime, cosines: Cosines = NO_COSINES) -> Proposed:
    """Sort the candidates into those that may become facts, are held back, or are dropped, with the reason."""
    kept, kept_of = list[Proposal](), Counter[Source]()
    retracted, held, dropped = dict[str, TakenBack](), list[Held](), list[Dropped]()
    names, holds = _names(found), cache(secret_in)  # each message is searched once
    shown = {fact.text for fact in found.known}
    for candidate in found.extraction.facts:
        said = message_of(candidate, found.utterances)
        reason = rejection(candidate, said, cosines)
        if reason in ("quote not found", "not supported") and candidate.text.strip() in shown:
            continue  # a small model gives back what it was shown
        if said and not reason:
            limited = not _is_hard_limit(candidate)
            if limited and kept_of[said.source] == MAX_CANDIDATES:
                reason = "over the limit"
            elif fact := _fact(seed, candidate, said, now, names):
                proposal, both_kept = _proposal(fact, candidate, found.known, said.text, cosines)
                if doubt := doubt_of(candidate, said, proposal, found.known):
                    relations = dict(proposal.relations)
                    relations |= dict.fromkeys(proposal.doubtful, "replaces")  # the user is asked once
                    held.append(
                        Held(fact=proposal.fact, reason=doubt, quote=fact.quote, relations=relations, held_at=now)
                    )
                else:
                    kept.append(proposal)
                    dropped += both_kept
                kept_of[said.source] += limited
            else:
                reason = "unreadable"
        if reason:
            # If the text may be a secret, or a part of one, it is left out.
            hidden = reason == "secret" or any(holds(m.text) for m in ([said] if said else found.utterances))
            text = candidate.text.strip()[:MAX_DROPPED_TEXT]
            kind = _secret_of(candidate, said) if reason == "secret" else None
            detail = f"looks like {kind}" if kind else ""
            dropped.append(Dropped(text if is_storable(text) and not hidden else "", reason, detail))
    for known, said, quote in _taken_back(found):
        if not known:
            dropped.append(UNREADABLE)
        elif not said:
            dropped.append(Dropped(_end_of(known), "quote not found"))
        elif takes_back(known, quote, said.text, said.source.thread_id, cosines):
            if may_mean_another(known, quote, said.text):
                over = retired(known, "retracted", said.said_at, by=said.source)
                held.append(Held(fact=over, reason="not certain", quote=quote, held_at=now))
            else:
                retracted[known.id] = TakenBack(said.said_at, said.source)
        else:
            dropped.append(Dropped(_end_of(known), "not supported"))
    return Proposed(kept, retracted, held, (*dropped, *[UNREADABLE] * found.extraction.unreadable))


def message_of(quoted: Candidate | Retraction, messages: Sequence[Utterance]) -> Utterance | None:
    """The message that has the quote: the one with the given number, or, if that is wrong, the only one that has it."""
    numbered = messages[quoted.message - 1 : quoted.message] if quoted.message else []
    if numbered and is_quoted(quoted.quote, numbered[0].text):
        return numbered[0]
    having = [said for said in messages if is_quoted(quoted.quote, said.text)]
    return having[0] if len(having) == 1 else None


def rejection(candidate: Candidate, said: Utterance | None, cosines: Cosines = NO_COSINES) -> DropReason | None:
    """Why the candidate is not kept, or None: the user's own words have to support it; no secret, and no instruction.

    `said` is the message that has its quote.
    """
    if _secret_of(candidate, said):
        return "secret"
    if not said:
        return "quote not found"
    texts = (candidate.text, candidate.quote, candidate.subject, candidate.attribute)
    if not all(map(is_storable, texts)) or not 0 < len(candidate.text.strip()) <= MAX_FACT_TEXT:
        return "unreadable"
    if reads_as(is_instruction, candidate, said):
        return "command"
    if is_pasted(candidate.text, candidate.quote, said.text):
        return "pasted"
    return None if is_supported(candidate, said.text, cosines) else "not supported"


def doubt_of(candidate: Candidate, said: Utterance, proposal: Proposal, known: Sequence[Fact]) -> HeldReason | None:
    """Why what is not rejected is held back until the user decides, or None."""
    is_known = any(other.text == proposal.fact.text for other in known)  # the user has kept it
    if not is_known and (candidate.instruction or reads_as(is_doubtful, candidate, said)):
        return "reads like an instruction"
    fact, doubted = proposal.fact, [other for other in known if other.id in proposal.doubtful and other.is_hard_limit]
    if fact.is_hard_limit and not any(Signals(fact, other, fact.quote).denies for other in doubted):
        return None  # "Is vegetarian" is known beside "Is vegan", and the user is asked whether that is over
    return "would end a hard limit" if doubted else None


def _is_hard_limit(candidate: Candidate) -> bool:
    return candidate.category == "constraint" or attribute_name(candidate.attribute) in HARD_LIMITS


def _around(candidate: Candidate, said: Utterance | None) -> str:
    return sentence_around(candidate.quote, said.text)[:MAX_SENTENCE] if said else candidate.quote


def reads_as(judge: Judge, candidate: Candidate, said: Utterance) -> bool:
    """Whether the judge finds it in what the candidate states, or in the words that it was taken from."""
    stated = (candidate.text, candidate.subject, candidate.attribute)
    quoted = dict.fromkeys((candidate.quote, _around(candidate, said)))
    if any(map(judge, stated)):
        return True
    return any(judge(part, said=True) for part in quoted) and not _stated_beside(judge, candidate, said.text)


def _stated_beside(judge: Judge, candidate: Candidate, message: str) -> bool:
    """Whether a clause about the user that passes has half of the text: "Never suggest fish, I'm allergic"."""
    clauses = filter(begins_with_i, clauses_around(candidate.quote, message))
    said = [content(clause) for clause in clauses if not judge(clause, said=True)]
    claimed = content(candidate.text)
    return any(2 * len(claimed & part) >= len(claimed) > 0 for part in said)


def _secret_of(candidate: Candidate, said: Utterance | None) -> SecretKind | None:
    around = _around(candidate, said)
    if kind := secret_in(f"{candidate.attribute}: {candidate.text}", candidate.subject, candidate.quote, around):
        return kind
    # "The door code? 4821": two sentences, of which the first alone tells nothing.
    both = sentence_around(candidate.quote, said.text, before=1)[-MAX_SENTENCE:] if said else ""
    return None if secret_in(both.removesuffix(around)) else secret_in(both)


def _taken_back(found: Extracted) -> Iterator[tuple[Fact | None, Utterance | None, str]]:
    """Of each retraction: the known fact, the message that takes it back, and the quote."""
    shown = dict(enumerate(found.known, 1))
    for taken in found.extraction.retracted:
        yield shown.get(taken.known), message_of(taken, found.utterances), taken.quote


def _names(found: Extracted) -> list[frozenset[str]]:
    """The words of each name by which the user is known, or is called in these messages."""
    new = (candidate for candidate in found.extraction.facts if attribute_name(candidate.attribute) == "name")
    return own_names(found.known) + [content(name.text) for name in new if subject_name(name.subject) == USER]


def _proposal(
    fact: Fact, candidate: Candidate, known: Sequence[Fact], message: str, cosines: Cosines
) -> tuple[Proposal, list[Dropped]]:
    """The proposal, and the claims that it replaces a known fact which do not count."""
    relations, doubtful, kept = counted(_claims(candidate, known), fact, known, message, cosines)
    if is_exclusive(fact.attribute, candidate.exclusive) and not (fact.exclusive or fact.is_hard_limit):
        # Whether it holds now is not certain, so that it takes no place.
        lasting = {other.id for other in known if other.slot == fact.slot and not other.is_temporary}
        unsure = {known_id for known_id in lasting if relations.get(known_id) == "replaces"}
        relations = {known_id: kind for known_id, kind in relations.items() if known_id not in unsure}
        doubtful |= unsure
    if any(other.slot == fact.slot and relations.get(other.id) == "beside" for other in known):
        fact = fact.model_copy(update={"exclusive": False})
    both_kept = [
        Dropped(_end_of(other), "both kept", f"both kept: {kept[other.id]}") for other in known if other.id in kept
    ]
    return Proposal(fact, relations, doubtful), both_kept


def _end_of(known: Fact) -> str:
    return is_over(known.text[:MAX_DROPPED_TEXT])


def _claims(candidate: Candidate, known: Sequence[Fact]) -> dict[str, RelationKind]:
    """Id of a known fact -> how the candidate claims to relate to it."""
    shown = dict(enumerate(known, 1))
    return {shown[claim.known].id: claim.relation for claim in candidate.relations if claim.known in shown}


def _fact(
    seed: str, candidate: Candidate, said: Utterance, now: datetime, names: Sequence[frozenset[str]]
) -> Fact | None:
    """None for a text, subject or attribute that is empty or too long."""
    dates, is_limit = (candidate.valid_from, candidate.valid_until), _is_hard_limit(candidate)
    when = timing(candidate.tense, dates, said.said_at, candidate.quote, candidate.text, is_limit=is_limit)
    values = candidate.model_dump(exclude={"message", "relations", "exclusive", "instruction"}) | when._asdict()
    values |= {"text": candidate.text.strip()}
    if says_own_name(candidate.subject, candidate.quote, said.text, names):
        values["subject"] = USER
    try:
        fact = Fact(id="", key="", source=said.source, observed_at=said.said_at, recorded_at=now, **values)
    except ValidationError:
        return None
    if exclusive := not is_limit and is_exclusive(fact.attribute, candidate.exclusive):  # limits add up
        when = checked(when, fact.attribute, fact.text, fact.quote, said.said_at)
        exclusive = when.certain
    identifier = fact_id(seed, said.source, candidate.text, *fact.slot, *map(str, dates))
    changed = {"exclusive": exclusive, "tense": when.tense, "valid_until": when.valid_until}
    return fact.model_copy(update={"id": identifier, "key": identifier, **changed})
