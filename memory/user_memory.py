"""One user's memory: what the agent's nodes and tools, the terminal and a forker's own code read and write."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from memory.errors import BadInput, Unavailable, cause_of
from memory.facts.changes import Changes
from memory.facts.fact import Category, Fact, Source, check_user_id, owner_key, slot_name, utc_now
from memory.facts.portable import dump, load
from memory.facts.timeline import AsOf, Version, as_of, chain, versions
from memory.index.protocol import Vectors, vectors_of
from memory.learn import writes
from memory.learn.extract import (
    MAX_FAILURES,
    Extracted,
    Extraction,
    ExtractionFailed,
    StructuredOutputMethod,
    Utterance,
    extract,
    next_batch,
    proposals,
    utterances_of,
)
from memory.learn.verbatim import Memory, facts_of_texts
from memory.parts import Parts
from memory.recall.bm25 import Floats
from memory.recall.cache import Snapshot, best_of, in_columns, yield_to_loop
from memory.recall.columns import Mask
from memory.recall.past import asks_about_past
from memory.recall.rank import Hit
from memory.recall.recalled import PROFILE, Profile, Recalled, profile_of
from memory.recall.words import asked, without_names
from memory.threads.threads import delete_threads

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import MessageLikeRepresentation
    from langchain_core.runnables import RunnableConfig

log = logging.getLogger(__name__)

POOL = 50
"""Facts the collection is asked for, of the past and of those that are not held in memory."""

PAST_SHOWN = 5
"""Past facts that are recalled at most."""

KNOWN_SHOWN = 10
"""Known facts that the extraction of one message is shown."""

Part = tuple[Snapshot, Floats | None, Mask]
"""Facts that are searched, their cosines, and which of them hold now."""


class UserMemory:
    """The memory of one user, fixed for the life of the object: no method takes another user's id."""

    def __init__(
        self,
        store: Parts,
        user_id: str,
        *,
        model: "BaseChatModel | None" = None,
        method: StructuredOutputMethod = "auto",
    ) -> None:
        """`model` and its structured-output `method` are needed to learn from what was said, and for nothing else.

        Raises BadInput for an empty, over-long or unstorable user id.
        """
        self.user_id = check_user_id(user_id)
        self._store = store
        self._model = model
        self._method = method

    async def current(self) -> list[Fact]:
        """Every fact that holds now, oldest first."""
        return await self._store.ledger.current(self.user_id, utc_now())

    async def all(self) -> list[Fact]:
        """Every fact there ever was, in the order they were recorded."""
        return await self._store.ledger.all(self.user_id)

    async def recall(self, query: str, limit: int = 10, *, explain: bool = False) -> Recalled:
        """What matters for `query`: the profile always, and up to `limit` facts that answer it.

        Where it asks about the past, also what was. With `explain` each hit says why, as in `search`.
        """
        now, query = utc_now(), asked(query)
        held, vector = await self._open(query)
        past: list[Hit] = []
        searching = self._parts(held, [vector], now, every=limit > POOL)
        if asks_about_past(query):
            parts, past = await asyncio.gather(searching, self._past(query, held, vector, now, PAST_SHOWN, explain))
        else:
            parts = await searching
        profile: list[Fact] = []
        rankings: list[Iterator[Hit]] = []
        for part, cosines, current in parts:
            in_profile = part.columns.of(PROFILE)
            profile += part.facts(current & in_profile)
            wanted = current & ~in_profile
            rankings.append(part.best(query, cosines, wanted, now, self._store.options.weights, limit, explain=explain))
        profile.sort(key=lambda fact: fact.category != "constraint")  # where the budget is short, these are not cut
        return Recalled(tuple(profile), tuple(await best_of(rankings, limit)), tuple(past))

    async def search(
        self, query: str, limit: int = 10, *, only: Callable[[Fact], bool] | None = None, explain: bool = False
    ) -> list[Hit]:
        """Up to `limit` facts that answer `query`, best first; `only` those it says yes to.

        With `explain` each hit says in its `why` what each signal gave, and for what reason.
        """
        now, query = utc_now(), asked(query)
        held, vector = await self._open(query)
        rankings: list[Iterator[Hit]] = []
        for part, cosines, current in await self._parts(held, [vector], now, every=only is not None or limit > POOL):
            wanted = current & await part.those(only) if only else current
            rankings.append(part.best(query, cosines, wanted, now, self._store.options.weights, limit, explain=explain))
        return await best_of(rankings, limit)

    async def search_past(self, query: str, limit: int = PAST_SHOWN) -> list[Hit]:
        """Up to `limit` facts that answer `query` and do not hold any more, best first; nothing that was taken back."""
        now, query = utc_now(), asked(query)
        held, vector = await self._open(query)
        return await self._past(query, held, vector, now, limit)

    async def near(self, texts: Sequence[str]) -> list[Fact]:
        """The current facts nearest to the texts, KNOWN_SHOWN and a few for each: what an extraction is shown."""
        limit, now = KNOWN_SHOWN + 2 * (len(texts) - 1), utc_now()
        nearest: dict[str, tuple[float, Fact]] = {}
        try:
            vectors = await self._store.embedder.embed([*map(asked, texts)])
            held = await self._store.cache.open(self.user_id)
        except Unavailable:  # words find some of them, and what is learnt is not put off
            return [hit.fact for hit in await self.search("\n".join(texts), limit)]
        for part, cosines, current in await self._parts(held, vectors, now):
            if cosines is None:
                continue
            near = np.where(current, cosines, -np.inf)
            for at in np.argsort(-near, kind="stable")[:limit].tolist():
                if near[at] > -np.inf:
                    fact = part.columns.facts[at]
                    nearest[fact.id] = max((near[at], fact), nearest.get(fact.id, (-1.0, fact)), key=itemgetter(0))
        ordered = sorted(nearest.values(), key=lambda pair: (-pair[0], pair[1].id))
        return [fact for _, fact in ordered[:limit]]

    async def unextracted(self, thread_id: str, message_ids: Sequence[str]) -> dict[str, int]:
        """Those of the messages that no facts were taken from yet, in order -> how many answers were of no use."""
        return await self._store.ledger.unextracted(self.user_id, thread_id, message_ids)

    def with_model(self, model: "BaseChatModel", method: StructuredOutputMethod) -> "UserMemory":
        """The same memory, with a model to extract with."""
        return UserMemory(self._store, self.user_id, model=model, method=method)

    async def extract(
        self,
        utterances: Sequence[Utterance],
        *,
        started_at: datetime | None = None,
        config: "RunnableConfig | None" = None,
    ) -> Extracted | None:
        """One model call: as many utterances of one thread as it takes, of those that no facts were taken from yet.

        None where there are none, and no call is made. Raises ExtractionFailed: a model that is away is to be asked
        again; a message for which it gave no answer of use is tried alone from then on, and given up in the end.
        """
        if self._model is None:
            raise BadInput("Facts are taken from messages by a model: UserMemory(store, user_id, model=...).")
        started_at, thread_id = started_at or utc_now(), utterances[0].source.thread_id if utterances else None
        failures = await self.unextracted(thread_id or "", [str(said.source.message_id) for said in utterances])
        batch = next_batch(utterances, failures)
        if not batch:
            return None
        if failures[str(batch[0].source.message_id)] >= MAX_FAILURES:
            log.warning("extraction given up user=%r source=%r", self.user_id, batch[0].source)
            return Extracted(batch, [], Extraction(facts=[], retracted=[]), started_at)
        known = await self.near([said.text for said in batch])
        try:
            extraction = await extract(self._model, batch, known, method=self._method, config=config)
        except ExtractionFailed as error:
            if not error.transient:
                async with self._store.ledger.transaction(self.user_id) as transaction:
                    await transaction.count_failures([said.source for said in batch])
            raise
        return Extracted(batch, known, extraction, started_at)

    async def learn(
        self,
        extraction: Extraction,
        utterances: Sequence[Utterance],
        known: Sequence[Fact],
        *,
        started_at: datetime | None = None,
    ) -> Changes:
        """Reconcile what a model took from `utterances`, shown next to `known`, and write the outcome.

        When this returns the facts are in the ledger, and in the index unless that does not answer; then they
        follow when it does. The messages are marked as extracted, and learning from them again changes nothing. What
        was forgotten since the extraction had `started_at` is not learnt.
        """
        now = utc_now()
        proposed, retracted = proposals(self.user_id, extraction, utterances, known, now)
        sources = [said.source for said in utterances]
        changes = await writes.learn(
            self._store.ledger, self.user_id, proposed, now, retracted=retracted, sources=sources, started_at=started_at
        )
        counts = map(len, (changes.added, changes.reinforced, changes.retired))
        dropped = len(extraction.facts) - len(proposed)
        log.info("learned user=%r added=%d reinforced=%d retired=%d dropped=%d", self.user_id, *counts, dropped)
        await self._store.update_index(owner_key(self.user_id))
        return changes

    async def observe(
        self, content: "str | Sequence[MessageLikeRepresentation]", *, at: datetime | None = None, thread_id: str = ""
    ) -> Changes:
        """Learn from raw conversation: a text the user wrote, or messages, of which only the human ones count.

        `at` is when it was said, unless a message says so itself; now by default. The same words said at the same
        moment in the same thread are the same message, and are learnt from once. Raises ExtractionFailed; what was
        learnt until then stays.
        """
        if at and at.tzinfo is None:
            raise BadInput(f"The moment {at.isoformat()} has no time zone: nobody can say which it is.")
        return await self.extract_and_learn(utterances_of(content, at or utc_now(), thread_id))

    async def extract_and_learn(
        self, utterances: Sequence[Utterance], *, started_at: datetime | None = None
    ) -> Changes:
        """Learn from those of the utterances, all of one thread, that facts were not taken from yet.

        What was forgotten since `started_at` is not learnt. Raises ExtractionFailed; what was learnt until then stays.
        """
        total = Changes()
        while found := await self.extract(utterances, started_at=started_at):
            total += await self.learn(found.extraction, found.utterances, found.known, started_at=found.started_at)
        return total

    async def remember(
        self, text: str, *, at: datetime | None = None, subject: str = "user", source: Source | None = None
    ) -> int:
        """Remember one text as it is, without any model call (see `remember_all`)."""
        return await self.remember_all([Memory(text, at, subject, source)])

    async def remember_all(self, memories: Iterable[Memory]) -> int:
        """Remember texts as they are, thousands at once, without any model call; how many are new. All or none.

        The same text of the same source is the same memory; the same words of one subject, said again, take the place
        of the earlier ones. Raises BadInput that names the first text that cannot be kept.
        """
        now, facts = utc_now(), dict[str, Fact]()
        for number, fact in enumerate(facts_of_texts(self.user_id, memories, now)):
            facts[fact.id] = fact
            await yield_to_loop(number)
        added = await writes.restore(self._store.ledger, self.user_id, [*facts.values()], {}, [], now)
        log.info("remembered user=%r facts=%d", self.user_id, added)
        await self._store.update_index(owner_key(self.user_id))
        return added

    async def context(self, query: str, token_budget: int = 1_500) -> str:
        """The block of a prompt that carries what matters for `query`; "" when nothing does."""
        return (await self.recall(query)).block(token_budget)

    async def profile(self) -> Profile:
        """What is known, by kind; the newest first."""
        return profile_of(await self.current())

    async def history(self, of: str | tuple[str, str]) -> list[Version]:
        """The versions of a fact (by its id) or of a slot (subject, attribute), newest first; [] for an unknown one."""
        facts = await self.all()
        if isinstance(of, str):
            return versions(chain(facts, of))
        slot = (slot_name(of[0]), slot_name(of[1]))
        return versions(fact for fact in facts if fact.slot == slot)

    async def as_of(self, when: datetime) -> AsOf:
        """What held at `when`, and what was believed then. `when` needs a time zone."""
        if when.tzinfo is None:
            raise BadInput(f"The moment {when.isoformat()} has no time zone: nobody can say which it is.")
        return as_of(await self._store.ledger.all(self.user_id), when)

    async def export(self) -> AsyncIterator[str]:
        """All that is known, with history and provenance, as JSON lines (see `memory.facts.portable`)."""
        ledger = self._store.ledger
        facts = await ledger.all(self.user_id)
        repeats, extracted = await ledger.reinforcements(self.user_id), await ledger.extracted_messages(self.user_id)
        for line in dump(facts, repeats, extracted):
            yield line

    async def import_(self, lines: Iterable[str]) -> int:
        """Write exported lines back, all or none; how many facts are new here. Raises BadInput that names the line."""
        added = await writes.restore(self._store.ledger, self.user_id, *load(lines), utc_now())
        log.info("imported user=%r facts=%d", self.user_id, added)
        await self._store.update_index(owner_key(self.user_id))
        return added

    async def forget(
        self, *, fact: str | None = None, category: Category | None = None, thread: str | None = None
    ) -> int:
        """Delete for good, history included: one fact by its id, a category, or a thread with what was said in it.

        How many facts that were. Deleting a thread deletes its messages too.
        """
        if [fact, category, thread].count(None) != 2:
            raise BadInput("forget() takes one of fact, category and thread.")
        ledger = self._store.ledger
        if thread is not None:
            await delete_threads(ledger.pool, self.user_id, [thread])
        async with ledger.transaction(self.user_id) as transaction:
            gone = await transaction.erase(ids=[fact] if fact else (), category=category, thread_id=thread)
        self._store.cache.forget(self.user_id)
        log.info("forgot user=%r facts=%d", self.user_id, gone)
        await self._store.update_index(owner_key(self.user_id))
        return gone

    async def forget_everything(self) -> int:
        """Delete all of the user's facts, their history, threads with their checkpoints and tasks; how many facts."""
        ledger = self._store.ledger
        await delete_threads(ledger.pool, self.user_id)
        async with ledger.transaction(self.user_id) as transaction:
            gone = await transaction.erase_user()
        self._store.cache.forget(self.user_id)
        log.info("forgot everything user=%r facts=%d", self.user_id, gone)
        await self._store.update_index(owner_key(self.user_id))
        return gone

    async def _open(self, query: str) -> tuple[Snapshot, Vectors | None]:
        """The user's facts as they are now, and the question's vector; no vectors where they cannot be had in time."""
        try:
            async with asyncio.timeout(self._store.options.timeout):
                held = await self._store.cache.open(self.user_id)
                (vector,) = await self._store.embedder.embed([without_names(query, held.columns.common_names)])
                return held, vector
        except (Unavailable, TimeoutError) as error:
            # Worse recall beats none: without vectors the words, recency and importance of all facts decide.
            log.warning("recall without vectors user=%r cause=%s", self.user_id, cause_of(error))
            return await self._store.cache.whole(self.user_id), None

    async def _parts(
        self, held: Snapshot, vectors: Iterable[Vectors | None], now: datetime, *, every: bool = False
    ) -> list[Part]:
        """What is searched for each vector: what is held, after what the collection finds where the user has more.

        All that the user has takes their place with `every`, and where the collection does not answer.
        """
        parts: list[Part] = []
        current = held.columns.current(now)
        if not held.complete:
            others = await self._store.ledger.in_planned_slots(self.user_id)  # some may not be among those held
            current = held.columns.current(now, others)
        for vector in vectors:
            if vector is not None and not held.complete:
                near = None if every else await self._in_collection(vector)
                if near is None:
                    held = await self._store.cache.whole(self.user_id, len(vector))
                    current = held.columns.current(now)
                else:
                    older, cosines = await self._older(held, near, now)
                    parts.append((older, cosines, older.columns.current(now)))
            parts.append((held, held.cosines(vector), current))
        return parts

    async def _older(self, held: Snapshot, near: Mapping[str, float], now: datetime) -> tuple[Snapshot, Floats]:
        """Facts beyond those held, and their cosines: those that are `near`, and the profile."""
        there = set(held.columns.facts.ids())
        ids = [fact_id for fact_id in near if fact_id not in there]
        facts = await self._store.ledger.current(self.user_id, now, ids=ids, categories=PROFILE)
        older = [fact for fact in facts if fact.id not in there]
        cosines = np.array([near.get(fact.id, 0.0) for fact in older])
        return Snapshot(await in_columns(older), among=held.columns), cosines

    async def _past(
        self, query: str, held: Snapshot, vector: Vectors | None, now: datetime, limit: int, explain: bool = False
    ) -> list[Hit]:
        """What answers the question and does not hold any more."""
        near = None if vector is None else await self._in_collection(vector, past=True)
        found = await self._store.ledger.past(self.user_id, now, self._store.embedder.name, near)
        vectors = None if vector is None or not found else vectors_of([stored for _, stored in found], len(vector))
        past = Snapshot(await in_columns([fact for fact, _ in found]), vectors, among=held.columns)
        ranking = past.best(query, past.cosines(vector), None, now, self._store.options.weights, limit, explain=explain)
        return await best_of([ranking], limit)

    async def _in_collection(self, vector: Vectors, *, past: bool = False) -> dict[str, float] | None:
        """What the collection holds near `vector`, id -> cosine, or has yet to learn; None if it does not answer."""
        owner = owner_key(self.user_id)
        try:
            async with asyncio.timeout(self._store.options.timeout):
                near = await self._store.index.search(owner, vector, POOL, past=past)
                return dict.fromkeys(await self._store.queue.waiting(owner), 0.0) | near
        except (Unavailable, TimeoutError) as error:
            log.warning("recall without the collection user=%r cause=%s", self.user_id, cause_of(error))
            return None
