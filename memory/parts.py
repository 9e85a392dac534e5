"""The open parts that memory is made of, as one object: the ledger, the index and its queue, the embedder, the cache.

`UserMemory` works on it alone. `FactStore` is the same with LangGraph's store interface.
"""

import logging
from dataclasses import dataclass

from memory.errors import cause_of
from memory.index.embeddings import Embedder
from memory.index.protocol import Index
from memory.index.queue import IndexQueue
from memory.learn.debounce import Debouncer
from memory.ledger.ledger import Ledger
from memory.recall.cache import FactCache
from memory.recall.rank import PRESETS, Weights
from memory.threads.run_lock import RunLocks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecallOptions:
    """How recall searches, and how much of it this process keeps in memory."""

    weights: Weights = PRESETS["default"]
    cached_facts: int = 2_000
    """Facts of one user that the cache holds at most."""
    cache_bytes: int = 256_000_000
    """Bytes that the cache may take for all users."""
    timeout: float = 3.0
    """Seconds until recall goes on without vectors, or without the collection."""


class Parts:
    """What `agent.persistence` opens and closes; it holds nobody's memory in particular."""

    def __init__(self, ledger: Ledger, queue: IndexQueue, options: RecallOptions | None = None) -> None:
        self.ledger = ledger
        self.run_locks, self.debouncer = RunLocks(ledger.pool), Debouncer()
        self.options = options or RecallOptions()
        self.queue = queue

    @property
    def queue(self) -> IndexQueue:
        """What the index has yet to learn; the index and the embedder are its own."""
        return self._queue

    @queue.setter
    def queue(self, queue: IndexQueue) -> None:
        self._queue = queue
        max_facts, max_bytes = self.options.cached_facts, self.options.cache_bytes
        self.cache = FactCache(self.ledger, queue.embedder, max_facts=max_facts, max_bytes=max_bytes)

    @property
    def index(self) -> Index:
        """What recall searches."""
        return self.queue.index

    @property
    def embedder(self) -> Embedder:
        """What makes the vectors that the index holds."""
        return self.queue.embedder

    async def update_index(self, owner: str) -> None:
        """Let the index learn what the ledger has queued for one user; what fails stays queued, and is no error."""
        try:
            await self.queue.drain(owner)
        except Exception as error:  # the facts are in the ledger, whatever happened here
            log.warning("index is behind owner=%s cause=%s", owner, cause_of(error))
