"""Which server runs the graphs."""

import os
import sys
from typing import Literal, TypeAlias

Host: TypeAlias = Literal["langgraph dev", "LangGraph server", "Aegra"]
DEPLOYED: tuple[Host, ...] = ("LangGraph server", "Aegra")  # others can reach them, and their containers are replaced


def host() -> Host | None:
    """The server that this process belongs to; None in a script, a test or the terminal."""
    if "aegra_api" in sys.modules:
        return "Aegra"
    if "langgraph_api" not in sys.modules:
        return None
    return "langgraph dev" if os.environ.get("LANGSMITH_LANGGRAPH_API_VARIANT") == "local_dev" else "LangGraph server"


def development_server() -> bool:
    """Whether this process is `langgraph dev`, whose clients are on the same machine and whose data may be lost."""
    return host() == "langgraph dev"
