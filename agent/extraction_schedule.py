"""When facts are taken from what was said: after the reply, in batches, in the background; and what was left over."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, cast

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError

from agent.models import open_model
from agent.settings import ExtractWhen, read_settings
from agent.state import BackgroundInput
from memory.facts.changes import Changes
from memory.facts.fact import owner_key, utc_now
from memory.learn.extract import EXTRACTION_MESSAGES, SAID_AT, Utterance, utterances_of
from memory.learn.small_talk import is_small_talk
from memory.parts import Parts
from memory.threads.threads import background_thread, leaf_checkpoints
from memory.user_memory import UserMemory

log = logging.getLogger(__name__)

BACKGROUND_GRAPH = "background_extraction"
"""The graph's name in langgraph.json."""

MAX_BACKGROUND_MESSAGES = 10 * EXTRACTION_MESSAGES
"""Messages that one background run is handed; what more there is waits for the next."""


def next_step(when: ExtractWhen, waiting: int, every: int) -> Literal["extract_memories", "extract_later", "__end__"]:
    """Where a turn goes once the reply is given, with so many messages that wait to be extracted."""
    match when:
        case "inline":
            return "extract_memories"
        case "batched":
            return "extract_memories" if waiting >= every else "__end__"
        case "background":
            return "extract_later" if waiting else "__end__"


def human_messages_after(messages: Sequence[AnyMessage], watermark: str) -> list[HumanMessage]:
    """What the human said after the watermark, or has rewritten since; all there is where it has left the window."""
    start = next((i + 1 for i, message in enumerate(messages) if message.id == watermark), 0)
    since = _said_at(messages[start - 1]) if start else ""
    return [
        message
        for i, message in enumerate(messages)
        if isinstance(message, HumanMessage) and (i >= start or _said_at(message) > since)
    ]


def _said_at(message: AnyMessage) -> str:
    return str(message.additional_kwargs.get(SAID_AT, ""))


def worth_extracting(said: Sequence[HumanMessage]) -> list[HumanMessage]:
    """Those of the messages that something may be learnt from."""
    return [m for m in said if not message_problem(text_of(m)) and not is_small_talk(text_of(m))]


def text_of(message: AnyMessage) -> str:
    """A message's text, whatever blocks it is made of."""
    return str(message.text)


def message_problem(text: str) -> str | None:
    """Why a message cannot be answered, as a sentence for the user; None where it can."""
    if not text.strip():
        return "The message is empty: write something."
    limit = read_settings().max_message_chars
    if len(text) > limit:
        return f"The message has {len(text):,} characters; at most {limit:,} are read. Send it in parts."
    return None


async def with_model(memory: UserMemory) -> UserMemory:
    """The memory, with the model that EXTRACTION_MODEL names."""
    settings = read_settings()
    model = await asyncio.to_thread(open_model, settings.extraction_model_name, settings)
    return memory.with_model(model, settings.structured_output)


async def schedule_on_server(user_id: str, thread_id: str, utterances: Sequence[Utterance]) -> None:
    """Have a server's `background_extraction` graph run over the utterances, once it has been quiet.

    Each call takes the place of the one before it, so that ten quick messages make one run; unless that one has
    messages that this has not, since the thread was forked from before them. It is made as the user of the run that
    makes it: the server hands on whom it authenticated, and `user_id` counts only where it did not.
    """
    async with get_client(api_key=None) as client:  # of this very process
        background = background_thread(user_id, thread_id)
        takes_place = await _waiting_in(client, background) <= {said.source.message_id for said in utterances}
        await client.runs.create(
            background,
            BACKGROUND_GRAPH,
            input=dict[str, Any](background_input(thread_id, utterances)),
            context={"user_id": user_id},
            multitask_strategy="rollback" if takes_place else "enqueue",
            if_not_exists="create",
            after_seconds=read_settings().extract_after,
            durability="exit",
        )


async def _waiting_in(client: LangGraphClient, background: str) -> set[str | None]:
    """Ids of the messages that the runs which have not begun yet were handed."""
    try:
        runs = cast(list[Any], await client.runs.list(background, status="pending", select=["kwargs"]))
        return {said["source"]["message_id"] for run in runs for said in run["kwargs"]["input"]["utterances"]}
    except (APIStatusError, LookupError, TypeError):  # no such thread yet, or a run that somebody else made
        return set()


def background_input(thread_id: str, utterances: Sequence[Utterance]) -> BackgroundInput:
    """The input of a run of the graph `background_extraction`."""
    waiting = [said.model_dump(mode="json") for said in utterances[:MAX_BACKGROUND_MESSAGES]]
    return {"conversation": thread_id, "utterances": waiting, "started_at": utc_now().isoformat()}


async def schedule_in_process(
    store: Parts, memory: UserMemory, thread_id: str, utterances: Sequence[Utterance]
) -> None:
    """The same as a task of this process, which is finished before the store closes."""
    started_at, memory = utc_now(), await with_model(memory)
    ids = frozenset(str(said.source.message_id) for said in utterances)
    key, seconds = background_key(memory.user_id, thread_id), read_settings().extract_after
    learn = partial(memory.learner.extract_and_learn, utterances, started_at=started_at)
    store.debouncer.schedule(key, seconds, learn, covers=ids)


def background_key(user_id: str, thread_id: str) -> str:
    """What a thread's work in the background is kept under."""
    return f"{owner_key(user_id)} {thread_id}"


async def catch_up_thread(store: Parts, saver: BaseCheckpointSaver[str], memory: UserMemory, thread_id: str) -> Changes:
    """Learn from what waits in a thread, between two of its runs. Raises ExtractionFailed, or Unavailable."""
    async with store.run_locks.hold(thread_id):
        started_at = utc_now()
        return await memory.learner.extract_and_learn(
            await unextracted_utterances(store, saver, thread_id), started_at=started_at
        )


async def unextracted_utterances(store: Parts, saver: BaseCheckpointSaver[str], thread_id: str) -> list[Utterance]:
    """What may wait in a thread, by when it was said: at its end, and at the end of what was forked from, which no
    turn comes back to. The ledger knows what of it was extracted."""
    left: dict[str | None, Utterance] = {}
    for checkpoint_id in await leaf_checkpoints(store.pool, thread_id):
        ended: RunnableConfig = {"configurable": {"thread_id": thread_id, "checkpoint_id": checkpoint_id}}
        if saved := await saver.aget_tuple(ended):
            values, at = saved.checkpoint["channel_values"], datetime.fromisoformat(saved.checkpoint["ts"])
            said = human_messages_after(values.get("messages", []), values.get("extracted_until", ""))
            left |= {u.source.message_id: u for u in utterances_of(worth_extracting(said), at, thread_id)}
    return sorted(left.values(), key=lambda said: said.said_at)
