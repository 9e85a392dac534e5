"""The form that Studio makes of a run's context shows each field at nodes that the graph has."""

from typing import Any

from agent.context import Context
from graphs.chat import graph
from tests.checks.report import check


def test_the_nodes_that_the_context_names_exist() -> None:
    fields: dict[str, Any] = Context.model_json_schema()["properties"]
    check(
        f"{field} in agent/context.py names the node {node!r}, which graphs/chat.py does not have: correct its "
        '"langgraph_nodes", by which Studio shows the field.'
        for field, schema in fields.items()
        for node in schema.get("langgraph_nodes", [])
        if node not in graph.nodes
    )
