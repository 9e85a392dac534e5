"""Where settings meet adapters: the checkpointer and the store, for the server, the terminal and the tests alike."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.store.postgres.aio import AsyncPostgresStore

from agent.models import open_model
from agent.settings import Settings, read_settings
from memory.embedded import Addresses, ServerName, embedded_servers
from memory.embeddings import open_embedder
from memory.index.chroma import ChromaIndex, open_chroma
from memory.ledger import Ledger
from memory.postgres import Pool, migrate, open_pool
from memory.store import FactStore

Progress = Callable[[str], None]


@asynccontextmanager
async def open_checkpointer(
    settings: Settings | None = None, progress: Progress | None = None
) -> AsyncIterator[AsyncPostgresSaver]:
    """The saver that keeps session and working memory per thread. Raises BadInput or Unavailable."""
    if settings is None:
        settings = await asyncio.to_thread(read_settings)
    async with _addresses(settings, {"postgres"}, progress) as at, _open_database(at) as pool:
        yield AsyncPostgresSaver(pool)


@asynccontextmanager
async def open_store(settings: Settings | None = None, progress: Progress | None = None) -> AsyncIterator[FactStore]:
    """The store that keeps facts, and other items. Raises BadInput or Unavailable.

    Wrong names of models are found here too, so that they stop the start and not the first turn.
    """
    if settings is None:
        settings = await asyncio.to_thread(read_settings)
    for name in {settings.chat_model_name, settings.extraction_model_name}:
        await asyncio.to_thread(open_model, name, settings)
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    embedder = open_embedder(settings.embedder, api_key=key, base_url=settings.openai_base_url)
    async with (
        _addresses(settings, {"postgres", "chroma"}, progress) as at,
        _open_database(at) as pool,
        open_chroma(at.chroma or "") as chroma,
    ):
        await embedder.warm_up()
        index = ChromaIndex(chroma, embedder.name)
        store = FactStore(Ledger(pool), index, embedder, AsyncPostgresStore(pool))
        await store.drain()
        yield store


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
