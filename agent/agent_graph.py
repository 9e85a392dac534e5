"""The compiled graph: each thread belongs to the user who began it, and has one run at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import Any, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph._internal._constants import CONFIG_KEY_RUNTIME  # LangGraph leaves it out of updates
from langgraph.channels import UntrackedValue
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, StateUpdate
from langgraph.typing import ContextT, InputT, OutputT, StateT

from agent.chat_models.by_name import open_model
from agent.context import NODES, Context, read_context
from agent.host import DEPLOYED, host
from agent.identity import (
    AgentStore,
    authenticated_user,
    check_anonymous,
    foreign_thread,
    identify,
    is_nobody,
    on_server,
)
from agent.providers import NoReply
from agent.server.memory import check_threads, has_saved, memory_beside, owner_elsewhere
from agent.settings import DEFAULT_USER
from agent.state import Input, Output, State
from memory.errors import BadInput, Unavailable
from memory.facts.fact import check_user_id, owner_key, parse_date, utc_now
from memory.ledger.locks import answered
from memory.threads.saver import AFTER_REPLY, AfterReply
from memory.threads.threads import (
    BEGUN_AT,
    BEGUN_BY,
    begin,
    check_thread_id,
    delete_forgotten,
    thread_owner,
)

log = logging.getLogger(__name__)

OWNER_IS_FIXED = "The owner of a thread is the user who began it, and cannot be set: leave `owner` out."


class CompiledAgentGraph(CompiledStateGraph[StateT, ContextT, InputT, OutputT]):
    """A compiled graph that refuses other users' threads, and runs of one thread at the same time."""

    @property
    def stream_channels_asis(self) -> Sequence[str]:
        """The channels that a server shows, and keeps a copy of, as a thread's values. What is never saved, such as the
        recalled facts, is not among them: forgetting a fact would not delete it from that copy."""
        return [name for name in super().stream_channels_asis if not isinstance(self.channels[name], UntrackedValue)]

    async def astream(  # type: ignore[override]  # of its overloads, which differ in what they yield
        self, input: InputT | None, config: RunnableConfig | None = None, **options: Any
    ) -> AsyncIterator[Any]:
        """LangGraph's own `astream`, on which `ainvoke` and `astream_events` are built."""
        if isinstance(input, str | list | int | float):  # what JSON has besides; LangGraph would quote it in a log
            raise BadInput(f"The input is of the type {type(input).__name__}: send an object with `messages`.")
        config, owners = config or RunnableConfig(), list(_owners(input)) if isinstance(input, Command) else []
        if (context := options.get("context")) is not None:
            context = options["context"] = await asyncio.to_thread(read_context, context)
        if options.get("output_keys") is None:
            options["output_keys"] = super().stream_channels_asis
        started_at = parse_date(str(input.get("started_at"))) if isinstance(input, dict) else None
        store, config = await self._with_memory(config)
        async with self._checked(store, config, context or Context(), owners, started_at) as (checked, again):
            given, checked = (None, _at_the_end(checked)) if again and isinstance(input, dict) else (input, checked)
            async for part in super().astream(given, checked, **options):
                yield part

    def _configurable(self, config: RunnableConfig) -> dict[str, Any]:
        return merge_configs(self.config, config).get("configurable", {})

    async def _with_memory(self, config: RunnableConfig) -> tuple[AgentStore | None, RunnableConfig]:
        """The store of a run, None for a subgraph without its own, and the config that gives it to the nodes. Where the
        host or the parent graph has a store of another kind, it is the memory of this process."""
        parent = self._configurable(config).get(CONFIG_KEY_RUNTIME)
        parent = parent if isinstance(parent, Runtime) else None
        store = parent.store if parent else self.store
        if not isinstance(store, AgentStore):
            store = await memory_beside(store, self.checkpointer)
            runtime = (parent or Runtime()).override(store=store)
            config = {**config, "configurable": config.get("configurable", {}) | {CONFIG_KEY_RUNTIME: runtime}}
        return (None if parent and self.store is None else store), config

    @asynccontextmanager
    async def _checked(
        self,
        store: AgentStore | None,
        config: RunnableConfig,
        context: Context,
        owners: Sequence[object],
        started_at: datetime | None,
    ) -> AsyncIterator[tuple[RunnableConfig, bool]]:
        """The run's config, and whether a server that was killed in this run begins it again: then the input is in the
        thread already. Holds the thread's lock, except on a server, which queues runs. Raises BadInput before the input
        is saved. The run counts as begun at `started_at`, if that is earlier than now: what was forgotten since it does
        not save."""
        if store is None:
            yield config, False
            return
        configurable = self._configurable(config)
        authenticated = authenticated_user(configurable.get("langgraph_auth_user"), store.settings.auth)
        user_id, queued = identify(authenticated, context, configurable), on_server(configurable)
        if user_id is None and (queued or "langgraph_auth_user" in configurable):
            deployed = not queued or host() in DEPLOYED
            check_anonymous(store.settings.anonymous_runs, configurable.get("thread_id"), deployed=deployed)
        if context.model:
            await asyncio.to_thread(open_model, context.model, store.settings)
        if "thread_id" not in configurable:
            yield _begun(utc_now(), config, configurable), False
            return
        thread_id, user = check_thread_id(configurable["thread_id"]), owner_key(user_id or DEFAULT_USER)
        unlocked = queued or not isinstance(self.checkpointer, BaseCheckpointSaver)
        async with nullcontext() if unlocked else store.run_locks.hold(thread_id):
            is_nested = bool(configurable.get("checkpoint_ns"))
            run_id = "" if is_nested else str(configurable.get("run_id") or "")
            begun = await answered(begin(store.pool, thread_id, run_id))
            owner = await owner_elsewhere(self.checkpointer, thread_id) if begun.owner is None else begun.owner
            if owner not in (None, "", user):
                raise foreign_thread(thread_id)
            if any(given != user for given in owners):
                raise BadInput(OWNER_IS_FIXED)
            checkpoint = None if is_nested else configurable.get("checkpoint_id")
            if checkpoint and not await answered(has_saved(store, self.checkpointer, thread_id, str(checkpoint))):
                raise BadInput(f"The thread {thread_id!r} has no checkpoint {checkpoint!r}: see its history.")
            if begun.again:
                log.warning("run continued thread=%r: it was begun by a server that was killed", thread_id)
            at = min(started_at or begun.at, begun.at)
            database_answers = True
            try:
                yield _begun(at, _saved_by(user, config), configurable), begun.again
                await answered(check_threads(store, self.checkpointer, thread_id))
            except Unavailable as error:
                database_answers = isinstance(error, NoReply)
                raise
            finally:
                if database_answers:  # otherwise this would wait in vain, and hide why the run failed
                    await asyncio.shield(answered(delete_forgotten(store.pool, user, thread_id, at)))

    async def abulk_update_state(
        self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> RunnableConfig:
        """Also used by `aupdate_state`. Raises BadInput if the thread belongs to another user than the `user_id` in
        `configurable`, where a server names the caller, and for an update that changes the owner."""
        store, config = await self._with_memory(config)
        configurable, owner = self._configurable(config), None
        if store is not None:
            thread_id, caller = str(configurable.get("thread_id")), cast(str | None, configurable.get("user_id"))
            owner = await thread_owner(store.pool, thread_id)
            owner = await owner_elsewhere(self.checkpointer, thread_id) if owner is None else owner
            is_nobodys = owner in (None, "") or caller is None or is_nobody(caller, store.settings.auth)
            if not is_nobodys and owner != owner_key(check_user_id(str(caller))):
                raise foreign_thread(thread_id)
        if any(given != owner for given in _owners([update.values for step in supersteps for update in step])):
            raise BadInput(OWNER_IS_FIXED)
        # Conditional edges run here too, and read the settings from the store.
        configurable = {CONFIG_KEY_RUNTIME: Runtime(store=store)} | config.get("configurable", {})
        return await super().abulk_update_state(_saved_by("", {**config, "configurable": configurable}), supersteps)

    def get_context_jsonschema(self) -> dict[str, Any] | None:
        """LangGraph's own, with the fields for nodes that this graph has, as Studio shows them. A server that passes a
        run's context on by it leaves no key out."""
        if schema := super().get_context_jsonschema():
            for name, field in [*schema["properties"].items()]:
                field[NODES] = [node for node in field.get(NODES, self.nodes) if node in self.nodes]
                if not field[NODES]:
                    del schema["properties"][name]
            schema["properties"] = _AnyKey(schema["properties"])
        return schema


class _AnyKey(dict[str, Any]):
    """The properties of a schema, which say that they contain every key. A server silently drops the keys of a context
    that they do not contain; with these, a misspelt `userId` reaches `read_context`, which refuses it."""

    def __contains__(self, key: object) -> bool:
        return True


def _owners(update: object) -> Iterator[object]:
    """The owners that an update sets; it is a mapping, (name, value) pairs, a Command, or a list of these."""
    match update:
        case Command():
            yield from _owners(update.update)
        case {"owner": owner} | ("owner", owner):
            yield owner
        case list() | tuple():
            for part in update:
                yield from _owners(part)
        case _ if hasattr(update, "owner"):
            yield update.owner


def _at_the_end(config: RunnableConfig) -> RunnableConfig:
    """The config without the checkpoint that the run began at."""
    configurable = {key: value for key, value in config.get("configurable", {}).items() if key != "checkpoint_id"}
    return {**config, "configurable": configurable}


def _saved_by(user: str, config: RunnableConfig) -> RunnableConfig:
    """The config with the user's key in its metadata, in place of what the client sent."""
    return {**config, "metadata": {**(config.get("metadata") or {}), BEGUN_BY: user}}


def _begun(at: datetime, config: RunnableConfig, configurable: Mapping[str, Any]) -> RunnableConfig:
    """The config with the moment at which the run began, and an AfterReply; a subgraph has those of its parent."""
    metadata = config.get("metadata") or {}
    if configurable.get("checkpoint_ns") and BEGUN_AT in metadata:
        return config
    configurable = {AFTER_REPLY: AfterReply()} | config.get("configurable", {})
    return {**config, "configurable": configurable, "metadata": {**metadata, BEGUN_AT: at.isoformat()}}


class AgentGraph(StateGraph[StateT, ContextT, InputT, OutputT]):
    """A StateGraph that compiles to a CompiledAgentGraph; use it for a parent of the chat, too."""

    def compile(self, *args: Any, **options: Any) -> CompiledAgentGraph[StateT, ContextT, InputT, OutputT]:
        compiled = super().compile(*args, **options)
        compiled.__class__ = CompiledAgentGraph  # LangGraph names its own class in `compile`, and has no hook for it
        return cast(CompiledAgentGraph[StateT, ContextT, InputT, OutputT], compiled)


Graph: TypeAlias = CompiledAgentGraph[State, Context, Input, Output]  # the chat, compiled
