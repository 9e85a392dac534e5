"""Texts that are remembered verbatim, without a model that extracts facts from them. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from memory.errors import BadInput, listed, problems_of
from memory.facts.fact import MAX_FACT_TEXT, NOTE, Fact, Source, check_text, fact_id
from memory.learn.guard import is_secret


class Memory(NamedTuple):
    """A text to remember verbatim."""

    text: str
    at: datetime | None = None
    """When it was said; now by default."""
    subject: str = "user"
    """Who said it, or whom it is about."""
    source: Source | None = None
    """Where it was said, and the messages before it: they help to find it."""


def facts_of_texts(user_id: str, memories: Iterable[Memory], now: datetime) -> Iterator[Fact]:
    """The texts as facts, one after the other. Raises BadInput that names the text by its number, from 1."""
    for number, memory in enumerate(memories, 1):
        try:
            yield fact_of_text(user_id, memory, now)
        except BadInput as error:
            raise BadInput(f"Text {number}: {error}") from error
        except ValidationError as error:
            problems = listed(problems_of(error.errors(include_input=False)))
            raise BadInput(f"Text {number}: {memory.text[:60]!r} cannot be kept: {problems}.") from error


def fact_of_text(user_id: str, memory: Memory, now: datetime) -> Fact:
    """The text as a fact. Raises BadInput or ValidationError."""
    text, source = check_text("text", memory.text, MAX_FACT_TEXT), memory.source or Source()
    for hint in (memory.subject, source.thread_id or "", source.message_id or "", *source.previous):
        check_text("hint", hint, MAX_FACT_TEXT)
    if is_secret(text, NOTE):
        raise BadInput("It holds a password, key or card number: those are not kept.")
    identifier = fact_id(user_id, source, text, memory.subject)
    return Fact(
        id=identifier,
        key=identifier,
        text=text,
        subject=memory.subject,
        attribute=NOTE,
        source=source,
        observed_at=memory.at or now,
        recorded_at=now,
    )
