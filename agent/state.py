"""The state of a thread: what the checkpointer saves, and what passes between nodes without being saved."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from langchain_core.messages import MessageLikeRepresentation as MessageLike
from langgraph.channels import UntrackedValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # on Python 3.11, pydantic cannot read the one of `typing`

from memory.extraction.extract import Extracted
from memory.extraction.utterances import SAID_AT, messages_of, said_at_of
from memory.facts.changes import Changes, Held
from memory.facts.fact import Fact, is_storable, replace_surrogates, utc_now
from memory.threads.state import ConversationState, ExtractionThread, OwnedThread

REWRITES = "rewrites"  # key in a human message's `additional_kwargs`: the id of the message that it replaced


def merge_messages(current: list[BaseMessage], update: Sequence[MessageLike] | MessageLike) -> list[BaseMessage]:
    """`add_messages` that dates human messages, and gives rewritten ones a new id, so that they are extracted again.
    Raises BadInput."""
    before = {message.id: message for message in current if isinstance(message, HumanMessage)}
    new_ids = {m.additional_kwargs[REWRITES]: m.id for m in before.values() if REWRITES in m.additional_kwargs}
    sent = messages_of(update if isinstance(update, list) else [cast(MessageLike, update)])
    cleaned = [_cleaned(message, new_ids.get(message.id, message.id)) for message in sent]
    merged = add_messages(cast(list[MessageLike], current), cast(list[MessageLike], cleaned))
    return [
        _dated(message, before.get(message.id)) if isinstance(message, HumanMessage) else message
        for message in cast(list[BaseMessage], merged)
    ]


def _cleaned(message: BaseMessage, message_id: str | None) -> BaseMessage:
    """The message with an id that Postgres can store, and without surrogates, which models reject."""
    if message_id is not None and not (message_id and is_storable(message_id)):
        message_id = _hash(message_id)
    calls = {"tool_calls": _without_surrogates(message.tool_calls)} if isinstance(message, AIMessage) else {}
    return message.model_copy(update={"id": message_id, "content": _without_surrogates(message.content), **calls})


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_surrogates(part) for part in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(part) for key, part in value.items()}
    return replace_surrogates(value) if isinstance(value, str) else value


def _dated(message: HumanMessage, before: HumanMessage | None) -> HumanMessage:
    """The message with the time at which it was said, and with an id of its own where it replaces another text."""
    if message is before:
        return message
    given = message.additional_kwargs
    marks: dict[str, Any] = {SAID_AT: utc_now().isoformat()}
    if before and before.text == message.text:
        marks |= {key: before.additional_kwargs[key] for key in (SAID_AT, REWRITES) if key in before.additional_kwargs}
    elif before:
        marks[REWRITES] = before.additional_kwargs.get(REWRITES, message.id)
        message = message.model_copy(update={"id": _hash(f"{marks[REWRITES]} {message.text}")})
        if given.get(SAID_AT) == before.additional_kwargs.get(SAID_AT):  # a copy of the old message with a new text
            given = {**given, SAID_AT: marks[SAID_AT]}
    return message.model_copy(update={"additional_kwargs": marks | given})


def _hash(text: str) -> str:
    """An id: the same for the same text, so that a repeated step changes nothing."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def stamped(message: HumanMessage, said_at: datetime) -> HumanMessage:
    """The message with the time at which it was said, in the user's time zone."""
    if said_at.utcoffset() == said_at_of(message, said_at).utcoffset() and SAID_AT in message.additional_kwargs:
        return message
    return message.model_copy(update={"additional_kwargs": message.additional_kwargs | {SAID_AT: said_at.isoformat()}})


class Input(TypedDict):
    """What a client sends."""

    messages: Annotated[list[AnyMessage], merge_messages]


class MemoryChanges(TypedDict):
    """What a turn changed in long-term memory, and what it held back or did not keep, as texts; clients show it."""

    added: list[str]
    history: list[str]  # new facts that no longer held when they were recorded
    reinforced: list[str]
    retired: list[str]
    held: list[str]  # what is doubtful, until the user keeps it: "Wants short answers (reads like an instruction)"
    dropped: list[str]  # what the model found and is not kept: "Lives in Lima (quote not found)"


def changed_facts(changes: Changes) -> dict[str, list[Fact]]:
    """The facts that were changed, under the keys of MemoryChanges but `held` and `dropped`."""
    history = [fact for fact in changes.added if fact.retired_reason]
    added = [fact for fact in changes.added if not fact.retired_reason]
    reinforced = [reinforcement.fact for reinforcement in changes.reinforced]
    return {"added": added, "history": history, "reinforced": reinforced, "retired": list(changes.retired)}


def memory_changes(changes: Changes) -> MemoryChanges:
    texts = {key: [fact.text for fact in facts] for key, facts in changed_facts(changes).items()}
    return cast(MemoryChanges, texts | {"held": [*map(str, changes.held)], "dropped": [*map(str, changes.dropped)]})


def held_document(item: Held) -> dict[str, Any]:
    """What is held back, as JSON: with the text that is kept if the user keeps it."""
    return {"id": item.id, "text": item.text, **item.model_dump(mode="json")}


class RecallReason(TypedDict):
    """Why a fact was recalled."""

    fact: str
    score: float
    contributions: dict[str, str]  # signal -> its part of the score, and the reason: "0.120, shares restaurant"


class State(Input, ConversationState):
    """A thread."""

    recalled: Annotated[str, UntrackedValue]
    """The block of recalled facts for this reply; never saved, since the facts may change."""
    recall_reasons: Annotated[list[RecallReason], UntrackedValue]
    """Why these facts were recalled, to be seen in Studio."""
    untold: Annotated[list[Fact], UntrackedValue]
    """Hard limits that messages have retired, of which this reply tells the user."""
    notice: Annotated[str | None, UntrackedValue]
    """What the user should know with the reply: that it was cut off, or that a hard limit no longer counts; never part
    of its text."""
    extracted: Annotated[Extracted | None, UntrackedValue]
    """What extract_memories hands to reconcile."""
    changes: Annotated[MemoryChanges | None, UntrackedValue]


class Output(TypedDict):
    """What a run without a stream returns: the conversation, and what the turn changed in memory."""

    messages: Annotated[list[AnyMessage], merge_messages]
    notice: Annotated[str | None, UntrackedValue]
    changes: Annotated[MemoryChanges | None, UntrackedValue]


class BackgroundInput(ExtractionThread):
    """The input of the graph `background_extraction`."""

    utterances: Annotated[list[dict[str, Any]], UntrackedValue]  # never saved: forgetting would not reach them here
    started_at: Annotated[str, UntrackedValue]  # ISO time: what was forgotten after it is neither learned nor saved


class BackgroundOutput(TypedDict):
    """What such a run returns: what its last extraction changed in memory."""

    changes: Annotated[MemoryChanges | None, UntrackedValue]


class BackgroundState(BackgroundInput, OwnedThread):
    """A run of the graph `background_extraction`, in a thread of its own."""

    extracted: Annotated[Extracted | None, UntrackedValue]
    changes: Annotated[MemoryChanges | None, UntrackedValue]
