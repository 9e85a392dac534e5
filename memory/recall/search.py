"""Searching one user's facts: exactly in memory, and with the index for the past and what memory does not hold."""

import asyncio
import heapq
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import NamedTuple

import numpy as np

from memory.errors import Unavailable, cause_of
from memory.facts.fact import Fact, owner_key, utc_now
from memory.facts.slots import USER
from memory.index.protocol import Vectors
from memory.index.queue import IndexQueue
from memory.ledger.ledger import Ledger
from memory.logs import Event
from memory.recall.bm25 import Floats
from memory.recall.cache import FactCache, extend, yield_to_loop
from memory.recall.rank import PRESETS, Hit, Signal, Weights, found_by_words, rank
from memory.recall.render import render
from memory.recall.table import PROFILE, Mask, Overview, Table
from memory.recall.words import asks_about_past, clean_query, document, overview, question, without_names
from memory.stems import stems

FactTest = Callable[[Fact], bool]
log = logging.getLogger(__name__)

POOL = 50  # facts that the index is asked for, and that are looked for by words
PAST_SHOWN = 5  # past facts that are recalled at most
KNOWN_SHOWN = 10  # known facts that the extraction of one message is shown


@dataclass(frozen=True)
class RecallOptions:
    """How recall searches, and how much of it this process keeps in memory."""

    weights: Weights = PRESETS["default"]
    cached_facts: int = 10_000  # facts of one user that the cache holds at most
    cache_bytes: int = 256_000_000  # for all users
    timeout: float = 2.5  # seconds until a search goes on with what is there: without vectors, or the index


@dataclass(frozen=True)
class Recalled:
    """What was recalled for a question: the profile, other facts, best first, and past ones if it asks for them."""

    profile: tuple[Fact, ...] = ()
    hits: tuple[Hit, ...] = ()
    past: tuple[Hit, ...] = ()
    untold: tuple[Fact, ...] = ()
    """Hard limits, such as an allergy, that messages have retired without the user being told."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts that hold now."""
        return (*self.profile, *(hit.fact for hit in self.hits))

    def block(self, token_budget: int, zone: tzinfo | None = None) -> str:
        """The block of a prompt with these facts, within `token_budget` tokens; "" if there are none."""
        return render(self.facts, token_budget, past=[hit.fact for hit in self.past], zone=zone or UTC)


class Asked(NamedTuple):
    """A question, the user's facts in memory, and the question's vector, or None if that took too long."""

    query: str
    now: datetime
    table: Table
    among: Table | Overview
    """All of the user's facts, for what their words are worth."""
    vector: Vectors | None
    until: float
    """When the search goes on without what has not answered, by the event loop's clock."""


class Candidates(NamedTuple):
    """Arguments of `rank`."""

    table: Table
    cosines: Floats
    mask: Mask


@dataclass(frozen=True)
class Searcher:
    user_id: str
    ledger: Ledger
    queue: IndexQueue
    cache: FactCache
    options: RecallOptions
    report: Callable[[Exception], None]  # gets the errors of the index, for whoever repairs it

    async def recall(self, query: str, limit: int, *, explain: bool = False) -> Recalled:
        asked, past = await self._ask(query), list[Candidates]()
        searching = self._current(asked, [asked.vector], every=limit > POOL)
        if asks_about_past(asked.query):
            found, past = await asyncio.gather(searching, self._past(asked))
        else:
            found = await searching
        profile = [fact for part in found for fact in part.table.facts(part.mask & part.table.in_profile)]
        profile.sort(key=lambda fact: fact.category != "constraint")  # so that a short budget cuts no constraint
        others = [part._replace(mask=part.mask & ~part.table.in_profile) for part in found]
        hits = await self._best(asked, others, limit, explain)
        shown = tuple(await self._best(asked, past, PAST_SHOWN, explain))
        return Recalled(tuple(profile), tuple(hits), shown, tuple(asked.table.untold))

    async def search(
        self, query: str, limit: int, *, past: bool = False, only: FactTest | None = None, explain: bool = False
    ) -> list[Hit]:
        asked, every = await self._ask(query), only is not None or limit > POOL
        found = await (self._past(asked) if past else self._current(asked, [asked.vector], every=every))
        if only:
            for table, _, mask in found:
                for number, position in enumerate(np.flatnonzero(mask).tolist()):
                    mask[position] = only(table[position])
                    await yield_to_loop(number)
        return await self._best(asked, found, limit, explain)

    async def near(self, texts: Sequence[str]) -> list[Fact]:
        """The current facts nearest to the texts: KNOWN_SHOWN, and two more for each text after the first; and the
        user's name, by which a model may call the user."""
        limit, cached, until = KNOWN_SHOWN + 2 * (len(texts) - 1), await self._open(), self._until()
        vectors = await self._embed([*map(clean_query, texts)], until)
        if vectors is None:  # words find some of them, and the extraction need not wait
            asked = await self._without_vector(clean_query("\n".join(texts)), cached, until)
            return [hit.fact for hit in await self._best(asked, await self._current(asked, [None]), limit, False)]
        nearest, names = dict[str, tuple[float, Fact]](), list[Fact]()
        for table, cosines, mask in await self._current(Asked("", utc_now(), cached, cached, None, until), vectors):
            names += [fact for fact in table.facts(mask & table.in_profile) if fact.slot == (USER, "name")]
            cosines = np.where(mask, cosines, -np.inf)
            for position in np.argsort(-cosines, kind="stable")[:limit].tolist():
                cosine, fact_id = float(cosines[position]), table.ids[position]
                if cosine > nearest.get(fact_id, (-np.inf, None))[0]:
                    nearest[fact_id] = (cosine, table[position])
        ordered = sorted(nearest.values(), key=lambda pair: (-pair[0], pair[1].id))
        shown = {fact.id: fact for _, fact in ordered[:limit]}
        return [*(shown | {fact.id: fact for fact in names}).values()]

    async def cosines(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
        """Pair of texts -> the cosine of their vectors, with one call of the embedder; {} if it does not answer."""
        texts = [*dict.fromkeys(text for pair in pairs for text in pair)]
        embedded = await self._embed([*map(clean_query, texts)], self._until(), or_else="texts not compared")
        if embedded is None:
            return {}
        vectors = dict(zip(texts, embedded, strict=True))
        return {(one, other): float(vectors[one] @ vectors[other]) for one, other in pairs}

    def _until(self) -> float:
        return asyncio.get_running_loop().time() + self.options.timeout

    async def _open(self) -> Table:
        """The cached facts. The limit of a search begins afterwards: they come from the ledger, and without the
        ledger there is no answer."""
        cached = await self.cache.open(self.user_id)
        self._report_lacking(cached)
        return cached

    def _report_lacking(self, table: Table) -> None:
        if table.lacking:  # whoever wrote them may have been killed
            self.report(Unavailable(f"Facts without a vector: {len(table.lacking)}."))

    async def _ask(self, query: str) -> Asked:
        now, query, table, until = utc_now(), clean_query(query), await self._open(), self._until()
        among = table if table.complete else await self._overview(query)
        vectors = await self._embed([without_names(query, among.common_names)], until)
        if vectors is None or (table.lacking and table.vectors is None):
            return await self._without_vector(query, table, until)
        return Asked(query, now, table, among, vectors[0], until)

    async def _overview(self, query: str) -> Overview:
        parts = await self.ledger.stems(self.user_id)
        return await asyncio.to_thread(overview, query, parts)

    async def _embed(
        self, texts: Sequence[str], until: float, *, or_else: str = "recall without vectors"
    ) -> Vectors | None:
        """One vector for each text; None, with this line in the log, if the embedder does not answer in time."""
        try:
            async with asyncio.timeout_at(until):
                return await self.queue.embedder.embed(texts)
        except (Unavailable, TimeoutError) as error:
            log.warning(Event(or_else, user=self.user_id, cause=cause_of(error)))
            return None

    async def _without_vector(self, query: str, table: Table, until: float) -> Asked:
        """Worse recall is better than none: words, recency and importance of all facts decide."""
        every = table if table.complete else await self.cache.whole(self.user_id)
        return Asked(query, utc_now(), every, every, None, until)

    async def _current(
        self, asked: Asked, vectors: Iterable[Vectors | None], *, every: bool = False
    ) -> list[Candidates]:
        """What is searched for each vector: the facts that are cached, and what the index and words find of any others;
        or, with `every` or if the index does not answer, all of the user's facts."""
        table, now = asked.table, asked.now
        found: list[Candidates] = []
        # The plan that replaces a fact may be one that is not cached.
        mask = table.current(now, [] if table.complete else await self.ledger.in_planned_slots(self.user_id))
        for vector in vectors:
            if vector is not None and not table.complete:
                near = None if every else await self._ask_index(vector, asked.until)
                if near is None:
                    table = await self.cache.whole(self.user_id)
                    mask = table.current(now)
                else:
                    found.append(await self._beyond(asked, vector, near))
            found.append(Candidates(table, table.cosines(vector), mask))
        return found

    async def _beyond(self, asked: Asked, vector: Vectors, near: Iterable[str]) -> Candidates:
        """The current facts that are not cached: those that the index or words found, and the profile."""
        there, wanted = set(asked.table.ids), {*near}
        if isinstance(asked.among, Overview):
            wanted |= {*found_by_words(question(asked.query), asked.among, self.options.weights, POOL)}
        facts = await self.ledger.current(self.user_id, asked.now, id=[*wanted - there], category=[*PROFILE])
        facts = [fact for fact in reversed(facts) if fact.id not in there]
        ids = [fact.id for fact in facts]
        table = await extend(Table(), facts, await self.ledger.vectors(self.user_id, ids, self.queue.embedder.name))
        self._report_lacking(table)
        return Candidates(table, table.cosines(vector), np.ones(len(table), bool))

    async def _past(self, asked: Asked) -> list[Candidates]:
        near = None if asked.vector is None else await self._ask_index(asked.vector, asked.until, past=True)
        facts, stored = await self.ledger.past(self.user_id, asked.now, self.queue.embedder.name, near)
        table = await extend(Table(), facts, stored)
        return [Candidates(table, table.cosines(asked.vector), np.ones(len(table), bool))]

    async def _ask_index(self, vector: Vectors, until: float, *, past: bool = False) -> list[str] | None:
        """Ids of the current or past facts nearest to `vector`, and of all that are not yet indexed. None if the
        ledger is to be searched: the index does not answer in time, or lacks many."""
        owner = owner_key(self.user_id)
        try:
            async with asyncio.timeout_at(until):
                waiting = await self.queue.waiting(owner)  # first: what is indexed meanwhile is then found twice
                if len(waiting) > POOL:
                    return None
                return [*waiting, *await self.queue.index.search(owner, vector, POOL, past=past)]
        except (Unavailable, TimeoutError) as error:
            log.warning(Event("recall without the index", user=self.user_id, cause=cause_of(error)))
            self.report(error)
            return None

    async def _best(self, asked: Asked, found: Sequence[Candidates], limit: int, explain: bool) -> list[Hit]:
        """The best of all candidates, equal scores in order of id, without blocking the event loop."""
        query, now, weights = question(asked.query), asked.now, self.options.weights
        if asked.vector is None:  # the floor is measured for facts that have a similarity
            weights = weights.without_floor()
        tables = [part.table for part in found]
        ranked = [
            rank(query, table, cosines, now, weights, limit, mask=mask, among=asked.among, beside=tables)
            for table, cosines, mask in found
        ]
        best: list[Hit] = []
        merged = heapq.merge(*ranked, key=lambda hit: (-hit.score, hit.fact.id))
        for number, hit in enumerate(islice(merged, limit)):
            best.append(hit._replace(why=reasons(hit, asked.query, weights, now)) if explain else hit)
            await yield_to_loop(number)
        return best


def reasons(hit: Hit, query: str, weights: Weights, now: datetime) -> tuple[Signal, ...]:
    """Each signal with a reason in words; their contributions add up to the score."""
    shared = sorted(set(stems(query)) & set(document(hit.fact).stems))
    texts = {
        "similarity": f"cosine {hit.similarity:.2f}",
        "words": f"shares {', '.join(shared)}" if shared else "shares no word",
        "thread": "what else was said in the same thread",
        "person": f"about {hit.fact.subject}" if hit.person else "names no person",
        "recency": f"last said {max((now - hit.fact.last_said_at).days, 0)} days ago",
        "importance": f"of importance {hit.importance:.1f}",
    }
    return tuple(Signal(name, getattr(hit, name), getattr(weights, name), text) for name, text in texts.items())
