"""Learning about one user: extractions by the model, and writing what they found."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import Rollback

from memory.errors import BadInput
from memory.evidence.support import Cosines, Pair
from memory.extraction.extract import Extracted, ExtractionFailed, extract
from memory.extraction.utterances import Utterance, next_batch
from memory.facts.changes import Changes
from memory.facts.fact import Fact, utc_now
from memory.learn.candidates import needs_meaning, proposals, to_compare
from memory.learn.writes import decide
from memory.ledger.ledger import Failures, Ledger
from memory.ledger.rows import EVERYTHING, forgotten_thread
from memory.logs import Event

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from memory.extraction.extract import StructuredOutputMethod

MAX_FAILURES = 3  # useless answers after which a message is given up, and a series of extractions ends
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learner:
    """Learns about one user, with a model that extracts facts from messages."""

    user_id: str
    ledger: Ledger
    near: Callable[[Sequence[str]], Awaitable[list[Fact]]]  # the known facts nearest to texts, for the model
    cosines: Callable[[Sequence[Pair]], Awaitable[Cosines]]  # of the texts' vectors; none if the embedder fails
    update_index: Callable[[str, Sequence[str]], Awaitable[None]]  # of the user, on the facts with these ids
    model: "BaseChatModel | None"
    method: "StructuredOutputMethod"
    held_days: int  # how long what is doubtful waits for the user
    timeout: float | None = None  # seconds for one extraction, with the retries of the model's package

    async def unextracted(
        self, thread_id: str, message_ids: Sequence[str], since: datetime | None = None
    ) -> dict[str, Failures]:
        """Those of the messages that wait to be extracted, in order, with the useless answers about each; none if the
        thread was forgotten `since`."""
        return await self.ledger.unextracted(self.user_id, thread_id, message_ids, since)

    async def extract(
        self, utterances: Sequence[Utterance], started_at: datetime | None = None, *, calls: int = 1
    ) -> Extracted | None:
        """Ask the model about the next utterances, of one thread, not yet extracted; None if there are none.

        While its answers are useless, others are tried, with up to `calls` calls; then it raises ExtractionFailed. A
        message is given up after MAX_FAILURES useless answers, which count once until the model has worked for another.
        """
        model, started_at = self._required_model, started_at or utc_now()
        failure, failed = None, list[Utterance]()
        utterances = [_not_in_the_future(said, utc_now()) for said in utterances]
        while batch := await self._next_batch([said for said in utterances if said not in failed], started_at):
            try:
                return await self._ask(model, batch, started_at)
            except ExtractionFailed as error:
                failure, calls = error, calls - 1
                if error.transient or not calls:
                    raise
                failed += batch if len(batch) == 1 else []
        if failure:
            raise failure
        return None

    async def _next_batch(self, utterances: Sequence[Utterance], since: datetime) -> list[Utterance]:
        thread_id = utterances[0].source.thread_id if utterances else ""
        waiting = await self.unextracted(thread_id or "", [str(said.source.message_id) for said in utterances], since)
        return next_batch(utterances, waiting)

    @property
    def _required_model(self) -> "BaseChatModel":
        if self.model is None:
            raise BadInput("Facts are taken from messages by a model: UserMemory(store, user_id, model=...).")
        return self.model

    async def _ask(self, model: "BaseChatModel", batch: list[Utterance], started_at: datetime) -> Extracted:
        """One model call. Raises ExtractionFailed, and counts it if the answer was useless."""
        known = await self.near([said.text for said in batch])
        try:
            async with asyncio.timeout(self.timeout):
                extraction = await extract(model, batch, known, self.method)
        except TimeoutError as error:
            raise ExtractionFailed(f"no answer within {self.timeout:g} s, with all repeats", transient=True) from error
        except ExtractionFailed as error:
            if not error.transient:
                cause = type(error.__cause__ or error).__name__
                sources, given_up = [said.source for said in batch], list[str | None]()
                async with self.ledger.transaction(self.user_id) as transaction:
                    forgotten = await transaction.forgotten_since(started_at)
                    if EVERYTHING in forgotten:
                        raise Rollback from error  # which leaves the transaction
                    kept = [source for source in sources if forgotten_thread(source.thread_id) not in forgotten]
                    given_up = await transaction.count_failures(kept, cause, limit=MAX_FAILURES)
                for message_id in given_up:
                    ids = {"user": self.user_id, "thread": sources[0].thread_id, "message": message_id}
                    log.warning(Event("given up", **ids))
            raise
        return Extracted(batch, known, extraction, started_at)

    async def learn(self, found: Extracted) -> Changes:
        """Reconcile what the model found with what is known, write the outcome, and update the index if it answers.

        Messages that were extracted before, and what was forgotten since the extraction started, are not learned.
        Raises ExtractionFailed if the embedder has to judge a candidate and does not answer.
        """
        now, seed = utc_now(), self.ledger.pool.cipher.seed(self.user_id)
        # Before the lock, since an embedder may take seconds; in a thread, since a long message takes many comparisons.
        pairs = await asyncio.to_thread(to_compare, seed, found)
        cosines = await self.cosines(pairs) if pairs else {}
        if pairs and not cosines and needs_meaning(found):  # a true fact would be dropped for good
            raise ExtractionFailed(
                "the embedder did not answer, to compare the facts with the messages", transient=True
            )
        proposed, retracted, held, dropped = await asyncio.to_thread(proposals, seed, found, now, cosines)
        changes = Changes()
        async with self.ledger.transaction(self.user_id) as transaction:
            forgotten = await transaction.forgotten_since(found.started_at)
            if EVERYTHING in forgotten:
                raise Rollback  # which leaves the transaction: no row of the user remains
            await transaction.model_answered()
            sources = [said.source for said in found.utterances]
            fresh = await transaction.mark_extracted(
                [source for source in sources if forgotten_thread(source.thread_id) not in forgotten]
            )
            new = [p for p in proposed if p.fact.source in fresh and forgotten.isdisjoint(transaction.names_of(p.fact))]
            retracted, dropped = (retracted, dropped) if fresh else ({}, ())
            held = [
                item for item in held if item.source in fresh and forgotten.isdisjoint(transaction.names_of(item.fact))
            ]
            decided = await decide(transaction, new, retracted, now)
            changes = Changes(held=(*held, *decided.held), dropped=dropped) + await transaction.write(decided, now)
            await transaction.hold(changes.held, self.held_days)
        counts = {name: len(getattr(changes, name)) for name in ("added", "reinforced", "retired")}
        held_why, dropped_why = (
            dict(Counter(item.reason for item in some)) for some in (changes.held, changes.dropped)
        )
        log.info(Event("learned", user=self.user_id, **counts, held=held_why, dropped=dropped_why))
        await self.update_index(self.user_id, changes.ids)
        return changes

    async def extract_and_learn(self, utterances: Sequence[Utterance], started_at: datetime | None = None) -> Changes:
        """Learn from all utterances, of one thread, that are not yet extracted.

        Raises ExtractionFailed after MAX_FAILURES useless answers in a row, or when nothing else is left than messages
        that failed. What was learned until then stays; the error has it, too.
        """
        total, started_at = Changes(), started_at or utc_now()
        try:
            while found := await self.extract(utterances, started_at, calls=MAX_FAILURES):
                total += await self.learn(found)
        except ExtractionFailed as error:
            error.learned = total
            raise
        return total

    async def retry(self, given_up: Utterance, started_at: datetime) -> Changes:
        """Learn from a message that was given up. Raises ExtractionFailed; it then stays given up."""
        return await self.learn(await self._ask(self._required_model, [given_up], started_at))


def _not_in_the_future(said: Utterance, now: datetime) -> Utterance:
    """The utterance, said now where a client's clock was ahead."""
    return said.model_copy(update={"said_at": min(said.said_at, now.astimezone(said.said_at.tzinfo))})
