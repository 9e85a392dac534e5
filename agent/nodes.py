"""The steps of a turn: recall, respond, and after the reply extract_memories, reconcile and now and then summarize.

The reply never waits for memory and never fails because of it: what goes wrong before it is recalled as nothing, what
goes wrong after it is left for the next turn, since the watermark only moves once facts are in the ledger.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, RemoveMessage
from langchain_core.messages.tool import tool_call
from langgraph.runtime import Runtime

from agent.context import Context, memory_tokens
from agent.extraction_schedule import (
    human_messages_after,
    message_problem,
    next_step,
    schedule_in_process,
    schedule_on_server,
    text_of,
    with_model,
    worth_extracting,
)
from agent.identity import memory_of, user_of
from agent.models import chat_choice, open_model
from agent.prompts import system_message
from agent.providers import NoReply, model_failure
from agent.settings import read_settings
from agent.state import BackgroundState, MemoryChanges, Reason, State
from agent.tools import TOOLS
from memory.errors import BadInput, cause_of, quoted
from memory.facts.changes import Changes
from memory.facts.fact import owner_key, parse_date, utc_now
from memory.learn.extract import Utterance, utterances_of
from memory.recall.rank import Hit
from memory.store import FactStore
from memory.threads.summary import update_summary
from memory.threads.task import open_task
from memory.threads.window import foldable, window

log = logging.getLogger(__name__)

Update = dict[str, Any]
"""What a node returns: new values of some of the state's keys."""

MAX_TOOL_ROUNDS = 10
"""Times that a model may call tools before it has to reply without them: LangGraph itself stops after thousands."""

NOTHING: Update = {"extracted": None, "changes": None}


async def recall(state: State, runtime: Runtime[Context]) -> Update:
    """Find what is known that matters for this message, and whose the thread is."""
    _refuse_others(state, runtime)
    if _question(state) is None:
        raise BadInput("The input holds no message of the user: send one in `messages`.")
    return {"owner": owner_key(user_of(runtime))} | await _recalled(state, runtime)


async def respond(state: State, runtime: Runtime[Context]) -> Update:
    """Answer: one model call, with the thread's window, the recalled facts and the open task. Raises NoReply.

    Recalled facts are never saved: a run that goes on from a checkpoint after `recall`, as a fork does, or one that was
    broken off, finds today's here.
    """
    _refuse_others(state, runtime)
    settings, context = read_settings(), runtime.context or Context()
    last = state["messages"][-1]
    if isinstance(last, HumanMessage) and (fault := message_problem(text_of(last))):
        return {"messages": [AIMessage(fault)]}
    choice = chat_choice(settings, context.model)
    model = await asyncio.to_thread(open_model, choice.name, settings)
    found: Update = {} if "recalled" in state else await _recalled(state, runtime)
    prompt = system_message(
        context.system_prompt,
        summary=summary["text"] if (summary := state.get("summary")) else "",
        recalled=found["recalled"] if found else state["recalled"],
        task=open_task(state.get("task"), utc_now()),
    )
    messages = window(_readable(state["messages"]), settings.window_tokens)
    try:
        reply = await _reply(model, [prompt, *messages], tools=_rounds_of_tools(messages) < MAX_TOOL_ROUNDS)
    except Exception as error:  # each provider has its own
        log.warning("no reply %s cause=%s", _where(runtime), cause_of(error))
        reason = model_failure(error, *choice) or f"{type(error).__name__} from the model {quoted(choice.name)}."
        # Without its cause: a server logs the whole traceback, and a provider's error quotes what was sent.
        raise NoReply(reason) from None
    return found | {"messages": [reply]}


async def _reply(model: BaseChatModel, prompt: Sequence[BaseMessage], *, tools: bool) -> AIMessage:
    """The model's reply to the prompt, which calls tools only where it may."""
    if tools:
        return _with_readable_calls(await model.bind_tools(TOOLS).ainvoke([*prompt]))
    given = await model.ainvoke([*prompt])
    return given.model_copy(update={"tool_calls": [], "invalid_tool_calls": []})


def _rounds_of_tools(messages: Sequence[BaseMessage]) -> int:
    """How often the model has called tools since the user's last message."""
    turn = takewhile(lambda message: not isinstance(message, HumanMessage), reversed(messages))
    return sum(isinstance(message, AIMessage) for message in turn)


def _with_readable_calls(reply: AIMessage) -> AIMessage:
    """The reply with calls whose arguments are no JSON as calls without any, so that the tool says what is missing.

    Left as they are, nothing would answer them, and providers refuse a call without an answer ever after.
    """
    broken = [
        tool_call(name=call["name"] or "", args={}, id=call["id"]) for call in reply.invalid_tool_calls if call["id"]
    ]
    return reply.model_copy(update={"tool_calls": [*reply.tool_calls, *broken], "invalid_tool_calls": []})


async def _recalled(state: State, runtime: Runtime[Context]) -> Update:
    """What is known that matters for the user's last message; nothing where that fails or is not to be read."""
    nothing: Update = {"recalled": "", "why": []}
    query = _question(state)
    if query is None or message_problem(query):
        return nothing
    try:
        recalled = await memory_of(runtime).recall(query, explain=True)
    except Exception as error:
        log.warning("recall failed %s cause=%s", _where(runtime), cause_of(error))
        return nothing
    log.info("recalled %s facts=%d", _where(runtime), len(recalled.facts))
    budget = memory_tokens(runtime.context)
    return {
        "recalled": recalled.block(budget),
        "why": [reason_of(h) for h in (*recalled.hits, *recalled.past)],
    }


def _question(state: State) -> str | None:
    """The text of the user's last message."""
    return next((text_of(m) for m in reversed(state["messages"]) if isinstance(m, HumanMessage)), None)


def _refuse_others(state: State | BackgroundState, runtime: Runtime[Context]) -> None:
    """Raise BadInput where the thread is another user's. The graph refuses sooner, but not everywhere."""
    owner = owner_key(user_of(runtime))
    if state.get("owner", owner) != owner:
        raise BadInput(f"The thread {_thread_of(runtime)!r} belongs to another user: start one of your own.")


def after_respond(
    state: State,
) -> list[Literal["tools", "extract_memories", "extract_later", "summarize", "__end__"]]:
    """To the tools the model asked for, or on to remembering, now or later, and to the summary of a long thread."""
    last, settings = state["messages"][-1], read_settings()
    if isinstance(last, AIMessage) and last.tool_calls:
        return ["tools"]
    said = human_messages_after(state["messages"], state.get("extracted_until", ""))
    remembering = next_step(settings.extract, len(worth_extracting(said)), settings.extract_every)
    long = foldable(state["messages"], settings.window_tokens)
    return [remembering, "summarize"] if long else [remembering]


async def extract_memories(state: State, runtime: Runtime[Context]) -> Update:
    """One model call: the human messages not yet extracted, next to what is known, to candidate facts.

    There is none where they say nothing. A model that is away costs nothing but time; see `UserMemory.extract`.
    """
    _refuse_others(state, runtime)
    said = human_messages_after(state["messages"], state.get("extracted_until", ""))
    update = await _extract(runtime, utterances_of(worth_extracting(said), utc_now(), _thread_of(runtime)))
    if update is None:
        return NOTHING | ({"extracted_until": said[-1].id} if said else {})
    return update


async def extract_later(state: State, runtime: Runtime[Context]) -> Update:
    """Have the messages that wait extracted once it is quiet: by a run of the server, or by a task of this process.

    The watermark moves up to the first of them: what the ledger has is done. What is not scheduled here, or is lost
    with the process, waits for the thread's next turn.
    """
    _refuse_others(state, runtime)
    memory, thread_id = memory_of(runtime), _thread_of(runtime)
    said = human_messages_after(state["messages"], state.get("extracted_until", ""))
    utterances = utterances_of(worth_extracting(said), utc_now(), thread_id)
    try:
        due = await memory.learner.unextracted(thread_id, [str(said.source.message_id) for said in utterances])
        left = [utterance for utterance in utterances if utterance.source.message_id in due]
        if left and runtime.server_info and runtime.server_info.graph_id:
            await schedule_on_server(memory.user_id, thread_id, left)
        elif left and isinstance(runtime.store, FactStore):
            await schedule_in_process(runtime.store, memory, thread_id, left)
    except Exception as error:
        log.warning("not scheduled %s cause=%s", _where(runtime), cause_of(error))
        return {}
    done = list(takewhile(lambda message: message.id not in due, said))
    return {"extracted_until": done[-1].id} if done else {}


async def extract_in_background(state: BackgroundState, runtime: Runtime[Context]) -> Update:
    """The same as extract_memories for messages that were handed over, as many as one call takes."""
    _refuse_others(state, runtime)
    now = utc_now()
    utterances = [
        said.model_copy(update={"said_at": min(said.said_at, now)})
        for said in map(Utterance.model_validate, state.get("utterances", []))
    ]
    started_at = min(parse_date(state.get("started_at")) or utc_now(), utc_now())
    owner: Update = {"owner": owner_key(user_of(runtime))}
    # A server keeps the values that a run ends with.
    return owner | (await _extract(runtime, utterances, started_at) or NOTHING | {"utterances": []})


def after_background_extraction(state: BackgroundState) -> Literal["reconcile", "__end__"]:
    """On to reconcile, where there is something to it."""
    return "reconcile" if state.get("extracted") else "__end__"


def after_background_reconcile(state: BackgroundState) -> Literal["extract_memories", "__end__"]:
    """To the messages that were too many for one call, unless this one came to nothing."""
    return "extract_memories" if state.get("changes") else "__end__"


async def _extract(
    runtime: Runtime[Context], utterances: Sequence[Utterance], started_at: datetime | None = None
) -> Update | None:
    """What an extraction gave, for reconcile; None where none of the utterances is due."""
    try:
        memory = await with_model(memory_of(runtime))
        # Untagged, its tokens would stream to the user as part of the reply.
        extracted = await memory.learner.extract(utterances, started_at=started_at, config={"tags": ["nostream"]})
    except Exception as error:
        log.warning("extraction failed %s cause=%s", _where(runtime), cause_of(error))
        return NOTHING
    return {"extracted": extracted, "changes": None} if extracted else None


async def reconcile(state: State | BackgroundState, runtime: Runtime[Context]) -> Update:
    """Decide in code what becomes of the candidates, write it, and move the watermark past their messages."""
    extracted = state.get("extracted")
    if extracted is None:
        return {}
    try:
        changes = await memory_of(runtime).learner.learn(
            extracted.extraction, extracted.utterances, extracted.known, started_at=extracted.started_at
        )
    except Exception as error:
        log.warning("reconcile failed %s cause=%s", _where(runtime), cause_of(error))
        return {"extracted": None}
    return {
        "extracted": None,
        "extracted_until": extracted.utterances[-1].source.message_id,
        "changes": summary_of(changes),
    }


async def summarize(state: State, runtime: Runtime[Context]) -> Update:
    """Fold the thread's oldest messages into its summary: one model call, beside extract_memories.

    What no facts were taken from yet stays. When this fails the messages stay too, and the next turn tries again; the
    window that the model sees is bounded all the same.
    """
    _refuse_others(state, runtime)
    settings, messages = read_settings(), state["messages"]
    said = human_messages_after(messages, state.get("extracted_until", ""))
    try:
        due = await memory_of(runtime).learner.unextracted(
            _thread_of(runtime), [str(message.id) for message in worth_extracting(said)]
        )
        folded = foldable(messages, settings.window_tokens, due)
        if not folded:
            return {}
        model = await asyncio.to_thread(open_model, settings.extraction_model_name, settings)
        # Untagged, its tokens would stream to the user as part of the reply.
        summary = await update_summary(model, state.get("summary"), _readable(folded), {"tags": ["nostream"]})
    except Exception as error:
        log.warning("summary failed %s cause=%s", _where(runtime), cause_of(error))
        return {}
    log.info("summarized %s messages=%d", _where(runtime), len(folded))
    return {"summary": summary, "messages": [RemoveMessage(id=str(message.id)) for message in folded]}


def reason_of(hit: Hit) -> Reason:
    """Why a fact was recalled, for people."""
    contributions = {signal.name: f"{signal.contribution:.3f}, {signal.reason}" for signal in hit.why if signal.weight}
    return Reason(fact=hit.fact.text, score=round(hit.score, 3), contributions=contributions)


def summary_of(changes: Changes) -> MemoryChanges:
    """What happened to memory, as texts for people."""
    return MemoryChanges(
        added=[fact.text for fact in changes.added if not fact.retired_reason],
        history=[fact.text for fact in changes.added if fact.retired_reason],
        reinforced=[repeat.fact.text for repeat in changes.reinforced],
        retired=[fact.text for fact in changes.retired],
    )


def _readable(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The messages without those that were refused, and the refusals."""
    readable: list[AnyMessage] = []
    refused = False
    for message in messages:
        is_refusal = refused and isinstance(message, AIMessage)
        refused = isinstance(message, HumanMessage) and bool(message_problem(text_of(message)))
        if not refused and not is_refusal:
            readable.append(message)
    return readable


def _thread_of(runtime: Runtime[Context]) -> str:
    info = runtime.execution_info
    return str(info.thread_id or "") if info else ""  # a caller may have said 1, and the saver writes "1"


def _where(runtime: Runtime[Context]) -> str:
    return f"thread={_thread_of(runtime)!r} user={user_of(runtime)!r}"
