"""What one write does to a user's memory, and what it is decided from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from memory.facts.fact import Fact, Repeat, RetiredReason, Source

RelationKind = Literal["unrelated", "duplicate", "refines", "replaces", "beside"]  # beside: both hold in one slot
DropReason = Literal[
    "quote not found", "not supported", "secret", "command", "pasted", "over the limit", "unreadable"
]  # fmt: skip
MAX_DROPPED_TEXT = 200  # characters that are reported of what was dropped


@dataclass(frozen=True)
class Proposal:
    fact: Fact  # may be added
    relations: Mapping[str, RelationKind] = field(default_factory=dict)  # id of a known fact -> how this one relates


class Reinforcement(NamedTuple):
    fact: Fact  # a known one, which was said again
    repeat: Repeat


class TakenBack(NamedTuple):
    """That the user took a known fact back."""

    said_at: datetime
    source: Source = Source()


class Dropped(NamedTuple):
    """Something that the model found and that is not kept."""

    text: str  # "" for a secret, and for what cannot be read
    reason: DropReason
    looks_like: str = ""  # of a secret: "an API key"

    def __str__(self) -> str:
        """ "Lives in Lima (quote not found)", "an item (looks like an API key)" """
        return f"{self.text or 'an item'} ({f'looks like {self.looks_like}' if self.looks_like else self.reason})"


@dataclass(frozen=True)
class Changes:
    """The outcome of one decision; a fact with a `retired_reason` and no `retired_at` is retired by the write."""

    added: tuple[Fact, ...] = ()  # one with a `retired_reason` is history from the start
    reinforced: tuple[Reinforcement, ...] = ()
    retired: tuple[Fact, ...] = ()  # known facts that stop being current
    dropped: tuple[Dropped, ...] = ()  # what the model found and is not kept

    def __bool__(self) -> bool:
        """Whether memory changes; what was dropped does not change it."""
        return bool(self.added or self.reinforced or self.retired)

    @property
    def ids(self) -> list[str]:
        """Of the facts that are written."""
        return [fact.id for fact in (*self.added, *self.retired)]

    def __add__(self, other: "Changes") -> "Changes":
        added, reinforced = self.added + other.added, self.reinforced + other.reinforced
        return Changes(added, reinforced, self.retired + other.retired, self.dropped + other.dropped)


def retired(
    fact: Fact, reason: RetiredReason, ended_at: datetime, successor: str | None = None, by: Source | None = None
) -> Fact:
    """The fact with the reason for its retirement, when it stopped holding, the id of what took its place, and the
    message that says so."""
    by = by and Source(thread_id=by.thread_id, message_id=by.message_id)  # without what was said before it
    gone = {"retired_reason": reason, "ended_at": ended_at, "successor": successor, "retired_by": by}
    return fact.model_copy(update=gone)
