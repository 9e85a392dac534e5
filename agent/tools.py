"""What the model can do besides answering: search long-term memory, and keep the open task. Add your own tools here."""

import logging
from typing import Any, Literal

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.prebuilt import ToolRuntime
from langgraph.types import Command

from agent.context import Context
from agent.identity import memory_of
from agent.settings import read_settings
from agent.state import State
from memory import working
from memory.errors import AgentMemoryError, cause_of
from memory.fact import utc_now
from memory.past import asks_about_past
from memory.render import render

log = logging.getLogger(__name__)

Runtime = ToolRuntime[Context, State]


@tool
async def search_memory(query: str, runtime: Runtime) -> str:
    """Search what is known about the user from earlier conversations, when what you were given does not answer."""
    memory = memory_of(runtime)
    hits = await memory.search(query)
    past = await memory.search_past(query) if asks_about_past(query) else []
    known = render((hit.fact for hit in hits), read_settings().memory_tokens, past=(hit.fact for hit in past))
    return known or "Nothing is known about that."


@tool
async def start_task(type: str, data: dict[str, Any], runtime: Runtime) -> Command[None]:  # noqa: A002 - the model sees it
    """Begin a task of several steps, such as a booking, with what is known of it so far. It replaces an open one."""
    return _changed(working.start_task(type, data, utc_now()), runtime)


@tool
async def update_task(changes: dict[str, Any], runtime: Runtime) -> Command[None]:
    """Merge what has become known into the open task's data."""
    return _changed(working.update_task(runtime.state.get("task"), changes, utc_now()), runtime)


@tool
async def finish_task(status: Literal["done", "failed", "cancelled"], runtime: Runtime) -> Command[None]:
    """End the open task."""
    return _changed(working.finish_task(runtime.state.get("task"), status, utc_now()), runtime)


TOOLS: list[BaseTool] = [search_memory, start_task, update_task, finish_task]


def explain(error: Exception) -> str:
    """What the model is told when a tool fails: it may mend its call, and the reply goes on."""
    if isinstance(error, AgentMemoryError):
        return str(error)
    log.warning("tool failed cause=%s", cause_of(error))
    return "The tool failed. Answer without it."


def _changed(change: working.Task | working.TaskChange, runtime: Runtime) -> Command[None]:
    """Put the change into the thread's state, and tell the model."""
    answer = ToolMessage(f"Task {change['id']} is {change['status']}.", tool_call_id=runtime.tool_call_id)
    return Command(update={"task": change, "messages": [answer]})
