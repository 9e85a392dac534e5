"""The open parts that memory is made of, as one object: ledger, index, embedder, cache, locks, options."""

import logging

from memory.errors import cause_of
from memory.facts.fact import owner_key
from memory.index.queue import IndexQueue
from memory.learn.debounce import Debouncer
from memory.ledger.ledger import Ledger
from memory.recall.cache import FactCache
from memory.recall.search import RecallOptions, Searcher
from memory.threads.run_lock import RunLocks

log = logging.getLogger(__name__)


class Parts:
    """What all users share. `UserMemory` needs only this; `FactStore` adds LangGraph's store interface."""

    def __init__(self, ledger: Ledger, queue: IndexQueue, options: RecallOptions | None = None) -> None:
        self.ledger, self.pool = ledger, ledger.pool
        self.run_locks, self.debouncer = RunLocks(ledger.pool), Debouncer()
        self.options = options or RecallOptions()
        self.use_index(queue)

    def use_index(self, queue: IndexQueue) -> None:
        """Search this index, embed with its embedder and keep it up to date from now on."""
        self.queue, self.index, self.embedder = queue, queue.index, queue.embedder
        max_facts, max_bytes = self.options.cached_facts, self.options.cache_bytes
        self.cache = FactCache(self.ledger, queue.embedder, max_facts=max_facts, max_bytes=max_bytes)

    def searcher(self, user_id: str) -> Searcher:
        return Searcher(user_id, self.ledger, self.queue, self.cache, self.options)

    async def update_index(self, user_id: str) -> None:
        """Bring the index up to date on one user's facts; what fails stays queued, and is no error."""
        try:
            await self.queue.drain(owner_key(user_id))
        except Exception as error:  # the facts are in the ledger in any case
            log.warning("index is behind user=%r cause=%s", user_id, cause_of(error))
