"""What one write does to a user's memory, and what it is decided from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from memory.facts.fact import Fact, Repeat, RetiredReason

RelationKind = Literal["unrelated", "duplicate", "refines", "replaces", "beside"]  # beside: both hold in one slot


@dataclass(frozen=True)
class Proposal:
    fact: Fact  # may be added
    relations: Mapping[str, RelationKind] = field(default_factory=dict)  # id of a known fact -> how this one relates


class Reinforcement(NamedTuple):
    fact: Fact  # a known one, which was said again
    repeat: Repeat


@dataclass(frozen=True)
class Changes:
    """The outcome of one decision; a fact with a `retired_reason` and no `retired_at` is retired by the write."""

    added: tuple[Fact, ...] = ()  # one with a `retired_reason` is history from the start
    reinforced: tuple[Reinforcement, ...] = ()
    retired: tuple[Fact, ...] = ()  # known facts that stop being current

    def __bool__(self) -> bool:
        return bool(self.added or self.reinforced or self.retired)

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(self.added + other.added, self.reinforced + other.reinforced, self.retired + other.retired)


def retired(fact: Fact, reason: RetiredReason, ended_at: datetime, successor: str | None = None) -> Fact:
    """The fact with the reason for its retirement, when it stopped holding, and the id of what took its place."""
    return fact.model_copy(update={"retired_reason": reason, "ended_at": ended_at, "successor": successor})
