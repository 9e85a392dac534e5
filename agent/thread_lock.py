"""The graph as it is run: by the user whose thread it is, and, where no server queues them, one run at a time."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Generic, Self, TypeAlias

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateUpdate
from langgraph.typing import ContextT, InputT, OutputT, StateT

from agent.context import Context
from agent.identity import user_told
from agent.models import open_model
from agent.settings import read_settings
from agent.state import Input, State
from memory.errors import BadInput
from memory.facts.fact import owner_key
from memory.ledger.pool import Pool
from memory.store import FactStore
from memory.threads.run_lock import RUN_TIMEOUT
from memory.threads.threads import BEGUN_BY, check_thread_id, has_checkpoint, thread_owner


class OneRunGraph(CompiledStateGraph[StateT, ContextT, InputT, OutputT], Generic[StateT, ContextT, InputT, OutputT]):
    """A compiled graph whose threads are their users' own, and whose runs in one follow each other.

    Two runs of a thread at once would lose the messages of one. On a server they do not wait here: it has a queue.
    """

    patience = RUN_TIMEOUT
    """Seconds that a run waits for another one of its thread, before it raises Unavailable."""

    async def astream(  # type: ignore[override]  # of its overloads, which differ in what they yield
        self,
        input: InputT | None,  # noqa: A002 - LangGraph's name
        config: RunnableConfig | None = None,
        **options: Any,
    ) -> AsyncIterator[Any]:
        """As LangGraph's own, which `ainvoke` and `astream_events` go through, too."""
        given = config or RunnableConfig()
        told = merge_configs(self.config, given).get("configurable", {})
        await asyncio.to_thread(_check_model, options.get("context"))
        async with self._alone(told):
            if isinstance(self.store, FactStore) and told.get("thread_id") is not None:
                begun_by = await _admitted(self.store.pool, told, options.get("context"))
                given = _marked(given, begun_by)
            async for part in super().astream(input, given, **options):
                yield part

    async def abulk_update_state(
        self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> RunnableConfig:
        """As LangGraph's own, which `aupdate_state` goes through, too; no client may say that a thread is another's."""
        updates = [update.values for step in supersteps for update in step if isinstance(update.values, dict)]
        said = [values["owner"] for values in updates if "owner" in values]
        if said and said != [await self._owner(config)] * len(said):
            raise BadInput("The owner of a thread is the user who began it, and cannot be set: leave `owner` out.")
        return await super().abulk_update_state(_marked(config, ""), supersteps)

    async def _owner(self, config: RunnableConfig) -> str | None:
        thread_id = config.get("configurable", {}).get("thread_id")
        return await thread_owner(self.store.pool, thread_id) if isinstance(self.store, FactStore) else None

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        """As LangGraph's own, which `with_config` goes through, too; the patience stays."""
        copied = super().copy(update)
        copied.patience = self.patience
        return copied

    def _alone(self, told: Mapping[str, Any]) -> AbstractAsyncContextManager[None]:
        """The thread's lock, where there is a thread and no server. Raises BadInput for an id that none can have."""
        saves, on_a_server = isinstance(self.checkpointer, BaseCheckpointSaver), "graph_id" in told
        thread_id = told.get("thread_id")
        if thread_id is not None and saves and not on_a_server and isinstance(self.store, FactStore):
            return self.store.run_locks.hold(check_thread_id(thread_id), timeout=self.patience)
        return nullcontext()


def _check_model(context: object) -> None:
    """Raise BadInput where the run is to be answered by a model that cannot be opened, before anything is saved."""
    named = context.get("model") if isinstance(context, Mapping) else getattr(context, "model", "")
    if named:
        open_model(str(named), read_settings())


def _marked(config: RunnableConfig, begun_by: str) -> RunnableConfig:
    """The config whose checkpoints say who saves them, whatever a client has said."""
    return {**config, "metadata": {**(config.get("metadata") or {}), BEGUN_BY: begun_by}}


async def _admitted(pool: Pool, told: Mapping[str, Any], context: Context | Mapping[str, Any] | None) -> str:
    """`owner_key` of the run's user. Raises BadInput where the thread is another user's, or not there to begin at.

    A node would see it too late, when what was sent, which may replace or remove what is there, is in the thread's
    state already; and LangGraph takes a checkpoint that is gone, as a pruned one, for the beginning of a new thread.
    """
    user, thread_id = owner_key(user_told(told, context)), check_thread_id(told["thread_id"])
    owner = await thread_owner(pool, thread_id)
    if owner and owner != user:
        raise BadInput(f"The thread {thread_id!r} belongs to another user: start one of your own.")
    begins_at = None if told.get("checkpoint_ns") else told.get("checkpoint_id")
    if begins_at and not await has_checkpoint(pool, thread_id, str(begins_at)):
        raise BadInput(f"The thread {thread_id!r} has no checkpoint {begins_at!r} (any more): see its history.")
    return user


class Builder(StateGraph[StateT, ContextT, InputT, OutputT], Generic[StateT, ContextT, InputT, OutputT]):
    """A StateGraph that compiles to a OneRunGraph."""

    def compile(self, *args: Any, **options: Any) -> OneRunGraph[StateT, ContextT, InputT, OutputT]:  # as LangGraph's
        compiled = super().compile(*args, **options)
        # LangGraph copies a graph in the same way.
        return OneRunGraph(**{name: value for name, value in vars(compiled).items() if name != "__orig_class__"})


Graph: TypeAlias = OneRunGraph[State, Context, Input, State]
"""The chat, compiled."""
