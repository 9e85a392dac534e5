"""Okapi BM25: which of many documents share words with a question, and how much that says. Pure.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); K1 and B are the usual ones.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

K1 = 1.2
B = 0.75

SPARE_STEMS = 1_000
"""Stems that a vocabulary may hold in vain."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]


class Postings(NamedTuple):
    """Which stem stands in which document, how often: three columns of one length."""

    stems: Integers
    documents: Integers
    counts: Integers


class Bm25:
    """The stems of documents numbered from 0, as columns of numbers; never changed, only followed by another."""

    def __init__(
        self, size: int = 0, postings: Postings | None = None, vocabulary: dict[str, int] | None = None
    ) -> None:
        self.size = size
        """How many documents there are."""
        empty = np.empty(0, dtype=np.int32)
        self._postings = postings or Postings(empty, empty, empty)
        self._vocabulary = {} if vocabulary is None else vocabulary
        """Stem -> its number. What comes from this one shares it and adds to it."""
        self._starts: NDArray[np.intp] | None = None
        """Where in the columns each stem begins, once they are sorted by stem."""
        self._lengths: Floats = np.empty(0)

    def extended(self, documents: Sequence[Sequence[str]]) -> "Bm25":
        """With more documents, given as their stems."""
        added = [
            (self._vocabulary.setdefault(stem, len(self._vocabulary)), self.size + number, count)
            for number, stems in enumerate(documents)
            for stem, count in Counter(stems).items()
        ]
        columns = np.array(added, dtype=np.int32).reshape(-1, 3).T
        postings = Postings(*(np.concatenate(pair) for pair in zip(self._postings, columns, strict=True)))
        return Bm25(self.size + len(documents), postings, self._vocabulary)

    def kept(self, numbers: NDArray[np.intp]) -> "Bm25":
        """With these documents alone, in ascending order, numbered anew."""
        renumbered = np.full(self.size, -1, dtype=np.int32)
        renumbered[numbers] = np.arange(len(numbers), dtype=np.int32)
        stems, documents, counts = self._postings
        stays = renumbered[documents] >= 0
        postings = Postings(stems[stays], renumbered[documents[stays]], counts[stays])
        return Bm25(len(numbers), postings, self._vocabulary)

    def grouped(self, group_of: NDArray[np.intp], groups: int) -> "Bm25":
        """With the documents of each group (numbers below `groups`) taken together as one."""
        stems, documents, counts = self._postings
        pairs, where = np.unique(stems.astype(np.int64) * groups + group_of[documents], return_inverse=True)
        together = np.bincount(where, weights=counts, minlength=len(pairs)).astype(np.int32)
        postings = Postings((pairs // groups).astype(np.int32), (pairs % groups).astype(np.int32), together)
        return Bm25(groups, postings, self._vocabulary)

    def scores(self, stems: Collection[str], among: "Bm25 | None" = None) -> Floats:
        """Each document's score for a question of these stems: 0 and more, without an upper bound; shape (size,).

        `among` lends its counts, to score a few documents as if they stood among its many.
        """
        among = among or self
        scores = np.zeros(self.size)
        average = among._average()
        for stem in sorted(set(stems)):  # in one order, since sums of floats depend on it
            here = self._slice(stem)
            documents, counts = self._postings.documents[here], self._postings.counts[here]
            length = self._lengths[documents] / average
            scores[documents] += among._rarity(stem) * counts * (K1 + 1) / (counts + K1 * (1 - B + B * length))
        return scores

    def _rarity(self, stem: str) -> float:
        here = self._slice(stem)
        holding = here.stop - here.start
        return math.log(1 + (self.size - holding + 0.5) / (holding + 0.5))

    def _average(self) -> float:
        """How many stems a document has."""
        return max(float(self._postings.counts.sum()), 1.0) / max(self.size, 1)

    def sort(self) -> None:
        """Bring the columns into the order of their stems, where they are not: a question needs that."""
        if self._starts is None:
            order = np.argsort(self._postings.stems, kind="stable")
            self._postings = Postings(*(column[order] for column in self._postings))
            stems, documents, counts = self._postings
            self._lengths = np.bincount(documents, weights=counts, minlength=self.size).astype(np.float64)
            self._starts = np.searchsorted(stems, np.arange(len(self._vocabulary) + 1))

    @property
    def is_bloated(self) -> bool:
        """Whether most of the stems in the vocabulary are in none of the documents any more."""
        used = len(np.unique(self._postings.stems))
        return len(self._vocabulary) > 2 * used + SPARE_STEMS

    def _slice(self, stem: str) -> slice:
        """Where in the columns the stem is."""
        self.sort()
        assert self._starts is not None  # noqa: S101 - sorted
        number = self._vocabulary.get(stem, len(self._starts))
        known = number < len(self._starts) - 1  # what came into the vocabulary later is not here
        return slice(int(self._starts[number]), int(self._starts[number + 1])) if known else slice(0, 0)
