"""Who the user is, and so whose memory a run reads and writes: nodes and tools ask here and nowhere else."""

from collections.abc import Mapping
from typing import Any, Protocol

from langgraph.runtime import ServerInfo
from langgraph.store.base import BaseStore

from agent.context import Context
from memory.errors import BadInput
from memory.facts.fact import check_user_id
from memory.store import FactStore
from memory.user_memory import UserMemory


class Run(Protocol):
    """What a node's Runtime and a tool's ToolRuntime have in common."""

    @property
    def context(self) -> Context | None: ...
    @property
    def store(self) -> BaseStore | None: ...
    @property
    def server_info(self) -> ServerInfo | None: ...


def user_of(run: Run) -> str:
    """The authenticated identity where a server gives one; otherwise, in development, what the context says."""
    if run.server_info and run.server_info.user:
        return check_user_id(run.server_info.user.identity)
    return check_user_id((run.context or Context()).user_id)


def user_told(told: Mapping[str, Any], context: Context | Mapping[str, Any] | None) -> str:
    """The same before the run begins, by what it is told: the configurable part of its config, and its context."""
    authenticated = told.get("langgraph_auth_user")
    if authenticated is not None and hasattr(authenticated, "identity"):
        return check_user_id(authenticated.identity)
    given = context if isinstance(context, Context) else Context.model_validate(context or {})
    return check_user_id(given.user_id)


def memory_of(run: Run) -> UserMemory:
    """The memory of the run's user, and of nobody else."""
    if not isinstance(run.store, FactStore):
        raise BadInput(
            f"The graph runs with the store {type(run.store).__name__}: compile it with the one from "
            "agent.persistence.open_store, or name that under store.path in langgraph.json."
        )
    return UserMemory(run.store, user_of(run))
