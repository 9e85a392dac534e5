"""The labelled set: what sixty users told an assistant, and what they ask it. README.md says how it was made."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from memory.facts.fact import Fact

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""When the questions are asked."""

Split = Literal["dev", "test"]


@dataclass(frozen=True)
class LabelledQuestion:
    """A question, and the facts that answer it."""

    user: str
    split: Split
    text: str
    answers: dict[str, int]
    """Fact id -> 2 if it answers, 1 if it helps; empty if no fact answers."""


def load_facts() -> dict[str, list[Fact]]:
    """Each user's current facts, oldest first."""
    facts: dict[str, list[Fact]] = {}
    for row in _rows("facts.jsonl"):
        user = row.pop("user")
        days = {key: f"{row[key]}T00:00:00Z" for key in ("valid_from", "valid_until") if key in row}
        derived = {"key": row["id"], "recorded_at": row["observed_at"]}
        facts.setdefault(user, []).append(Fact.model_validate(row | days | derived))
    return facts


def load_questions() -> list[LabelledQuestion]:
    """Every question, grouped by user."""
    return [
        LabelledQuestion(row["user"], row["split"], row["question"], row["answers"]) for row in _rows("questions.jsonl")
    ]


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with (Path(__file__).parent / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
