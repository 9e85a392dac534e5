"""The graph as it is run: by the user whose thread it is, and, where no server queues them, one run at a time."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Generic, TypeAlias

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.typing import ContextT, InputT, OutputT, StateT

from agent.context import Context
from agent.identity import user_told
from agent.state import Input, State
from memory.errors import BadInput
from memory.fact import owner_key
from memory.runs import RUN_TIMEOUT
from memory.store import FactStore
from memory.threads import thread_owner


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
        told = merge_configs(self.config, config).get("configurable", {})
        async with self._alone(told):
            await self._admit(told, options.get("context"))
            async for part in super().astream(input, config, **options):
                yield part

    async def _admit(self, told: Mapping[str, Any], context: Context | Mapping[str, Any] | None) -> None:
        """Raise BadInput where the thread is another user's: a node would see it too late, when what was sent, which
        may replace or remove what is there, is in the thread's state already."""
        thread_id = told.get("thread_id")
        if thread_id and isinstance(self.store, FactStore):
            owner = await thread_owner(self.store.ledger.pool, str(thread_id))
            if owner and owner != owner_key(user_told(told, context)):
                raise BadInput(f"The thread {thread_id!r} belongs to another user: start one of your own.")

    def _alone(self, told: Mapping[str, Any]) -> AbstractAsyncContextManager[None]:
        """The thread's lock, where there is a thread and no server."""
        thread_id, on_a_server = told.get("thread_id"), "graph_id" in told
        saves = isinstance(self.checkpointer, BaseCheckpointSaver)
        if thread_id and saves and not on_a_server and isinstance(self.store, FactStore):
            return self.store.runs.one(str(thread_id), timeout=self.patience)
        return nullcontext()


class Builder(StateGraph[StateT, ContextT, InputT, OutputT], Generic[StateT, ContextT, InputT, OutputT]):
    """A StateGraph that compiles to a OneRunGraph."""

    def compile(self, *args: Any, **options: Any) -> OneRunGraph[StateT, ContextT, InputT, OutputT]:  # as LangGraph's
        compiled = super().compile(*args, **options)
        # LangGraph copies a graph in the same way.
        return OneRunGraph(**{name: value for name, value in vars(compiled).items() if name != "__orig_class__"})


Graph: TypeAlias = OneRunGraph[State, Context, Input, State]
"""The chat, compiled."""
