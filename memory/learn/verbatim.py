"""Texts that are remembered verbatim, without a model that extracts facts from them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from memory.errors import BadInput, expect, listed, problems_of
from memory.facts.fact import MAX_FACT_TEXT, Fact, Source, check_text, fact_id
from memory.facts.slots import NOTE
from memory.guard.instructions import is_instruction
from memory.guard.secrets import secret_in


class Memory(NamedTuple):
    """A text to remember verbatim."""

    text: str
    at: datetime | None = None  # when it was said; now by default
    subject: str = "user"  # who said it, or whom it is about
    source: Source | None = None


def facts_of_texts(seed: str, memories: Iterable[Memory], now: datetime) -> Iterator[Fact]:
    """The texts as facts, one after the other; `seed` as for `fact_id`. Raises BadInput that names the text, unless it
    is the only one, by its number, from 1."""
    texts = [*memories]
    for number, memory in enumerate(texts, 1):
        try:
            yield fact_of_text(seed, memory, now)
        except BadInput as error:
            raise BadInput(f"Text {number}: {error}" if len(texts) > 1 else str(error)) from error


def fact_of_text(seed: str, memory: Memory, now: datetime) -> Fact:
    expect(Memory, memory=memory)
    text, at, subject, source = memory
    expect(str, text=text, subject=subject)
    expect(Source | None, source=source)
    source, text = source or Source(), check_text("text", text, MAX_FACT_TEXT)
    identifier = fact_id(seed, source, text, subject)
    values = {"id": identifier, "text": text, "subject": subject, "source": source, "observed_at": at or now}
    return stated_fact(identifier, values, now)


def stated_fact(key: str, values: Mapping[str, object], now: datetime) -> Fact:
    """The fact that these values of its fields state, to be kept under `key`. Raises BadInput."""
    try:
        fact = Fact.model_validate({"attribute": NOTE, "observed_at": now, **values, "key": key, "recorded_at": now})
    except ValidationError as error:
        problems = listed(problems_of(error.errors(include_input=False)))
        raise BadInput(f"It is no fact: {problems}.") from error
    for text in (fact.text, fact.subject, fact.attribute, fact.quote, *fact.source.previous):
        check_text("text", text, MAX_FACT_TEXT)
    check_may_be_kept(fact, *(str(values.get(name, "")) for name in ("subject", "attribute")))  # as written, too
    return fact


def check_may_be_kept(fact: Fact, *texts: str) -> None:
    """Raises BadInput if the fact or one of the texts holds a secret, whose kind it names, or an instruction.

    What is only doubtful may be kept: whoever states a fact themselves has decided. The quote may hold a request, too.
    """
    stated = (fact.subject, *fact.source.previous, *texts)
    if kind := secret_in(f"{fact.attribute}: {fact.text}", fact.quote, *stated):
        raise BadInput(f"It holds what looks like {kind}, which is not kept: leave it out.")
    if any(map(is_instruction, (fact.text, fact.attribute, *stated))):
        raise BadInput("It tells the assistant what to do, and is no fact: leave it out, or write it into the prompt.")


def check_restored(facts: Iterable[Fact]) -> None:
    """Raises BadInput for a fact of an exported memory that may not be kept, and names it by its id."""
    for fact in facts:
        try:
            check_may_be_kept(fact)
        except BadInput as error:
            raise BadInput(f"The fact {fact.id}: {error}") from error
