"""Where settings meet adapters: the checkpointer and the store, for the server, the terminal and the tests alike."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.store.base import TTLConfig
from langgraph.store.postgres.aio import AsyncPostgresStore

from agent.models import open_model
from agent.saver import ThreadSaver
from agent.settings import Settings, read_settings
from memory.embedded import Addresses, ServerName, embedded_servers
from memory.embeddings import Embedder, open_embedder
from memory.errors import BadInput
from memory.index.chroma import ChromaIndex, open_chroma
from memory.index.queue import IndexQueue
from memory.index.registry import active_index
from memory.ledger import Ledger
from memory.maintenance import bring_up
from memory.postgres import Pool, migrate, open_pool
from memory.store import FactStore

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

ITEMS_TTL: TTLConfig = {"omit_expired": True, "sweep_interval_minutes": 10}
"""Ordinary items that were put with a time to live are not read after it, and deleted by and by."""


@asynccontextmanager
async def open_checkpointer(
    settings: Settings | None = None, progress: Progress | None = None
) -> AsyncIterator[ThreadSaver]:
    """The saver that keeps session and working memory per thread. Raises BadInput or Unavailable."""
    if settings is None:
        settings = await asyncio.to_thread(read_settings)
    async with _addresses(settings, {"postgres"}, progress) as at, _open_database(at) as pool:
        yield ThreadSaver(pool, settings.langgraph_aes_key)


@asynccontextmanager
async def open_store(settings: Settings | None = None, progress: Progress | None = None) -> AsyncIterator[FactStore]:
    """The store that keeps facts, and other items. Raises BadInput or Unavailable.

    A broken collection is rebuilt first, of which `progress`, or else the log, is told. Wrong names of models are found
    here too, so that they stop the start and not the first turn. What is to be remembered in the background is, before
    the store closes.
    """
    if settings is None:
        settings = await asyncio.to_thread(read_settings)
    for name in {settings.chat_model_name, settings.extraction_model_name}:
        await asyncio.to_thread(open_model, name, settings)
    configured = configured_embedder(settings)
    async with (
        _addresses(settings, {"postgres", "chroma"}, progress) as at,
        _open_database(at) as pool,
        open_chroma(at.chroma or "") as chroma,
    ):
        active = await active_index(pool, configured, settings.chroma_shards)
        embedder = configured if active.embedder == configured.name else _embedder_of(active.embedder, settings)
        if active.shards != settings.chroma_shards:
            log.warning(
                "The collection has %d shards, and CHROMA_SHARDS is %d: `python -m agent reindex` changes it.",
                active.shards,
                settings.chroma_shards,
            )
        await embedder.warm_up()
        queue = IndexQueue(pool, ChromaIndex(chroma, active.name, active.shards), embedder)
        items = AsyncPostgresStore(pool, ttl=ITEMS_TTL)
        store = FactStore(
            Ledger(pool),
            queue,
            items,
            weights=settings.ranking,
            hot_facts=settings.hot_facts,
            hot_bytes=settings.hot_megabytes * 1_000_000,
        )
        await bring_up(store, progress or log.warning)
        spare_the_collector()
        await items.start_ttl_sweeper()  # a server runs none for a store of one's own
        try:
            yield store
        finally:
            try:
                await store.later.finish()
            finally:
                await items.stop_ttl_sweeper()


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


@asynccontextmanager
async def _open_database(at: Addresses) -> AsyncIterator[Pool]:
    """A pool on a database whose tables are up to date, LangGraph's as well as memory's."""
    async with open_pool(at.postgres or "") as pool:
        await migrate(pool, AsyncPostgresSaver(pool).setup, AsyncPostgresStore(pool).setup)
        yield pool


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
    async with embedded_servers(settings.data_dir, wanted, progress=progress) as embedded:
        yield Addresses(
            postgres=settings.postgres_url or embedded.postgres, chroma=settings.chroma_url or embedded.chroma
        )
