"""What a server runs once a conversation is quiet: extract_memories -> reconcile, again until nothing waits."""

from langgraph.graph import START

from agent.context import Context
from agent.nodes import after_extract_waiting, after_reconcile_waiting, extract_waiting, reconcile
from agent.state import Remembering, Waiting
from agent.thread_lock import Builder

builder = Builder(Remembering, context_schema=Context, input_schema=Waiting)
builder.add_node("extract_memories", extract_waiting)
builder.add_node(reconcile, input_schema=Remembering)
builder.add_edge(START, "extract_memories")
builder.add_conditional_edges("extract_memories", after_extract_waiting)
builder.add_conditional_edges("reconcile", after_reconcile_waiting)

graph = builder.compile(name="remember")
"""The node `remember_later` of the chat asks for it."""
