"""A user's memory: facts that are learned from conversations, recalled, corrected and forgotten. The names below are
imported when they are first used, since LangGraph alone takes most of a second."""

from importlib import import_module
from typing import TYPE_CHECKING

from memory.environment import prepare

prepare()  # before any other module of this package is imported

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

# Where the names are, the modules that import the others last.
_MODULES = "errors", "facts.fact", "facts.profile", "learn.verbatim", "recall.search", "parts", "user_memory", "store"


def __getattr__(name: str) -> object:
    for module in _MODULES if name in __all__ else ():
        if value := getattr(import_module(f"{__name__}.{module}"), name, None):
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
