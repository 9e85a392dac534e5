"""What the model can do besides answering: search long-term memory, and keep the open task. Add your own tools here."""

import json
import logging

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.prebuilt import ToolRuntime
from langgraph.prebuilt.tool_node import ToolInvocationError
from langgraph.types import Command
from pydantic import JsonValue

from agent.context import Context, memory_tokens
from agent.identity import memory_of
from agent.state import State
from memory.errors import AgentMemoryError, BadInput, cause_of, listed, problems_of
from memory.facts.fact import utc_now
from memory.recall.render import render
from memory.recall.search import PAST_SHOWN
from memory.recall.words import asks_about_past
from memory.threads import task as working

log = logging.getLogger(__name__)

Runtime = ToolRuntime[Context, State]


@tool
async def search_memory(query: str, runtime: Runtime) -> str:
    """Search what is known about the user from earlier conversations, when what you were given does not answer."""
    memory = memory_of(runtime)
    hits = await memory.search(query)
    past = await memory.search(query, PAST_SHOWN, past=True) if asks_about_past(query) else []
    known = render((hit.fact for hit in hits), memory_tokens(runtime.context), past=(hit.fact for hit in past))
    return known or "Nothing is known about that."


@tool
async def start_task(
    type: str,  # noqa: A002 - the model sees it
    data: dict[str, JsonValue],
    runtime: Runtime,
    hours: float = working.TASK_HOURS,
) -> Command[None]:
    """Begin a task of several steps, such as a booking. One is open at a time, until it is ended or expires."""
    if _earlier_calls(start_task.name, runtime):
        raise BadInput("Another task was started in the same step: one is open at a time.")
    task = working.start_task(runtime.state.get("task"), type, data, utc_now(), hours)
    return _changed(task, f"Task {task['id']} is open.", runtime, {"task_open_until": task["expires_at"]})


@tool
async def update_task(changes: dict[str, JsonValue], runtime: Runtime) -> Command[None]:
    """Merge what has become known into the open task's data; null takes a key out."""
    change = working.update_task(runtime.state.get("task"), changes, utc_now())
    return _changed(change, f"Task {change['id']} is updated.", runtime)


@tool
async def finish_task(status: working.Ending, runtime: Runtime) -> Command[None]:
    """End the open task."""
    task = runtime.state.get("task")
    change = working.finish_task(task, status, utc_now())
    held = json.dumps(task["data"], ensure_ascii=False) if task else ""  # the prompt does not show it any more
    return _changed(change, f"Task {change['id']} is {status}: {held}", runtime, {"task_open_until": ""})


TOOLS: list[BaseTool] = [search_memory, start_task, update_task, finish_task]


def explain(error: Exception) -> str:
    """What the model is told when a tool fails: it may mend its call, and the reply goes on."""
    if isinstance(error, AgentMemoryError):
        return str(error)
    if isinstance(error, ToolInvocationError):
        return f"The arguments do not fit: {listed(problems_of(error.filtered_errors or []))}."
    log.warning("tool failed cause=%s", cause_of(error))
    return "The tool failed. Answer without it."


def _changed(
    change: working.Task | working.TaskChange, told: str, runtime: Runtime, beside: dict[str, str] | None = None
) -> Command[None]:
    """Put the change into the thread's state, with what is kept in step with it, and tell the model."""
    answer = ToolMessage(told, tool_call_id=runtime.tool_call_id)
    return Command(update={"task": change, "messages": [answer], **(beside or {})})


def _earlier_calls(tool_name: str, runtime: Runtime) -> bool:
    """Whether the model called the tool before this call in the same step; none sees what another has changed."""
    asked = runtime.state["messages"][-1]
    calls = asked.tool_calls if isinstance(asked, AIMessage) else []
    same = [call["id"] for call in calls if call["name"] == tool_name]
    return runtime.tool_call_id in same[1:]
