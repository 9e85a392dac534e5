"""Okapi BM25 over documents that come one after the other: which of them share words with a question. Pure.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); K1 and B are the usual ones.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

K1 = 1.2
B = 0.75


class Bm25:
    """Stems of numbered documents, counted once; a question then touches only those that share a stem with it."""

    def __init__(self, among: "Bm25 | None" = None) -> None:
        """`among` lends its counts, to score a few documents as if they stood among its many."""
        self._postings: dict[str, dict[int, int]] = defaultdict(dict)
        self._lengths: dict[int, int] = defaultdict(int)
        self._total = 0
        self._among = among or self

    def add(self, number: int, stems: Sequence[str]) -> None:
        """More of what a document holds."""
        for stem, count in Counter(stems).items():
            posting = self._postings[stem]
            posting[number] = posting.get(number, 0) + count
        self._lengths[number] += len(stems)
        self._total += len(stems)

    def scores(self, stems: Collection[str]) -> dict[int, float]:
        """The score of each document that holds one of the stems: 0 and more, without an upper bound."""
        scores: dict[int, float] = defaultdict(float)
        documents = max(len(self._among._lengths), 1)
        scale = K1 * B * documents / max(self._among._total, 1)
        for stem in sorted(set(stems)):  # in one order, since sums of floats depend on it
            rarity = self._rarity(stem, documents)
            for number, count in self._postings.get(stem, {}).items():
                scores[number] += rarity * count * (K1 + 1) / (count + K1 * (1 - B) + scale * self._lengths[number])
        return scores

    def _rarity(self, stem: str, documents: int) -> float:
        holding = min(len(self._among._postings.get(stem, ())), documents)
        return math.log(1 + (documents - holding + 0.5) / (holding + 0.5))
