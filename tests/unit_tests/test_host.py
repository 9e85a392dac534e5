"""Which server runs the graphs."""

import sys
from types import ModuleType

import pytest

from agent.host import development_server, host


@pytest.mark.parametrize(
    ("modules", "variant", "expected"),
    [
        ([], None, None),
        ([], "local_dev", None),
        (["langgraph_api"], "local_dev", "langgraph dev"),
        (["langgraph_api"], "local", "LangGraph server"),
        (["langgraph_api"], "licensed", "LangGraph server"),
        (["langgraph_api"], None, "LangGraph server"),
        (["aegra_api"], None, "Aegra"),
        (["aegra_api", "langgraph_api"], "local_dev", "Aegra"),  # such a variable makes no development server of it
    ],
)
def test_the_host(
    monkeypatch: pytest.MonkeyPatch, modules: list[str], variant: str | None, expected: str | None
) -> None:
    for name in ("langgraph_api", "aegra_api"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in modules:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.delenv("LANGSMITH_LANGGRAPH_API_VARIANT", raising=False)
    if variant:
        monkeypatch.setenv("LANGSMITH_LANGGRAPH_API_VARIANT", variant)
    assert host() == expected
    assert development_server() == (expected == "langgraph dev")
