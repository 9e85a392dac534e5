"""From the candidates that a model found to proposed facts: which are kept, and why the others are not. Pure."""

import re
from collections import Counter
from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError

from memory.facts.changes import Proposal
from memory.facts.fact import Fact, fact_id, is_storable
from memory.facts.slots import is_exclusive
from memory.facts.text import normalize
from memory.learn.answer import Candidate
from memory.learn.extract import Extracted
from memory.learn.guard import is_command, is_secret
from memory.learn.timing import checked, timing
from memory.learn.utterances import Utterance

MAX_CANDIDATES = 20  # facts taken from one message; a message that holds more is a document, not a statement
MAX_QUOTE = 2_000  # characters of a quote; a longer one does not show where the fact comes from


def proposals(user_id: str, found: Extracted, now: datetime) -> tuple[list[Proposal], dict[str, datetime]]:
    """The candidates that may become facts; and the ids of the known facts that were taken back, each with when."""
    messages, shown = dict(enumerate(found.utterances, 1)), dict(enumerate(found.known, 1))
    kept, kept_of = list[Proposal](), Counter[int]()
    for candidate in found.extraction.facts:
        said = messages.get(candidate.message)
        if said is None or rejection(candidate, said) or kept_of[candidate.message] == MAX_CANDIDATES:
            continue
        relations = {shown[r.known].id: r.relation for r in candidate.relations if r.known in shown}
        with suppress(ValidationError):  # of a text, subject or attribute that is empty or too long
            fact = _fact(user_id, candidate, said, now)
            if any(known.slot == fact.slot and relations.get(known.id) == "beside" for known in found.known):
                fact = fact.model_copy(update={"exclusive": False})
            kept.append(Proposal(fact, relations))
            kept_of[candidate.message] += 1
    retracted = {
        shown[taken.known].id: said.said_at
        for taken in found.extraction.retracted
        if (said := messages.get(taken.message)) and taken.known in shown and is_quoted(taken.quote, said)
    }
    return kept, retracted


def rejection(candidate: Candidate, said: Utterance) -> str | None:
    """Why the candidate is not kept, or None: it has to be the user's own words, and neither secret nor command."""
    if not is_quoted(candidate.quote, said):
        return "quote not found in the message"
    texts = (candidate.text, candidate.quote, candidate.subject, candidate.attribute)
    if not all(map(is_storable, texts)):
        return "characters that cannot be stored"
    if is_secret(candidate.text, candidate.attribute, sentence_around(candidate.quote, said.text)):
        return "secret"
    return "command" if is_command(candidate.text, candidate.quote) else None


def is_quoted(quote: str, said: Utterance) -> bool:
    """Whether the user wrote these words in this message; case and spacing may differ."""
    return len(quote) <= MAX_QUOTE and bool(normalize(quote)) and normalize(quote) in normalize(said.text)


def sentence_around(quote: str, text: str) -> str:
    """The sentence or line of `text` with the quote in it; the quote alone where it is not found to the letter."""
    before, found, after = text.partition(quote)
    start, end = re.split(r"[.!?\n]\s", before)[-1], re.split(r"[.!?\n](?:\s|$)", after, maxsplit=1)[0]
    return start + quote + end if found else quote


def _fact(user_id: str, candidate: Candidate, said: Utterance, now: datetime) -> Fact:
    when = timing(candidate.tense, (candidate.valid_from, candidate.valid_until), said.said_at)
    values = candidate.model_dump(exclude={"message", "relations"}) | when._asdict()
    values |= {"text": candidate.text.strip(), "importance": min(max(candidate.importance, 0.0), 1.0)}
    fact = Fact(id="", key="", source=said.source, observed_at=said.said_at, recorded_at=now, **values)
    if exclusive := is_exclusive(fact.attribute, candidate.exclusive):
        when = checked(when, fact.attribute, fact.text, fact.quote)
        exclusive = when.certain
    dates = str(candidate.valid_from), str(candidate.valid_until)
    identifier = fact_id(user_id, said.source, candidate.text, *fact.slot, *dates)
    identified = {"id": identifier, "key": identifier, "exclusive": exclusive, "tense": when.tense}
    return fact.model_copy(update=identified)
