"""A user's memory: facts that are learnt from conversations, recalled, corrected and forgotten.

To import any module of it first stops libraries from sending telemetry (memory/environment.py). The names below are
imported when they are first used, since LangGraph alone takes most of a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from memory.environment import prepare

prepare()

if TYPE_CHECKING:
    from memory.errors import AgentMemoryError, BadInput, Unavailable
    from memory.facts.fact import Category, Fact, Source
    from memory.facts.profile import Profile
    from memory.learn.verbatim import Memory
    from memory.parts import Parts
    from memory.recall.search import Recalled, RecallOptions
    from memory.store import FactStore, facts_namespace
    from memory.user_memory import UserMemory

__all__ = [
    "AgentMemoryError", "BadInput", "Category", "Fact", "FactStore", "Memory", "Parts", "Profile", "RecallOptions",
    "Recalled", "Source", "Unavailable", "UserMemory", "facts_namespace",
]  # fmt: skip

_NAMES_OF = {
    "errors": {"AgentMemoryError", "BadInput", "Unavailable"},
    "facts.fact": {"Category", "Fact", "Source"},
    "learn.verbatim": {"Memory"},
    "parts": {"Parts"},
    "facts.profile": {"Profile"},
    "recall.search": {"RecallOptions", "Recalled"},
    "store": {"FactStore", "facts_namespace"},
    "user_memory": {"UserMemory"},
}


def __getattr__(name: str) -> object:
    for module, names in _NAMES_OF.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
