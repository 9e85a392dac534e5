"""Which facts matter for a question: a weighted sum of similarity, words, person, recency and importance. Pure.

Each signal lies between 0 and 1 and is scaled by itself, never by the pool it came in, so that a score means the same
whatever else was found. The first three make a fact *relevant*; recency and importance only decide between facts that
are about equally so, since superseding, not decay, is what keeps old facts out. `tests/evals` measures the weights.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from memory.bm25 import Bm25
from memory.fact import Fact

Preset = Literal["default", "guide"]

RECENCY_DAYS = 30.0
"""Age at which recency has fallen to one half."""

WORDS_HALF = 8.0
"""BM25 score of a document that counts as 0.5."""

THREAD_HALF = 8.0
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
    "default": Weights(0.55, 0.25, 0.0, 0.15, 0.03, 0.02, floor=0.04, general_floor=0.15),
    "guide": Weights(0.40, 0.0, 0.0, 0.0, 0.35, 0.25, floor=0.03, general_floor=0.10),
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
    because: str
    """In words, such as "shares the words: restaurant"."""

    @property
    def gave(self) -> float:
        """Its part of the score."""
        return self.value * self.weight


class Asked(NamedTuple):
    """What a question's words lead to among the documents of an index."""

    general: bool
    words: Mapping[int, float]
    """BM25 of each document that shares a word with the question."""
    threads: Mapping[int, float]
    """BM25 of each thread, all its documents taken together, that does."""
    people: Set[int]
    """The documents about somebody the question names."""


class Index:
    """One user's facts as ranking sees them, counted once; a question then touches only those it has to do with."""

    def __init__(self, documents: Iterable[Document] = (), *, among: "Index | None" = None) -> None:
        """`among` is the index of many facts that these few are to be compared with: its counts of words are used."""
        self.documents: list[Document] = []
        """Positions in it are what the methods below and `rank` speak of."""
        self.said_at: list[float] = []
        """When each was last said, in seconds since 1970."""
        self.thread_of: list[int] = []
        """The number of the thread each was said in, from 0; one put in by hand has a thread of its own."""
        self._words: Bm25 = Bm25(among._words if among else None)
        self._threads: Bm25 = Bm25(among._threads if among else None)
        self._numbers: dict[str, int] = {}
        self._about: dict[frozenset[str], set[int]] = defaultdict(set)
        self._relations: list[frozenset[str]] = []
        for document in documents:
            self.add(document)

    def add(self, document: Document) -> None:
        """One more document."""
        position, source = len(self.documents), document.fact.source
        thread = self._numbers.setdefault(f"in {source.thread_id}" if source.thread_id else document.fact.id, position)
        self.documents.append(document)
        self.said_at.append(document.fact.last_said_at.timestamp())
        self.thread_of.append(thread)
        self._words.add(position, document.stems)
        self._threads.add(thread, document.stems)
        if document.names:
            self._about[document.names].add(position)
        if document.relation:
            self._relations.append(document.relation)

    def ask(self, question: Question) -> Asked:
        """What the question's words lead to."""
        return Asked(
            question.general,
            self._words.scores(question.stems),
            self._threads.scores(question.stems),
            self._people(set(question.stems)),
        )

    def _people(self, asked: set[str]) -> set[int]:
        """The documents about somebody who is named, by name or by what they are to the user ("my sister").

        "sister" means Anna where one of the documents says that Anna is the sister.
        """
        return {
            position
            for names, positions in self._about.items()
            if asked & names or any(names <= relation and asked & relation for relation in self._relations)
            for position in positions
        }


def rank(
    asked: Asked,
    index: Index,
    cosines: Sequence[float],
    now: datetime,
    weights: Weights,
    limit: int,
    positions: Iterable[int] | None = None,
) -> list[Hit]:
    """The `limit` best documents for a question, best first, equal scores in order of id; [] where none is relevant.

    `cosines` holds one number a document. `positions` are the documents to choose from, all of them by default.
    """
    said_by = now.timestamp()

    def hit(position: int) -> Hit:
        fact = index.documents[position].fact
        similarity = similarity_score(cosines[position])
        words = saturated(asked.words.get(position, 0.0), WORDS_HALF)
        thread = saturated(asked.threads.get(index.thread_of[position], 0.0), THREAD_HALF)
        person = 1.0 if position in asked.people else 0.0
        recency = recency_score(said_by - index.said_at[position])
        relevance = (
            weights.similarity * similarity + weights.words * words + weights.thread * thread + weights.person * person
        )
        score = relevance + weights.recency * recency + weights.importance * fact.importance
        return Hit(fact, score, relevance, similarity, words, thread, person, recency, fact.importance)

    hits = [hit(position) for position in (range(len(index.documents)) if positions is None else positions)]
    floor = weights.general_floor if asked.general else weights.floor
    if max((hit.relevance for hit in hits), default=-math.inf) < floor:
        return []
    return best_of(hits, limit)


def best_of(hits: Iterable[Hit], limit: int) -> list[Hit]:
    """The `limit` best, equal scores in order of id."""
    return heapq.nsmallest(limit, hits, key=lambda hit: (-hit.score, hit.fact.id))


def similarity_score(cosine: float) -> float:
    """The cosine; 0 where it points away."""
    return min(max(cosine, 0.0), 1.0)


def saturated(bm25: float, half: float) -> float:
    """BM25, which has no upper bound, as 0 to 1; `half` counts as 0.5."""
    return bm25 / (bm25 + half)


def recency_score(age_seconds: float) -> float:
    """1 for now, one half after RECENCY_DAYS, towards 0 with age; a moment in the future counts as now."""
    return 1 / (1 + max(age_seconds, 0.0) / (RECENCY_DAYS * 86_400))
