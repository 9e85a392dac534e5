"""Which facts matter for a question: a weighted sum of similarity, words, recency and importance. Pure.

Each signal lies between 0 and 1 and is scaled by itself, never by the pool it came in, so that a score means the same
whatever else was found. Superseding, not decay, keeps old facts out: recency is a tie-breaker in the default.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from memory.fact import Fact

Preset = Literal["default", "guide"]

RECENCY_DAYS = 30.0
"""Age at which recency has fallen to one half."""

BM25_K1 = 1.2
BM25_B = 0.75
"""The usual constants of Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009)."""

WORDS_HALF = 2.0
"""BM25 score that counts as 0.5; it has no upper bound of its own."""


@dataclass(frozen=True)
class Weights:
    """What each signal counts, and how much of similarity and words a fact needs to be an answer at all."""

    similarity: float
    words: float
    recency: float
    importance: float
    floor: float
    """Facts whose similarity and words, weighted, give less than this are no answer, however new or important."""


PRESETS: dict[Preset, Weights] = {
    "default": Weights(similarity=0.6, words=0.3, recency=0.05, importance=0.05, floor=0.10),
    "guide": Weights(similarity=0.40, words=0.0, recency=0.35, importance=0.25, floor=0.07),
}


@dataclass(frozen=True)
class Document:
    """A fact as ranking sees it: with its words stemmed, and its cosine to the question."""

    fact: Fact
    stems: Sequence[str]
    cosine: float


@dataclass(frozen=True)
class Hit:
    """A fact that was found, with its score and what each signal gave (0 to 1, before weighting)."""

    fact: Fact
    score: float
    similarity: float
    words: float
    recency: float
    importance: float


def rank(query: Sequence[str], documents: Sequence[Document], now: datetime, weights: Weights, limit: int) -> list[Hit]:
    """The `limit` best documents for a question given as stems, best first; equal scores in order of id."""
    hits = []
    for document, bm25 in zip(documents, bm25_scores(query, [d.stems for d in documents]), strict=True):
        similarity = min(max(document.cosine, 0.0), 1.0)
        words = bm25 / (bm25 + WORDS_HALF)
        relevance = weights.similarity * similarity + weights.words * words
        if relevance < weights.floor:
            continue
        recency = recency_score(document.fact.observed_at, now)
        importance = document.fact.importance
        score = relevance + weights.recency * recency + weights.importance * importance
        hits.append(Hit(document.fact, score, similarity, words, recency, importance))
    return sorted(hits, key=lambda hit: (-hit.score, hit.fact.id))[:limit]


def recency_score(observed_at: datetime, now: datetime) -> float:
    """1 for now, one half after RECENCY_DAYS, towards 0 with age; a moment in the future counts as now."""
    age_days = max((now - observed_at).total_seconds(), 0.0) / 86_400
    return 1 / (1 + age_days / RECENCY_DAYS)


def bm25_scores(query: Sequence[str], documents: Sequence[Sequence[str]]) -> list[float]:
    """Okapi BM25 of each document for the query; both are lists of stems."""
    counts = [Counter(document) for document in documents]
    average = sum(map(len, documents)) / len(documents) if documents else 0.0
    rarity = {}
    for term in set(query):
        containing = sum(term in count for count in counts)
        rarity[term] = math.log(1 + (len(documents) - containing + 0.5) / (containing + 0.5))
    scores = []
    for document, count in zip(documents, counts, strict=True):
        norm = BM25_K1 * (1 - BM25_B + BM25_B * len(document) / average) if average else 1.0
        scores.append(sum(rarity[term] * count[term] * (BM25_K1 + 1) / (count[term] + norm) for term in rarity))
    return scores
