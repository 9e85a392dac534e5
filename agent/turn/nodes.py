"""The nodes of a turn. If recall fails, the model answers without facts; if extraction fails, a later turn repeats it,
since the watermark only moves once the facts are in the ledger."""

import asyncio
import logging
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import dropwhile, takewhile
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.runnables import RunnableConfig, ensure_config
from langgraph.runtime import Runtime

from agent.chat_models.ask import ask, missing_reply, notice_about, question_of
from agent.chat_models.by_name import open_model
from agent.context import Context, zone
from agent.identity import foreign_thread, memory_of, memory_tokens, on_server, settings_of, store_of, user_of
from agent.prompts import system_message
from agent.providers import NoReply, model_failure
from agent.server import metrics
from agent.state import BackgroundState, RecallReason, State, memory_changes, stamped
from agent.turn import extraction_schedule as schedule
from agent.turn.limits import (
    CHECKPOINTS,
    NOTICE_TIMEOUT,
    RECALL_TIMEOUT,
    RECONCILE_TIMEOUT,
    SCHEDULE_TIMEOUT,
    extraction_timeout,
)
from agent.turn.tools import TOOLS
from memory.errors import BadInput, cause_of, quoted
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance, read_utterances, said_at_of, utterances_of
from memory.facts.fact import Fact, owner_key, parse_date, utc_now
from memory.learn.learner import MAX_FAILURES
from memory.ledger.waiting import within
from memory.logs import Event
from memory.threads.saver import AFTER_REPLY, AfterReply
from memory.threads.summary import update_summary
from memory.threads.task import open_task
from memory.threads.threads import BEGUN_AT
from memory.threads.window import foldable, window

log = logging.getLogger(__name__)

Update = dict[str, Any]  # new values for some of the state's fields

MAX_TOOL_ROUNDS = 10  # calls of tools in one turn before the model has to reply; LangGraph allows thousands
NOTHING_EXTRACTED: Update = {"extracted": None, "changes": None}
SILENT: RunnableConfig = {"tags": ["nostream"]}  # for model calls that are not part of the reply


async def recall(state: State, runtime: Runtime[Context]) -> Update:
    """Find the facts that matter for the user's message."""
    if question_of(state["messages"]) is None:
        raise BadInput("The input has no message of the user: send one in `messages`.")
    update = _claimed(state, runtime) | await _recalled(state, runtime)
    removed = [RemoveMessage(id=str(message.id)) for message in _endless_calls(state["messages"])]
    return update | {"messages": [*removed, *update.get("messages", [])]} if removed else update


def _endless_calls(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The calls of the turn before, and their results, if it made MAX_TOOL_ROUNDS of them and ended without a reply."""
    before = list(dropwhile(lambda message: isinstance(message, HumanMessage), reversed(messages)))
    turn = list(takewhile(lambda message: not isinstance(message, HumanMessage), before))
    rounds = sum(isinstance(message, AIMessage) for message in turn)
    return turn if rounds >= MAX_TOOL_ROUNDS and isinstance(turn[0], ToolMessage) else []


async def respond(state: State, runtime: Runtime[Context]) -> Update:
    """Reply: one model call, with the thread's window, the recalled facts and the open task. Raises NoReply."""
    settings, context, last = settings_of(runtime), runtime.context or Context(), state["messages"][-1]
    if isinstance(last, HumanMessage) and (problem := schedule.problem_of(last, settings.max_message_chars)):
        metrics.count_turn("refused")
        return {"messages": [AIMessage(problem)]}
    name = context.model or settings.chat_model_name
    model = await asyncio.to_thread(open_model, name, settings)
    # Recalled facts are never saved, so a run that continues after `recall`, as a fork may, recalls here.
    update: Update = {} if "recalled" in state else await _recalled(state, runtime)
    summary, task = state.get("summary"), open_task(state.get("task"), utc_now())
    recalled = update["recalled"] if update else state["recalled"]
    today = utc_now().astimezone(_local_time(question_of(state["messages"]), runtime).tzinfo)
    prompt = system_message(context.system_prompt, today, summary["text"] if summary else "", recalled, task)
    messages = window(_without_refused(state["messages"], settings.max_message_chars), settings.window_tokens)
    turn = takewhile(lambda message: not isinstance(message, HumanMessage), reversed(messages))
    try:
        may_call = sum(isinstance(message, AIMessage) for message in turn) < MAX_TOOL_ROUNDS
        reply = await ask(
            model, [prompt, *messages], TOOLS, may_call=may_call, has_tools=settings.model_tools == "auto"
        )
    except Exception as error:  # each provider has its own
        metrics.count_turn("no reply")
        log.warning(Event("no reply", **_ids(runtime), cause=cause_of(error)))
        setting = "the run's `model`" if context.model else "CHAT_MODEL"
        reason = model_failure(error, name, setting) or f"{type(error).__name__} from the model {quoted(name)}."
        # Without its cause: a server logs the whole traceback, and a provider's error quotes what was sent.
        raise NoReply(f"No reply: {reason}") from None
    if missing := missing_reply(reply):
        metrics.count_turn("no reply")
        log.warning(Event("no reply", **_ids(runtime), cause=missing))
        raise NoReply(f"No reply: {missing}")
    if notice := notice_about(reply):
        log.warning(Event("reply with a notice", **_ids(runtime), notice=notice))
    complete = _with_valid_calls(reply)
    if not complete.tool_calls:
        metrics.count_turn("replied")
        untold = (update or state).get("untold", [])
        notice = await _with_retired_limits(notice, untold, runtime)
        if isinstance(after := ensure_config().get("configurable", {}).get(AFTER_REPLY), AfterReply):
            after.ends_at = asyncio.get_running_loop().time() + settings.after_reply_timeout - CHECKPOINTS
    return update | {"messages": [*update.get("messages", []), complete], "notice": notice}


async def _with_retired_limits(notice: str | None, facts: Sequence[Fact], runtime: Runtime[Context]) -> str | None:
    """The notice, with hard limits that messages have retired. If memory fails, the next reply tells of them again."""
    if not facts:
        return notice
    try:
        await within(NOTICE_TIMEOUT, memory_of(runtime).has_told_of(facts))
    except Exception as error:
        log.warning(Event("retired limits told again", **_ids(runtime), cause=cause_of(error)))
    gone = f"No longer kept in mind as a hard limit: {'; '.join(fact.text for fact in facts)}."
    return "\n".join(filter(None, (notice, f"{gone} If that is wrong, say it again.")))


def _with_valid_calls(reply: AIMessage) -> AIMessage:
    """The reply with an id of its own for each tool call. Calls that could not be read stay, without arguments, and are
    answered: providers refuse a thread with an unanswered call."""
    calls, ids = list[ToolCall](), {None, ""}
    for call in (*reply.tool_calls, *reply.invalid_tool_calls):
        call_id = f"call_{uuid.uuid4().hex}" if call["id"] in ids else call["id"]
        ids.add(call_id)
        arguments = call["args"] if isinstance(call["args"], dict) else {}
        calls.append(tool_call(name=call["name"] or "", args=arguments, id=call_id))
    return reply.model_copy(update={"tool_calls": calls, "invalid_tool_calls": []})


async def _recalled(state: State, runtime: Runtime[Context]) -> Update:
    """The facts that matter for the user's last message; none if recall fails or the message is refused."""
    question = question_of(state["messages"])
    said_at = _local_time(question, runtime)
    marked = question and stamped(question, said_at)
    stamp: Update = {} if marked is question else {"messages": [marked]}
    nothing = {"recalled": "", "recall_reasons": [], "untold": []} | stamp
    try:
        if question is None or schedule.problem_of(question, settings_of(runtime).max_message_chars):
            return nothing
        with metrics.RECALL_SECONDS.time():
            recalled = await within(RECALL_TIMEOUT, memory_of(runtime).recall(str(question.text), explain=True))
    except Exception as error:
        _failed("recall", error, runtime)
        return nothing
    log.info(Event("recalled", **_ids(runtime), facts=len(recalled.facts)))
    reasons = []
    for hit in (*recalled.hits, *recalled.past):
        parts = {signal.name: f"{signal.contribution:.3f}, {signal.reason}" for signal in hit.why if signal.weight}
        reasons.append(RecallReason(fact=hit.fact.text, score=round(hit.score, 3), contributions=parts))
    block = recalled.block(memory_tokens(runtime), said_at.tzinfo)
    return {"recalled": block, "recall_reasons": reasons, "untold": [*recalled.untold]} | stamp


def _local_time(message: HumanMessage | None, runtime: Runtime[Context]) -> datetime:
    """When the message was said, in the time zone of its user."""
    said_at, name = said_at_of(message, utc_now()) if message else utc_now(), (runtime.context or Context()).timezone
    return said_at.astimezone(zone(name)) if name else said_at


def after_respond(state: State, runtime: Runtime[Context]) -> list[str]:
    """The tools that the model called; otherwise extraction, now or later, and the summary of a long thread."""
    if not state["messages"]:  # `update_state` in the name of `respond`
        raise BadInput("The thread has no messages: add them with `messages` in the same update.")
    last, settings = state["messages"][-1], settings_of(runtime)
    if isinstance(last, AIMessage) and last.tool_calls:
        return ["tools"]
    extraction = schedule.next_step(settings.extract, len(_waiting(state, runtime)), settings.extract_every)
    return [extraction, "summarize"] if foldable(state["messages"], settings.window_tokens) else [extraction]


async def extract_memories(state: State, runtime: Runtime[Context]) -> Update:
    """Turn the messages not yet extracted into candidate facts: one model call, or none where they say nothing."""
    messages, timeout = schedule.unextracted_messages(state), extraction_timeout(settings_of(runtime))
    skipped = {"extracted_until": messages[-1].id} if messages else {}
    try:
        update = await within(timeout, _extract(runtime, _utterances(state, runtime), _begun_at()))
    except TimeoutError:
        metrics.count_failure("extraction")
        advice = "if the model is slow, raise AFTER_REPLY_TIMEOUT or set EXTRACT=background"
        log.warning(Event(f"extraction not within {timeout:g} s: {advice}", **_ids(runtime)))
        return NOTHING_EXTRACTED
    return update or NOTHING_EXTRACTED | skipped


async def extract_later(state: State, runtime: Runtime[Context]) -> Update:
    """Schedule the extraction, as a run of the server or a task of this process; the next turn schedules it again."""
    memory, store, thread_id = memory_of(runtime), store_of(runtime), _thread_id(runtime)
    try:
        async with asyncio.timeout(SCHEDULE_TIMEOUT):
            due = await _due(state, runtime)
            waiting = [said for said in _utterances(state, runtime) if said.source.message_id in due]
            if waiting and on_server(ensure_config().get("configurable", {})):
                seconds = store.settings.extract_after
                await schedule.schedule_on_server(memory.user_id, thread_id, waiting, _begun_at(), seconds)
            elif waiting:
                await schedule.schedule_in_process(store, memory, thread_id, waiting, _begun_at())
    except Exception as error:
        _failed("scheduling", error, runtime)
        return {}
    return _watermark(due, state)


async def extract_in_background(state: BackgroundState, runtime: Runtime[Context]) -> Update:
    """The `extract_memories` of the background graph: as many of the given utterances as one call takes."""
    if "utterances" not in state:
        raise BadInput("This graph is run by `chat` after a pause, with `utterances`: talk to `chat` instead.")
    update = await _extract(runtime, read_utterances(state["utterances"]), _begun_at(), calls=MAX_FAILURES)
    # A server keeps the values that a run ends with, so the last step removes the utterances.
    return _claimed(state, runtime) | (update or NOTHING_EXTRACTED | {"utterances": []})


def after_background_step(state: BackgroundState) -> Literal["extract_memories", "reconcile", "__end__"]:
    """Reconcile after an extraction, then extract what one call could not take, unless reconcile failed."""
    return "reconcile" if state.get("extracted") else "extract_memories" if state.get("changes") else "__end__"


async def _extract(
    runtime: Runtime[Context], said: Sequence[Utterance], started_at: datetime, calls: int = 1
) -> Update:
    """The candidates for reconcile; {} where no utterance waits to be extracted."""
    try:
        memory = await schedule.with_extraction_model(memory_of(runtime), settings_of(runtime))
        extracted = await memory.learner.extract(said, started_at, calls=calls)
    except Exception as error:
        _failed("extraction", error, runtime)
        return NOTHING_EXTRACTED
    return {"extracted": extracted, "changes": None} if extracted else {}


async def reconcile(state: State | BackgroundState, runtime: Runtime[Context]) -> Update:
    """Decide in code what happens to the candidates, write it, and move the watermark up to what still waits."""
    if (extracted := state.get("extracted")) is None:
        return {}
    try:
        return await within(RECONCILE_TIMEOUT, _learned(extracted, state, runtime))
    except Exception as error:
        _failed("reconcile", error, runtime)
        return {"extracted": None}


async def _learned(extracted: Extracted, state: State | BackgroundState, runtime: Runtime[Context]) -> Update:
    changes = await memory_of(runtime).learner.learn(extracted)
    metrics.count_learned(changes, [said.said_at for said in extracted.utterances], utc_now())
    update: Update = {"extracted": None, "changes": memory_changes(changes)}
    learned = {said.source.message_id for said in extracted.utterances}
    try:
        update |= _watermark(await _due(state, runtime, learned), state)
    except Exception as error:
        log.warning(Event("watermark not moved", **_ids(runtime), cause=cause_of(error)))
    gone = [fact for fact in changes.retired if fact.is_hard_limit]
    if "messages" not in state or not gone:
        return update  # in the background there is no reply: the next one tells
    return update | {"notice": await _with_retired_limits(cast(State, state).get("notice"), gone, runtime)}


def _watermark(due: Collection[str], state: State | BackgroundState) -> Update:
    """The last message before the first one that is due, as the new watermark."""
    done = list(takewhile(lambda message: message.id not in due, schedule.unextracted_messages(state)))
    return {"extracted_until": done[-1].id} if done else {}


async def _due(
    state: State | BackgroundState, runtime: Runtime[Context], learned: Collection[str | None] = ()
) -> Collection[str]:
    """The ids of the messages that wait to be extracted, which those in `learned` no longer do; the background graph
    has no messages."""
    ids = [str(message.id) for message in _waiting(state, runtime) if message.id not in learned]
    return await memory_of(runtime).learner.unextracted(_thread_id(runtime), ids) if ids else ()


def _waiting(state: State | BackgroundState, runtime: Runtime[Context]) -> list[HumanMessage]:
    """The messages after the watermark that may contain facts."""
    return schedule.informative(schedule.unextracted_messages(state), settings_of(runtime).max_message_chars)


def _utterances(state: State, runtime: Runtime[Context]) -> list[Utterance]:
    return utterances_of(_waiting(state, runtime), utc_now(), _thread_id(runtime))


async def summarize(state: State, runtime: Runtime[Context]) -> Update:
    """Fold the oldest messages, but none that waits to be extracted, into the summary: one model call."""
    try:
        return await within(extraction_timeout(settings_of(runtime)), _summarized(state, runtime))
    except Exception as error:
        _failed("summary", error, runtime)
        return {}


async def _summarized(state: State, runtime: Runtime[Context]) -> Update:
    settings = settings_of(runtime)
    if not (folded := foldable(state["messages"], settings.window_tokens, await _due(state, runtime))):
        return {}
    model = await asyncio.to_thread(open_model, settings.extraction_model_name, settings)
    readable = _without_refused(folded, settings.max_message_chars)
    summary = await update_summary(model, state.get("summary"), readable, SILENT)
    log.info(Event("summarized", **_ids(runtime), messages=len(folded)))
    return {"summary": summary, "messages": [RemoveMessage(id=str(message.id)) for message in folded]}


def _claimed(state: State | BackgroundState, runtime: Runtime[Context]) -> Update:
    """The owner to save. Raises BadInput if the thread is another user's; subgraphs are only checked here."""
    owner = owner_key(user_of(runtime))
    if state.get("owner", owner) != owner:
        raise foreign_thread(_thread_id(runtime))
    return {"owner": owner}


def _without_refused(messages: Sequence[AnyMessage], max_chars: int) -> list[AnyMessage]:
    """The messages without those that were too long or empty, and without the answers to these."""
    refused = [isinstance(m, HumanMessage) and bool(schedule.problem_of(m, max_chars)) for m in messages]
    answers = [isinstance(m, AIMessage) and i > 0 and refused[i - 1] for i, m in enumerate(messages)]
    return [m for m, wrong, answer in zip(messages, refused, answers, strict=True) if not wrong and not answer]


def _thread_id(runtime: Runtime[Context]) -> str:
    info = runtime.execution_info
    return str(info.thread_id or "") if info else ""  # a caller may have used the number 1, and the saver writes "1"


def _begun_at() -> datetime:
    """When this run began: what was forgotten since is not learned."""
    return parse_date((ensure_config().get("metadata") or {}).get(BEGUN_AT)) or utc_now()


def _failed(step: metrics.Step, error: Exception, runtime: Runtime[Context]) -> None:
    """Count and log a step of memory that failed."""
    metrics.count_failure(step)
    log.warning(Event(f"{step} failed", **_ids(runtime), cause=cause_of(error)))


def _ids(runtime: Runtime[Context]) -> dict[str, str]:
    return {"thread": _thread_id(runtime), "user": user_of(runtime)}
