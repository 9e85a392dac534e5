"""Where settings meet adapters: the checkpointer and the store, for the server, the terminal and the tests alike.

LangGraph takes most of a second to import: what only reads the ledger uses `open_services` and `memory_parts` alone.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from agent.settings import Settings, read_settings
from memory.embedded.connect import Addresses, ServerName, embedded_servers
from memory.errors import BadInput
from memory.index.chroma import ChromaIndex, ChromaServer, open_chroma
from memory.index.embeddings import Embedder, open_embedder
from memory.index.queue import IndexQueue
from memory.index.registry import active_index
from memory.ledger.ledger import Ledger
from memory.ledger.migrate import is_migrated, migrate
from memory.ledger.pool import Pool, open_pool
from memory.maintenance import bring_up
from memory.parts import Parts
from memory.recall.search import RecallOptions

if TYPE_CHECKING:
    from langgraph.store.base import TTLConfig

    from memory.store import FactStore
    from memory.threads.saver import ThreadSaver

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

COMMAND_TIMEOUT = 30
"""Seconds that a command waits for vectors and for the collection, the time to load them included."""

ITEMS_TTL: "TTLConfig" = {"omit_expired": True, "sweep_interval_minutes": 10}
"""Ordinary items that were put with a time to live are not read after it, and deleted by and by."""


@dataclass(frozen=True)
class Services:
    """The servers that memory stands on, as the settings name them."""

    settings: Settings
    pool: Pool
    """Connections to Postgres, where memory's tables are up to date."""
    chroma: ChromaServer


@asynccontextmanager
async def open_services(settings: Settings | None = None, progress: Progress | None = None) -> AsyncIterator[Services]:
    """Postgres and Chroma, embedded where the settings name none. Raises BadInput or Unavailable."""
    if settings is None:
        settings = await asyncio.to_thread(read_settings)
    async with (
        _addresses(settings, {"postgres", "chroma"}, progress) as at,
        open_pool(at.postgres or "") as pool,
        open_chroma(at.chroma or "") as chroma,
    ):
        if not await is_migrated(pool):
            await _migrate(pool)
        yield Services(settings, pool, chroma)


async def memory_parts(services: Services) -> Parts:
    """What one user's memory is read and written with, for a command: no reply waits for it.

    The collection's client and the embedding model are loaded when they are first used.
    """
    ledger, queue = Ledger(services.pool), await _index_queue(services)
    return Parts(ledger, queue, replace(_recall_options(services.settings), timeout=COMMAND_TIMEOUT))


@asynccontextmanager
async def open_checkpointer(
    settings: Settings | None = None, progress: Progress | None = None
) -> "AsyncIterator[ThreadSaver]":
    """The saver that keeps session and working memory per thread. Raises BadInput or Unavailable."""
    from memory.threads.saver import ThreadSaver

    if settings is None:
        settings = await asyncio.to_thread(read_settings)
    async with (
        _addresses(settings, {"postgres"}, progress) as at,
        open_pool(at.postgres or "") as pool,
    ):
        await _migrate(pool)
        yield ThreadSaver(pool, settings.langgraph_aes_key)


@asynccontextmanager
async def open_store(settings: Settings | None = None, progress: Progress | None = None) -> "AsyncIterator[FactStore]":
    """The store that keeps facts, and other items. Raises BadInput or Unavailable.

    A broken collection is rebuilt first, of which `progress`, or else the log, is told. Wrong names of models are found
    here too, so that they stop the start and not the first turn. Background extractions are finished before the store
    closes.
    """
    async with open_services(settings, progress) as services, fact_store(services) as store:
        await services.chroma.check()
        await store.embedder.warm_up()
        await bring_up(store, progress or log.warning)
        spare_the_collector()
        yield store


@asynccontextmanager
async def fact_store(services: Services) -> "AsyncIterator[FactStore]":
    """The same store without a look at the collection: it is not known yet whether that holds what the ledger does."""
    from langgraph.store.postgres.aio import AsyncPostgresStore

    from agent.models import open_model
    from memory.store import FactStore

    settings = services.settings
    for name in {settings.chat_model_name, settings.extraction_model_name}:
        await asyncio.to_thread(open_model, name, settings)
    await _migrate(services.pool)
    items = AsyncPostgresStore(services.pool, ttl=ITEMS_TTL)
    ledger, queue = Ledger(services.pool), await _index_queue(services)
    store = FactStore(ledger, queue, items, _recall_options(settings))
    await items.start_ttl_sweeper()  # a server runs none for a store of one's own
    try:
        yield store
    finally:
        try:
            await store.debouncer.flush()
        finally:
            await items.stop_ttl_sweeper()


async def _index_queue(services: Services) -> IndexQueue:
    """The queue of the index that answers, with the embedder whose vectors it holds."""
    settings, pool = services.settings, services.pool
    configured = configured_embedder(settings)
    active = await active_index(pool, configured, settings.chroma_shards)
    if active.shards != settings.chroma_shards:
        log.warning(
            "The collection has %d shards, and CHROMA_SHARDS is %d: `python -m agent reindex` changes it.",
            active.shards,
            settings.chroma_shards,
        )
    embedder = configured if active.embedder == configured.name else _embedder_of(active.embedder, settings)
    return IndexQueue(pool, ChromaIndex(services.chroma, active.name, active.shards), embedder)


def _recall_options(settings: Settings) -> RecallOptions:
    return RecallOptions(
        weights=settings.ranking, cached_facts=settings.cached_facts, cache_bytes=settings.cache_megabytes * 1_000_000
    )


@cache
def spare_the_collector() -> None:
    """Take what is loaded by now out of the garbage collector's sight, once a process.

    It stays anyway, and to walk through it holds every turn up for a tenth of a second, again and again.
    """
    gc.collect()
    gc.freeze()


def configured_embedder(settings: Settings) -> Embedder:
    """The embedder that EMBEDDER names. Raises BadInput."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    return open_embedder(
        settings.embedder, api_key=key, base_url=settings.openai_base_url, timeout=settings.model_timeout
    )


def _embedder_of(active: str, settings: Settings) -> Embedder:
    """The embedder whose vectors are in the collection, where that is not the configured one. Raises BadInput."""
    log.warning(
        "The facts are embedded with %r, and EMBEDDER is %r: recall goes on with the former until you run "
        "`python -m agent reindex`.",
        active,
        settings.embedder,
    )
    try:
        return configured_embedder(settings.model_copy(update={"embedder": active}))
    except BadInput as error:
        raise BadInput(
            f"The facts are embedded with {active!r}, which needs OPENAI_API_KEY, and EMBEDDER is "
            f"{settings.embedder!r}: set the key (any, where it is lost) and run `python -m agent reindex`, or set "
            f"EMBEDDER={active} again."
        ) from error


async def _migrate(pool: Pool) -> None:
    """Bring the tables up to date, LangGraph's as well as memory's."""
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from langgraph.store.postgres.aio import AsyncPostgresStore

    await migrate(pool, AsyncPostgresSaver(pool).setup, AsyncPostgresStore(pool).setup)


@asynccontextmanager
async def _addresses(
    settings: Settings, needed: set[ServerName], progress: Progress | None
) -> AsyncIterator[Addresses]:
    """Where the needed servers answer: those that are set, and embedded ones for the rest."""
    configured: dict[ServerName, str] = {"postgres": settings.postgres_url, "chroma": settings.chroma_url}
    wanted = frozenset(name for name in needed if not configured[name])
    if not wanted:
        yield Addresses(**configured)
        return
    idle_timeout = settings.embedded_idle_timeout
    async with embedded_servers(settings.data_dir, wanted, idle_timeout=idle_timeout, progress=progress) as embedded:
        yield Addresses(
            postgres=settings.postgres_url or embedded.postgres, chroma=settings.chroma_url or embedded.chroma
        )
