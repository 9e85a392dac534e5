"""A backup of Postgres, taken while the agent runs, brings back threads, facts and history; the index is repaired."""

import asyncio
import subprocess
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from agent.persistence import open_checkpointer, open_store
from agent.settings import read_settings
from graphs.chat import builder
from memory.embedded.programs import INSTALLATION, installed_wheel
from memory.maintenance import doctor, repair
from memory.user_memory import UserMemory
from tests.conversation import HOME, candidate, config_of, found, say
from tests.memories import store_of_its_own, texts
from tests.openai_server import ScriptedOpenAI, Text

AUSTIN = candidate("Lives in Austin", "I moved to Austin", "home city", category="location")


def program(name: str, *arguments: str) -> None:
    """Run one of Postgres's own programs."""
    subprocess.run([installed_wheel() / INSTALLATION / "bin" / name, *arguments], check=True, timeout=60)


@pytest.mark.parametrize("index_is_lost", [True, False])
async def test_a_restored_backup_has_everything_up_to_it_and_a_correct_index(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    openai: ScriptedOpenAI,
    tmp_path: Path,
    user: str,
    index_is_lost: bool,
) -> None:
    openai.reply(Text("Noted."), Text("Noted."), Text("Noted."))
    openai.extraction(found(HOME), found(AUSTIN))
    name, dump, thread = f"backup {uuid.uuid4()}", tmp_path / "backup.dump", str(uuid.uuid4())
    async with (
        store_of_its_own(monkeypatch, name, CACHED_FACTS="0", CHROMA_SHARDS="1") as store,
        open_checkpointer() as saver,
    ):
        graph = builder.compile(checkpointer=saver, store=store)
        await say(graph, user, "I live in San Francisco.", thread)
        url = read_settings().postgres_url
        await asyncio.to_thread(program, "pg_dump", "--format=custom", f"--file={dump}", url)
        await say(graph, user, "I moved to Austin", thread)
        await UserMemory(store, user).remember("Likes green tea")
        if index_is_lost:
            await store.index.drop()
    restored = f"restored {uuid.uuid4()}"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f'create database "{restored}"')
    new_url = make_conninfo(url, dbname=restored)
    await asyncio.to_thread(program, "pg_restore", "--exit-on-error", f"--dbname={new_url}", str(dump))
    monkeypatch.setenv("POSTGRES_URL", new_url)
    async with open_store() as store, open_checkpointer() as saver:
        report = await doctor(store)
        await repair(store, report)
        assert (await doctor(store)).clean
        memory = UserMemory(store, user)
        assert texts(await memory.all()) == ["Lives in San Francisco"]
        assert [hit.fact.text for hit in await memory.search("Where is home?")] == ["Lives in San Francisco"]
        assert await store.index.count() == 1
        graph = builder.compile(checkpointer=saver, store=store)
        state = (await graph.aget_state(config_of(thread))).values
        assert [message.text for message in state["messages"]] == ["I live in San Francisco.", "Noted."]
        openai.extraction(found(AUSTIN))
        turn = await say(graph, user, "I moved to Austin", thread)  # said again, since the backup has not heard it
        assert turn.changes
        assert turn.changes["retired"] == ["Lives in San Francisco"]
