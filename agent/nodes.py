"""The nodes of a turn: recall, respond and, after the reply, extract_memories, reconcile and summarize.

The reply never waits for memory and never fails because of it. If recall fails, the model answers without facts. If
extraction fails, a later turn repeats it, since the watermark only moves once the facts are in the ledger.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, RemoveMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from agent.context import Context
from agent.extraction_schedule import (
    informative,
    message_problem,
    next_step,
    schedule_in_process,
    schedule_on_server,
    unextracted_messages,
    with_extraction_model,
)
from agent.identity import memory_of, memory_tokens, settings_of, store_of, user_of
from agent.models import open_model
from agent.prompts import system_message
from agent.providers import NoReply, model_failure
from agent.state import BackgroundState, RecallReason, State, memory_changes
from agent.tools import TOOLS
from memory.errors import BadInput, cause_of, quoted
from memory.facts.fact import owner_key, parse_date, utc_now
from memory.learn.extract import Utterance, utterances_of
from memory.recall.rank import Hit
from memory.threads.summary import update_summary
from memory.threads.task import open_task
from memory.threads.window import foldable, window

log = logging.getLogger(__name__)

Update = dict[str, Any]
"""What a node returns: new values for some of the state's fields."""

MAX_TOOL_ROUNDS = 10
"""How often a model may call tools in one turn before it has to reply; LangGraph's own limit is in the thousands."""

NOTHING_EXTRACTED: Update = {"extracted": None, "changes": None}

SILENT: RunnableConfig = {"tags": ["nostream"]}
"""For model calls whose tokens would otherwise stream to the user as part of the reply."""


async def recall(state: State, runtime: Runtime[Context]) -> Update:
    """Find the facts that matter for the user's message."""
    if _question(state) is None:
        raise BadInput("The input has no message of the user: send one in `messages`.")
    return _claimed(state, runtime) | await _recalled(state, runtime)


async def respond(state: State, runtime: Runtime[Context]) -> Update:
    """Reply: one model call, with the thread's window, the recalled facts and the open task. Raises NoReply.

    Recalled facts are never saved, so a run that continues after `recall`, as a fork may, recalls here.
    """
    settings, context, last = settings_of(runtime), runtime.context or Context(), state["messages"][-1]
    if isinstance(last, HumanMessage) and (problem := message_problem(last.text, settings.max_message_chars)):
        return {"messages": [AIMessage(problem)]}
    name = context.model or settings.chat_model_name
    setting = "the run's `model`" if context.model else "CHAT_MODEL"
    model = await asyncio.to_thread(open_model, name, settings)
    update: Update = {} if "recalled" in state else await _recalled(state, runtime)
    prompt = system_message(
        context.system_prompt,
        summary=summary["text"] if (summary := state.get("summary")) else "",
        recalled=update["recalled"] if update else state["recalled"],
        task=open_task(state.get("task"), utc_now()),
    )
    messages = window(_without_refused(state["messages"], settings.max_message_chars), settings.window_tokens)
    try:
        if _tool_rounds(messages) < MAX_TOOL_ROUNDS:
            reply = _with_valid_calls(await model.bind_tools(TOOLS).ainvoke([prompt, *messages]))
        else:
            reply = await model.ainvoke([prompt, *messages])
            reply = reply.model_copy(update={"tool_calls": [], "invalid_tool_calls": []})
    except Exception as error:  # each provider has its own
        log.warning("no reply %s cause=%s", _ids(runtime), cause_of(error))
        reason = model_failure(error, name, setting) or f"{type(error).__name__} from the model {quoted(name)}."
        # Without its cause: a server logs the whole traceback, and a provider's error quotes what was sent.
        raise NoReply(reason) from None
    return update | {"messages": [reply]}


def _tool_rounds(messages: Sequence[BaseMessage]) -> int:
    """How often the model has called tools since the user's last message."""
    turn = takewhile(lambda message: not isinstance(message, HumanMessage), reversed(messages))
    return sum(isinstance(message, AIMessage) for message in turn)


def _with_valid_calls(reply: AIMessage) -> AIMessage:
    """The reply with calls that are not valid JSON as calls without arguments, so that each gets an answer.

    Providers refuse every later request of a thread with an unanswered call.
    """
    calls = [
        tool_call(name=call["name"] or "", args={}, id=call["id"]) for call in reply.invalid_tool_calls if call["id"]
    ]
    return reply.model_copy(update={"tool_calls": [*reply.tool_calls, *calls], "invalid_tool_calls": []})


async def _recalled(state: State, runtime: Runtime[Context]) -> Update:
    """The facts that matter for the user's last message; none if recall fails or the message is refused."""
    query = _question(state)
    try:
        if query is None or message_problem(query, settings_of(runtime).max_message_chars):
            return {"recalled": "", "recall_reasons": []}
        recalled = await memory_of(runtime).recall(query, explain=True)
    except Exception as error:
        log.warning("recall failed %s cause=%s", _ids(runtime), cause_of(error))
        return {"recalled": "", "recall_reasons": []}
    log.info("recalled %s facts=%d", _ids(runtime), len(recalled.facts))
    reasons = [_recall_reason(hit) for hit in (*recalled.hits, *recalled.past)]
    return {"recalled": recalled.block(memory_tokens(runtime)), "recall_reasons": reasons}


def _recall_reason(hit: Hit) -> RecallReason:
    contributions = {signal.name: f"{signal.contribution:.3f}, {signal.reason}" for signal in hit.why if signal.weight}
    return RecallReason(fact=hit.fact.text, score=round(hit.score, 3), contributions=contributions)


def _question(state: State) -> str | None:
    return next((str(m.text) for m in reversed(state["messages"]) if isinstance(m, HumanMessage)), None)


def after_respond(
    state: State, runtime: Runtime[Context]
) -> list[Literal["tools", "extract_memories", "extract_later", "summarize", "__end__"]]:
    """The tools that the model called; otherwise extraction, now or later, and the summary of a long thread."""
    last, settings = state["messages"][-1], settings_of(runtime)
    if isinstance(last, AIMessage) and last.tool_calls:
        return ["tools"]
    waiting = informative(unextracted_messages(state), settings.max_message_chars)
    extraction = next_step(settings.extract, len(waiting), settings.extract_every)
    is_long = foldable(state["messages"], settings.window_tokens)
    return [extraction, "summarize"] if is_long else [extraction]


async def extract_memories(state: State, runtime: Runtime[Context]) -> Update:
    """Turn the messages not yet extracted into candidate facts: one model call, or none where they say nothing."""
    messages = unextracted_messages(state)
    update = await _extract(runtime, _utterances(messages, runtime))
    if update is None:
        return NOTHING_EXTRACTED | ({"extracted_until": messages[-1].id} if messages else {})
    return update


async def extract_later(state: State, runtime: Runtime[Context]) -> Update:
    """Schedule the extraction: as a run of the server, or as a task of this process.

    The watermark moves up to the first message that is not in the ledger yet. What cannot be scheduled, or is lost
    with the process, is scheduled again by the thread's next turn.
    """
    memory, store, thread_id = memory_of(runtime), store_of(runtime), _thread_id(runtime)
    messages = unextracted_messages(state)
    utterances = _utterances(messages, runtime)
    try:
        due = await memory.learner.unextracted(thread_id, [str(said.source.message_id) for said in utterances])
        waiting = [utterance for utterance in utterances if utterance.source.message_id in due]
        if waiting and runtime.server_info and runtime.server_info.graph_id:
            await schedule_on_server(memory.user_id, thread_id, waiting, store.settings.extract_after)
        elif waiting:
            await schedule_in_process(store, memory, thread_id, waiting)
    except Exception as error:
        log.warning("extraction not scheduled %s cause=%s", _ids(runtime), cause_of(error))
        return {}
    done = list(takewhile(lambda message: message.id not in due, messages))
    return {"extracted_until": done[-1].id} if done else {}


async def extract_in_background(state: BackgroundState, runtime: Runtime[Context]) -> Update:
    """The `extract_memories` of the background graph: as many of the given utterances as one call takes."""
    now = utc_now()
    utterances = [
        said.model_copy(update={"said_at": min(said.said_at, now)})
        for said in map(Utterance.model_validate, state.get("utterances", []))
    ]
    started_at = min(parse_date(state.get("started_at")) or now, now)
    update = await _extract(runtime, utterances, started_at)
    # A server keeps the values that a run ends with, so the last step removes the utterances.
    return _claimed(state, runtime) | (update or NOTHING_EXTRACTED | {"utterances": []})


def after_background_extraction(state: BackgroundState) -> Literal["reconcile", "__end__"]:
    return "reconcile" if state.get("extracted") else "__end__"


def after_background_reconcile(state: BackgroundState) -> Literal["extract_memories", "__end__"]:
    """The utterances that were too many for one call, unless reconcile failed."""
    return "extract_memories" if state.get("changes") else "__end__"


async def _extract(
    runtime: Runtime[Context], utterances: Sequence[Utterance], started_at: datetime | None = None
) -> Update | None:
    """The candidates for reconcile; None where all utterances were extracted before."""
    try:
        memory = await with_extraction_model(memory_of(runtime), settings_of(runtime))
        extracted = await memory.learner.extract(utterances, started_at)
    except Exception as error:
        log.warning("extraction failed %s cause=%s", _ids(runtime), cause_of(error))
        return NOTHING_EXTRACTED
    return {"extracted": extracted, "changes": None} if extracted else None


async def reconcile(state: State | BackgroundState, runtime: Runtime[Context]) -> Update:
    """Decide in code what happens to the candidates, write it, and move the watermark past their messages."""
    extracted = state.get("extracted")
    if extracted is None:
        return {}
    try:
        changes = await memory_of(runtime).learner.learn(extracted)
    except Exception as error:
        log.warning("reconcile failed %s cause=%s", _ids(runtime), cause_of(error))
        return {"extracted": None}
    watermark = extracted.utterances[-1].source.message_id
    return {"extracted": None, "extracted_until": watermark, "changes": memory_changes(changes)}


async def summarize(state: State, runtime: Runtime[Context]) -> Update:
    """Fold the thread's oldest messages into its summary: one model call, while extract_memories runs.

    Messages that are not extracted yet are never folded. If this fails, the next turn tries again.
    """
    settings, messages = settings_of(runtime), state["messages"]
    try:
        waiting = informative(unextracted_messages(state), settings.max_message_chars)
        learner, ids = memory_of(runtime).learner, [str(message.id) for message in waiting]
        due = await learner.unextracted(_thread_id(runtime), ids)
        folded = foldable(messages, settings.window_tokens, due)
        if not folded:
            return {}
        model = await asyncio.to_thread(open_model, settings.extraction_model_name, settings)
        readable = _without_refused(folded, settings.max_message_chars)
        summary = await update_summary(model, state.get("summary"), readable, SILENT)
    except Exception as error:
        log.warning("summary failed %s cause=%s", _ids(runtime), cause_of(error))
        return {}
    log.info("summarized %s messages=%d", _ids(runtime), len(folded))
    return {"summary": summary, "messages": [RemoveMessage(id=str(message.id)) for message in folded]}


def _claimed(state: State | BackgroundState, runtime: Runtime[Context]) -> Update:
    """The thread as the user's own. Raises BadInput if it is another user's.

    CompiledAgentGraph refuses other users before a run; this is for its use as a subgraph, which has no store yet then.
    """
    owner = owner_key(user_of(runtime))
    if state.get("owner", owner) != owner:
        raise BadInput(f"The thread {_thread_id(runtime)!r} belongs to another user: start a new one.")
    return {"owner": owner}


def _utterances(messages: Sequence[HumanMessage], runtime: Runtime[Context]) -> list[Utterance]:
    return utterances_of(informative(messages, settings_of(runtime).max_message_chars), utc_now(), _thread_id(runtime))


def _without_refused(messages: Sequence[AnyMessage], max_chars: int) -> list[AnyMessage]:
    """The messages without those that were too long or empty, and without the answers to these."""
    readable: list[AnyMessage] = []
    refused = False
    for message in messages:
        is_answer = refused and isinstance(message, AIMessage)
        refused = isinstance(message, HumanMessage) and bool(message_problem(message.text, max_chars))
        if not refused and not is_answer:
            readable.append(message)
    return readable


def _thread_id(runtime: Runtime[Context]) -> str:
    info = runtime.execution_info
    return str(info.thread_id or "") if info else ""  # a caller may have used the number 1, and the saver writes "1"


def _ids(runtime: Runtime[Context]) -> str:
    return f"thread={_thread_id(runtime)!r} user={user_of(runtime)!r}"
