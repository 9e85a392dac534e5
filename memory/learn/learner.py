"""Learning about one user: extractions by the model, and writing what they found."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from memory.errors import BadInput
from memory.facts.changes import Changes
from memory.facts.fact import Fact, utc_now
from memory.learn.answer import Extraction
from memory.learn.candidates import proposals
from memory.learn.extract import Extracted, ExtractionFailed, extract
from memory.learn.reconcile import reconcile
from memory.learn.utterances import Utterance, next_batch
from memory.ledger.ledger import Ledger

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from memory.learn.extract import StructuredOutputMethod

MAX_FAILURES = 3  # failed extractions after which a message is given up; it is extracted alone after the first
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learner:
    """Learns about one user, with a model that extracts facts from messages."""

    user_id: str
    ledger: Ledger
    near: Callable[[Sequence[str]], Awaitable[list[Fact]]]  # the known facts nearest to texts, for the model
    update_index: Callable[[str], Awaitable[None]]
    model: "BaseChatModel | None"
    method: "StructuredOutputMethod"

    async def unextracted(self, thread_id: str, message_ids: Sequence[str]) -> dict[str, int]:
        """Message id -> how many extractions failed, for the messages not yet extracted, in order."""
        return await self.ledger.unextracted(self.user_id, thread_id, message_ids)

    async def extract(self, utterances: Sequence[Utterance], started_at: datetime | None = None) -> Extracted | None:
        """One model call on the next utterances, of one thread, not yet extracted; None if there are none.

        Raises ExtractionFailed. A message for which the answer was unusable is given up after MAX_FAILURES.
        """
        if self.model is None:
            raise BadInput("Facts are taken from messages by a model: UserMemory(store, user_id, model=...).")
        started_at, thread_id = started_at or utc_now(), utterances[0].source.thread_id if utterances else ""
        failures = await self.unextracted(thread_id or "", [str(said.source.message_id) for said in utterances])
        batch = next_batch(utterances, failures)
        if not batch:
            return None
        if failures[str(batch[0].source.message_id)] >= MAX_FAILURES:
            log.warning("extraction given up user=%r source=%r", self.user_id, batch[0].source)
            return Extracted(batch, [], Extraction(facts=[], retracted=[]), started_at)
        known = await self.near([said.text for said in batch])
        try:
            extraction = await extract(self.model, batch, known, self.method)
        except ExtractionFailed as error:
            if not error.transient:
                async with self.ledger.transaction(self.user_id) as transaction:
                    await transaction.count_failures([said.source for said in batch])
            raise
        return Extracted(batch, known, extraction, started_at)

    async def learn(self, found: Extracted) -> Changes:
        """Reconcile what the model found with what is known, write the outcome, and update the index if it answers.

        Messages that were extracted before, or forgotten since the extraction started, are not learned from.
        """
        now = utc_now()
        proposed, retracted = proposals(self.user_id, found, now)
        async with self.ledger.transaction(self.user_id) as transaction:
            fresh = await transaction.mark_extracted([said.source for said in found.utterances], found.started_at)
            new = [proposal for proposal in proposed if proposal.fact.source in fresh]
            retracted = retracted if fresh else {}
            facts = [proposal.fact for proposal in new]
            known = await transaction.known(
                ids={*retracted, *(fact.id for fact in facts), *(known for p in new for known in p.relations)},
                texts={fact.text for fact in facts},
                slots={fact.slot for fact in facts},
                ended_after=min((fact.observed_at for fact in facts), default=None),
            )
            changes = await transaction.write(reconcile(new, retracted, known), now)
        counts = map(len, (changes.added, changes.reinforced, changes.retired))
        dropped = len(found.extraction.facts) - len(proposed)
        log.info("learned user=%r added=%d reinforced=%d retired=%d dropped=%d", self.user_id, *counts, dropped)
        await self.update_index(self.user_id)
        return changes

    async def extract_and_learn(self, utterances: Sequence[Utterance], started_at: datetime | None = None) -> Changes:
        """Learn from all utterances, of one thread, not yet extracted. If it raises, what was learned stays."""
        total = Changes()
        while found := await self.extract(utterances, started_at):
            total += await self.learn(found)
        return total
