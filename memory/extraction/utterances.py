"""What the user said: utterances from messages, and which of them one extraction reads."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, ValidationError

from memory.errors import BadInput, listed, problems_of
from memory.extraction.small_talk import is_small_talk
from memory.facts.fact import Source, in_utc, iso_moment, replace_surrogates

if TYPE_CHECKING:  # LangChain takes half a second to import
    from langchain_core.messages import BaseMessage, MessageLikeRepresentation

    from memory.ledger.ledger import Failures

# Key in a human message's `additional_kwargs`: the ISO time at which it was said, with the user's offset from UTC.
SAID_AT = "said_at"
EXTRACTION_CHARS, EXTRACTION_MESSAGES = 16_000, 10  # characters and messages that one extraction reads


class Utterance(BaseModel, hide_input_in_errors=True):
    text: str  # of a message of the user
    said_at: AwareDatetime
    source: Source


def utterances_of(
    said: "str | Sequence[MessageLikeRepresentation]", at: datetime, thread_id: str, seed: str = ""
) -> list[Utterance]:
    """What a human said in a text or in messages; a message without an id gets one derived from its words and time, and
    from the `seed`. Raises BadInput."""
    from langchain_core.messages import HumanMessage

    def utterance(message: HumanMessage) -> Utterance:
        text = replace_surrogates(str(message.text))
        said_at = said_at_of(message, at)
        words_and_time = f"{seed}{said_at.astimezone(UTC).isoformat()} {text}"
        identifier = message.id or hashlib.sha256(words_and_time.encode()).hexdigest()[:32]
        return Utterance(text=text, said_at=said_at, source=Source(thread_id=thread_id, message_id=identifier))

    messages = messages_of([HumanMessage(said)] if isinstance(said, str) else said)
    return [utterance(message) for message in messages if isinstance(message, HumanMessage)]


def read_utterances(dumped: Sequence[Mapping[str, Any]]) -> list[Utterance]:
    """The utterances whose `model_dump` these are. Raises BadInput."""
    try:
        return [Utterance.model_validate(said) for said in dumped]
    except ValidationError as error:
        raise BadInput(f"An utterance cannot be read: {listed(problems_of(error.errors()))}.") from None


def messages_of(said: "Sequence[MessageLikeRepresentation]") -> "list[BaseMessage]":
    """LangChain's messages. Raises BadInput without its cause, which quotes them."""
    from langchain_core.messages import convert_to_messages

    try:
        return convert_to_messages(said)
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        what = "give a text, or messages of LangChain or with `role` and `content`"
        raise BadInput(f"The messages cannot be read ({type(error).__name__}): {what}.") from None


def said_at_of(message: "BaseMessage", default: datetime) -> datetime:
    """When a message was said, in the user's time zone; not later than now."""
    marked, now = moment_of(message.additional_kwargs.get(SAID_AT)), datetime.now(UTC)
    return min(marked, now.astimezone(marked.tzinfo)) if marked else default


def moment_of(mark: object) -> datetime | None:
    """The moment of an ISO time, in its own time zone; None for anything else, which a client may have sent."""
    try:
        moment = iso_moment(mark) if isinstance(mark, str) else None
        return moment if moment and in_utc(moment) else None
    except ValueError:
        return None


def next_batch(utterances: Sequence[Utterance], waiting: "Mapping[str, Failures]") -> list[Utterance]:
    """The next of the utterances in `waiting` (by message id), without small talk.

    One whose extraction failed comes alone. Once the model has worked for another message since, it comes before the
    new ones, which would otherwise keep it waiting; until then it comes after them. What failed first comes first.
    """
    due = [said for said in utterances if str(said.source.message_id) in waiting and not is_small_talk(said.text)]
    failures = {said.source: waiting[str(said.source.message_id)] for said in due}

    def turn(said: Utterance) -> tuple[bool, datetime]:
        return not failures[said.source].works_since, failures[said.source].last_at or said.said_at

    failed = sorted((said for said in due if failures[said.source].useless), key=turn)
    if failed and failures[failed[0].source].works_since:
        return failed[:1]
    batch, characters = list[Utterance](), 0
    for said in due:
        if not failures[said.source].useless:
            characters += len(said.text)
            if batch and (characters > EXTRACTION_CHARS or len(batch) == EXTRACTION_MESSAGES):
                break
            batch.append(said)
    return batch or failed[:1]
