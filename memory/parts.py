"""The open parts that memory is made of, as one object: ledger, index, embedder, cache, locks, options."""

import asyncio
import logging
from collections.abc import Sequence

from memory.debounce import Debouncer
from memory.errors import cause_of
from memory.facts.fact import owner_key
from memory.index.protocol import Damaged
from memory.index.queue import IndexQueue
from memory.index.registry import OpenIndex
from memory.ledger.ledger import Ledger
from memory.ledger.receipts import KEPT_DAYS
from memory.logs import Event
from memory.recall.cache import FactCache
from memory.recall.search import RecallOptions, Searcher
from memory.threads.run_lock import RunLocks

log = logging.getLogger(__name__)

HELD_DAYS = 30  # by default, that what is doubtful waits for the user


class Parts:
    """What all users share. `UserMemory` needs only this; `FactStore` adds LangGraph's store interface."""

    def __init__(
        self, ledger: Ledger, queue: IndexQueue, open_index: OpenIndex, options: RecallOptions | None = None
    ) -> None:
        """`queue` is that of the active index; `open_index` opens the others."""
        self.ledger, self.pool, self.open_index = ledger, ledger.pool, open_index
        self.run_locks, self.debouncer = RunLocks(ledger.pool), Debouncer()
        self.options = options or RecallOptions()
        self.receipt_days, self.held_days = KEPT_DAYS, HELD_DAYS
        self.index_failed, self.index_damaged = asyncio.Event(), False
        self.use_index(queue)

    def use_index(self, queue: IndexQueue) -> None:
        """Search this index, embed with its embedder and keep it up to date from now on."""
        self.queue, self.index, self.embedder = queue, queue.index, queue.embedder
        limits = {"max_facts": self.options.cached_facts, "max_bytes": self.options.cache_bytes}
        self.cache = FactCache(self.ledger, queue.embedder.name, **limits)

    def searcher(self, user_id: str) -> Searcher:
        return Searcher(user_id, self.ledger, self.queue, self.cache, self.options, self.report)

    def report(self, error: Exception) -> None:
        """Note that the index failed, for `memory.maintenance.keep_up`, which brings it up to date again."""
        self.index_damaged = self.index_damaged or isinstance(error, Damaged)
        self.index_failed.set()

    async def update_index(
        self, user_id: str, changed: Sequence[str] | None = None, timeout: float | None = None
    ) -> None:
        """Bring the index up to date on the facts with the ids `changed`, or on all of the user's; what fails, or is
        not done in `timeout` seconds, stays queued and is no error."""
        if changed is not None and not changed:
            return
        try:
            async with asyncio.timeout(timeout):
                await self.queue.drain(owner_key(user_id), ids=changed)
        except Exception as error:  # the facts are in the ledger in any case
            log.warning(Event("index is behind", user=user_id, cause=cause_of(error)))
            self.report(error)
