"""The hot tier: the facts of the users who are talking now, in this process's memory, searched exactly.

What is held of a user stands for as long as the version of the user's memory in the ledger is the same, which one
indexed read tells: whoever writes, in whichever process, the next recall sees it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from memory.embeddings import Embedder
from memory.errors import Unavailable
from memory.fact import Fact, owner_key
from memory.index import Vectors, vector_of
from memory.ledger import Ledger
from memory.rank import (
    RECENCY_DAYS,
    THREAD_HALF,
    WORDS_HALF,
    Document,
    Hit,
    Index,
    Weights,
    rank,
)
from memory.words import document, question

FACT_BYTES = 4_000
"""About what a fact takes in memory besides its vector and texts: measured, most of it its words."""

EMBED_AT_MOST = 32
"""Facts without a vector yet that a load embeds itself; where there are more, the index is far behind."""

SLICE = 25
"""Facts that are prepared without letting others have their turn: about a millisecond's worth."""

NEAR_TIE = 1e-9
"""Scores that are nearer than this may change places where they are computed in another order."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Snapshot:
    """Facts of one user as arrays, to be searched."""

    def __init__(self, index: Index, vectors: Vectors | None, *, version: int = 0, complete: bool = True) -> None:
        facts = [document.fact for document in index.documents]
        self.index = index
        """Of facts that are not retired, oldest first; positions in it are the positions in the arrays."""
        self.vectors = vectors
        """Shape (facts, dimension); None where they cannot be had, and recall goes by words."""
        self.version = version
        self.complete = complete
        """Whether these are all the user has; otherwise the newest."""
        self.position_of = {fact.id: position for position, fact in enumerate(facts)}
        self._said_at = np.array(index.said_at)
        self._importance = np.array([fact.importance for fact in facts])
        self._thread_of = np.array(index.thread_of, dtype=np.intp)
        self._until = np.array([fact.valid_until.timestamp() if fact.valid_until else np.inf for fact in facts])
        self._planned = [position for position, fact in enumerate(facts) if fact.exclusive and fact.is_planned]
        self._slots: dict[tuple[str, str], list[int]] = {fact.slot: [] for fact in facts if fact.exclusive}
        for position, fact in enumerate(facts):
            if fact.exclusive:
                self._slots[fact.slot].append(position)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        texts = sum(len(document.fact.text) + len(document.fact.quote) for document in self.index.documents)
        vectors = 0 if self.vectors is None else self.vectors.nbytes
        return vectors + 2 * texts + FACT_BYTES * (len(self.index.documents) + 1)

    def current(self, now: datetime) -> Mask:
        """Which of the facts hold at `now`: those not over, nor overtaken by a plan whose time has come."""
        mask: Mask = self._until > now.timestamp()
        holding = mask.copy()
        for plan in self._planned:
            begun = self.index.documents[plan].fact.starts_at
            if holding[plan] and begun <= now:
                for other in self._slots[self.index.documents[plan].fact.slot]:
                    if self.index.documents[other].fact.starts_at < begun:
                        mask[other] = False
        return mask

    def everything(self) -> Mask:
        """All of them."""
        return np.ones(len(self.index.documents), dtype=bool)

    def of(self, categories: Collection[str]) -> Mask:
        """Which of the facts are of these categories."""
        return np.array([found.fact.category in categories for found in self.index.documents], dtype=bool)

    async def those(self, test: Callable[[Fact], bool]) -> Mask:
        """Which of the facts `test` says yes to."""
        mask = np.zeros(len(self.index.documents), dtype=bool)
        for position, found in enumerate(self.index.documents):
            mask[position] = test(found.fact)
            await _breathe(position)
        return mask

    def facts(self, mask: Mask) -> list[Fact]:
        """The facts at the positions that are set, oldest first."""
        return [self.index.documents[position].fact for position in np.flatnonzero(mask)]

    def cosines(self, vector: Vectors | None) -> Floats | None:
        """Of each fact with `vector` (shape (dimension,)); None where either is missing."""
        if vector is None or self.vectors is None:
            return None
        return np.asarray(self.vectors @ vector, dtype=np.float64)

    def best(
        self, query: str, cosines: Floats | None, mask: Mask, now: datetime, weights: Weights, limit: int
    ) -> list[Hit]:
        """What `rank` finds among the facts of `mask`, for which it has to look at no more than the best.

        Without cosines the words decide; the floor is one for facts that have a similarity, so there is none then.
        """
        if not mask.any():
            return []
        if cosines is None:
            cosines, weights = np.zeros(len(mask)), weights.without_floor()
        asked = self.index.ask(question(query))
        relevance = weights.similarity * np.clip(cosines, 0, 1)
        positions, words = _columns(asked.words.items())
        relevance[positions] += weights.words * words / (words + WORDS_HALF)
        if weights.thread:
            by_thread = np.zeros(len(mask))
            threads, words = _columns(asked.threads.items())
            by_thread[threads] = words / (words + THREAD_HALF)
            relevance += weights.thread * by_thread[self._thread_of]
        relevance[list(asked.people)] += weights.person
        ages = np.maximum(now.timestamp() - self._said_at, 0) / (RECENCY_DAYS * 86_400)
        score = relevance + weights.recency / (1 + ages) + weights.importance * self._importance
        allowed = np.flatnonzero(mask)
        count = min(max(limit, 1), len(allowed))
        least = np.partition(score[allowed], -count)[-count]
        best = {int(position) for position in allowed[score[allowed] >= least - NEAR_TIE]}
        best.add(int(allowed[relevance[allowed].argmax()]))  # what the floor is about
        return rank(asked, self.index, cosines.tolist(), now, weights, limit, best)


class HotTier:
    """Snapshots of the users who were asked about last, up to a number of bytes."""

    def __init__(self, ledger: Ledger, embedder: Embedder, *, max_facts: int, max_bytes: int) -> None:
        """`max_facts` is how many of a user's facts are held at most, the newest."""
        self.max_facts = max_facts
        self._ledger = ledger
        self._embedder = embedder
        self._max_bytes = max_bytes
        self._held: OrderedDict[str, Snapshot] = OrderedDict()
        self._loading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self, user_id: str) -> Snapshot:
        """The user's facts as they are now. Raises Unavailable where vectors are missing and cannot be made."""
        owner = owner_key(user_id)
        held = self._held.get(owner)
        if held is None or held.version != await self._ledger.version(user_id):
            loading = self._loading.setdefault(owner, asyncio.Lock())
            async with loading:
                held = self._held.get(owner)
                version = await self._ledger.version(user_id)  # before the facts, so that it is never too new for them
                if held is None or held.version != version:
                    held = await self._load(user_id, version, held)
                    self._hold(owner, held)
        if owner in self._held:  # one that is larger than all the room there is, is not
            self._held.move_to_end(owner)
        return held

    async def without_vectors(self, user_id: str) -> Snapshot:
        """The user's facts, all of them, for recall by words; they are not held."""
        ids = await self._ledger.unretired(user_id, newest=2**31)
        facts, _ = await self._ledger.with_vectors(user_id, [*ids], "")
        return Snapshot(await indexed(map(document, facts)), None)

    def forget(self, user_id: str) -> None:
        """Hold nothing of this user any more."""
        self._held.pop(owner_key(user_id), None)

    def _hold(self, owner: str, snapshot: Snapshot) -> None:
        self._held[owner] = snapshot
        self._held.move_to_end(owner)
        total = sum(held.size for held in self._held.values())
        while total > self._max_bytes and self._held:
            _, dropped = self._held.popitem(last=False)
            total -= dropped.size

    async def _load(self, user_id: str, version: int, before: Snapshot | None) -> Snapshot:
        """A snapshot at `version`; of `before` what is still the same is taken over."""
        newest = await self._ledger.unretired(user_id, self.max_facts + 1)
        ids = [*newest][: self.max_facts][::-1]
        known: dict[str, tuple[Document, Vectors]] = {}
        if before and before.vectors is not None:
            for position, found in enumerate(before.index.documents):
                if found.fact.id in newest and found.fact.said_again_at == newest[found.fact.id]:
                    known[found.fact.id] = found, before.vectors[position]
        facts, stored = await self._ledger.with_vectors(
            user_id, [i for i in ids if i not in known], self._embedder.name
        )
        lacking = [fact for fact, vector in zip(facts, stored, strict=True) if vector is None]
        if len(lacking) > EMBED_AT_MOST:
            raise Unavailable(f"{len(lacking)} facts have no vector yet: the index is behind.")
        made = dict(
            zip(
                (fact.id for fact in lacking),
                await self._embedder.embed([fact.searchable for fact in lacking]),
                strict=True,
            )
        )
        for number, (fact, vector) in enumerate(zip(facts, stored, strict=True)):
            known[fact.id] = document(fact), made[fact.id] if vector is None else vector_of(vector)
            await _breathe(number)
        there = [known[fact_id] for fact_id in ids if fact_id in known]  # erased since the first query: not there
        vectors = np.array([vector for _, vector in there], dtype=np.float32) if there else None
        index = await indexed(found for found, _ in there)
        await asyncio.sleep(0)
        return Snapshot(index, vectors, version=version, complete=len(newest) <= self.max_facts)


async def indexed(documents: Iterable[Document], among: Index | None = None) -> Index:
    """An index of the documents, made without holding others up."""
    index = Index(among=among)
    for number, found in enumerate(documents):
        index.add(found)
        await _breathe(number)
    return index


async def _breathe(number: int) -> None:
    """Let others have their turn, once a slice."""
    if number % SLICE == SLICE - 1:
        await asyncio.sleep(0)


def _columns(items: Iterable[tuple[int, float]]) -> tuple[NDArray[np.intp], Floats]:
    pairs: Sequence[tuple[int, float]] = list(items)
    return (
        np.fromiter((key for key, _ in pairs), dtype=np.intp, count=len(pairs)),
        np.fromiter((value for _, value in pairs), dtype=np.float64, count=len(pairs)),
    )
