"""What a server runs once a conversation is idle: extract_memories -> reconcile, until nothing waits."""

from langgraph.graph import END, START

from agent.agent_graph import AgentGraph
from agent.context import Context
from agent.state import BackgroundInput, BackgroundOutput, BackgroundState
from agent.turn.nodes import after_background_step, extract_in_background, reconcile

builder = AgentGraph(
    BackgroundState, context_schema=Context, input_schema=BackgroundInput, output_schema=BackgroundOutput
)
builder.add_node("extract_memories", extract_in_background)
builder.add_node(reconcile, input_schema=BackgroundState)
builder.add_edge(START, "extract_memories")
builder.add_conditional_edges("extract_memories", after_background_step, ["reconcile", END])
builder.add_conditional_edges("reconcile", after_background_step, ["extract_memories", END])

graph = builder.compile(name="background_extraction")  # scheduled by the node `extract_later` of the chat
