"""Opens what the settings name: the checkpointer and the store, for the server, the terminal and the tests alike.

LangGraph takes most of a second to import, so commands that only read the ledger use `open_services`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakSet

from pydantic import SecretStr

from agent.host import DEPLOYED, host
from agent.settings import Settings, read_settings
from memory.embedded.connect import Addresses, Say, ServerName, discard_chroma, embedded_servers
from memory.errors import BadInput
from memory.guard.secrets import look_for_identity_numbers_of
from memory.index.chroma import open_chroma
from memory.index.embeddings import Embedder, open_embedder
from memory.index.pgvector import Pgvector
from memory.index.protocol import Backend, Index, Place
from memory.index.queue import IndexQueue
from memory.index.redis import open_redis
from memory.index.registry import Kind, Registered, active_backend, active_index
from memory.ledger.cipher import Cipher
from memory.ledger.encrypt import check_keys, encrypt_facts
from memory.ledger.ledger import Ledger
from memory.ledger.migrate import is_migrated, last_migration, migrate
from memory.ledger.pool import Pool, open_pool
from memory.maintenance import bring_up, drop_forgotten, keep_up
from memory.parts import Parts
from memory.progress import Progress
from memory.purge import clean_up, purge
from memory.recall.search import RecallOptions

if TYPE_CHECKING:
    from langgraph.store.base import TTLConfig

    from agent.identity import AgentStore
    from memory.threads.saver import ThreadSaver

log = logging.getLogger(__name__)

COMMAND_TIMEOUT = 30  # seconds that a command waits for vectors and for the index, and to load them
SWEEPER_TIMEOUT = 1  # seconds that a store that closes waits for the end of a sweep
open_pools: WeakSet[Pool] = WeakSet()  # of this process
ITEMS_TTL: "TTLConfig" = {"omit_expired": True, "sweep_interval_minutes": 10}  # of ordinary items with a time to live


@dataclass(frozen=True)
class Services:
    """The servers that memory uses. Memory's tables in Postgres are up to date."""

    settings: Settings
    pool: Pool
    places: "Places"
    old_keys: Sequence[SecretStr] = ()

    async def migrate(self) -> int:
        """Bring all tables up to date. Returns the number of memory's last migration."""
        await _migrate(self.pool)
        return await last_migration(self.pool)

    @property
    def saver(self) -> "ThreadSaver":
        from memory.threads.saver import ThreadSaver

        return ThreadSaver(self.pool, self.settings.langgraph_aes_key, *self.old_keys)

    async def memory_parts(self) -> Parts:
        """Memory for a command, which can wait longer than a reply. Models are loaded when they are first used."""
        options = replace(_recall_options(self.settings), timeout=COMMAND_TIMEOUT)
        parts = Parts(Ledger(self.pool), await _index_queue(self), self.open_index, options)
        _set_what_is_kept(parts, self.settings)
        return parts

    async def open_index(self, index: Registered) -> Index:
        """An index of the ledger's table. Raises BadInput or Unavailable."""
        return (await self.places.open(index.kind.backend)).index(index.name, index.dimension, index.kind.shards)

    async def purge(self, parts: Parts, progress: Progress, by: str) -> list[str]:
        """Remove what was forgotten from all files (see `memory.purge`)."""
        return await purge(parts, self.discard(parts), progress, by=by)

    def discard(self, parts: Parts) -> Callable[[], Awaitable[None]] | None:
        """What empties the directory of an embedded index; None for an index on a server of its own."""
        embedded = parts.index.backend == "chroma" and not self.settings.chroma_url
        return partial(discard_chroma, self.settings.data_dir) if embedded else None

    async def encrypt(self, progress: Progress) -> int:
        """Encrypt threads and facts as LANGGRAPH_AES_KEY says. Returns how many rows were changed."""
        from memory.threads.saver import encrypt_threads

        return await encrypt_threads(self.saver, progress) + await encrypt_facts(self.pool, progress)

    async def check_index(self) -> None:
        """Raise Unavailable if the place of the active index does not answer. Loads neither a model nor a client."""
        await (await self.places.open(await active_backend(self.pool, self.settings.index))).check()


class Places:
    """Where indexes are kept, one place for each backend. Most processes need one; a reindex may need two."""

    def __init__(
        self, settings: Settings, pool: Pool, chroma: str | None, stack: AsyncExitStack, say: Say | None
    ) -> None:
        """`chroma` is the address of the embedded Chroma if it runs already. What is opened closes with `stack`."""
        self._settings, self._pool, self._chroma, self._stack, self._say = settings, pool, chroma, stack, say
        self._opened: dict[Backend, Place] = {}
        self._opening = asyncio.Lock()

    async def open(self, backend: Backend) -> Place:
        """The place of this backend; its embedded server is started if need be. Raises BadInput or Unavailable."""
        async with self._opening:
            if backend not in self._opened:
                self._opened[backend] = await self._open(backend)
            return self._opened[backend]

    async def _open(self, backend: Backend) -> Place:
        match backend:
            case "pgvector":
                return Pgvector(self._pool)
            case "redis":
                return await self._stack.enter_async_context(open_redis(self._settings.redis_url))
            case "chroma":
                return await self._stack.enter_async_context(await self._chroma_server())

    async def _chroma_server(self) -> AbstractAsyncContextManager[Place]:
        settings = self._settings
        if settings.chroma_url:
            key = settings.chroma_api_key.get_secret_value() if settings.chroma_api_key else ""
            return open_chroma(settings.chroma_url, key, settings.chroma_tenant, settings.chroma_database)
        if not self._chroma:
            servers = await self._stack.enter_async_context(_embedded(settings, {"chroma"}, self._say))
            self._chroma = servers.chroma
        return open_chroma(self._chroma or "")


@asynccontextmanager
async def open_services(
    settings: Settings | None = None, say: Say | None = None, old_keys: Sequence[SecretStr] = ()
) -> AsyncIterator[Services]:
    """Postgres and the index's server, embedded where the settings name none. What is encrypted with `old_keys` can be
    read as well. Raises BadInput or Unavailable."""
    if settings is None:
        settings = await asyncio.to_thread(read_settings)
    async with AsyncExitStack() as stack:
        # Both at once: each takes seconds to start.
        names: set[ServerName] = {"postgres", "chroma"} if settings.index == "chroma" else {"postgres"}
        embedded = await stack.enter_async_context(_embedded(settings, names, say))
        url, connections = settings.postgres_url or embedded.postgres or "", settings.postgres_connections
        cipher = Cipher(settings.langgraph_aes_key, *old_keys)
        pool = await stack.enter_async_context(open_pool(url, max_size=connections, cipher=cipher))
        open_pools.add(pool)
        stack.callback(open_pools.discard, pool)
        is_current = await is_migrated(pool)
        await check_keys(pool)
        if not is_current:
            await _migrate(pool)
        yield Services(settings, pool, Places(settings, pool, embedded.chroma, stack, say), old_keys)


def _embedded(settings: Settings, names: set[ServerName], say: Say | None) -> AbstractAsyncContextManager[Addresses]:
    """Those of the servers that the settings give no address of, as child processes. Raises BadInput on a host where
    their data would be lost."""
    urls: dict[ServerName, str] = {"postgres": settings.postgres_url, "chroma": settings.chroma_url}
    missing, idle = frozenset(name for name in names if not urls[name]), settings.embedded_idle_timeout
    if missing and settings.embedded_on_host == "refuse" and host() in DEPLOYED:
        unset = " and ".join(f"{name.upper()}_URL" for name in sorted(missing, reverse=True))
        why = "the data of an embedded server is lost with this host's container"
        fix = "if DATA_DIR is on a volume that outlives it, set EMBEDDED_ON_HOST=allow instead."
        raise BadInput(f"Set {unset}, since {why}; {fix}")
    return embedded_servers(settings.data_dir, missing, idle_timeout=idle, say=say)


@asynccontextmanager
async def open_checkpointer(settings: Settings | None = None) -> "AsyncIterator[ThreadSaver]":
    """The checkpointer, which keeps each thread's session and working memory. Raises BadInput or Unavailable."""
    async with open_services(settings) as services:
        await _migrate(services.pool)
        yield services.saver


@asynccontextmanager
async def open_store(settings: Settings | None = None, say: Say | None = None) -> "AsyncIterator[AgentStore]":
    """The store of facts and other items, with an index that matches the ledger. Raises BadInput or Unavailable."""
    async with open_services(settings, say) as services, agent_store(services) as store:
        await services.check_index()
        await store.embedder.warm_up()
        await bring_up(store, say or log.warning)
        yield store


@asynccontextmanager
async def agent_store(services: Services) -> "AsyncIterator[AgentStore]":
    """The same store, before its index is checked. Before it closes, it finishes the background extractions that end
    within AFTER_REPLY_TIMEOUT."""
    from langgraph.store.postgres.aio import AsyncPostgresStore

    from agent.chat_models.by_name import open_model
    from agent.identity import AgentStore, open_stores
    from memory.ledger.waiting import within

    settings = services.settings
    for name in {settings.chat_model_name, settings.extraction_model_name}:
        await asyncio.to_thread(open_model, name, settings)
    await _migrate(services.pool)
    items = AsyncPostgresStore(services.pool, ttl=ITEMS_TTL)
    queue, options = await _index_queue(services), _recall_options(settings)
    store = AgentStore(Ledger(services.pool), queue, services.open_index, items, options)
    store.settings, store.learned_later = settings, lambda _: None
    _set_what_is_kept(store, settings)
    open_stores.add(store)
    await items.start_ttl_sweeper()  # a server starts none for a custom store
    every = timedelta(days=settings.purge_every_days) if settings.purge_every_days else None
    work = [keep_up(store, log.warning), drop_forgotten(store), clean_up(store, services.discard(store), every)]
    tasks = [*map(asyncio.create_task, work)]
    try:
        yield store
    finally:
        open_stores.discard(store)
        for task in tasks:
            task.cancel()
        try:
            await within(settings.after_reply_timeout, store.debouncer.flush())
        except TimeoutError:
            seconds, advice = settings.after_reply_timeout, "`python -m agent catch-up` extracts what waits"
            log.warning("background extraction not within %g s of closing: %s", seconds, advice)
        finally:
            with suppress(TimeoutError):
                await within(SWEEPER_TIMEOUT, items.stop_ttl_sweeper())


async def _index_queue(services: Services) -> IndexQueue:
    """The queue of the active index and the embedder of its vectors, even if the settings name others."""
    settings, embedder = services.settings, configured_embedder(services.settings)
    wanted, advice = index_kind(settings), "`python -m agent reindex` changes it."
    index = await active_index(services.pool, embedder, wanted)
    active = index.kind
    if active.backend != wanted.backend:
        log.warning("The index is kept in %s, and INDEX is %s: %s", active.backend, wanted.backend, advice)
    elif active.shards != wanted.shards:
        log.warning("The index has %d shards, and CHROMA_SHARDS is %d: %s", active.shards, wanted.shards, advice)
    if active.embedder != wanted.embedder:
        log.warning("The facts are embedded with %r, and EMBEDDER is %r: %s", active.embedder, embedder.name, advice)
        try:
            embedder = configured_embedder(settings.model_copy(update={"embedder": active.embedder}))
        except BadInput as error:
            fix = f"set the key (any value if it is lost) and reindex, or set EMBEDDER={active.embedder} again."
            needs = f"which needs OPENAI_API_KEY, and EMBEDDER is {settings.embedder!r}"
            raise BadInput(f"The facts are embedded with {active.embedder!r}, {needs}: {fix}") from error
    embedder.dimension = index.dimension
    return IndexQueue(services.pool, await services.open_index(index), embedder)


def _set_what_is_kept(parts: Parts, settings: Settings) -> None:
    """For how long receipts and held items are kept, and which identity numbers are not kept at all."""
    parts.receipt_days, parts.held_days = settings.receipt_days, settings.held_days
    look_for_identity_numbers_of(settings.identity_numbers)


def _recall_options(settings: Settings) -> RecallOptions:
    return RecallOptions(settings.ranking, settings.cached_facts, settings.cache_megabytes * 1_000_000)


def index_kind(settings: Settings) -> Kind:
    """What INDEX, EMBEDDER and CHROMA_SHARDS say."""
    return Kind(settings.index, settings.embedder, settings.chroma_shards if settings.index == "chroma" else 1)


def configured_embedder(settings: Settings) -> Embedder:
    """The embedder that EMBEDDER names. Raises BadInput."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    address, timeout = settings.openai_base_url, settings.model_timeout
    return open_embedder(settings.embedder, api_key=key, base_url=address, timeout=timeout)


async def _migrate(pool: Pool) -> None:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from langgraph.store.postgres.aio import AsyncPostgresStore

    await migrate(pool, AsyncPostgresSaver(pool).setup, AsyncPostgresStore(pool).setup)
