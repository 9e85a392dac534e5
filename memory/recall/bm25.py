"""Okapi BM25: which of many documents share words with a question, and how much that says. Pure. Robertson and
Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); K1 and B are the usual ones.

Written by hand: rank-bm25 and bm25s index a fixed collection, and facts are added to and taken out of this one."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memory.language.text import Hashes, hashes

K1 = 1.2
B = 0.75
SPARE_STEMS = 1_000  # unused stems that a vocabulary may hold before it counts as bloated

Floats = NDArray[np.float64]
Postings = NDArray[np.int32]  # shape (3, postings): the number of a stem, that of a document that has it, and how often


@dataclass(eq=False)
class Bm25:
    """The stems of documents numbered from 0. It is never changed: each method returns a new one."""

    lengths: Floats = field(default_factory=lambda: np.empty(0))  # the number of stems of each document
    _postings: Postings = field(default_factory=lambda: np.empty((3, 0), np.int32))
    _vocabulary: dict[str, int] = field(default_factory=dict)  # stem -> its number; those made from this one add to it
    _starts: NDArray[np.intp] | None = None  # where each stem's postings start, once they are sorted by stem

    @classmethod
    def of_hashes(cls, stems: Collection[str], hashed: Hashes, lengths: Floats) -> "Bm25":
        """Documents given by the hashes of all their stems, one document after the other. Of the stems it knows only
        `stems`, for which it gives the same scores as one that knows all."""
        vocabulary = {stem: number for number, stem in enumerate(sorted(set(stems)))}
        wanted = hashes([*vocabulary])
        positions = np.flatnonzero(np.isin(hashed, wanted))
        documents = np.searchsorted(np.cumsum(lengths), positions, side="right")
        by_hash = np.argsort(wanted)
        numbers = by_hash[np.searchsorted(wanted[by_hash], hashed[positions])] if len(positions) else positions
        pairs, counts = np.unique(numbers * len(lengths) + documents, return_counts=True)
        postings = np.stack([*np.divmod(pairs, max(len(lengths), 1)), counts]).astype(np.int32)
        return cls(lengths, postings, vocabulary)

    @property
    def size(self) -> int:
        """The number of documents."""
        return len(self.lengths)

    def extended(self, documents: Sequence[Sequence[str]]) -> "Bm25":
        """With more documents, given as their stems."""
        added = [
            (self._vocabulary.setdefault(stem, len(self._vocabulary)), self.size + number, count)
            for number, stems in enumerate(documents)
            for stem, count in Counter(stems).items()
        ]
        postings = np.concatenate([self._postings, np.array(added, np.int32).reshape(-1, 3).T], axis=1)
        lengths = np.concatenate([self.lengths, np.array([*map(len, documents)], np.float64)])
        return Bm25(lengths, postings, self._vocabulary)

    def kept(self, numbers: NDArray[np.intp]) -> "Bm25":
        """With only these documents, which are in ascending order, numbered anew."""
        renumbered = np.full(self.size, -1, np.int32)
        renumbered[numbers] = np.arange(len(numbers))
        stems, documents, counts = self._postings
        postings = np.stack([stems, renumbered[documents], counts])
        return Bm25(self.lengths[numbers], postings[:, postings[1] >= 0], self._vocabulary)

    def grouped(self, group_of: NDArray[np.intp], groups: int) -> "Bm25":
        """With the documents of each group (numbers below `groups`) taken together as one."""
        stems, documents, counts = self._postings
        pairs, where = np.unique(stems.astype(np.int64) * groups + group_of[documents], return_inverse=True)
        together = np.bincount(where, weights=counts, minlength=len(pairs))
        lengths = np.bincount(group_of, weights=self.lengths, minlength=groups).astype(np.float64)
        return Bm25(lengths, np.stack([*np.divmod(pairs, groups), together]).astype(np.int32), self._vocabulary)

    def scores(self, stems: Collection[str], among: "Bm25 | None" = None) -> Floats:
        """Each document's score for a question, 0 or more; shape (size,). With `among`, as if they were among those."""
        among = among or self
        scores = np.zeros(self.size)
        average = max(float(among.lengths.sum()), 1.0) / max(among.size, 1)
        for stem in sorted(set(stems)):  # in one order, since sums of floats depend on it
            _, documents, counts = self._postings_of(stem)
            holding = among._postings_of(stem).shape[1]
            rarity = math.log(1 + (among.size - holding + 0.5) / (holding + 0.5))
            length = self.lengths[documents] / average
            scores[documents] += rarity * counts * (K1 + 1) / (counts + K1 * (1 - B + B * length))
        return scores

    def sort(self) -> NDArray[np.intp]:
        """Sort the postings by stem, which a question needs, unless they are sorted; returns where each stem starts."""
        if self._starts is None:
            self._postings = np.take(self._postings, np.argsort(self._postings[0], kind="stable"), axis=1)
            self._starts = np.searchsorted(self._postings[0], np.arange(len(self._vocabulary) + 1))
        return self._starts

    @property
    def is_bloated(self) -> bool:
        """Whether most of the stems in the vocabulary are in none of the documents any more."""
        return len(self._vocabulary) > 2 * len(np.unique(self._postings[0])) + SPARE_STEMS

    def _postings_of(self, stem: str) -> Postings:
        starts = self.sort()
        number = self._vocabulary.get(stem, len(starts))
        start, end = starts.take([number, number + 1], mode="clip")  # the same for a stem that none of them has
        return self._postings[:, start:end]
