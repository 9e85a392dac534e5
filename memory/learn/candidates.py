"""From the candidates that a model found to proposed facts: which are kept, and why the others are not. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from pydantic import ValidationError

from memory.facts.changes import MAX_DROPPED_TEXT, Dropped, DropReason, Proposal
from memory.facts.fact import Fact, Source, fact_id, is_storable, normalize, parse_date
from memory.learn.answer import Candidate, Retraction
from memory.learn.extract import Extracted
from memory.learn.guard import holds_secret, is_command, is_secret
from memory.learn.reconcile import is_exclusive
from memory.learn.utterances import Utterance

MAX_CANDIDATES = 20  # facts taken from one message, besides constraints; one that holds more is a document
MAX_QUOTE = 2_000  # characters of a quote; a longer one does not show where the fact comes from
UNREADABLE = Dropped("", "unreadable")


class Proposed(NamedTuple):
    """What becomes of an extraction."""

    kept: list[Proposal]  # candidates that may become facts
    retracted: dict[str, datetime]  # the ids of the known facts that were taken back, each with when
    dropped: tuple[Dropped, ...]  # the rest


def proposals(user_id: str, found: Extracted, now: datetime) -> Proposed:
    """Sort the candidates into those that may become facts and those that are dropped, with the reason."""
    kept, kept_of = list[Proposal](), Counter[Source]()
    retracted, dropped = dict[str, datetime](), list[Dropped]()
    shown, holds = dict(enumerate(found.known, 1)), cache(holds_secret)  # each message is searched once
    for candidate in found.extraction.facts:
        said = message_of(candidate, found.utterances)
        reason = rejection(candidate, said)
        if said and not reason:
            limited = candidate.category != "constraint"
            if limited and kept_of[said.source] == MAX_CANDIDATES:
                reason = "over the limit"
            elif fact := _fact(user_id, candidate, said, now):
                relations = {shown[r.known].id: r.relation for r in candidate.relations if r.known in shown}
                kept.append(Proposal(fact, relations))
                kept_of[said.source] += limited
            else:
                reason = "unreadable"
        if reason:
            # If the text may be a secret, or a part of one, it is left out.
            hidden = reason == "secret" or any(holds(m.text) for m in ([said] if said else found.utterances))
            text = candidate.text.strip()[:MAX_DROPPED_TEXT]
            dropped.append(Dropped(text if is_storable(text) and not hidden else "", reason))
    for taken in found.extraction.retracted:
        known, said = shown.get(taken.known), message_of(taken, found.utterances)
        if known and said:
            retracted[known.id] = said.said_at
        else:
            dropped.append(Dropped(f"taking back: {known.text}", "quote not found") if known else UNREADABLE)
    return Proposed(kept, retracted, (*dropped, *[UNREADABLE] * found.extraction.unreadable))


def message_of(quoted: Candidate | Retraction, messages: Sequence[Utterance]) -> Utterance | None:
    """The message that has the quote: the one with the given number, or, if that is wrong, the only one that has it."""
    numbered = messages[quoted.message - 1 : quoted.message] if quoted.message else []
    if numbered and is_quoted(quoted.quote, numbered[0]):
        return numbered[0]
    having = [said for said in messages if is_quoted(quoted.quote, said)]
    return having[0] if len(having) == 1 else None


def rejection(candidate: Candidate, said: Utterance | None) -> DropReason | None:
    """Why the candidate is not kept, or None: it has to be the user's own words, and neither secret nor command.

    `said` is the message that has its quote.
    """
    around = sentence_around(candidate.quote, said.text) if said else candidate.quote
    if is_secret(candidate.text, candidate.attribute, around):
        return "secret"
    if not said:
        return "quote not found"
    if not all(map(is_storable, (candidate.text, candidate.quote, candidate.subject, candidate.attribute))):
        return "unreadable"
    return "command" if is_command(candidate.text, candidate.quote) else None


def is_quoted(quote: str, said: Utterance) -> bool:
    """Whether the user wrote these words in this message; case and spacing may differ."""
    return len(quote) <= MAX_QUOTE and bool(normalize(quote)) and normalize(quote) in normalize(said.text)


def sentence_around(quote: str, text: str) -> str:
    """The sentence or line of `text` with the quote in it; the quote alone where it is not found to the letter."""
    before, found, after = text.partition(quote)
    start, end = re.split(r"[.!?\n]\s", before)[-1], re.split(r"[.!?\n](?:\s|$)", after, maxsplit=1)[0]
    return start + quote + end if found else quote


def _fact(user_id: str, candidate: Candidate, said: Utterance, now: datetime) -> Fact | None:
    """None for a text, subject or attribute that is empty or too long."""
    values = candidate.model_dump(exclude={"message", "relations"})
    values |= {"text": candidate.text.strip(), "importance": min(max(candidate.importance, 0.0), 1.0)}
    values |= {"valid_from": parse_date(candidate.valid_from), "valid_until": parse_date(candidate.valid_until)}
    try:
        fact = Fact(id="", key="", source=said.source, observed_at=said.said_at, recorded_at=now, **values)
    except ValidationError:
        return None
    dates = str(candidate.valid_from), str(candidate.valid_until)
    identifier = fact_id(user_id, said.source, candidate.text, *fact.slot, *dates)
    exclusive = is_exclusive(fact.attribute, candidate.exclusive)
    return fact.model_copy(update={"id": identifier, "key": identifier, "exclusive": exclusive})
