"""Measures how well recall finds what was said in long conversations: each turn is kept verbatim, without a model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from memory.facts.fact import Fact, Source
from memory.index.embeddings import Embedder
from memory.index.protocol import Vectors
from memory.learn.verbatim import Memory, fact_of_text
from memory.recall.rank import Weights, rank
from memory.recall.table import Table
from memory.recall.words import document, question, without_names
from tests.evals.dataset import Split
from tests.evals.measure import LIMIT, Outcome, Score, mean_score, share

FOLDER = Path(__file__).parent / "conversations"

TEST = ("nadia-and-owen", "priscilla-and-jun", "teo-and-grandma-ines")  # written by the second author

Kind = Literal["one", "several", "time", "hidden", "plain", "none"]
ALL_NEEDED: tuple[Kind, ...] = ("several", "plain")
"""Kinds of questions for which every listed turn is needed. For the others, any one is enough."""


@dataclass(frozen=True)
class AskedOfTalk:
    """A question, and the turns that answer it."""

    text: str
    kind: Kind
    answers: frozenset[str]
    """Ids of facts; empty if nothing that was said answers."""


@dataclass(frozen=True)
class Talk:
    """A conversation as recall sees it."""

    split: Split
    table: Table
    vectors: Vectors  # of the turns
    questions: Sequence[AskedOfTalk]
    question_vectors: Vectors
    asked_at: datetime


async def open_talks(
    embedder: Embedder, previous: int, folder: Path = FOLDER, chosen: Sequence[str] = ()
) -> list[Talk]:
    """Load and embed these or all conversations of a folder, each turn with `previous` turns before it as context."""
    talks = []
    for name in chosen or names(folder):
        turns, questions = load(name, previous, folder)
        table = Table().extended([*map(document, turns.values())])
        talks.append(
            Talk(
                split="test" if name in TEST else "dev",
                table=table,
                vectors=await embedder.embed_facts([*turns.values()]),
                questions=questions,
                question_vectors=await embedder.embed(
                    [without_names(asked.text, table.common_names) for asked in questions]
                ),
                asked_at=max(fact.observed_at for fact in turns.values()) + timedelta(days=1),
            )
        )
    return talks


def names(folder: Path = FOLDER) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.jsonl") if not path.stem.endswith(".questions"))


def load(name: str, previous: int = 2, folder: Path = FOLDER) -> tuple[dict[str, Fact], list[AskedOfTalk]]:
    """The turns of a conversation, by label ("session:turn"), and its questions."""
    turns: dict[str, Fact] = {}
    said: dict[int, list[str]] = {}
    for row in map(json.loads, (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()):
        before = said.setdefault(row["session"], [])
        label = f"{row['session']}:{len(before) + 1}"
        source = Source(
            thread_id=f"{name} {row['session']}",
            message_id=label,
            previous=tuple(before[len(before) - min(previous, len(before)) :]),
        )
        at = datetime.fromisoformat(row["at"])
        turns[label] = fact_of_text(name, Memory(row["text"], at, row["speaker"], source), at)
        before.append(f"{row['speaker']}: {row['text']}")
    rows = map(json.loads, (folder / f"{name}.questions.jsonl").read_text(encoding="utf-8").splitlines())
    return turns, [
        AskedOfTalk(row["question"], row["kind"], frozenset(turns[label].id for label in row["answers"]))
        for row in rows
    ]


def score_talks(talks: Sequence[Talk], weights: Weights, split: Split, *, plain: bool | None = None) -> Score:
    """The score of `weights` on the questions of `split`: on the plain ones, the others, or all (None)."""
    return mean_score(
        [
            outcome(talk, asked, vector, weights)
            for talk in talks
            if talk.split == split
            for asked, vector in zip(talk.questions, talk.question_vectors, strict=True)
            if plain is None or plain == (asked.kind == "plain")
        ]
    )


def outcome(talk: Talk, asked: AskedOfTalk, vector: Vectors, weights: Weights) -> Outcome:
    """Rank the turns for a question and grade the hits."""
    cosines = (talk.vectors @ vector).astype(float)
    hits = rank(question(asked.text), talk.table, cosines, talk.asked_at, weights, LIMIT)
    found = [hit.fact.id for hit in hits]
    shares = [share(asked.answers, {*found[:depth]}) for depth in (5, LIMIT)]
    return Outcome(
        shares=shares if asked.kind in ALL_NEEDED else [float(part > 0) for part in shares],
        found=[2 if fact_id in asked.answers else 0 for fact_id in found],
        best=[2] * len(asked.answers),
        answerable=bool(asked.answers),
    )
