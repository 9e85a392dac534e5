"""The in-memory cache: the facts of the users who are talking now, valid until their version in the ledger changes."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import islice

from memory.facts.changes import MemoryVersion
from memory.facts.fact import Fact, owner_key
from memory.facts.slots import spelling
from memory.ledger.ledger import Ledger
from memory.recall.table import Table
from memory.recall.words import document
from memory.stems import stem

SLICE = 25  # facts that are processed before other tasks get a turn: about a millisecond's worth
ALL_FACTS = 2**31  # more facts than any user has


class FactCache:
    """Tables of the users who were asked about last, up to a number of bytes."""

    def __init__(self, ledger: Ledger, embedder: str, *, max_facts: int, max_bytes: int) -> None:
        """Of each user it has the newest `max_facts` facts, with their vectors by the embedder of this name."""
        self.max_facts, self._max_bytes = max_facts, max_bytes
        self._ledger, self._embedder = ledger, embedder
        self._tables: OrderedDict[str, Table] = OrderedDict()
        self.size = 0  # bytes
        self.hits = self.misses = 0  # calls of `open` that found the facts in the cache, or not
        self._loading: dict[str, asyncio.Task[Table]] = {}
        self._forgotten = 0  # calls of `forget`: what was being loaded during one is not cached

    async def open(self, user_id: str) -> Table:
        """The user's facts as they are now, and the vectors that there are. If a caller is cancelled, the load goes on,
        and later callers get its result."""
        owner = owner_key(user_id)
        if earlier := self._loading.get(owner):  # it may have begun before a write that this caller has to see
            await asyncio.wait([earlier])
        version = await self._ledger.version(user_id)  # before the facts, so that it is never newer than they are
        cached = self._tables.get(owner)
        if cached is not None and not cached.lacking and cached.version == version:
            self.hits += 1
        else:
            self.misses += 1
            load = self._loading.get(owner)
            if load is None:
                load = self._loading[owner] = asyncio.create_task(self._refresh(user_id, owner, version))
                load.add_done_callback(partial(self._loaded, owner))
            cached = await asyncio.shield(load)
        if owner in self._tables:  # a table that is larger than the cache is not
            self._tables.move_to_end(owner)
        return cached

    def _loaded(self, owner: str, load: asyncio.Task[Table]) -> None:
        del self._loading[owner]
        if not load.cancelled():
            load.exception()  # marks it as retrieved: if all callers were cancelled, nobody else does

    async def _refresh(self, user_id: str, owner: str, version: MemoryVersion) -> Table:
        forgotten = self._forgotten
        table = await self._load(user_id, version, self._tables.get(owner))
        self._drop(owner)
        if forgotten == self._forgotten and table.size <= self._max_bytes:  # or else no drop would be enough
            self._tables[owner] = table
            self.size += table.size
            while self.size > self._max_bytes:
                self._drop(next(iter(self._tables)))
        return table

    async def whole(self, user_id: str) -> Table:
        """All of the user's facts, with the vectors that there are. The cache does not keep them."""
        facts, stored = await self._ledger.newest(user_id, ALL_FACTS, self._embedder)
        return await extend(Table(untold=await self._ledger.untold_limits(user_id)), facts, stored)

    @property
    def owners(self) -> list[str]:
        """The users whose facts are cached, by `owner_key`."""
        return [*self._tables]

    def drop_outdated(self, versions: Mapping[str, int]) -> None:
        """Drop the facts of these users, by `owner_key`, unless they are cached at the version of this number."""
        for owner, version in versions.items():
            if owner in self._tables and self._tables[owner].version.number != version:
                self._forget(owner)

    def forget(self, user_id: str) -> None:
        self._forget(owner_key(user_id))

    def _forget(self, owner: str) -> None:
        self._forgotten += 1
        self._drop(owner)
        stem.cache_clear()  # these two hold words and names of everybody's facts
        spelling.cache_clear()

    def _drop(self, owner: str) -> None:
        if dropped := self._tables.pop(owner, None):
            self.size -= dropped.size

    async def _load(self, user_id: str, version: MemoryVersion, before: Table | None) -> Table:
        """A table at `version`, which takes over from `before` what is still the same."""
        if before and before.lacking:
            stored = await self._ledger.vectors(user_id, before.lacking, self._embedder)
            before = await extend(before, [], stored) if stored else before
        if before and before.version == version:
            return before
        if before is None or before.words.is_bloated:
            facts, stored = await self._ledger.newest(user_id, self.max_facts + 1, self._embedder)
            kept, complete = Table(), len(facts) <= self.max_facts
        else:
            there = await self._ledger.revisions(user_id, self.max_facts + 1)
            newest, complete = dict(islice(there.items(), self.max_facts)), len(there) <= self.max_facts
            kept = await asyncio.to_thread(before.at_revisions, newest)
            new = [*newest][: len(newest) - len(kept)]
            if not set(new).isdisjoint(kept.ids):  # an older fact took the place of one that was retired
                return await self._load(user_id, version, None)
            facts, stored = await self._ledger.newest(user_id, len(new), self._embedder, new)
        untold = await self._ledger.untold_limits(user_id) if version.untold else []
        kept = replace(kept, version=version, complete=complete, untold=untold)
        del facts[self.max_facts :]
        return await extend(kept, facts, stored)


async def extend(table: Table, facts: list[Fact], stored: dict[str, bytes]) -> Table:
    """The table with more facts, given newest first, and with these vectors, by fact id, without blocking the event
    loop. Empties `facts` and `stored`: to free thousands at once takes long, too."""
    while facts:
        table = table.extended([*map(document, reversed(facts[-SLICE:]))])
        del facts[-SLICE:]
        await asyncio.sleep(0)

    def complete() -> Table:
        complete = table.with_vectors(stored)
        stored.clear()
        complete.prepare()
        return complete

    return await asyncio.to_thread(complete)


async def yield_to_loop(number: int) -> None:
    """Give other tasks a turn, once every SLICE items of a loop."""
    if number % SLICE == SLICE - 1:
        await asyncio.sleep(0)
