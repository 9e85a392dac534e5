"""Which facts matter for a question: a weighted sum of similarity, words, thread, person, recency, importance. Pure.

Each signal lies between 0 and 1 and is scaled by itself, never by the pool it came in, so that a score means the same
whatever else was found. The first four make a fact *relevant*; recency and importance only decide between facts that
are about equally so, since superseding, not decay, is what keeps old facts out. `tests/evals` measures the weights.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np

from memory.facts.fact import Fact
from memory.recall.bm25 import Floats
from memory.recall.columns import Columns, Mask

Preset = Literal["default", "guide"]

RECENCY_DAYS = 30.0
"""Age at which recency has fallen to one half."""

WORDS_HALF = 16.0
"""BM25 score of a document that counts as 0.5."""

THREAD_HALF = 16.0
"""The same of a thread."""


@dataclass(frozen=True)
class Weights:
    """What each signal counts, and how relevant the best fact has to be for anything to be recalled."""

    similarity: float
    words: float
    thread: float
    person: float
    recency: float
    importance: float
    floor: float
    """Where no fact is this relevant, nothing answers the question, however new or important it is."""
    general_floor: float
    """The same for a general question, which has to be nearer to a fact to mean it."""

    def without_floor(self) -> "Weights":
        """The same order of facts, for a search that wants the nearest even where nothing is near."""
        return replace(self, floor=-math.inf, general_floor=-math.inf)


PRESETS: dict[Preset, Weights] = {
    "default": Weights(0.50, 0.30, 0.05, 0.11, 0.02, 0.02, floor=0.04, general_floor=0.15),
    "guide": Weights(0.40, 0.0, 0.0, 0.0, 0.35, 0.25, floor=0.03, general_floor=0.10),
}


def weights_of(ranking: str) -> Weights:
    """A preset, and after it single weights of one's own: "default", or "guide, recency=0.1". Raises ValueError."""
    name, *changes = (part.strip() for part in ranking.split(","))
    preset = next((weights for preset, weights in PRESETS.items() if preset == name), None)
    if preset is None:
        names = " or ".join(map(repr, PRESETS))
        raise ValueError(f"write {names}, and weights of your own after it, as in 'guide, recency=0.1'")
    own: dict[str, float] = {}
    for change in changes:
        signal, _, value = (part.strip() for part in change.partition("="))
        if signal not in Weights.__dataclass_fields__ or not re.fullmatch(r"\d+(\.\d+)?", value):
            names = ", ".join(Weights.__dataclass_fields__)
            raise ValueError(f"{change!r} is no weight: write one of {names}, = and a number")
        own[signal] = float(value)
    return replace(preset, **own)


@dataclass(frozen=True)
class Question:
    """What is asked, as ranking sees it; `memory.recall.words.question` makes it."""

    stems: Sequence[str]
    general: bool = False
    """Whether it speaks of nobody in particular: "Who won the game?", not "Who won my game?"."""


class Hit(NamedTuple):
    """A fact that was found, with its score and what each signal gave (0 to 1, before weighting)."""

    fact: Fact
    score: float
    relevance: float
    """The part of the score that depends on what was asked: without recency and importance."""
    similarity: float
    words: float
    thread: float
    person: float
    recency: float
    importance: float
    why: tuple["Signal", ...] = ()
    """What each signal gave, in words; where that was asked for."""


class Signal(NamedTuple):
    """What one signal gave a hit."""

    name: str
    value: float
    """0 to 1."""
    weight: float
    reason: str
    """In words, such as "shares the words: restaurant"."""

    @property
    def contribution(self) -> float:
        """Its part of the score."""
        return self.value * self.weight


class Signals(NamedTuple):
    """What each signal gives each fact: 0 to 1, shape (facts,)."""

    similarity: Floats
    words: Floats
    thread: Floats
    person: Floats
    recency: Floats
    importance: Floats


def rank(
    asked: Question,
    columns: Columns,
    cosines: Floats,
    now: datetime,
    weights: Weights,
    limit: int,
    *,
    mask: Mask | None = None,
    among: Columns | None = None,
) -> Iterator[Hit]:
    """The `limit` best facts for a question, best first, equal scores in order of id; none where none is relevant.

    `cosines` holds one number a fact, `mask` whether it may be found (all may by default). `among` are the many
    facts that these few are to be compared with: their counts of words are used. Each hit is made when it is asked
    for, since to make thousands takes long.
    """
    allowed = np.arange(len(columns.facts)) if mask is None else np.flatnonzero(mask)
    if not len(allowed) or limit < 1:
        return
    signals = signals_of(asked, columns, cosines, now, among or columns, with_threads=weights.thread > 0)
    relevance = (
        weights.similarity * signals.similarity
        + weights.words * signals.words
        + weights.thread * signals.thread
        + weights.person * signals.person
    )
    score = relevance + weights.recency * signals.recency + weights.importance * signals.importance
    if relevance[allowed].max() < (weights.general_floor if asked.general else weights.floor):
        return
    count = min(limit, len(allowed))
    least = np.partition(score[allowed], -count)[-count]
    best = allowed[score[allowed] >= least].tolist()
    best.sort(key=lambda at: (-score[at], columns.facts.id_at(at)))
    for at in best[:limit]:
        yield Hit(
            columns.facts[at],
            float(score[at]),
            float(relevance[at]),
            similarity=float(signals.similarity[at]),
            words=float(signals.words[at]),
            thread=float(signals.thread[at]),
            person=float(signals.person[at]),
            recency=float(signals.recency[at]),
            importance=float(signals.importance[at]),
        )


def signals_of(
    asked: Question, columns: Columns, cosines: Floats, now: datetime, among: Columns, *, with_threads: bool
) -> Signals:
    """What each signal gives each fact."""
    thread = np.zeros(len(columns.facts))
    if with_threads:
        threads, thread_of = columns.threads
        thread = saturated(threads.scores(asked.stems, among.threads[0]), THREAD_HALF)[thread_of]
    return Signals(
        similarity=np.clip(cosines, 0, 1),  # 0 where it points away
        words=saturated(columns.words.scores(asked.stems, among.words), WORDS_HALF),
        thread=thread,
        person=columns.about(set(asked.stems), among),
        recency=recency(now.timestamp() - columns.said_at),
        importance=columns.importance,
    )


def saturated(bm25: Floats, half: float) -> Floats:
    """BM25, which has no upper bound, as 0 to 1; `half` counts as 0.5."""
    return bm25 / (bm25 + half)


def recency(age_seconds: Floats) -> Floats:
    """1 for now, one half after RECENCY_DAYS, towards 0 with age; a moment in the future counts as now."""
    return np.asarray(1 / (1 + np.maximum(age_seconds, 0.0) / (RECENCY_DAYS * 86_400)))
