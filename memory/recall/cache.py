"""The in-memory cache: the facts of the users who are talking now, held in this process and searched exactly.

What is held of a user is valid while the version of the user's memory in the ledger is the same, which one indexed read
tells: a write by any process is seen by the next recall.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import numpy as np

from memory.errors import Unavailable
from memory.facts.fact import Fact, owner_key
from memory.index.embeddings import Embedder
from memory.index.protocol import Vectors, bytes_of, vectors_of
from memory.ledger.ledger import Ledger, Revision
from memory.recall.bm25 import Floats
from memory.recall.table import Table
from memory.recall.words import document

FACT_BYTES, CHARACTER_BYTES = 1_300, 4
"""About what a fact takes in memory besides its vector, and each character of its texts with what is made of it."""

EMBED_AT_MOST = 32
"""Facts without a vector that a load embeds itself; if there are more, the index is far behind."""

SLICE = 25
"""Facts that are processed before other tasks get a turn: about a millisecond's worth."""

ALL_FACTS = 2**31
"""More facts than any user has."""


@dataclass(frozen=True)
class Snapshot:
    """The facts of one user at one version. It is never changed, only replaced."""

    table: Table = field(default_factory=Table)
    """The facts that are not retired, oldest first."""
    vectors: Vectors | None = None
    """Shape (facts, dimension); None if there are none, and recall goes by words."""
    version: int = 0
    """The version of the user's memory, as the ledger counts."""
    complete: bool = True
    """Whether these are all the user has; otherwise they are the newest."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        vectors = 0 if self.vectors is None else self.vectors.nbytes
        return vectors + FACT_BYTES * (len(self.table) + 1) + CHARACTER_BYTES * self.table.characters

    def cosines(self, vector: Vectors | None) -> Floats | None:
        """The cosine of each fact with `vector` (shape (dimension,)); None if either is missing."""
        if vector is None or self.vectors is None:
            return None
        # Row by row: a product of matrices gives other last digits for other numbers of rows.
        return np.asarray(np.vecdot(self.vectors, vector), dtype=np.float64)


class FactCache:
    """Snapshots of the users who were asked about last, up to a number of bytes."""

    def __init__(self, ledger: Ledger, embedder: Embedder, *, max_facts: int, max_bytes: int) -> None:
        """At most `max_facts` facts of a user are held, the newest."""
        self.max_facts = max_facts
        self._ledger = ledger
        self._embedder = embedder
        self._max_bytes = max_bytes
        self._held: OrderedDict[str, Snapshot] = OrderedDict()
        self._bytes = 0
        self._loading: dict[str, asyncio.Task[Snapshot]] = {}
        self._forgotten = 0
        """Calls of `forget`: what was being loaded during one is not held."""

    async def open(self, user_id: str) -> Snapshot:
        """The user's facts as they are now. Raises Unavailable if vectors are missing and cannot be made.

        If a caller is cancelled, the load goes on, and later callers get its result.
        """
        owner = owner_key(user_id)
        if earlier := self._loading.get(owner):  # it may have begun before a write that this caller has to see
            await asyncio.wait([earlier])
        held = self._held.get(owner)
        if held is None or held.version != await self._ledger.version(user_id):
            load = self._loading.get(owner)
            if load is None:
                load = self._loading[owner] = asyncio.create_task(self._refresh(user_id, owner))
                load.add_done_callback(partial(self._loaded, owner))
            held = await asyncio.shield(load)
        if owner in self._held:  # a snapshot that is larger than the cache is not
            self._held.move_to_end(owner)
        return held

    def _loaded(self, owner: str, load: asyncio.Task[Snapshot]) -> None:
        del self._loading[owner]
        if not load.cancelled():
            load.exception()  # marks it as retrieved: if all callers were cancelled, nobody else does

    async def _refresh(self, user_id: str, owner: str) -> Snapshot:
        held, forgotten = self._held.get(owner), self._forgotten
        version = await self._ledger.version(user_id)  # before the facts, so that it is never newer than they are
        if held is None or held.version != version:
            held = await self._load(user_id, version, held)
            if forgotten == self._forgotten:
                self._hold(owner, held)
        return held

    async def whole(self, user_id: str, dimension: int = 0) -> Snapshot:
        """All of the user's facts, with their vectors if a `dimension` is given. The cache does not hold them."""
        facts, stored = await self._ledger.newest(user_id, ALL_FACTS, self._embedder.name)
        vectors = vectors_of(stored[::-1], dimension) if facts and dimension else None
        table = await extend(Table(), facts[::-1])
        del facts, stored
        await asyncio.sleep(0)  # to free thousands of facts takes time, too
        return Snapshot(table, vectors)

    def forget(self, user_id: str) -> None:
        """Drop what is held of this user."""
        self._forgotten += 1
        self._drop(owner_key(user_id))

    def _hold(self, owner: str, snapshot: Snapshot) -> None:
        self._drop(owner)
        if snapshot.size > self._max_bytes:  # to drop all the others would not be enough
            return
        self._held[owner] = snapshot
        self._bytes += snapshot.size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, owner: str) -> None:
        if dropped := self._held.pop(owner, None):
            self._bytes -= dropped.size

    async def _load(self, user_id: str, version: int, before: Snapshot | None) -> Snapshot:
        """A snapshot at `version`, which takes over from `before` what is still the same."""
        if before is None or before.table.words.is_bloated:
            facts, vectors = await self._ledger.newest(user_id, self.max_facts + 1, self._embedder.name)
            kept = Snapshot(version=version, complete=len(facts) <= self.max_facts)
            return await self._extended(kept, facts[: self.max_facts], vectors[: self.max_facts])
        there = await self._ledger.revisions(user_id, self.max_facts + 1)
        newest = dict(islice(there.items(), self.max_facts))
        recorded_at = before.table.recorded_at
        new = [fact_id for fact_id, held in newest.items() if recorded_at.get(fact_id) != held.recorded_at]
        if new != [*newest][: len(new)]:  # an older one took the place of one that was retired
            return await self._load(user_id, version, None)
        facts, vectors = await self._ledger.newest(user_id, len(new), self._embedder.name, ids=new)
        kept = await asyncio.to_thread(_kept, before, newest)
        return await self._extended(
            replace(kept, version=version, complete=len(there) <= self.max_facts), facts, vectors
        )

    async def _extended(self, snapshot: Snapshot, facts: Sequence[Fact], stored: Sequence[bytes | None]) -> Snapshot:
        """With more facts, the newest first, and their vectors; facts without a vector are embedded."""
        if not facts:
            return snapshot
        lacking = [fact for fact, vector in zip(facts, stored, strict=True) if vector is None]
        if len(lacking) > EMBED_AT_MOST:
            raise Unavailable(f"{len(lacking)} facts have no vector yet: the index is behind.")
        made = map(bytes_of, await self._embedder.embed_facts(lacking))
        vectors = vectors_of([vector or next(made) for vector in stored][::-1])
        if snapshot.vectors is not None:
            vectors = np.concatenate([snapshot.vectors, vectors])
        await asyncio.sleep(0)
        return replace(snapshot, table=await extend(snapshot.table, facts[::-1]), vectors=vectors)


def _kept(before: Snapshot, newest: Mapping[str, Revision]) -> Snapshot:
    """What of `before` is still there, each fact with when it was last said again."""
    stays = [
        position
        for position, (fact_id, recorded_at) in enumerate(before.table.recorded_at.items())
        if (held := newest.get(fact_id)) and held.recorded_at == recorded_at
    ]
    table = before.table.kept(np.array(stays, np.intp))
    moments = [newest[fact_id].said_again_at for fact_id in table.ids()]
    changed = {at: now for at, (now, then) in enumerate(zip(moments, table.said_again_at, strict=True)) if now != then}
    return Snapshot(
        table.said_again(changed) if changed else table, None if before.vectors is None else before.vectors[stays]
    )


async def extend(table: Table, facts: Sequence[Fact]) -> Table:
    """The table with more facts, without blocking the event loop."""
    for start in range(0, len(facts), SLICE):
        table = table.extended([*map(document, facts[start : start + SLICE])])
        await asyncio.sleep(0)
    await asyncio.to_thread(table.prepare)
    return table


async def yield_to_loop(number: int) -> None:
    """Give other tasks a turn, once every SLICE items of a loop."""
    if number % SLICE == SLICE - 1:
        await asyncio.sleep(0)
