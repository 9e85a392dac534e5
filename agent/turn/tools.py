"""What the model can do besides answering: search long-term memory, and keep the open task. Add your own tools here."""

import json
import logging
from collections.abc import Mapping

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.prebuilt import ToolRuntime
from langgraph.prebuilt.tool_node import ToolInvocationError
from langgraph.types import Command
from pydantic import JsonValue

from agent.context import Context
from agent.identity import memory_of, memory_tokens
from agent.state import State
from agent.turn.limits import TOOL_TIMEOUT
from memory.errors import AgentMemoryError, BadInput, Unavailable, cause_of, listed, problems_of
from memory.facts.fact import utc_now
from memory.ledger.waiting import within
from memory.recall.rank import Hit
from memory.recall.render import render
from memory.recall.search import PAST_SHOWN
from memory.recall.words import asks_about_past
from memory.threads import task as task_rules
from memory.threads.task import TASK_HOURS
from memory.user_memory import UserMemory

log = logging.getLogger(__name__)

Runtime = ToolRuntime[Context, State]
Update = Command[None]


@tool
async def search_memory(query: str, runtime: Runtime) -> str:
    """Search what is known about the user from earlier conversations, when what you were given does not answer."""
    try:
        hits, past = await within(TOOL_TIMEOUT, _search(memory_of(runtime), query))
    except TimeoutError as error:
        raise Unavailable("Memory does not answer in time. Answer without it.") from error
    known = render((hit.fact for hit in hits), memory_tokens(runtime), past=(hit.fact for hit in past))
    return known or "Nothing is known about that."


@tool
async def start_task(type: str, data: dict[str, JsonValue], runtime: Runtime, hours: float = TASK_HOURS) -> Update:
    """Begin a task of several steps, such as a booking. One is open at a time, until it is ended or expires."""
    message = runtime.state["messages"][-1]
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    if runtime.tool_call_id in [call["id"] for call in calls if call["name"] == start_task.name][1:]:
        raise BadInput("Another task was started in the same step: one is open at a time.")
    task = task_rules.start_task(runtime.state.get("task"), type, data, utc_now(), hours)
    return _changed(runtime, task, f"Task {task['id']} is open.", task_open_until=task["expires_at"])


@tool
async def update_task(changes: dict[str, JsonValue], runtime: Runtime) -> Update:
    """Merge what has become known into the open task's data; null takes a key out."""
    change = task_rules.update_task(runtime.state.get("task"), changes, utc_now())
    return _changed(runtime, change, f"Task {change['id']} is updated.")


@tool
async def finish_task(status: task_rules.Ending, runtime: Runtime) -> Update:
    """End the open task."""
    task = runtime.state.get("task")
    change = task_rules.finish_task(task, status, utc_now())
    data = json.dumps(task["data"], ensure_ascii=False) if task else ""  # no longer in the prompt
    return _changed(runtime, change, f"Task {change['id']} is {status}: {data}", task_open_until="")


async def _search(memory: UserMemory, query: str) -> tuple[list[Hit], list[Hit]]:
    """What answers the query, and if it asks for the past what did so then."""
    hits = await memory.search(query)
    return hits, await memory.search(query, PAST_SHOWN, past=True) if asks_about_past(query) else []


TOOLS: list[BaseTool] = [search_memory, start_task, update_task, finish_task]


def explain_error(error: Exception) -> str:
    """The answer of a tool that failed, which lets the model correct its call."""
    if isinstance(error, AgentMemoryError):
        return str(error)
    if isinstance(error, ToolInvocationError):
        return f"The arguments do not fit: {listed(problems_of(error.filtered_errors or []))}."
    log.warning("tool failed cause=%s", cause_of(error))
    return "The tool failed. Answer without it."


def _changed(runtime: Runtime, change: Mapping[str, object], answer: str, **others: str) -> Update:
    """The update of the thread's state: the task, the tool's answer, and other fields."""
    messages = [ToolMessage(answer, tool_call_id=runtime.tool_call_id)]
    return Command(update={"task": change, "messages": messages, **others})
