"""The hot tier: the facts of the users who are talking now, in this process's memory, searched exactly.

What is held of a user stands for as long as the version of the user's memory in the ledger is the same, which one
indexed read tells: whoever writes, in whichever process, the next recall sees it.
"""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice

import numpy as np

from memory.errors import Unavailable
from memory.facts.fact import Fact, owner_key
from memory.index.embeddings import Embedder
from memory.index.protocol import Vectors, bytes_of, vectors_of
from memory.ledger.ledger import Ledger, Revision
from memory.recall.bm25 import Floats
from memory.recall.columns import Columns, Mask
from memory.recall.explain import why
from memory.recall.rank import Hit, Weights, rank
from memory.recall.words import document, question

FACT_BYTES, CHARACTER_BYTES = 1_300, 4
"""About what a fact takes in memory besides its vector, and each character of its texts with what is made of it."""

EMBED_AT_MOST = 32
"""Facts without a vector yet that a load embeds itself; where there are more, the index is far behind."""

SLICE = 25
"""Facts that are prepared without letting others have their turn: about a millisecond's worth."""

EVERY = 2**31
"""More facts than any user has."""


@dataclass(frozen=True)
class Snapshot:
    """Facts of one user, to be searched; never changed, only followed by another."""

    columns: Columns = field(default_factory=Columns)
    """Of facts that are not retired, oldest first."""
    vectors: Vectors | None = None
    """Shape (facts, dimension); None where they cannot be had, and recall goes by words."""
    version: int = 0
    """Of the user's memory, as the ledger counts."""
    complete: bool = True
    """Whether these are all the user has; otherwise the newest."""
    among: Columns | None = None
    """The many that these few are to be compared with."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        vectors = 0 if self.vectors is None else self.vectors.nbytes
        return vectors + FACT_BYTES * (len(self.columns.facts) + 1) + CHARACTER_BYTES * self.columns.facts.characters

    def facts(self, mask: Mask) -> list[Fact]:
        """The facts at the positions that are set, oldest first."""
        return [self.columns.facts[position] for position in np.flatnonzero(mask).tolist()]

    async def those(self, test: Callable[[Fact], bool]) -> Mask:
        """Which of the facts `test` says yes to."""
        mask = np.zeros(len(self.columns.facts), dtype=bool)
        for position, fact in enumerate(self.columns.facts):
            mask[position] = test(fact)
            await yield_to_loop(position)
        return mask

    def cosines(self, vector: Vectors | None) -> Floats | None:
        """Of each fact with `vector` (shape (dimension,)); None where either is missing."""
        if vector is None or self.vectors is None:
            return None
        # A row at a time: a product of matrices gives other last digits for other numbers of rows.
        return np.asarray(np.vecdot(self.vectors, vector), dtype=np.float64)

    def best(
        self,
        query: str,
        cosines: Floats | None,
        mask: Mask | None,
        now: datetime,
        weights: Weights,
        limit: int,
        *,
        explain: bool,
    ) -> Iterator[Hit]:
        """What `rank` finds among the facts of `mask`, or all, and why, where it is to `explain`.

        Without cosines the words decide; the floor is one for facts that have a similarity, so there is none then.
        """
        if cosines is None:
            cosines, weights = np.zeros(len(self.columns.facts)), weights.without_floor()
        for hit in rank(question(query), self.columns, cosines, now, weights, limit, mask=mask, among=self.among):
            yield hit._replace(why=why(hit, query, weights, now)) if explain else hit


class FactCache:
    """Snapshots of the users who were asked about last, up to a number of bytes."""

    def __init__(self, ledger: Ledger, embedder: Embedder, *, max_facts: int, max_bytes: int) -> None:
        """`max_facts` is how many of a user's facts are held at most, the newest."""
        self.max_facts = max_facts
        self._ledger = ledger
        self._embedder = embedder
        self._max_bytes = max_bytes
        self._held: OrderedDict[str, Snapshot] = OrderedDict()
        self._bytes = 0
        """Of all that are held."""
        self._loading: dict[str, asyncio.Task[Snapshot]] = {}
        self._forgotten = 0
        """How often a user was; what was being loaded meanwhile is not held."""

    async def open(self, user_id: str) -> Snapshot:
        """The user's facts as they are now. Raises Unavailable where vectors are missing and cannot be made.

        A caller that is cancelled, since it waits no longer, leaves the load to those who come after it.
        """
        owner = owner_key(user_id)
        if before := self._loading.get(owner):  # it may have begun before what this caller has to see
            await asyncio.wait([before])
        held = self._held.get(owner)
        if held is None or held.version != await self._ledger.version(user_id):
            load = self._loading.get(owner)
            if load is None:
                load = self._loading[owner] = asyncio.create_task(self._refresh(user_id, owner))
                load.add_done_callback(partial(self._loaded, owner))
            held = await asyncio.shield(load)
        if owner in self._held:  # one that is larger than all the room there is, is not
            self._held.move_to_end(owner)
        return held

    def _loaded(self, owner: str, load: asyncio.Task[Snapshot]) -> None:
        del self._loading[owner]
        if not load.cancelled():
            load.exception()  # is for who waits, and no error where nobody does any more

    async def _refresh(self, user_id: str, owner: str) -> Snapshot:
        held, forgotten = self._held.get(owner), self._forgotten
        version = await self._ledger.version(user_id)  # before the facts, so that it is never too new for them
        if held is None or held.version != version:
            held = await self._load(user_id, version, held)
            if forgotten == self._forgotten:
                self._hold(owner, held)
        return held

    async def whole(self, user_id: str, dimension: int = 0) -> Snapshot:
        """All of the user's facts, where those that are held will not do; they are not held.

        Their vectors come with them where it is said of which `dimension` they are.
        """
        facts, stored = await self._ledger.newest(user_id, EVERY, self._embedder.name)
        vectors = vectors_of(stored[::-1], dimension) if facts and dimension else None
        columns = await in_columns(facts[::-1])
        del facts, stored
        await asyncio.sleep(0)  # to let go of thousands of facts takes its time, too
        return Snapshot(columns, vectors)

    def forget(self, user_id: str) -> None:
        """Hold nothing of this user any more."""
        self._forgotten += 1
        self._drop(owner_key(user_id))

    def _hold(self, owner: str, snapshot: Snapshot) -> None:
        self._drop(owner)
        if snapshot.size > self._max_bytes:  # to make room for it would take everybody's and not be enough
            return
        self._held[owner] = snapshot
        self._bytes += snapshot.size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, owner: str) -> None:
        if dropped := self._held.pop(owner, None):
            self._bytes -= dropped.size

    async def _load(self, user_id: str, version: int, before: Snapshot | None) -> Snapshot:
        """A snapshot at `version`; of `before` what is still the same is taken over."""
        if before is None or before.columns.words.is_bloated:
            facts, vectors = await self._ledger.newest(user_id, self.max_facts + 1, self._embedder.name)
            complete = len(facts) <= self.max_facts
            kept = Snapshot(version=version, complete=complete)
            return await self._grown(kept, facts[: self.max_facts], vectors[: self.max_facts])
        there = await self._ledger.revisions(user_id, self.max_facts + 1)
        newest = dict(islice(there.items(), self.max_facts))
        recorded = before.columns.facts.recorded()
        new = [fact_id for fact_id, held in newest.items() if recorded.get(fact_id) != held.recorded_at]
        if new != [*newest][: len(new)]:  # an older one took the place of one that was retired
            return await self._load(user_id, version, None)
        facts, vectors = await self._ledger.newest(user_id, len(new), self._embedder.name, ids=new)
        kept = await asyncio.to_thread(_kept, before, newest, version, len(there) <= self.max_facts)
        return await self._grown(kept, facts, vectors)

    async def _grown(self, snapshot: Snapshot, facts: Sequence[Fact], stored: Sequence[bytes | None]) -> Snapshot:
        """With more facts, given the newest first, and their vectors; those without one are embedded."""
        if not facts:
            return snapshot
        lacking = [fact for fact, vector in zip(facts, stored, strict=True) if vector is None]
        if len(lacking) > EMBED_AT_MOST:
            raise Unavailable(f"{len(lacking)} facts have no vector yet: the index is behind.")
        made = map(bytes_of, await self._embedder.embed_facts(lacking))
        vectors = vectors_of([next(made) if vector is None else vector for vector in stored][::-1])
        if snapshot.vectors is not None:
            vectors = np.concatenate([snapshot.vectors, vectors])
        await asyncio.sleep(0)
        return replace(snapshot, columns=await in_columns(facts[::-1], snapshot.columns), vectors=vectors)


def _kept(before: Snapshot, newest: Mapping[str, Revision], version: int, complete: bool) -> Snapshot:
    """What is still there of `before`, each fact with when it was last said again."""
    recorded = before.columns.facts.recorded()
    stays = [
        at for at, (fact_id, when) in enumerate(recorded.items()) if (held := newest.get(fact_id)) and held[0] == when
    ]
    columns = before.columns.kept(np.array(stays, dtype=np.intp))
    said_again = {at: newest[fact_id].said_again_at for at, fact_id in enumerate(columns.facts.ids())}
    changed = {at: moment for at, moment in said_again.items() if moment != columns.facts.said_again_at(at)}
    vectors = None if before.vectors is None else before.vectors[stays]
    return Snapshot(columns.said_again(changed) if changed else columns, vectors, version, complete)


async def in_columns(facts: Sequence[Fact], before: Columns | None = None) -> Columns:
    """Facts in columns, those of `before` first, without holding others up."""
    columns = before or Columns()
    for start in range(0, len(facts), SLICE):
        columns = columns.extended([*map(document, facts[start : start + SLICE])])
        await asyncio.sleep(0)
    await asyncio.to_thread(columns.sort)
    return columns


async def best_of(rankings: Iterable[Iterator[Hit]], limit: int) -> list[Hit]:
    """The `limit` best of several rankings, equal scores in order of id, without holding others up."""
    best: list[Hit] = []
    for number, hit in enumerate(heapq.merge(*rankings, key=lambda hit: (-hit.score, hit.fact.id))):
        if number == limit:
            break
        best.append(hit)
        await yield_to_loop(number)
    return best


async def yield_to_loop(number: int) -> None:
    """Let others have their turn, once a slice."""
    if number % SLICE == SLICE - 1:
        await asyncio.sleep(0)
