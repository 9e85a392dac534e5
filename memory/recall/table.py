"""One user's facts as a table: arrays of the numbers that ranking and `current` need. Pure."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from memory.facts.changes import MemoryVersion
from memory.facts.fact import Category, Fact, Source
from memory.facts.timeline import current_at
from memory.index.protocol import Vectors, vectors_of
from memory.recall.bm25 import Bm25, Floats

Mask = NDArray[np.bool_]
Positions = NDArray[np.intp]
FACT_BYTES = 1_300  # about the memory that a fact takes besides its vector and its texts
CHARACTER_BYTES = 4  # about the memory that each character of its texts takes, with the stems made of it
COMMON = 1 / 8  # a name that more than this share of the facts is about tells few of them apart
CATEGORIES: tuple[Category, ...] = get_args(Category)
# Recalled whatever is asked: who the user is, and what must never be overlooked.
PROFILE: tuple[Category, ...] = ("identity", "constraint")

NUMBERS = np.dtype([
    ("last_said_at", float),  # seconds since 1970, as `valid_until` is
    ("valid_until", float),  # infinite if it is not known
    ("importance", float),
    ("category", int),  # its position in CATEGORIES
    ("thread", int),  # the number of its thread; a fact that was put in by hand has one to itself
    ("subject", int),  # the number of whom it is about
    ("is_plan", bool),  # whether it is to replace, from a later moment on, what its slot holds until then
])  # fmt: skip

# The values of FIELDS and SOURCE_FIELDS, and the stems of the relation. Such a tuple takes a third of a Fact's memory,
# and the garbage collector does not have to walk through it.
Row = tuple[Any, ...]
FIELDS = tuple(name for name in Fact.model_fields if name != "source")
SOURCE_FIELDS = tuple(Source.model_fields)
ID, TEXT, QUOTE, SUBJECT, ATTRIBUTE, RECORDED_AT, SAID_AGAIN_AT = map(
    FIELDS.index, ("id", "text", "quote", "subject", "attribute", "recorded_at", "said_again_at")
)
PREVIOUS, RELATION = -2, -1
_values_of, _source_values_of = itemgetter(*FIELDS), itemgetter(*SOURCE_FIELDS)


@dataclass(frozen=True)
class Document:
    """A fact as ranking sees it; `memory.recall.words.document` makes it."""

    fact: Fact
    stems: Sequence[str]  # of its slot, its sentence, its quote and its date
    names: frozenset[str] = frozenset()  # stems of its subject's name; none for the user
    relation: frozenset[str] = frozenset()  # stems that say who somebody is to the user: {"sister", "anna"}


@dataclass(frozen=True, eq=False)
class Table:
    """Facts, oldest first, each made when it is asked for. A table is never changed: each method returns a new one."""

    rows: Sequence[Row] = ()
    numbers: NDArray[np.void] = field(default_factory=lambda: np.empty(0, NUMBERS))
    words: Bm25 = field(default_factory=Bm25)
    vectors: Vectors | None = None  # shape (n, dimension), of the first n facts; zeros for one that has none yet
    # What the numbers of threads and subjects stand for; tables made from this one share them, and add to them.
    thread_numbers: dict[str, int] = field(default_factory=dict)
    subject_numbers: dict[frozenset[str], int] = field(default_factory=dict)
    version: MemoryVersion = field(default_factory=MemoryVersion)  # in the ledger
    complete: bool = True  # whether these are all unretired facts of the user; otherwise they are the newest
    untold: Sequence[Fact] = ()  # the user's hard limits that messages have retired without the user being told

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Fact]:
        return map(_fact, self.rows)

    def __getitem__(self, position: int) -> Fact:
        return _fact(self.rows[position])

    def extended(self, documents: Sequence[Document]) -> "Table":
        added = np.array([*map(self._numbers_of, documents)], NUMBERS)
        rows, numbers = [*self.rows, *map(_row, documents)], np.concatenate([self.numbers, added])
        return replace(self, rows=rows, numbers=numbers, words=self.words.extended([d.stems for d in documents]))

    def _numbers_of(self, document: Document) -> tuple[float | bool, ...]:
        fact, threads, subjects = document.fact, self.thread_numbers, self.subject_numbers
        return (
            fact.last_said_at.timestamp(),
            fact.valid_until.timestamp() if fact.valid_until else np.inf,
            fact.importance,
            CATEGORIES.index(fact.category),
            threads.setdefault(fact.source.thread_id or fact.id, len(threads)),
            subjects.setdefault(document.names, len(subjects)),
            fact.exclusive and fact.is_planned,
        )

    def kept(self, positions: Positions) -> "Table":
        """With only the facts at these positions, which are in ascending order."""
        rows = [self.rows[position] for position in positions.tolist()]
        vectors = None if self.vectors is None else self.vectors[positions[positions < len(self.vectors)]]
        numbers, words = self.numbers[positions], self.words.kept(positions)
        return replace(self, rows=rows, numbers=numbers, words=words, vectors=vectors)

    def with_vectors(self, stored: Mapping[str, bytes]) -> "Table":
        """With the vectors of some facts, by id, as the ledger keeps them."""
        positions = [position for position, fact_id in enumerate(self.ids) if fact_id in stored]
        if not positions:
            return self
        new = vectors_of([stored[self.ids[position]] for position in positions])
        vectors = np.zeros((len(self), new.shape[1]), np.float32)
        if self.vectors is not None:
            vectors[: len(self.vectors)] = self.vectors
        vectors[positions] = new
        return replace(self, vectors=vectors)

    def at_revisions(self, revisions: Mapping[str, tuple[datetime, datetime | None]]) -> "Table":
        """With only the facts that have a revision: fact id -> when it was recorded and last said again."""
        recorded = {fact_id: recorded_at for fact_id, (recorded_at, _) in revisions.items()}
        same = [at for at, row in enumerate(self.rows) if recorded.get(row[ID]) == row[RECORDED_AT]]
        kept = self.kept(np.array(same, np.intp))
        moments = {at: revisions[row[ID]][1] for at, row in enumerate(kept.rows)}
        return kept.said_again({at: when for at, when in moments.items() if when != kept.rows[at][SAID_AGAIN_AT]})

    def said_again(self, moments: Mapping[int, datetime | None]) -> "Table":
        """With when some of the facts, by position, were last said again."""
        rows, numbers = [*self.rows], self.numbers.copy()
        for position, moment in moments.items():
            row = rows[position]
            rows[position] = (*row[:SAID_AGAIN_AT], moment, *row[SAID_AGAIN_AT + 1 :])
            numbers["last_said_at"][position] = _fact(rows[position]).last_said_at.timestamp()
        return replace(self, rows=rows, numbers=numbers)

    def prepare(self) -> None:
        """Compute what the first question would have to wait for."""
        self.words.sort()
        self.threads[0].sort()
        _ = self.ids, self.lacking, self.size, self.in_profile, self.common_names

    def current(self, now: datetime, others: Sequence[Fact] = ()) -> Mask:
        """Which of the facts are current at `now`; `others` are all facts of slots that have a plan."""
        mask: Mask = self.numbers["valid_until"] > now.timestamp()
        plans = map(self.__getitem__, np.flatnonzero(self.numbers["is_plan"]).tolist())
        if slots := {fact.slot for fact in (*plans, *others)}:
            here = [at for at, row in enumerate(self.rows) if (row[SUBJECT], row[ATTRIBUTE]) in slots]
            facts = {fact.id: fact for fact in (*map(self.__getitem__, here), *others)}
            current = {fact.id for fact in current_at(facts.values(), now)}
            mask[here] &= [self.ids[at] in current for at in here]
        return mask

    def facts(self, mask: Mask) -> list[Fact]:
        return [self[position] for position in np.flatnonzero(mask).tolist()]

    def about(self, asked: set[str], beside: Sequence["Table"]) -> Floats:
        """1 for each fact about somebody who is named; shape (facts,). "My sister" names Anna if a fact, of this table
        or of those `beside` it, says that Anna is the sister."""
        meant: dict[str, list[frozenset[str]]] = {}  # by each stem, since a user may know a thousand people
        for relation in (relation for table in (self, *beside) for relation in table._relations):
            for stem in relation if asked & relation else ():
                meant.setdefault(stem, []).append(relation)
        named = np.zeros(len(self.subject_numbers))
        for names, number in self.subject_numbers.items():
            if names and (asked & names or any(names <= relation for relation in meant.get(min(names), ()))):
                named[number] = 1
        return np.asarray(named[self.numbers["subject"]])

    def cosines(self, vector: Vectors | None) -> Floats:
        """The cosine of each fact with `vector` (shape (dimension,)); 0 if either is missing."""
        cosines = np.zeros(len(self))
        if vector is not None and self.vectors is not None:
            # Row by row: a product of matrices gives other last digits for other numbers of rows.
            cosines[: len(self.vectors)] = np.vecdot(self.vectors, vector)
        return cosines

    @cached_property
    def ids(self) -> list[str]:
        return [row[ID] for row in self.rows]

    @cached_property
    def lacking(self) -> list[str]:
        """Ids of the facts that have no vector yet."""
        there = np.zeros(len(self), bool)
        if self.vectors is not None:
            there[: len(self.vectors)] = self.vectors.any(axis=1)
        return [self.ids[position] for position in np.flatnonzero(~there).tolist()]

    @cached_property
    def in_profile(self) -> Mask:
        return np.isin(self.numbers["category"], [CATEGORIES.index(category) for category in PROFILE])

    @cached_property
    def size(self) -> int:
        """About how many bytes the table takes; a text with characters beyond ASCII counts three times."""
        texts = (text for row in self.rows for text in (row[TEXT], row[QUOTE], *row[PREVIOUS]))
        characters = sum(len(text) if text.isascii() else 3 * len(text) for text in texts)
        vectors = 0 if self.vectors is None else self.vectors.nbytes
        return vectors + FACT_BYTES * (len(self) + 1) + CHARACTER_BYTES * characters

    @cached_property
    def common_names(self) -> frozenset[str]:
        """Stems of the names that so many facts are about that they tell few of them apart."""
        counts = np.bincount(self.numbers["subject"], minlength=len(self.subject_numbers)).tolist()
        return common_names(((names, counts[number]) for names, number in self.subject_numbers.items()), len(self))

    @cached_property
    def threads(self) -> tuple[Bm25, Positions]:
        """The words of each thread, all its facts taken together, and for each fact the position of its thread."""
        numbers, thread_of = np.unique(self.numbers["thread"], return_inverse=True)
        return self.words.grouped(thread_of, len(numbers)), thread_of

    @cached_property
    def _relations(self) -> list[frozenset[str]]:
        return [frozenset(row[RELATION]) for row in self.rows if row[RELATION]]


@dataclass(frozen=True, eq=False)
class Overview:
    """What a question needs to know of all of a user's facts to rank some of them, and to find those by its words."""

    ids: Sequence[str] = ()
    words: Bm25 = field(default_factory=Bm25)  # of the facts in this order; it knows the question's stems only
    threads: tuple[Bm25, Positions] = (Bm25(), np.empty(0, np.intp))  # as those of a table
    named: Floats = field(default_factory=lambda: np.empty(0))  # 1 for each fact about somebody the question names
    common_names: frozenset[str] = frozenset()


def common_names(counts: Iterable[tuple[frozenset[str], int]], facts: int) -> frozenset[str]:
    """The names that more than the share COMMON of the facts are about, given how many are about each."""
    return frozenset[str]().union(*(names for names, count in counts if count > COMMON * facts))


def _row(document: Document) -> Row:
    fact = document.fact
    # Many facts have these in common: each value is kept once.
    values = fact.__dict__ | {name: sys.intern(getattr(fact, name)) for name in ("subject", "attribute", "category")}
    if fact.key == fact.id:
        values["key"] = fact.id
    return *_values_of(values), *_source_values_of(fact.source.__dict__), tuple(document.relation)


def _fact(row: Row) -> Fact:
    """The fact as it was: its values were checked when it was made."""
    source = Source.model_construct(**dict(zip(SOURCE_FIELDS, row[len(FIELDS) : RELATION], strict=True)))
    return Fact.model_construct(**dict(zip(FIELDS, row, strict=False)), source=source)
