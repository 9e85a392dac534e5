"""When facts are extracted: after the reply, in batches, in the background, or when a thread is caught up."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph_sdk import get_client
from langgraph_sdk.errors import APIStatusError

from agent.chat_models.by_name import open_model
from agent.identity import AgentStore
from agent.settings import ExtractWhen, Settings
from agent.state import BackgroundInput
from memory.extraction.extract import ExtractionFailed
from memory.extraction.small_talk import is_small_talk
from memory.extraction.utterances import EXTRACTION_MESSAGES, SAID_AT, Utterance, moment_of, utterances_of
from memory.facts.changes import Changes
from memory.facts.fact import utc_now
from memory.ledger.ledger import GivenUp, Ledger
from memory.ledger.rows import stored_id
from memory.parts import Parts
from memory.threads.threads import background_thread, leaf_checkpoints, list_threads
from memory.user_memory import UserMemory

log = logging.getLogger(__name__)

Saver: TypeAlias = BaseCheckpointSaver[str]
BACKGROUND_GRAPH = "background_extraction"  # its name in langgraph.json
NEVER = datetime.min.replace(tzinfo=UTC)
REPEATS = 10  # seconds of an extraction beyond MODEL_TIMEOUT: for imports, and repeats after errors that come at once
MAX_BACKGROUND_MESSAGES = 10 * EXTRACTION_MESSAGES  # of one background run; the next run takes the rest


def next_step(when: ExtractWhen, waiting: int, every: int) -> Literal["extract_memories", "extract_later", "__end__"]:
    """Where a turn goes after the reply, with this number of messages waiting to be extracted."""
    if when == "background":
        return "extract_later" if waiting else "__end__"
    return "extract_memories" if when == "inline" or waiting >= every else "__end__"


def unextracted_messages(state: Mapping[str, Any]) -> list[HumanMessage]:
    """Human messages added or edited after the watermark; all of them if its message is gone."""
    messages, watermark = cast(Sequence[AnyMessage], state.get("messages", [])), state.get("extracted_until", "")
    said_at = [moment_of(message.additional_kwargs.get(SAID_AT)) or NEVER for message in messages]
    start = next((i + 1 for i, message in enumerate(messages) if message.id == watermark), 0)
    new = [message for i, message in enumerate(messages) if i >= start or said_at[i] > said_at[start - 1]]
    return [message for message in new if isinstance(message, HumanMessage)]


def informative(messages: Sequence[HumanMessage], max_chars: int) -> list[HumanMessage]:
    """The messages that may contain facts: not empty, not too long, and more than small talk."""
    return [m for m in messages if not message_problem(m.text, max_chars) and not is_small_talk(m.text)]


def message_problem(text: str, max_chars: int) -> str | None:
    """Why a message cannot be answered, as a sentence for the user, or None."""
    if not text.strip():
        return "The message is empty: write something."
    if len(text) > max_chars:
        return f"The message has {len(text):,} characters; at most {max_chars:,} are read. Send it in parts."
    return None


def problem_of(message: HumanMessage, max_chars: int) -> str | None:
    """The same for a message, which may be an image without text."""
    blocks = message.content if isinstance(message.content, list) else ()
    has_media = any(isinstance(block, dict) and block.get("type") not in (None, "text") for block in blocks)
    return None if has_media and not message.text.strip() else message_problem(message.text, max_chars)


async def with_extraction_model(memory: UserMemory, settings: Settings) -> UserMemory:
    """The same memory, with the model that the settings name for extraction."""
    model = await asyncio.to_thread(open_model, settings.extraction_model_name, settings)
    return memory.with_model(model, settings.structured_output, settings.model_timeout + REPEATS)


async def schedule_on_server(
    user_id: str, thread_id: str, utterances: Sequence[Utterance], begun_at: datetime, seconds: int
) -> None:
    """Run the background graph after `seconds`; replaces the pending run unless it is for another fork. `begun_at` is
    when the run began in which the last message was said."""
    background, pending = background_thread(user_id, thread_id), set[str | None]()
    async with get_client(api_key=None) as client:  # the server of this process
        with suppress(APIStatusError, LookupError, TypeError):  # no such thread yet, or a run with another input
            runs = cast(list[Any], await client.runs.list(background, status="pending", select=["kwargs"]))
            pending = {said["source"]["message_id"] for run in runs for said in run["kwargs"]["input"]["utterances"]}
        await client.runs.create(
            background,
            BACKGROUND_GRAPH,
            input=dict[str, Any](background_input(thread_id, utterances, begun_at)),
            context={"user_id": user_id},
            multitask_strategy="rollback" if pending <= {s.source.message_id for s in utterances} else "enqueue",
            if_not_exists="create",
            after_seconds=seconds,
            durability="exit",
        )


def background_input(thread_id: str, utterances: Sequence[Utterance], begun_at: datetime) -> BackgroundInput:
    waiting = [said.model_dump(mode="json") for said in utterances[:MAX_BACKGROUND_MESSAGES]]
    return {"conversation": thread_id, "utterances": waiting, "started_at": begun_at.isoformat()}


async def schedule_in_process(
    store: AgentStore, memory: UserMemory, thread_id: str, said: Sequence[Utterance], begun_at: datetime
) -> None:
    """Extract after EXTRACT_AFTER seconds in a task of this process. The store is told what was learned, and waits for
    the task when it closes."""
    memory = await with_extraction_model(memory, store.settings)
    ids = frozenset(str(utterance.source.message_id) for utterance in said)

    async def learn() -> None:
        try:
            store.learned_later(await memory.learner.extract_and_learn(said, started_at=begun_at))
        except ExtractionFailed as error:
            store.learned_later(error.learned)
            raise

    key = background_thread(memory.user_id, thread_id)
    store.debouncer.schedule(key, store.settings.extract_after, learn, covers=ids)


async def catch_up_thread(parts: Parts, saver: Saver, memory: UserMemory, thread_id: str, max_chars: int) -> Changes:
    """Learn from the messages of a thread that wait to be extracted. Raises ExtractionFailed or Unavailable."""
    async with parts.run_locks.hold(thread_id):
        started_at = utc_now()
        utterances = await waiting_utterances(parts, saver, thread_id, max_chars)
        return await memory.learner.extract_and_learn(utterances, started_at=started_at)


async def given_up_utterances(ledger: Ledger, saver: Saver, user_id: str) -> dict[GivenUp, Utterance | None]:
    """The user's messages that were given up, each with what was said; None if its thread no longer has it."""
    found = dict[GivenUp, Utterance | None].fromkeys(await ledger.given_up(user_id))
    for thread in await list_threads(ledger.pool, user_id, limit=None) if found else ():
        wanted = {entry.message_id: entry for entry in found if entry.thread_id == stored_id(thread.id)}
        if not wanted:
            continue
        config: RunnableConfig = {"configurable": {"thread_id": thread.id, "checkpoint_ns": ""}}
        async with aclosing(cast(AsyncGenerator[CheckpointTuple, None], saver.alist(config))) as history:
            async for saved in history:  # a summary may have replaced the message, but not in older checkpoints
                saved_at = datetime.fromisoformat(saved.checkpoint["ts"])
                for said in utterances_of(saved.checkpoint["channel_values"].get("messages", []), saved_at, thread.id):
                    if entry := wanted.pop(str(stored_id(said.source.message_id)), None):
                        found[entry] = said
                if not wanted:
                    break
    return found


async def waiting_utterances(parts: Parts, saver: Saver, thread_id: str, max_chars: int) -> list[Utterance]:
    """Messages at the ends of a thread's branches, oldest first, that may not have been extracted yet."""
    waiting: dict[str | None, Utterance] = {}
    for checkpoint_id in await leaf_checkpoints(parts.pool, thread_id):
        if saved := await saver.aget_tuple({"configurable": {"thread_id": thread_id, "checkpoint_id": checkpoint_id}}):
            said = informative(unextracted_messages(saved.checkpoint["channel_values"]), max_chars)
            utterances = utterances_of(said, datetime.fromisoformat(saved.checkpoint["ts"]), thread_id)
            waiting |= {utterance.source.message_id: utterance for utterance in utterances}
    return sorted(waiting.values(), key=lambda said: said.said_at)
