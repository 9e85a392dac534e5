"""From the candidates that a model found to proposed facts: which are kept, and why the others are not. Pure."""

from collections import Counter
from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError

from memory.facts.changes import Proposal
from memory.facts.fact import Fact, fact_id, is_storable
from memory.facts.slots import is_exclusive
from memory.learn.answer import Candidate
from memory.learn.extract import Extracted
from memory.learn.guard import is_command, is_secret
from memory.learn.quotes import is_quoted, sentence_around
from memory.learn.support import NO_COSINES, Cosines, Pair, compared, is_supported
from memory.learn.timing import checked, timing
from memory.learn.utterances import Utterance

MAX_CANDIDATES = 20  # facts taken from one message; a message that holds more is a document, not a statement


def to_compare(found: Extracted) -> list[Pair]:
    """The pairs of texts whose cosines `proposals` needs, where words alone do not show that a quote supports a text."""
    messages, pairs = dict(enumerate(found.utterances, 1)), dict[Pair, None]()
    for candidate in found.extraction.facts:
        said = messages.get(candidate.message)
        if said and is_quoted(candidate.quote, said.text):
            pairs |= dict.fromkeys(compared(candidate.text, candidate.attribute, candidate.quote, said.text))
    return [*pairs]


def proposals(
    user_id: str, found: Extracted, now: datetime, cosines: Cosines = NO_COSINES
) -> tuple[list[Proposal], dict[str, datetime]]:
    """The candidates that may become facts; and the ids of the known facts that were taken back, each with when."""
    messages, shown = dict(enumerate(found.utterances, 1)), dict(enumerate(found.known, 1))
    kept, kept_of = list[Proposal](), Counter[int]()
    for candidate in found.extraction.facts:
        said = messages.get(candidate.message)
        if said is None or rejection(candidate, said, cosines) or kept_of[candidate.message] == MAX_CANDIDATES:
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
        if (said := messages.get(taken.message)) and taken.known in shown and is_quoted(taken.quote, said.text)
    }
    return kept, retracted


def rejection(candidate: Candidate, said: Utterance, cosines: Cosines = NO_COSINES) -> str | None:
    """Why the candidate is not kept, or None: the user's own words have to support it; no secret, and no command."""
    if not is_quoted(candidate.quote, said.text):
        return "quote not found in the message"
    texts = (candidate.text, candidate.quote, candidate.subject, candidate.attribute)
    if not all(map(is_storable, texts)):
        return "characters that cannot be stored"
    if is_secret(candidate.text, candidate.attribute, sentence_around(candidate.quote, said.text)):
        return "secret"
    if is_command(candidate.text, candidate.quote):
        return "command"
    supported = is_supported(candidate.text, candidate.attribute, candidate.quote, said.text, cosines)
    return None if supported else "not supported by the quoted message"


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
