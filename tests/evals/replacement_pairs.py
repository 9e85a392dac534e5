"""Labelled changes: does a new fact take the place of a known one? The pairs are in replacement_pairs.jsonl.

Each pair was written by hand, and labelled by reading alone, without running any rule on it: as a careful person would
who knows both facts and the message. Attributes, the flag `exclusive`, tense and relation are what a model may well
answer, so some of them are wrong. Every second line is `test`, the others are `dev`: rules, thresholds and lists of
words are chosen on `dev` only, and both are reported. Lines of one kind and language stand together, so that both
halves have the same mix.

`label` is "retired" if the known fact is no longer true, or is said better by the new one, and "kept" otherwise, also
where the new one only says the same again. The claim `relation` is mostly "replaces", rightly or wrongly.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from memory.facts.changes import RelationKind
from memory.facts.fact import Category
from tests.evals.dataset import NOW, Split

KNOWN_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When each known fact was said."""

SAID_AT = NOW
"""When each new message is sent: dates in the messages ("last week") count from here."""

RetiredKind = Literal[
    "same attribute", "other attribute name", "spelling", "opposite", "status", "ended", "number", "somebody else",
    "refined", "part of a list", "no claim",
]  # fmt: skip
KeptKind = Literal[
    "other subject", "namesake", "shared word", "another value", "second job", "hobby beside a job", "temporary",
    "trip", "plan", "past", "unrelated", "duplicate", "less exact", "side remark", "partial change", "no claim",
    "hypothetical", "comparison", "detail", "other facet", "sarcasm",
]  # fmt: skip
Tense = Literal["now", "past", "planned", "temporary"]


class KnownFact(NamedTuple):
    text: str
    attribute: str
    subject: str
    """The user ("user"), or a name."""
    category: Category
    exclusive: bool


class NewFact(NamedTuple):
    text: str
    attribute: str
    subject: str
    category: Category
    exclusive: bool
    tense: Tense
    valid_from: str | None = None
    """An ISO date, as `valid_until`."""
    valid_until: str | None = None


class ReplacementPair(NamedTuple):
    """A known fact, a message with the candidate taken from it, how a model relates the two, and the truth."""

    known: KnownFact
    message: str
    quote: str
    """A verbatim part of `message`, or all of it."""
    new: NewFact
    relation: RelationKind | None
    """What the model claims; None if it names no relation."""
    label: Literal["retired", "kept"]
    kind: RetiredKind | KeptKind
    """Both labels have a kind "no claim"."""
    language: str
    """ISO 639-1: "en"."""
    split: Split


def load_replacement_pairs(name: str = "replacement_pairs") -> list[ReplacementPair]:
    """Every pair of the file `name`, in its order.

    "replacement_pairs" is the set that the first rules were chosen on. "replacement_pairs_later", then
    "replacement_pairs_unseen", "replacement_pairs_blind" and "replacement_pairs_natural" were written without seeing
    the rules, and "replacement_pairs_fresh" to get past them. The rules were changed after each was measured,
    but not after "replacement_pairs_untouched", which was written the same way.
    """
    lines = (Path(__file__).parent / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [_pair(json.loads(line), "test" if n % 2 else "dev") for n, line in enumerate(lines)]


def _pair(row: dict[str, Any], split: Split) -> ReplacementPair:
    return ReplacementPair(**row | {"known": KnownFact(**row["known"]), "new": NewFact(**row["new"])}, split=split)
