"""One user's memory: what the agent's nodes and tools, the terminal and a forker's own code read and write."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from memory.errors import Unavailable
from memory.extract import Extraction, Utterance, proposals
from memory.fact import Category, Fact, check_user_id, owner_key, utc_now
from memory.rank import PRESETS, Document, Hit, Weights, rank
from memory.reconcile import Changes
from memory.render import render
from memory.words import stems

if TYPE_CHECKING:
    from memory.store import FactStore

log = logging.getLogger(__name__)

PROFILE: tuple[Category, ...] = ("identity", "constraint")
"""What is recalled whatever is asked: who the user is, and what must never be overlooked."""

POOL = 50
"""Facts the index is asked for, for ranking to choose from."""

MAX_QUERY = 2_000
"""Characters of a question that are looked at."""


@dataclass(frozen=True)
class Recalled:
    """What was recalled for a question: the profile, and the hits besides it, best first."""

    profile: tuple[Fact, ...] = ()
    hits: tuple[Hit, ...] = ()

    @property
    def facts(self) -> tuple[Fact, ...]:
        return (*self.profile, *(hit.fact for hit in self.hits))

    def block(self, token_budget: int) -> str:
        """The block of a prompt that carries it, within `token_budget` tokens; "" for nothing."""
        return render(self.facts, token_budget)


class UserMemory:
    """The memory of one user, fixed for the life of the object: no method takes another user's id."""

    def __init__(self, store: "FactStore", user_id: str, *, weights: Weights = PRESETS["default"]) -> None:
        """Raises BadInput for an empty, over-long or unstorable user id."""
        self.user_id = check_user_id(user_id)
        self._store = store
        self._weights = weights

    async def current(self) -> list[Fact]:
        """Every fact that holds now, oldest first."""
        return await self._store.ledger.current(self.user_id, utc_now())

    async def recall(self, query: str, limit: int = 10) -> Recalled:
        """What matters for `query`: the profile always, and up to `limit` facts that answer it."""
        now = utc_now()
        facts, cosines = await self._find(query, now)
        hits = self._rank(query, facts, cosines, now, limit)
        profile = tuple(fact for fact in facts if fact.category in PROFILE)
        return Recalled(profile, tuple(hit for hit in hits if hit.fact.category not in PROFILE))

    async def search(self, query: str, limit: int = 10) -> list[Hit]:
        """Up to `limit` facts that answer `query`, best first, with what each signal gave."""
        now = utc_now()
        facts, cosines = await self._find(query, now)
        return self._rank(query, facts, cosines, now, limit)

    async def near(self, texts: Sequence[str], limit: int = 10) -> list[Fact]:
        """Up to `limit` current facts nearest to any of the texts: what an extraction is shown as known."""
        owner = owner_key(self.user_id)
        vectors = await self._store.embedder.embed([text[:MAX_QUERY] for text in texts])
        cosines: dict[str, float] = {}
        for vector in vectors:
            for fact_id, cosine in (await self._store.index.search(owner, vector, limit)).items():
                cosines[fact_id] = max(cosine, cosines.get(fact_id, -1.0))
        facts = await self._store.ledger.current(self.user_id, utc_now(), ids=list(cosines))
        return sorted(facts, key=lambda fact: (-cosines[fact.id], fact.id))[:limit]

    async def unextracted(self, thread_id: str, message_ids: Sequence[str]) -> list[str]:
        """Those of the messages that no facts were taken from yet, in order."""
        done = await self._store.ledger.extracted(self.user_id, thread_id, message_ids)
        return [message_id for message_id in message_ids if message_id not in done]

    async def learn(self, extraction: Extraction, utterances: Sequence[Utterance], known: Sequence[Fact]) -> Changes:
        """Reconcile what a model took from `utterances`, shown next to `known`, and write the outcome.

        When this returns the facts are in the ledger, and in the index unless that does not answer; then they
        follow when it does. The messages are marked as extracted, and learning from them again changes nothing.
        """
        now = utc_now()
        proposed, retracted = proposals(self.user_id, extraction, utterances, known, now)
        sources = [said.source for said in utterances]
        changes = await self._store.ledger.learn(self.user_id, proposed, now, retracted=retracted, sources=sources)
        log.info(
            "learned user=%r added=%d reinforced=%d retired=%d dropped=%d",
            self.user_id,
            len(changes.added),
            len(changes.reinforced),
            len(changes.retired),
            len(extraction.facts) - len(proposed),
        )
        await self._store.bring_index_up_to_date(owner_key(self.user_id))
        return changes

    async def _find(self, query: str, now: datetime) -> tuple[list[Fact], dict[str, float]]:
        """The profile and what the index holds near `query`, confirmed by the ledger; and their cosines."""
        try:
            (vector,) = await self._store.embedder.embed([query[:MAX_QUERY]])
            cosines = await self._store.index.search(owner_key(self.user_id), vector, POOL)
        except Unavailable as error:
            # Worse recall beats none: without vectors the words, recency and importance of all facts decide.
            log.warning("recall without vectors user=%r cause=%s", self.user_id, error)
            return await self._store.ledger.current(self.user_id, now), {}
        return await self._store.ledger.current(self.user_id, now, ids=list(cosines), categories=PROFILE), cosines

    def _rank(
        self, query: str, facts: Sequence[Fact], cosines: dict[str, float], now: datetime, limit: int
    ) -> list[Hit]:
        documents = [
            Document(
                fact,
                stems(f"{fact.searchable} {fact.quote}"),
                cosines.get(fact.id, 0.0),
            )
            for fact in facts
        ]
        return rank(stems(query[:MAX_QUERY]), documents, now, self._weights, limit)
