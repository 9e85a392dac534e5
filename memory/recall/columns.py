"""One user's facts in columns: what ranking and time ask of each is a number in an array, for all at once. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from memory.facts.fact import Category, Fact
from memory.facts.timeline import current_at
from memory.recall.bm25 import Bm25, Floats
from memory.recall.packed import Facts

Mask = NDArray[np.bool_]
Numbers = NDArray[np.intp]
Key = TypeVar("Key")

COMMON = 1 / 8
"""The part of the facts from which on the name of whom they are about tells few of them apart."""

CATEGORIES: tuple[Category, ...] = get_args(Category)


@dataclass(frozen=True)
class Document:
    """A fact as ranking sees it; `memory.recall.words.document` makes it."""

    fact: Fact
    stems: Sequence[str]
    """Of its slot, its sentence, its quote and its date."""
    names: frozenset[str] = frozenset()
    """Stems of its subject's name; none for the user."""
    relation: frozenset[str] = frozenset()
    """For a fact that says who somebody is to the user, the stems that say it: {"sister", "anna"}."""


def _no_floats() -> Floats:
    return np.empty(0)


def _no_numbers() -> Numbers:
    return np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class Columns:
    """Facts that are never changed, only followed by others."""

    facts: Facts = field(default_factory=Facts)
    """Their positions are the rows of all that follows."""
    words: Bm25 = field(default_factory=Bm25)
    said_at: Floats = field(default_factory=_no_floats)
    """When each was last said, in seconds since 1970."""
    until: Floats = field(default_factory=_no_floats)
    """When each is over; inf where that is not known."""
    importance: Floats = field(default_factory=_no_floats)
    category_of: Numbers = field(default_factory=_no_numbers)
    """The place of its category in CATEGORIES."""
    thread_of: Numbers = field(default_factory=_no_numbers)
    """The number of the thread each was said in; one put in by hand has a thread of its own."""
    subject_of: Numbers = field(default_factory=_no_numbers)
    """The number of whom each is about."""
    plans: tuple[int, ...] = ()
    """Positions of those that were said of a time to come, in which they take the place of what holds until then."""
    relations: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Position -> the stems that say who somebody is to the user."""
    thread_numbers: dict[str, int] = field(default_factory=dict)
    subject_numbers: dict[frozenset[str], int] = field(default_factory=dict)
    """What the numbers stand for. What comes from these columns shares them and adds to them."""

    def extended(self, documents: Sequence[Document]) -> "Columns":
        """With more facts."""
        facts, size = [document.fact for document in documents], len(self.facts)
        relations = {size + at: document.relation for at, document in enumerate(documents) if document.relation}
        return replace(
            self,
            facts=self.facts.extended(facts),
            words=self.words.extended([document.stems for document in documents]),
            said_at=np.append(self.said_at, [fact.last_said_at.timestamp() for fact in facts]),
            until=np.append(self.until, [f.valid_until.timestamp() if f.valid_until else np.inf for f in facts]),
            importance=np.append(self.importance, [fact.importance for fact in facts]),
            category_of=_appended(self.category_of, [CATEGORIES.index(fact.category) for fact in facts]),
            thread_of=_appended(self.thread_of, _numbered(self.thread_numbers, map(_thread, facts))),
            subject_of=_appended(self.subject_of, _numbered(self.subject_numbers, (d.names for d in documents))),
            plans=(*self.plans, *(size + at for at, fact in enumerate(facts) if fact.exclusive and fact.is_planned)),
            relations={**self.relations, **relations},
        )

    def sort(self) -> None:
        """Do what the first question would have to wait for."""
        self.words.sort()
        self.threads[0].sort()
        _ = self.facts.characters, self.common_names

    def kept(self, positions: Numbers) -> "Columns":
        """With the facts at these positions alone, in ascending order."""
        moved = dict(zip(positions.tolist(), range(len(positions)), strict=True))
        return replace(
            self,
            facts=self.facts.kept(positions.tolist()),
            words=self.words.kept(positions),
            said_at=self.said_at[positions],
            until=self.until[positions],
            importance=self.importance[positions],
            category_of=self.category_of[positions],
            thread_of=self.thread_of[positions],
            subject_of=self.subject_of[positions],
            plans=tuple(moved[plan] for plan in self.plans if plan in moved),
            relations={moved[old]: relation for old, relation in self.relations.items() if old in moved},
        )

    def said_again(self, moments: Mapping[int, datetime | None]) -> "Columns":
        """With when some of the facts, by position, were last said again."""
        facts, said_at = self.facts.said_again(moments), self.said_at.copy()
        for position in moments:
            said_at[position] = facts[position].last_said_at.timestamp()
        return replace(self, facts=facts, said_at=said_at)

    def current(self, now: datetime, others: Sequence[Fact] = ()) -> Mask:
        """Which of the facts are current at `now`; `others` are facts of slots with plans that may be missing here."""
        mask: Mask = self.until > now.timestamp()
        slots: dict[tuple[str, str], dict[str, Fact]] = {self.facts[plan].slot: {} for plan in self.plans}
        for other in others:
            slots.setdefault(other.slot, {})[other.id] = other
        for slot, facts in slots.items():
            positions = self.facts.slots.get(slot, [])
            facts |= {(fact := self.facts[at]).id: fact for at in positions}
            current = {fact.id for fact in current_at(facts.values(), now)}
            for at in positions:
                mask[at] &= self.facts.id_at(at) in current
        return mask

    def of(self, categories: Collection[Category]) -> Mask:
        """Which of the facts are of these categories."""
        return np.isin(self.category_of, [CATEGORIES.index(category) for category in categories])

    def about(self, asked: set[str], among: "Columns") -> Floats:
        """1 for each fact about somebody who is named, by name or by what they are to the user ("my sister").

        "sister" means Anna where one of the facts, or one `among` the many beside them, says that Anna is the sister.
        """
        meant: dict[str, list[frozenset[str]]] = {}  # by each of its stems, since somebody may know a thousand people
        for relation in (*self.relations.values(), *among.relations.values()):
            for stem in relation if asked & relation else ():
                meant.setdefault(stem, []).append(relation)
        named = np.zeros(len(self.subject_numbers))
        for names, number in self.subject_numbers.items():
            if names and (asked & names or any(names <= relation for relation in meant.get(min(names), ()))):
                named[number] = 1
        return named[self.subject_of]

    @cached_property
    def common_names(self) -> frozenset[str]:
        """Stems of the names that a good part of the facts is about, so that they tell few of them apart."""
        counts = np.bincount(self.subject_of, minlength=len(self.subject_numbers))
        common = {*np.flatnonzero(counts > COMMON * len(self.facts)).tolist()}
        return frozenset[str]().union(*(n for n, number in self.subject_numbers.items() if number in common))

    @cached_property
    def threads(self) -> tuple[Bm25, Numbers]:
        """The words of each thread, all its facts taken together, and which of these threads each fact is of."""
        there, thread_of = np.unique(self.thread_of, return_inverse=True)
        return self.words.grouped(thread_of, len(there)), thread_of


def _thread(fact: Fact) -> str:
    return f"in {fact.source.thread_id}" if fact.source.thread_id else fact.id


def _numbered(numbers: dict[Key, int], keys: Iterable[Key]) -> list[int]:
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _appended(numbers: Numbers, more: list[int]) -> Numbers:
    return np.concatenate([numbers, np.array(more, dtype=np.intp)])
