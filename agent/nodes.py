"""The steps of a turn: recall, respond, and after the reply extract_memories, reconcile and now and then summarize.

The reply never waits for memory and never fails because of it: what goes wrong before it is recalled as nothing, what
goes wrong after it is left for the next turn, since the watermark only moves once facts are in the ledger.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.runtime import Runtime

from agent.context import Context
from agent.identity import memory_of, user_of
from agent.models import open_model
from agent.prompts import system_message
from agent.settings import read_settings
from agent.state import Extracted, MemoryChanges, Reason, State
from agent.tools import TOOLS
from memory.errors import BadInput, cause_of
from memory.extract import SAID_AT, Extraction, ExtractionFailed, Utterance, batches, extract, utterances_of
from memory.fact import owner_key, utc_now
from memory.rank import Hit
from memory.reconcile import Changes
from memory.session import foldable, window
from memory.summary import sum_up
from memory.working import open_task

log = logging.getLogger(__name__)

MAX_FAILURES = 3
"""Useless answers in a row after which a message is given up."""

Update = dict[str, Any]
"""What a node returns: new values of some of the state's keys."""


async def recall(state: State, runtime: Runtime[Context]) -> Update:
    """Find what is known that matters for this message, and note when the message was said.

    In a thread that somebody else began what was sent is taken out again, and `respond` refuses: the messages there are
    not this user's to read, nor to add to.
    """
    owner = owner_key(memory_of(runtime).user_id)
    if state.get("owner", owner) != owner:
        sent = _after(state["messages"], state.get("admitted_until", ""))
        return {"messages": [RemoveMessage(id=str(message.id)) for message in sent]}
    if _question(state) is None:
        raise BadInput("The input holds no message of the user: send one in `messages`.")
    return {
        "owner": owner,
        "admitted_until": state["messages"][-1].id,
        "messages": _undated(state["messages"], utc_now()),
    } | await _recalled(state, runtime)


async def respond(state: State, runtime: Runtime[Context]) -> Update:
    """Answer: one model call, with the thread's window, the recalled facts and the open task.

    Recalled facts are never saved: a run that goes on from a checkpoint after `recall`, as a fork does, or one that was
    broken off, finds today's here.
    """
    _refuse_others(state, runtime)
    settings, context = read_settings(), runtime.context or Context()
    last = state["messages"][-1]
    if isinstance(last, HumanMessage) and (fault := message_fault(text_of(last))):
        return {"messages": [AIMessage(fault)]}
    model = await asyncio.to_thread(open_model, context.model or settings.chat_model_name, settings)
    found: Update = {} if "recalled" in state else await _recalled(state, runtime)
    prompt = system_message(
        context.system_prompt,
        summary=summary["text"] if (summary := state.get("summary")) else "",
        recalled=found["recalled"] if found else state["recalled"],
        task=open_task(state.get("task"), utc_now()),
    )
    messages = window(_readable(state["messages"]), settings.window_tokens)
    return found | {"messages": [await model.bind_tools(TOOLS).ainvoke([prompt, *messages])]}


async def _recalled(state: State, runtime: Runtime[Context]) -> Update:
    """What is known that matters for the user's last message; nothing where that fails or is not to be read."""
    nothing: Update = {"recalled": "", "why": []}
    query = _question(state)
    if query is None or message_fault(query):
        return nothing
    try:
        recalled = await memory_of(runtime).recall(query, explain=True)
    except Exception as error:
        log.warning("recall failed %s cause=%s", _where(runtime), cause_of(error))
        return nothing
    log.info("recalled %s facts=%d", _where(runtime), len(recalled.facts))
    budget = runtime.context.memory_tokens if runtime.context else None
    budget = read_settings().memory_tokens if budget is None else budget
    return {
        "recalled": recalled.block(budget),
        "why": [reason_of(h) for h in (*recalled.hits, *recalled.past)],
    }


def _question(state: State) -> str | None:
    """The text of the user's last message."""
    return next((text_of(m) for m in reversed(state["messages"]) if isinstance(m, HumanMessage)), None)


def _refuse_others(state: State, runtime: Runtime[Context]) -> None:
    """Raise BadInput where the thread is another user's: a fork may begin behind the node that would have seen it."""
    owner = owner_key(user_of(runtime))
    if state.get("owner", owner) != owner:
        raise BadInput(f"The thread {_thread_of(runtime)!r} belongs to another user: start one of your own.")


def after_respond(state: State) -> list[Literal["tools", "extract_memories", "summarize"]]:
    """To the tools the model asked for, or on to remembering, and to the summary where the thread passes its window."""
    last = state["messages"][-1]
    if isinstance(last, AIMessage) and last.tool_calls:
        return ["tools"]
    due = foldable(state["messages"], read_settings().window_tokens)
    return ["extract_memories", "summarize"] if due else ["extract_memories"]


async def extract_memories(state: State, runtime: Runtime[Context]) -> Update:
    """One model call: the human messages not yet extracted, next to what is known, to candidate facts.

    After an answer that was of no use the oldest message is tried alone, and given up after MAX_FAILURES of them, so
    that a message no model can read does not keep the rest waiting. A model that is away costs nothing but time.
    """
    _refuse_others(state, runtime)
    memory, settings, begun = memory_of(runtime), read_settings(), utc_now()
    failures = state.get("extraction_failures", 0)
    waiting = _after_watermark(state["messages"], state.get("extracted_until", ""))
    nothing: Update = {"extracted": None, "changes": None}
    try:
        thread_id = _thread_of(runtime)
        due = set(await memory.unextracted(thread_id, [str(message.id) for message in waiting]))
        utterances = _utterances([message for message in waiting if message.id in due], thread_id)
        if not utterances:
            return nothing | ({"extracted_until": waiting[-1].id} if waiting else {})
        utterances = utterances[:1] if failures else utterances
        if failures >= MAX_FAILURES:
            log.warning("extraction given up %s message=%r", _where(runtime), utterances[0].source.message_id)
            return {"extracted": Extracted(utterances, [], Extraction(facts=[], retracted=[]), begun), "changes": None}
        known = await memory.near([said.text for said in utterances])
        model = await asyncio.to_thread(open_model, settings.extraction_model_name, settings)
        # Untagged, its tokens would stream to the user as part of the reply.
        extraction = await extract(
            model, utterances, known, method=settings.structured_output, config={"tags": ["nostream"]}
        )
    except Exception as error:
        log.warning("extraction failed %s cause=%s", _where(runtime), cause_of(error))
        useless = isinstance(error, ExtractionFailed) and not error.transient
        return nothing | {"extraction_failures": failures + useless}
    return {"extracted": Extracted(utterances, known, extraction, begun), "changes": None}


async def reconcile(state: State, runtime: Runtime[Context]) -> Update:
    """Decide in code what becomes of the candidates, write it, and move the watermark past their messages."""
    extracted = state.get("extracted")
    if extracted is None:
        return {}
    try:
        changes = await memory_of(runtime).learn(
            extracted.extraction, extracted.utterances, extracted.known, begun=extracted.begun
        )
    except Exception as error:
        log.warning("reconcile failed %s cause=%s", _where(runtime), cause_of(error))
        return {"extracted": None}
    return {
        "extracted": None,
        "extracted_until": extracted.utterances[-1].source.message_id,
        "extraction_failures": 0,
        "changes": summary_of(changes),
    }


async def summarize(state: State, runtime: Runtime[Context]) -> Update:
    """Fold the thread's oldest messages into its summary: one model call, beside extract_memories.

    What no facts were taken from yet stays. When this fails the messages stay too, and the next turn tries again; the
    window that the model sees is bounded all the same.
    """
    _refuse_others(state, runtime)
    settings, messages = read_settings(), state["messages"]
    waiting = [m for m in _after_watermark(messages, state.get("extracted_until", "")) if not message_fault(text_of(m))]
    try:
        due = await memory_of(runtime).unextracted(_thread_of(runtime), [str(message.id) for message in waiting])
        folded = foldable(messages, settings.window_tokens, due)
        if not folded:
            return {}
        model = await asyncio.to_thread(open_model, settings.extraction_model_name, settings)
        # Untagged, its tokens would stream to the user as part of the reply.
        summary = await sum_up(model, state.get("summary"), _readable(folded), {"tags": ["nostream"]})
    except Exception as error:
        log.warning("summary failed %s cause=%s", _where(runtime), cause_of(error))
        return {}
    log.info("summarized %s messages=%d", _where(runtime), len(folded))
    return {"summary": summary, "messages": [RemoveMessage(id=str(message.id)) for message in folded]}


def reason_of(hit: Hit) -> Reason:
    """Why a fact was recalled, for people."""
    gave = {signal.name: f"{signal.gave:.3f}, {signal.because}" for signal in hit.why if signal.weight}
    return Reason(fact=hit.fact.text, score=round(hit.score, 3), gave=gave)


def summary_of(changes: Changes) -> MemoryChanges:
    """What happened to memory, as texts for people."""
    return MemoryChanges(
        remembered=[fact.text for fact in changes.added if not fact.retired_at],
        reinforced=[repeat.fact.text for repeat in changes.reinforced],
        retired=[retirement.fact.text for retirement in changes.retired],
    )


def message_fault(text: str) -> str | None:
    """Why a message cannot be answered, as a sentence for the user; None where it can."""
    if not text.strip():
        return "The message is empty: write something."
    limit = read_settings().max_message_chars
    if len(text) > limit:
        return f"The message has {len(text):,} characters; at most {limit:,} are read. Send it in parts."
    return None


def _readable(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The messages without those that were refused, and the refusals."""
    readable: list[AnyMessage] = []
    refused = False
    for message in messages:
        is_refusal = refused and isinstance(message, AIMessage)
        refused = isinstance(message, HumanMessage) and bool(message_fault(text_of(message)))
        if not refused and not is_refusal:
            readable.append(message)
    return readable


def text_of(message: AnyMessage) -> str:
    """A message's text, whatever blocks it is made of."""
    return str(message.text)


def _undated(messages: Sequence[AnyMessage], now: datetime) -> list[HumanMessage]:
    """The human messages without a time, with `now` as theirs."""
    return [
        message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, SAID_AT: now.isoformat()}})
        for message in messages
        if isinstance(message, HumanMessage) and SAID_AT not in message.additional_kwargs
    ]


def _after_watermark(messages: Sequence[AnyMessage], watermark: str) -> list[HumanMessage]:
    """The human messages after the watermark; all there are where it has left the window."""
    return [message for message in _after(messages, watermark) if isinstance(message, HumanMessage)]


def _after(messages: Sequence[AnyMessage], message_id: str) -> Sequence[AnyMessage]:
    """The messages after the one with this id; all of them where it is not there."""
    start = next((i + 1 for i, message in enumerate(messages) if message.id == message_id), 0)
    return messages[start:]


def _utterances(messages: Sequence[HumanMessage], thread_id: str) -> list[Utterance]:
    """The messages as one extraction takes them, oldest first; what is too much for it waits for the next."""
    readable = [message for message in messages if not message_fault(text_of(message))]
    return next(batches(utterances_of(readable, utc_now(), thread_id)), [])


def _thread_of(runtime: Runtime[Context]) -> str:
    info = runtime.execution_info
    return (info.thread_id if info else None) or ""


def _where(runtime: Runtime[Context]) -> str:
    return f"thread={_thread_of(runtime)!r} user={user_of(runtime)!r}"
