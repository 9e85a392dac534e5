"""What one write does to a user's memory, and what it is decided from. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel

from memory.facts.fact import Fact, Instant, Repeat, RetiredReason, Source

RelationKind = Literal["unrelated", "duplicate", "refines", "replaces", "beside"]  # beside: both hold in one slot
DropReason = Literal[
    "quote not found", "not supported", "secret", "command", "pasted", "over the limit", "unreadable", "both kept"
]  # fmt: skip
HeldReason = Literal["reads like an instruction", "would end a hard limit", "not certain"]
MAX_DROPPED_TEXT = 200  # characters that are reported of what was dropped


def is_over(text: str) -> str:
    """What is said of a known fact that may have ended: '"Lives in Lima" is over'."""
    return f'"{text}" is over'


@dataclass(frozen=True)
class Proposal:
    fact: Fact  # may be added
    relations: Mapping[str, RelationKind] = field(default_factory=dict)  # id of a known fact -> how this one relates
    doubtful: Set[str] = frozenset()  # ids of known facts that may be over since this one: it is asked


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
    detail: str = ""  # of a secret "looks like an API key", of a claim to replace a fact "both kept: no change is said"

    def __str__(self) -> str:
        """ "Lives in Lima (quote not found)", "an item (looks like an API key)" """
        return f"{self.text or 'an item'} ({self.detail or self.reason})"


class Held(BaseModel, frozen=True, hide_input_in_errors=True):
    """Something doubtful that a message says. It changes nothing until the user keeps it."""

    fact: Fact
    """A new fact, which may be added; or, with a `retired_reason`, a known one as it would be when it is retired."""
    reason: HeldReason
    quote: str
    """The words of the message."""
    relations: Mapping[str, RelationKind] = {}
    """Of a new fact to known ones (see `Proposal`)."""
    held_at: Instant

    @property
    def id(self) -> str:
        """That of the fact."""
        return self.fact.id

    @property
    def ends(self) -> bool:
        """Whether it says that a known fact is over."""
        return self.fact.retired_reason is not None

    @property
    def with_all_quotes(self) -> Fact:
        """The fact, to be checked for secrets."""
        return self.fact.model_copy(update={"quote": f"{self.fact.quote}\n{self.quote}"}) if self.ends else self.fact

    @property
    def source(self) -> Source:
        return self.fact.retired_by or Source() if self.ends else self.fact.source

    @property
    def text(self) -> str:
        """What is kept if the user keeps it: "Wants short answers", or '"Lives in Lima" is over'."""
        return is_over(self.fact.text) if self.ends else self.fact.text

    def __str__(self) -> str:
        """ "Wants short answers (reads like an instruction)" """
        return f"{self.text} ({self.reason})"


class MemoryVersion(NamedTuple):
    """What differs between two states of a user's facts in the ledger."""

    number: int = 0  # grows with every write that changes facts; 0 before the first
    untold: int = 0  # how many hard limits messages have retired without the user being told


@dataclass(frozen=True)
class Changes:
    """The outcome of one decision; a fact with a `retired_reason` and no `retired_at` is retired by the write."""

    added: tuple[Fact, ...] = ()  # one with a `retired_reason` is history from the start
    reinforced: tuple[Reinforcement, ...] = ()
    retired: tuple[Fact, ...] = ()  # known facts that stop being current
    held: tuple[Held, ...] = ()  # what is doubtful, and waits for the user
    dropped: tuple[Dropped, ...] = ()  # what the model found and is not kept

    def __bool__(self) -> bool:
        """Whether facts change; what was held back or dropped changes none."""
        return bool(self.added or self.reinforced or self.retired)

    @property
    def ids(self) -> list[str]:
        """Of the facts that are written."""
        return [fact.id for fact in (*self.added, *self.retired)]

    def __add__(self, other: "Changes") -> "Changes":
        added, reinforced = self.added + other.added, self.reinforced + other.reinforced
        retired, held = self.retired + other.retired, self.held + other.held
        return Changes(added, reinforced, retired, held, self.dropped + other.dropped)


def retired(
    fact: Fact, reason: RetiredReason, ended_at: datetime, successor: str | None = None, by: Source | None = None
) -> Fact:
    """The fact with the reason for its retirement, when it stopped holding, the id of what took its place, and the
    message that says so."""
    by = by and Source(thread_id=by.thread_id, message_id=by.message_id)  # without what was said before it
    gone = {"retired_reason": reason, "ended_at": ended_at, "successor": successor, "retired_by": by}
    return fact.model_copy(update=gone)
