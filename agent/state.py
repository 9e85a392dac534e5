"""What the checkpointer saves of a thread, and what passes between nodes without being saved."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, cast

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    MessageLikeRepresentation,
    convert_to_messages,
)
from langgraph.channels import UntrackedValue
from langgraph.graph.message import Messages, add_messages
from typing_extensions import TypedDict  # pydantic reads it, and on Python 3.11 not the one of `typing`

from memory.facts.fact import is_storable, replace_surrogates, utc_now
from memory.learn.extract import SAID_AT, Extracted
from memory.threads.state import ConversationState, ExtractionThread, OwnedThread

REWRITES = "rewrites"
"""Key in a human message's `additional_kwargs`: the id of the message whose place it took."""


def add_said(
    there: list[BaseMessage], sent: Sequence[MessageLikeRepresentation] | MessageLikeRepresentation
) -> list[BaseMessage]:
    """LangGraph's `add_messages`, but that human messages have the time at which they came, and stay what was said.

    Who rewrites what the user said keeps the message's id, under which facts were taken from the first words already;
    with an id of its own the message is extracted, too. Under the old id it can still be sent, rewritten and removed.
    """
    said = {message.id: message for message in there if isinstance(message, HumanMessage)}
    called = {m.additional_kwargs[REWRITES]: name for name, m in said.items() if REWRITES in m.additional_kwargs}
    given = [
        _whole(message, called.get(message.id, message.id))
        for message in convert_to_messages(sent if isinstance(sent, list) else [cast(MessageLikeRepresentation, sent)])
    ]
    return [
        _as_said(message, said.get(message.id)) if isinstance(message, HumanMessage) else message
        for message in cast(list[BaseMessage], add_messages(cast(Messages, there), cast(Messages, given)))
    ]


def _whole(message: BaseMessage, name: str | None) -> BaseMessage:
    """The message under this id, or one that can be kept, and without halves of characters, which no model takes."""
    if name is not None and not (name and is_storable(name)):
        name = _id_of(name)
    update: dict[str, Any] = {"id": name, "content": _mended(message.content)}
    if isinstance(message, AIMessage):
        update["tool_calls"] = _mended(message.tool_calls)
    return message.model_copy(update=update)


def _mended(value: Any) -> Any:
    """JSON with the surrogates in its texts replaced."""
    match value:
        case str():
            return replace_surrogates(value)
        case list():
            return [_mended(part) for part in value]
        case dict():
            return {_mended(key): _mended(part) for key, part in value.items()}
    return value


def _as_said(message: HumanMessage, before: HumanMessage | None) -> HumanMessage:
    """The message with its time; where it has taken the place of other words, as a message of its own, said now."""
    if message is before:
        return message
    given = message.additional_kwargs
    marks: dict[str, Any] = {SAID_AT: utc_now().isoformat()}
    if before and before.text == message.text:
        marks |= {name: mark for name, mark in before.additional_kwargs.items() if name in (SAID_AT, REWRITES)}
    elif before:
        marks[REWRITES] = before.additional_kwargs.get(REWRITES, message.id)
        message = message.model_copy(update={"id": _id_of(f"{marks[REWRITES]} {message.text}")})
        if given.get(SAID_AT) == before.additional_kwargs.get(SAID_AT):  # of a copy with other words
            given = {**given, SAID_AT: marks[SAID_AT]}
    return message.model_copy(update={"additional_kwargs": marks | given})


def _id_of(words: str) -> str:
    """The same for the same words, so that a step that is run again changes nothing."""
    return hashlib.sha256(words.encode(errors="surrogatepass")).hexdigest()[:32]


class Input(TypedDict):
    """What a client sends."""

    messages: Annotated[list[AnyMessage], add_said]


class MemoryChanges(TypedDict):
    """What a turn did to long-term memory, as the texts of facts; clients show it."""

    added: list[str]
    history: list[str]
    """New facts that no longer held when they were recorded."""
    reinforced: list[str]
    retired: list[str]


class Reason(TypedDict):
    """Why a fact was recalled."""

    fact: str
    score: float
    contributions: dict[str, str]
    """Signal -> its part of the score, and because of what: "0.12, shares restaurant"."""


class State(Input, ConversationState):
    """A thread."""

    recalled: Annotated[str, UntrackedValue]
    """The block of recalled facts for this reply; never saved, since tomorrow's facts may differ."""
    why: Annotated[list[Reason], UntrackedValue]
    """Why those facts and no others, for who watches the run in Studio."""
    extracted: Annotated[Extracted | None, UntrackedValue]
    """What extract_memories hands to reconcile."""
    changes: Annotated[MemoryChanges | None, UntrackedValue]


class BackgroundInput(ExtractionThread):
    """What a run of the graph `background_extraction` is asked for."""

    utterances: Annotated[list[dict[str, Any]], UntrackedValue]
    """Utterances, as JSON; in no checkpoint, since nobody would look for what a user said here. A server's own record
    of the run has them."""
    started_at: Annotated[str, UntrackedValue]
    """When they were handed over, as an ISO moment: what was forgotten since then is not learnt."""


class BackgroundState(BackgroundInput, OwnedThread):
    """A run of the graph `background_extraction`, in a thread of its own."""

    extracted: Annotated[Extracted | None, UntrackedValue]
    changes: Annotated[MemoryChanges | None, UntrackedValue]
