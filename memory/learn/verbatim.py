"""Texts that are remembered verbatim, without a model that extracts facts from them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from memory.errors import BadInput, expect, listed, problems_of
from memory.facts.fact import MAX_FACT_TEXT, Fact, Source, check_text, fact_id
from memory.facts.slots import NOTE
from memory.learn.guard import is_secret


class Memory(NamedTuple):
    """A text to remember verbatim."""

    text: str
    at: datetime | None = None  # when it was said; now by default
    subject: str = "user"  # who said it, or whom it is about
    source: Source | None = None


def facts_of_texts(user_id: str, memories: Iterable[Memory], now: datetime) -> Iterator[Fact]:
    """The texts as facts, one after the other. Raises BadInput that names the text by its number, from 1."""
    for number, memory in enumerate(memories, 1):
        try:
            yield fact_of_text(user_id, memory, now)
        except BadInput as error:
            raise BadInput(f"Text {number}: {error}") from error


def fact_of_text(user_id: str, memory: Memory, now: datetime) -> Fact:
    expect(Memory, memory=memory)
    text, at, subject, source = memory
    expect(str, text=text, subject=subject)
    expect(Source | None, source=source)
    source, text = source or Source(), check_text("text", text, MAX_FACT_TEXT)
    identifier = fact_id(user_id, source, text, subject)
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
    if is_secret(fact.text, fact.attribute, fact.quote):
        raise BadInput("It holds a password, key or card number: those are not kept.")
    return fact
