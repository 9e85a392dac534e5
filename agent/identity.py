"""Identifies the user of a run, and so whose memory it uses: nodes and tools ask only here."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from langgraph.prebuilt import ToolRuntime
from langgraph.runtime import Runtime

from agent.context import Context
from agent.settings import Settings
from memory.errors import BadInput
from memory.facts.fact import check_user_id
from memory.store import FactStore
from memory.user_memory import UserMemory


class AgentStore(FactStore):
    """The store that the graphs run with, and the settings that it was opened with."""

    settings: Settings


Run: TypeAlias = Runtime[Context] | ToolRuntime[Context, Any]  # what LangGraph passes to a node, or to a tool


def user_of(run: Run) -> str:
    return identify(run.server_info and run.server_info.user, run.context)


def identify(authenticated: Any, context: Context | Mapping[str, Any] | None) -> str:
    """The identity that a server has authenticated; otherwise, in development, the user id in the context."""
    if hasattr(authenticated, "identity"):
        return check_user_id(authenticated.identity)
    return check_user_id(Context.model_validate(context or {}).user_id)


def store_of(run: Run) -> AgentStore:
    """The run's store. Raises BadInput if `agent.persistence` did not open it."""
    if isinstance(run.store, AgentStore):
        return run.store
    advice = "compile it with agent.persistence.open_store, or name that under store.path in langgraph.json."
    raise BadInput(f"The graph runs with the store {type(run.store).__name__}: {advice}")


def settings_of(run: Run) -> Settings:
    return store_of(run).settings


def memory_of(run: Run) -> UserMemory:
    return UserMemory(store_of(run), user_of(run))


def memory_tokens(run: Run) -> int:
    """About how many tokens of recalled facts the run's prompt may carry."""
    asked_for = run.context.memory_tokens if run.context else None
    return settings_of(run).memory_tokens if asked_for is None else asked_for


def foreign_thread(thread_id: str) -> BadInput:
    """The error for a thread of another user."""
    return BadInput(f"The thread {thread_id!r} belongs to another user: start a new one.")
