"""Which facts matter for a question: a weighted sum of similarity, words, person, recency and importance. Pure.

Each signal lies between 0 and 1 and is scaled by itself, never by the pool it came in, so that a score means the same
whatever else was found. The first three make a fact *relevant*; recency and importance only decide between facts that
are about equally so, since superseding, not decay, is what keeps old facts out. `tests/evals` measures the weights.
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from memory.fact import Fact

Preset = Literal["default", "guide"]

RECENCY_DAYS = 30.0
"""Age at which recency has fallen to one half."""

BM25_K1 = 1.2
BM25_B = 0.75
"""The usual constants of Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009)."""

WORDS_HALF = 8.0
"""BM25 score that counts as 0.5; it has no upper bound of its own."""


@dataclass(frozen=True)
class Weights:
    """What each signal counts, and how relevant the best fact has to be for anything to be recalled."""

    similarity: float
    words: float
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
    "default": Weights(0.55, 0.25, 0.15, 0.03, 0.02, floor=0.04, general_floor=0.15),
    "guide": Weights(0.40, 0.0, 0.0, 0.35, 0.25, floor=0.03, general_floor=0.10),
}


@dataclass(frozen=True)
class Question:
    """What is asked, as ranking sees it; `memory.words.question` makes it."""

    stems: Sequence[str]
    general: bool = False
    """Whether it speaks of nobody in particular: "Who won the game?", not "Who won my game?"."""


@dataclass(frozen=True)
class Document:
    """A fact as ranking sees it; `memory.words.document` makes it."""

    fact: Fact
    stems: Sequence[str]
    """Of its slot, its sentence, its quote and its date."""
    names: frozenset[str] = frozenset()
    """Stems of its subject's name; none for the user."""
    relation: frozenset[str] = frozenset()
    """For a fact that says who somebody is to the user, the stems that say it: {"sister", "anna"}."""


@dataclass(frozen=True)
class Hit:
    """A fact that was found, with its score and what each signal gave (0 to 1, before weighting)."""

    fact: Fact
    score: float
    similarity: float
    words: float
    person: float
    recency: float
    importance: float


class Index:
    """The words of one user's facts, counted once; a question then touches only the facts it shares a word with."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = tuple(documents)
        """Positions in it are what the methods below and `rank` speak of."""
        self.said_at = [document.fact.last_said_at.timestamp() for document in self.documents]
        """When each was last said, in seconds since 1970."""
        self._bm25 = _bm25_postings([document.stems for document in self.documents])
        self._people = _people(self.documents)

    def words(self, question: Question) -> dict[int, float]:
        """Okapi BM25 of each document that shares a word with the question."""
        scores: dict[int, float] = defaultdict(float)
        for stem in set(question.stems):
            for position, score in self._bm25.get(stem, ()):
                scores[position] += score
        return scores

    def people(self, question: Question) -> set[int]:
        """The documents about somebody the question names, by name or by what they are to the user ("my sister")."""
        return {position for stem in set(question.stems) for position in self._people.get(stem, ())}


def rank(
    question: Question,
    index: Index,
    cosines: Sequence[float],
    now: datetime,
    weights: Weights,
    limit: int,
    candidates: Iterable[int] | None = None,
) -> list[Hit]:
    """The `limit` best documents for a question, best first, equal scores in order of id; [] where none is relevant.

    `cosines` holds one number a document. `candidates` are the positions to choose from, all of them by default.
    """
    words, people = index.words(question), index.people(question)
    relevance = [weights.similarity * _similarity(cosine) for cosine in cosines]
    for position, bm25 in words.items():
        relevance[position] += weights.words * _saturated(bm25)
    for position in people:
        relevance[position] += weights.person

    positions = range(len(relevance)) if candidates is None else list(candidates)
    floor = weights.general_floor if question.general else weights.floor
    if max((relevance[position] for position in positions), default=-math.inf) < floor:
        return []

    said_by, facts = now.timestamp(), [document.fact for document in index.documents]

    def score(position: int) -> float:
        recency = weights.recency * recency_score(said_by - index.said_at[position])
        return relevance[position] + recency + weights.importance * facts[position].importance

    best = heapq.nsmallest(limit, positions, key=lambda position: (-score(position), facts[position].id))
    return [
        Hit(
            facts[position],
            score(position),
            _similarity(cosines[position]),
            _saturated(words.get(position, 0.0)),
            1.0 if position in people else 0.0,
            recency_score(said_by - index.said_at[position]),
            facts[position].importance,
        )
        for position in best
    ]


def _similarity(cosine: float) -> float:
    return min(max(cosine, 0.0), 1.0)


def _saturated(bm25: float) -> float:
    return bm25 / (bm25 + WORDS_HALF)


def recency_score(age_seconds: float) -> float:
    """1 for now, one half after RECENCY_DAYS, towards 0 with age; a moment in the future counts as now."""
    return 1 / (1 + max(age_seconds, 0.0) / (RECENCY_DAYS * 86_400))


def _bm25_postings(documents: Sequence[Sequence[str]]) -> dict[str, list[tuple[int, float]]]:
    """For each stem the documents that hold it, with what it gives them when a question holds it too."""
    counts: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for position, stems in enumerate(documents):
        for stem, count in Counter(stems).items():
            counts[stem].append((position, count))
    average = sum(map(len, documents)) / max(len(documents), 1)
    norms = [BM25_K1 * (1 - BM25_B + BM25_B * len(stems) / average) if average else 1.0 for stems in documents]
    postings = {}
    for stem, found in counts.items():
        rarity = math.log(1 + (len(documents) - len(found) + 0.5) / (len(found) + 0.5))
        postings[stem] = [(at, rarity * count * (BM25_K1 + 1) / (count + norms[at])) for at, count in found]
    return postings


def _people(documents: Sequence[Document]) -> dict[str, set[int]]:
    """For each stem that names somebody the documents about them: "anna", and "sister" where Anna is the sister."""
    about: dict[frozenset[str], set[int]] = defaultdict(set)
    for position, document in enumerate(documents):
        if document.names:
            about[document.names].add(position)
    relations = [document.relation for document in documents if document.relation]
    called: dict[str, set[int]] = defaultdict(set)
    for names, positions in about.items():
        for stem in names.union(*(relation for relation in relations if names <= relation)):
            called[stem] |= positions
    return called
