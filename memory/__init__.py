"""A user's memory: facts that are learned from conversations, recalled, corrected and forgotten. The names below are
imported when they are first used, since LangGraph alone takes most of a second."""

from importlib import import_module
from typing import TYPE_CHECKING

from memory.environment import prepare

prepare()  # before any other module of this package is imported

if TYPE_CHECKING:
    from memory.errors import AgentMemoryError, BadInput, Unavailable
    from memory.extraction.extract import ExtractionFailed
    from memory.facts.changes import Changes, Held
    from memory.facts.fact import Category, Fact, Source
    from memory.facts.profile import Profile
    from memory.facts.timeline import AsOf, Version
    from memory.items.item import facts_namespace
    from memory.items.store import FactStore
    from memory.learn.verbatim import Memory
    from memory.parts import Parts
    from memory.recall.rank import Hit
    from memory.recall.search import Recalled, RecallOptions
    from memory.user_memory import UserMemory

__all__ = [
    "AgentMemoryError", "AsOf", "BadInput", "Category", "Changes", "ExtractionFailed", "Fact", "FactStore", "Held",
    "Hit", "Memory", "Parts", "Profile", "RecallOptions", "Recalled", "Source", "Unavailable", "UserMemory", "Version",
    "facts_namespace",
]  # fmt: skip

_MODULES = {
    "AgentMemoryError": "errors", "AsOf": "facts.timeline", "BadInput": "errors", "Category": "facts.fact",
    "Changes": "facts.changes", "ExtractionFailed": "extraction.extract", "Fact": "facts.fact",
    "FactStore": "items.store", "Held": "facts.changes", "Hit": "recall.rank", "Memory": "learn.verbatim",
    "Parts": "parts", "Profile": "facts.profile", "RecallOptions": "recall.search", "Recalled": "recall.search",
    "Source": "facts.fact", "Unavailable": "errors", "UserMemory": "user_memory", "Version": "facts.timeline",
    "facts_namespace": "items.item",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
