"""Identifies the user of a run, and so whose memory it uses: nodes and tools ask only here."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from weakref import WeakSet

from langchain_core.runnables import ensure_config
from langgraph.prebuilt import ToolRuntime
from langgraph.runtime import Runtime

from agent.context import Context, read_context
from agent.settings import DEFAULT_USER, AnonymousRuns, Auth, Settings
from memory.errors import BadInput, quoted
from memory.facts.changes import Changes
from memory.facts.fact import check_user_id
from memory.items.store import FactStore
from memory.logs import Event
from memory.user_memory import UserMemory

log = logging.getLogger(__name__)


ANONYMOUS = "anonymous"  # the identity that Aegra gives to every caller if it has no authentication
PLACEHOLDERS = {"", "langgraph-studio-user", ANONYMOUS}
"""Identities that a server gives to a caller without authentication."""


class AgentStore(FactStore):
    """The store that the graphs run with, and the settings that it was opened with."""

    settings: Settings
    learned_later: Callable[[Changes], None]  # gets what each background extraction of this process has changed


open_stores: WeakSet[AgentStore] = WeakSet()  # of this process

Run: TypeAlias = Runtime[Context] | ToolRuntime[Context, Any]  # what LangGraph passes to a node, or to a tool


def user_of(run: Run) -> str:
    config = run.config if isinstance(run, ToolRuntime) else ensure_config()  # of the node that runs
    configurable, auth = config.get("configurable", {}), settings_of(run).auth
    authenticated = authenticated_user(run.server_info and run.server_info.user, auth)
    return identify(authenticated, read_context(run.context), configurable) or DEFAULT_USER


def authenticated_user(user: Any, auth: Auth) -> str | None:
    """The user id that a server has authenticated, or None. Without AUTH, a placeholder does not count. Raises BadInput
    if AUTH is set and the identity is "anonymous": then Aegra runs without the `auth` of aegra.json."""
    user_id = getattr(user, "identity", None)
    if user_id is None or is_nobody(user_id, auth):
        return None
    if user_id == ANONYMOUS:
        fix = "add an `auth` to its configuration, as in aegra.json."
        raise BadInput(f"AUTH={auth} is set, and the server authenticates nobody: {fix}")
    return check_user_id(user_id)


def is_nobody(user_id: object, auth: Auth) -> bool:
    return auth in ("", "none") and user_id in PLACEHOLDERS


def identify(authenticated: str | None, context: Context, configurable: Mapping[str, Any]) -> str | None:
    """The identity that a server has authenticated; otherwise, in development, the `user_id` that the caller gave, in
    the context or in `configurable`; None if there is none. Raises BadInput if the two differ.

    A server has copied the caller's `configurable` into the context. Afterwards it sets `user_id` in `configurable`:
    LangGraph's to a user id of the thread, and Aegra to the caller's identity, which may be a placeholder."""
    if authenticated is not None:
        return authenticated
    for key in configurable:
        if key != "user_id" and re.sub(r"[\W_]", "", key).lower() == "userid":
            raise BadInput(f"{quoted(key)} in the run's `configurable` is unknown: did you mean user_id?")
    given = [context.user_id] if "user_id" in context.model_fields_set else []
    if "user_id" in configurable and not on_server(configurable):
        caller: Any = configurable.get("langgraph_auth_user")
        if not hasattr(caller, "identity") or configurable["user_id"] != caller.identity:
            given.append(configurable["user_id"])
    named = [check_user_id(user_id) for user_id in given]
    if len({*named}) > 1:
        both = f"{quoted(named[0])} in its context and {quoted(named[1])} in `configurable`"
        raise BadInput(f"The run names two users, {both}: name one.")
    return named[0] if named else None


def on_server(configurable: Mapping[str, Any]) -> bool:
    """Whether a LangGraph server runs the graph. It puts this key into the `configurable` of each run, and removes it
    from what clients send; `graph_id` and `assistant_id`, which it sets too, may also be used by other code."""
    return "langgraph_request_id" in configurable


def check_anonymous(allowed: AnonymousRuns, thread_id: object, *, deployed: bool = False) -> None:
    """For a run on a server that names no user. Raises BadInput if such runs are refused, which those of a `deployed`
    server are unless they are allowed."""
    if allowed == "refuse" or (deployed and allowed == "warn"):
        instead = "ANONYMOUS_RUNS=allow" if deployed else "ANONYMOUS_RUNS=warn"
        fix = f'pass context={{"user_id": ...}}, authenticate users (docs/deploying.md), or set {instead}.'
        raise BadInput(f"The run names no user: {fix}")
    if allowed == "warn":
        advice = "the run names no user, and shares a memory with all that do not; see ANONYMOUS_RUNS"
        log.warning(Event("anonymous run", thread=thread_id, user=DEFAULT_USER, advice=advice))


def store_of(run: Run) -> AgentStore:
    """The run's store. Raises BadInput if `agent.persistence` did not open it."""
    if isinstance(run.store, AgentStore):
        return run.store
    advice = "build it with agent.agent_graph.AgentGraph, or compile it with agent.persistence.open_store."
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
