"""Which facts matter for a question: a weighted sum of similarity, words, thread, person, recency, importance. Pure.
Each signal lies between 0 and 1, whatever else was found. The first four make a fact *relevant*; recency and importance
only decide between facts that are about equally relevant. `tests/evals` measures the weights."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from memory.facts.fact import Fact
from memory.recall.bm25 import Floats
from memory.recall.table import Mask, Overview, Table

RECENCY_DAYS = 30.0  # the age at which recency has fallen to one half
WORDS_HALF = THREAD_HALF = 16.0  # the BM25 score, of a fact and of a thread, that counts as 0.5


@dataclass(frozen=True)
class Weights:
    """The weight of each signal, and how relevant the best fact has to be, or else nothing answers the question."""

    similarity: float
    words: float
    thread: float
    person: float
    recency: float
    importance: float
    floor: float
    general_floor: float  # the same for a general question

    def without_floor(self) -> "Weights":
        """The same order of facts, for a search that wants the nearest even if nothing is near."""
        return replace(self, floor=-math.inf, general_floor=-math.inf)


PRESETS: dict[str, Weights] = {
    "default": Weights(0.50, 0.30, 0.05, 0.11, 0.02, 0.02, floor=0.04, general_floor=0.15),
    "simple": Weights(0.40, 0.0, 0.0, 0.0, 0.35, 0.25, floor=0.03, general_floor=0.10),
}


def weights_of(ranking: str) -> Weights:
    """A preset, optionally followed by single weights: "default", or "simple, recency=0.1". Raises ValueError."""
    name, *changes = (part.strip() for part in ranking.split(","))
    if name not in PRESETS:
        names = " or ".join(map(repr, PRESETS))
        raise ValueError(f"write {names}; single weights can follow, as in 'simple, recency=0.1'")
    own: dict[str, float] = {}
    for change in changes:
        signal, _, value = (part.strip() for part in change.partition("="))
        if signal not in Weights.__dataclass_fields__ or not re.fullmatch(r"\d+(\.\d+)?", value):
            names = ", ".join(Weights.__dataclass_fields__)
            raise ValueError(f"{change!r} is no weight: write one of {names}, = and a number")
        own[signal] = float(value)
    return replace(PRESETS[name], **own)


class Question(NamedTuple):
    """A question as ranking sees it; `memory.recall.words.question` makes it."""

    stems: Sequence[str]
    general: bool = False  # whether it has nothing to do with the user: "Who won the game?", not "Who won my game?"


class Signal(NamedTuple):
    """What one signal, with a value from 0 to 1, contributed to the score of a hit, and the reason in words."""

    name: str
    value: float
    weight: float
    reason: str

    @property
    def contribution(self) -> float:
        return self.value * self.weight


class Hit(NamedTuple):
    """A fact that was found, with its score and the value of each signal (0 to 1, before weighting)."""

    fact: Fact
    score: float
    similarity: float
    words: float
    thread: float
    person: float
    recency: float
    importance: float
    why: tuple[Signal, ...] = ()  # the signals in words, if an explanation was asked for


def rank(
    asked: Question, table: Table, cosines: Floats, now: datetime, weights: Weights, limit: int, *,
    mask: Mask | None = None, among: Table | Overview | None = None, beside: Sequence[Table] = (),
) -> Iterator[Hit]:  # fmt: skip
    """The `limit` best facts for a question, best first, equal scores in order of id; none if none is relevant.
    `cosines` holds one number per fact, and `mask` whether the fact may be found (by default all may). With `among`,
    words count as rare or common as they are there; facts `beside` the table also say who "my sister" is."""
    allowed = np.arange(len(table)) if mask is None else np.flatnonzero(mask)
    if not len(allowed) or limit < 1:
        return
    among = table if among is None else among
    threads, thread_of = table.threads
    signals = {
        "similarity": np.clip(cosines, 0, 1),  # 0 where it points away
        "words": saturated(table.words.scores(asked.stems, among.words), WORDS_HALF),
        "thread": saturated(threads.scores(asked.stems, among.threads[0]), THREAD_HALF)[thread_of],
        "person": table.about(set(asked.stems), beside),
        "recency": recency(now.timestamp() - table.numbers["last_said_at"]),
        "importance": table.numbers["importance"],
    }
    weighted: dict[str, Floats] = {name: getattr(weights, name) * signal for name, signal in signals.items()}
    relevance = weighted["similarity"] + weighted["words"] + weighted["thread"] + weighted["person"]
    score = relevance + weighted["recency"] + weighted["importance"]
    if relevance[allowed].max() < (weights.general_floor if asked.general else weights.floor):
        return
    count = min(limit, len(allowed))
    least = np.partition(score[allowed], -count)[-count]
    best = allowed[score[allowed] >= least].tolist()
    best.sort(key=lambda position: (-score[position], table.ids[position]))
    for position in best[:limit]:
        values = (float(signal[position]) for signal in signals.values())
        yield Hit._make((table[position], float(score[position]), *values, ()))


def found_by_words(asked: Question, overview: Overview, weights: Weights, limit: int) -> list[str]:
    """Ids of the `limit` facts that are best for a question by the signals that need no vector, equal ones in order of
    id; only of facts that have any of these signals."""
    threads, thread_of = overview.threads
    words = weights.words * saturated(overview.words.scores(asked.stems), WORDS_HALF)
    score = words + weights.thread * saturated(threads.scores(asked.stems), THREAD_HALF)[thread_of]
    score += weights.person * overview.named
    found = np.flatnonzero(score)
    if len(found) > limit:
        found = found[score[found] >= np.partition(score[found], -limit)[-limit]]
    best = sorted(found.tolist(), key=lambda position: (-score[position], overview.ids[position]))
    return [overview.ids[position] for position in best[:limit]]


def saturated(bm25: Floats, half: float) -> Floats:
    """BM25, which has no upper bound, as 0 to 1; `half` counts as 0.5."""
    return bm25 / (bm25 + half)


def recency(age_seconds: Floats) -> Floats:
    """1 for now, one half after RECENCY_DAYS, towards 0 with age; a moment in the future counts as now."""
    return np.asarray(1 / (1 + np.maximum(age_seconds, 0.0) / (RECENCY_DAYS * 86_400)))
