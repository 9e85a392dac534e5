"""The graph as the library and the terminal run it: one run of a thread at a time, whoever asks for it."""

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
from agent.state import Input, State
from memory.runs import RUN_TIMEOUT
from memory.store import FactStore


class OneRunGraph(CompiledStateGraph[StateT, ContextT, InputT, OutputT], Generic[StateT, ContextT, InputT, OutputT]):
    """A compiled graph whose runs in one thread follow each other: two at once would lose the messages of one.

    On a server nothing is changed: it queues the runs of a thread itself.
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
        async with self._alone(merge_configs(self.config, config).get("configurable", {})):
            async for part in super().astream(input, config, **options):
                yield part

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
