"""The index in Postgres: what it needs there, what it says if that is missing, and what it does without Chroma."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from agent.persistence import open_services, open_store
from agent.settings import Settings
from memory.embedded.connect import Addresses
from memory.errors import Unavailable
from memory.index import pgvector
from memory.index.pgvector import Pgvector
from memory.index.queue import IndexQueue
from memory.ledger.pool import open_pool
from memory.maintenance import doctor
from tests.embedded import eventually
from tests.index import CITIES, settings_of_its_own, write_without_index
from tests.openai_server import ScriptedOpenAI
from tests.processes import ROOT, environment, processes

ALONE = """
import asyncio, sys
from agent.persistence import open_services
from memory.maintenance import bring_up, doctor
from memory.user_memory import UserMemory

async def main():
    async with open_services() as services:
        await services.check_index()
        parts = await services.memory_parts()
        await bring_up(parts, print)
        await UserMemory(parts, "ada").remember("I live in Lima.")
        (hit,) = await UserMemory(parts, "ada").search("Where do I live?")
        print(hit.fact.text, (await doctor(parts)).clean, parts.index.backend, "chromadb" in sys.modules)

asyncio.run(main())
"""


@pytest.fixture
def settings(servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path) -> Settings:
    return settings_of_its_own(servers, openai, tmp_path)


@pytest.fixture
async def role(settings: Settings) -> AsyncIterator[str]:
    """The URL of a role that may connect to the database, and not create anything in it."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    async with await psycopg.AsyncConnection.connect(settings.postgres_url, autocommit=True) as connection:
        await connection.execute(f"create role {name} login".encode())
        yield make_conninfo(settings.postgres_url, user=name)
        await connection.execute(f"drop role {name}".encode())


def test_with_the_index_in_postgres_no_chroma_is_imported_or_started(
    settings: Settings, servers: Addresses, tmp_path: Path
) -> None:
    variables = {"POSTGRES_URL": settings.postgres_url, "CHROMA_URL": "", "INDEX": "pgvector"}
    variables |= {"DATA_DIR": str(tmp_path / "data"), "CHAT_MODEL": "offline", "OPENAI_API_KEY": ""}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, env=environment(variables), capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "I live in Lima. True pgvector False\n", done.stderr
    assert not (tmp_path / "data").exists()


async def test_an_embedded_chroma_is_started_only_to_move_the_index(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"index": "pgvector", "chroma_url": "", "data_dir": tmp_path / "data"})
    async with open_services(own) as services:
        assert not processes(tmp_path)
        await (await services.places.open("chroma")).check()
        assert processes(tmp_path)
    eventually(lambda: not processes(tmp_path), "no process is left")


async def test_a_page_is_written_on_the_connection_that_works_off_the_queue(settings: Settings, user: str) -> None:
    async with open_store(settings.model_copy(update={"index": "pgvector"})) as store:
        await write_without_index(store, {user: CITIES})
        async with open_pool(settings.postgres_url, max_size=1, timeout=2) as pool:
            index = Pgvector(pool).index(store.index.name, 384, 1)
            await IndexQueue(pool, index, store.embedder).drain()
        assert (await doctor(store)).clean


async def test_processes_that_need_the_extension_at_once_create_it_once(settings: Settings) -> None:
    async with open_pool(settings.postgres_url) as pool:
        await asyncio.gather(*(Pgvector(pool).check() for _ in range(8)))


async def test_a_server_without_the_extension_is_refused_with_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgvector, "EXTENSION", "vector_of_nowhere")
    async with open_pool(settings.postgres_url) as pool:
        with pytest.raises(Unavailable, match="needs the extension pgvector, which Postgres does not have: install"):
            await Pgvector(pool).check()


async def test_a_role_that_may_not_create_the_extension_is_told_who_may(settings: Settings, role: str) -> None:
    database = psycopg.conninfo.conninfo_to_dict(settings.postgres_url)["dbname"]
    async with open_pool(role) as pool:
        with pytest.raises(Unavailable, match=f'run `create extension vector` in the database "{database}" as'):
            await Pgvector(pool).check()
        async with open_pool(settings.postgres_url) as owner:
            await Pgvector(owner).check()
        await Pgvector(pool).check()
