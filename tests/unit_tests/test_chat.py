"""The terminal's chat with graphs of other nodes than those of the template."""

from io import StringIO
from types import SimpleNamespace
from typing import Any, cast

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from rich.console import Console

from agent.agent_graph import Graph
from agent.context import Context
from agent.terminal.chat import Chat


class SettingsStore(InMemoryStore):
    settings = SimpleNamespace(max_message_chars=1_000)


class State(MessagesState):
    changes: dict[str, Any]
    notice: str


async def answer(state: State) -> dict[str, Any]:
    model = GenericFakeChatModel(messages=iter([AIMessage("A guess.")]))
    await model.ainvoke(state["messages"], {"tags": ["nostream"]})
    model = GenericFakeChatModel(messages=iter([AIMessage("Hello, Ada.")]))
    return {"messages": [await model.ainvoke(state["messages"])], "notice": "The reply is not whole."}


def learn(state: State) -> dict[str, Any]:
    changes = {"added": ["Is Ada"], "history": [], "reinforced": [], "retired": [], "held": [], "dropped": []}
    return {"changes": changes, "notice": f"{state['notice']}\nA limit is gone."}


async def test_the_nodes_of_the_graph_may_have_any_name() -> None:
    builder = StateGraph(State, context_schema=Context).add_sequence([answer, learn]).set_entry_point("answer")
    graph = builder.compile(checkpointer=InMemorySaver(), store=SettingsStore())
    printed = StringIO()
    out, memory = Console(file=printed, width=80), SimpleNamespace(user_id="ada")
    chat = Chat(cast(Graph, graph), cast(Any, None), cast(Any, memory), out, out, "1")
    assert await chat.handle("I am Ada.")
    assert printed.getvalue() == "Hello, Ada.\nThe reply is not whole.\nA limit is gone.\nlearned: is Ada\n"
