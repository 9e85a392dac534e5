"""What the checkpointer saves of a thread, and what passes between nodes without being saved."""

import hashlib
from typing import Annotated, Any, cast

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage
from langgraph.channels import UntrackedValue
from langgraph.graph.message import Messages, add_messages
from typing_extensions import TypedDict  # pydantic reads it, and on Python 3.11 not the one of `typing`

from memory.extract import SAID_AT, Extracted
from memory.fact import utc_now
from memory.summary import Summary
from memory.working import Task, change_task, last_set


def add_said(there: list[BaseMessage], sent: list[BaseMessage]) -> list[BaseMessage]:
    """LangGraph's `add_messages`, but that human messages have the time at which they came, and stay what was said.

    Who forks a thread by rewriting what the user said keeps the message's id, under which facts were taken from the
    first words already; with an id of its own the message is extracted, too.
    """
    said = {message.id: message for message in there if isinstance(message, HumanMessage)}
    return [
        _as_said(message, said.get(message.id)) if isinstance(message, HumanMessage) else message
        for message in cast(list[BaseMessage], add_messages(cast(Messages, there), cast(Messages, sent)))
    ]


def _as_said(message: HumanMessage, before: HumanMessage | None) -> HumanMessage:
    """The message with its time; where it has taken the place of other words, as a message of its own."""
    if before and before.text != message.text:
        message, before = message.model_copy(update={"id": _id_of(f"{message.id} {message.text}")}), None
    if SAID_AT in message.additional_kwargs:
        return message
    at = before.additional_kwargs.get(SAID_AT) if before else None
    dated = {**message.additional_kwargs, SAID_AT: at or utc_now().isoformat()}
    return message.model_copy(update={"additional_kwargs": dated})


def _id_of(words: str) -> str:
    """The same for the same words, so that a step that is run again changes nothing."""
    return hashlib.sha256(words.encode(errors="surrogatepass")).hexdigest()[:32]


class Input(TypedDict):
    """What a client sends."""

    messages: Annotated[list[AnyMessage], add_said]


class MemoryChanges(TypedDict):
    """What a turn did to long-term memory, as the texts of facts; clients show it."""

    remembered: list[str]
    reinforced: list[str]
    retired: list[str]


class Reason(TypedDict):
    """Why a fact was recalled."""

    fact: str
    score: float
    gave: dict[str, str]
    """Signal -> its part of the score, and because of what: "0.12, shares restaurant"."""


class State(Input):
    """A thread."""

    owner: str
    """Whose thread it is: `owner_key` of the user who began it."""
    summary: Summary
    """Of the messages that passed the window, and were taken out of `messages`."""
    extracted_until: str
    """Watermark: id of the last message that facts were taken from. Those after it are still to be done."""
    task: Annotated[Task | None, change_task]
    """Working memory: the task this thread is in the middle of."""
    task_open_until: Annotated[str, last_set]
    """When the task expires, "" once it has ended: a plain value beside it, by which `memory.tasks` finds it."""

    recalled: Annotated[str, UntrackedValue]
    """The block of recalled facts for this reply; never saved, since tomorrow's facts may differ."""
    why: Annotated[list[Reason], UntrackedValue]
    """Why those facts and no others, for who watches the run in Studio."""
    extracted: Annotated[Extracted | None, UntrackedValue]
    """What extract_memories hands to reconcile."""
    changes: Annotated[MemoryChanges | None, UntrackedValue]


class Waiting(TypedDict):
    """What a run of the graph `remember` is asked for."""

    conversation: str
    """The thread whose messages these are; a plain value, by which the run's own thread is told from a conversation."""
    waiting: Annotated[list[dict[str, Any]], UntrackedValue]
    """Utterances, as JSON; in no checkpoint, since nobody would look for what a user said here. A server's own record
    of the run has them."""
    begun: Annotated[str, UntrackedValue]
    """When they were handed over, as an ISO moment: what was forgotten since then is not learnt."""


class Remembering(Waiting):
    """A run of the graph `remember`, in a thread of its own."""

    owner: str
    """As in a conversation: `owner_key` of the user."""
    extracted_until: str
    """Id of the last message that facts were taken from."""
    extracted: Annotated[Extracted | None, UntrackedValue]
    changes: Annotated[MemoryChanges | None, UntrackedValue]
