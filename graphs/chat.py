"""The agent: recall -> respond <-> tools; after the reply extract_memories -> reconcile, and summarize."""

from langgraph.graph import END, START
from langgraph.prebuilt import ToolNode

from agent.agent_graph import AgentGraph
from agent.context import Context
from agent.state import Input, Output, State
from agent.turn.nodes import after_respond, extract_later, extract_memories, recall, reconcile, respond, summarize
from agent.turn.tools import TOOLS, explain_error

builder = AgentGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
builder.add_node(recall)
builder.add_node(respond)
builder.add_node("tools", ToolNode(TOOLS, handle_tool_errors=explain_error))
builder.add_node(extract_memories)
builder.add_node(reconcile, input_schema=State)
builder.add_node(extract_later)
builder.add_node(summarize)
builder.add_edge(START, "recall")
builder.add_edge("recall", "respond")
builder.add_conditional_edges(
    "respond", after_respond, ["tools", "extract_memories", "extract_later", "summarize", END]
)
builder.add_edge("tools", "respond")
builder.add_edge("extract_memories", "reconcile")
builder.add_edge("reconcile", END)
builder.add_edge("extract_later", END)
builder.add_edge("summarize", END)

# For a server, which passes in the checkpointer and the store. Other code compiles `builder` with them.
graph = builder.compile(name="remembering agent")
