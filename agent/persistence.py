"""Opens what the settings name: the checkpointer and the store, for the server, the terminal and the tests alike.

LangGraph takes most of a second to import: commands that only read the ledger use `open_services` and `memory_parts`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
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

    from agent.identity import AgentStore
    from memory.threads.saver import ThreadSaver

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

COMMAND_TIMEOUT = 30
"""Seconds that a command waits for vectors and for the collection, including the time to load them."""

ITEMS_TTL: "TTLConfig" = {"omit_expired": True, "sweep_interval_minutes": 10}
"""Ordinary items with a time to live are no longer read after it, and deleted by the next sweep."""


@dataclass(frozen=True)
class Services:
    """The servers that memory uses."""

    settings: Settings
    pool: Pool
    """Connections to Postgres, where memory's tables are up to date."""
    chroma: ChromaServer


@asynccontextmanager
async def open_services(settings: Settings | None = None, progress: Progress | None = None) -> AsyncIterator[Services]:
    """Postgres and Chroma, embedded where the settings name none. Raises BadInput or Unavailable."""
    async with (
        _open_servers(settings, {"postgres", "chroma"}, progress) as (resolved, pool, chroma_url),
        open_chroma(chroma_url) as chroma,
    ):
        if not await is_migrated(pool):
            await _migrate(pool)
        yield Services(resolved, pool, chroma)


async def memory_parts(services: Services) -> Parts:
    """Memory for a command, which can wait longer than a reply.

    The collection's client and the embedding model are loaded when they are first used.
    """
    options = replace(_recall_options(services.settings), timeout=COMMAND_TIMEOUT)
    return Parts(Ledger(services.pool), await _index_queue(services), options)


@asynccontextmanager
async def open_checkpointer(
    settings: Settings | None = None, progress: Progress | None = None
) -> "AsyncIterator[ThreadSaver]":
    """The checkpointer, which keeps each thread's session and working memory. Raises BadInput or Unavailable."""
    from memory.threads.saver import ThreadSaver

    async with _open_servers(settings, {"postgres"}, progress) as (resolved, pool, _):
        await _migrate(pool)
        yield ThreadSaver(pool, resolved.langgraph_aes_key)


@asynccontextmanager
async def open_store(settings: Settings | None = None, progress: Progress | None = None) -> "AsyncIterator[AgentStore]":
    """The store of facts and other items. Raises BadInput or Unavailable.

    A broken collection is rebuilt first, which is reported to `progress` or the log. Wrong names of models are found
    here too, at the start instead of in the first turn. Background extractions are finished before the store closes.
    """
    async with open_services(settings, progress) as services, agent_store(services) as store:
        await services.chroma.check()
        await store.embedder.warm_up()
        await bring_up(store, progress or log.warning)
        yield store


@asynccontextmanager
async def agent_store(services: Services) -> "AsyncIterator[AgentStore]":
    """The same store, before anything checks that the collection matches the ledger."""
    from langgraph.store.postgres.aio import AsyncPostgresStore

    from agent.identity import AgentStore
    from agent.models import open_model

    settings = services.settings
    for name in {settings.chat_model_name, settings.extraction_model_name}:
        await asyncio.to_thread(open_model, name, settings)
    await _migrate(services.pool)
    items = AsyncPostgresStore(services.pool, ttl=ITEMS_TTL)
    store = AgentStore(Ledger(services.pool), await _index_queue(services), items, _recall_options(settings))
    store.settings = settings
    await items.start_ttl_sweeper()  # a server starts none for a custom store
    try:
        yield store
    finally:
        try:
            await store.debouncer.flush()
        finally:
            await items.stop_ttl_sweeper()


async def _index_queue(services: Services) -> IndexQueue:
    """The queue of the active index, with the embedder of the vectors in it."""
    settings, pool = services.settings, services.pool
    configured = configured_embedder(settings)
    active = await active_index(pool, configured, settings.chroma_shards)
    if active.shards != settings.chroma_shards:
        log.warning(
            "The collection has %d shards, and CHROMA_SHARDS is %d: `python -m agent reindex` changes it.",
            active.shards,
            settings.chroma_shards,
        )
    embedder = configured if active.embedder == configured.name else _active_embedder(active.embedder, settings)
    return IndexQueue(pool, ChromaIndex(services.chroma, active.name, active.shards), embedder)


def _recall_options(settings: Settings) -> RecallOptions:
    return RecallOptions(
        weights=settings.ranking, cached_facts=settings.cached_facts, cache_bytes=settings.cache_megabytes * 1_000_000
    )


def configured_embedder(settings: Settings) -> Embedder:
    """The embedder that EMBEDDER names. Raises BadInput."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    return open_embedder(
        settings.embedder, api_key=key, base_url=settings.openai_base_url, timeout=settings.model_timeout
    )


def _active_embedder(name: str, settings: Settings) -> Embedder:
    """The embedder whose vectors are in the collection, where EMBEDDER names another one. Raises BadInput."""
    log.warning(
        "The facts are embedded with %r, and EMBEDDER is %r: recall uses the former until you run "
        "`python -m agent reindex`.",
        name,
        settings.embedder,
    )
    try:
        return configured_embedder(settings.model_copy(update={"embedder": name}))
    except BadInput as error:
        raise BadInput(
            f"The facts are embedded with {name!r}, which needs OPENAI_API_KEY, and EMBEDDER is {settings.embedder!r}: "
            "set the key (any value if it is lost) and run `python -m agent reindex`, or set "
            f"EMBEDDER={name} again."
        ) from error


async def _migrate(pool: Pool) -> None:
    """Bring the tables up to date, LangGraph's as well as memory's."""
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from langgraph.store.postgres.aio import AsyncPostgresStore

    await migrate(pool, AsyncPostgresSaver(pool).setup, AsyncPostgresStore(pool).setup)


@asynccontextmanager
async def _open_servers(
    settings: Settings | None, needed: set[ServerName], progress: Progress | None
) -> AsyncIterator[tuple[Settings, Pool, str]]:
    """The settings, connections to Postgres, and the address of Chroma; servers without an address are embedded."""
    if settings is None:
        settings = await asyncio.to_thread(read_settings)
    configured: dict[ServerName, str] = {"postgres": settings.postgres_url, "chroma": settings.chroma_url}
    async with AsyncExitStack() as stack:
        embedded = Addresses()
        if missing := frozenset(name for name in needed if not configured[name]):
            idle = settings.embedded_idle_timeout
            servers = embedded_servers(settings.data_dir, missing, idle_timeout=idle, progress=progress)
            embedded = await stack.enter_async_context(servers)
        pool = await stack.enter_async_context(open_pool(settings.postgres_url or embedded.postgres or ""))
        yield settings, pool, settings.chroma_url or embedded.chroma or ""
