"""What the user said: utterances from messages, and which of them one extraction reads."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel

from memory.facts.fact import Source, in_utc, iso_moment, replace_surrogates
from memory.learn.small_talk import is_small_talk

if TYPE_CHECKING:  # LangChain takes half a second to import
    from langchain_core.messages import BaseMessage, MessageLikeRepresentation

# Keys in a human message's `additional_kwargs`.
SAID_AT = "said_at"  # the ISO time at which it was said, with the user's offset from UTC
SAID_AFTER = "said_after"  # when the user's newest fact was said, if a clock that was ahead makes that a later time
EXTRACTION_CHARS, EXTRACTION_MESSAGES = 16_000, 10  # characters and messages that one extraction reads


class Utterance(BaseModel):
    text: str  # of a message of the user
    said_at: AwareDatetime
    source: Source


def utterances_of(said: "str | Sequence[MessageLikeRepresentation]", at: datetime, thread_id: str) -> list[Utterance]:
    """What a human said in a text or in messages; a message without an id gets one derived from its words and time."""
    from langchain_core.messages import HumanMessage, convert_to_messages

    def utterance(message: HumanMessage) -> Utterance:
        text = replace_surrogates(str(message.text))
        said_at = said_at_of(message, at)
        words_and_time = f"{said_at.astimezone(UTC).isoformat()} {text}"
        identifier = message.id or hashlib.sha256(words_and_time.encode()).hexdigest()[:32]
        return Utterance(text=text, said_at=said_at, source=Source(thread_id=thread_id, message_id=identifier))

    messages = convert_to_messages([HumanMessage(said)] if isinstance(said, str) else said)
    return [utterance(message) for message in messages if isinstance(message, HumanMessage)]


def said_at_of(message: "BaseMessage", default: datetime) -> datetime:
    """When a message was said, in the user's time zone: not later than now, except to come after SAID_AFTER."""
    said_at, now = moment_of(message.additional_kwargs.get(SAID_AT)) or default, datetime.now(UTC)
    said_at = min(said_at, now.astimezone(said_at.tzinfo))
    after = moment_of(message.additional_kwargs.get(SAID_AFTER))
    return max(said_at, (after + timedelta(microseconds=1)).astimezone(said_at.tzinfo)) if after else said_at


def moment_of(mark: object) -> datetime | None:
    """The moment of an ISO time, in its own time zone; None for anything else, which a client may have sent."""
    try:
        moment = iso_moment(mark) if isinstance(mark, str) else None
        return moment if moment and in_utc(moment) else None
    except ValueError:
        return None


def next_batch(utterances: Sequence[Utterance], failures: Mapping[str, int]) -> list[Utterance]:
    """The next utterances in `failures` (by message id) without small talk; failed ones come one at a time."""
    batch, characters = list[Utterance](), 0
    for said in utterances:
        failed = failures.get(str(said.source.message_id))
        if failed is None or is_small_talk(said.text):
            continue
        characters += len(said.text)
        if batch and (failed or characters > EXTRACTION_CHARS):
            break
        batch.append(said)
        if failed or len(batch) == EXTRACTION_MESSAGES:
            break
    return batch
