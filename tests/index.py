"""Helpers that fill, inspect and break the index, in a separate database."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import psycopg
import pytest
from langchain_core.embeddings import Embeddings
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from agent.settings import Settings
from memory.embedded.connect import Addresses
from memory.errors import Unavailable
from memory.facts.fact import owner_key
from memory.index.protocol import Entry, FactKey, Vectors
from memory.index.queue import IndexQueue
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.maintenance import doctor
from memory.user_memory import UserMemory
from tests.conftest import EXPECTED
from tests.openai_server import ScriptedOpenAI

CITIES = ("Austin", "Lima", "Rome", "Oslo", "Cairo", "Quito", "Perth")


class WordVectors(Embeddings):
    """Vectors of 26 dimensions that count letters. It records its calls, and fails after `answers` calls."""

    def __init__(self, answers: int = 1_000_000) -> None:
        self.calls: list[list[str]] = []
        self.answers = answers

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if len(self.calls) >= self.answers:
            raise ConnectionError("no more")
        self.calls.append(texts)
        return [[float(text.lower().count(chr(97 + n))) for n in range(26)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def settings_of_its_own(servers: Addresses, openai: ScriptedOpenAI, directory: Path) -> Settings:
    """Settings with a new, empty database, so that no other test shares the ledger or the collection."""
    name = f"maintenance_{uuid.uuid4().hex}"
    url = servers.postgres or ""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    return Settings(
        postgres_url=make_conninfo(url, dbname=name),
        chroma_url=servers.chroma or "",
        chroma_shards=1,
        data_dir=directory / "data",
        embedded_idle_timeout=0,
        chat_model="openai:scripted",
        extraction_model="",
        embedder="local",
        openai_api_key=SecretStr("test"),
        openai_base_url=openai.url,
        **EXPECTED,
    )


async def remember(store: FactStore, user: str, *cities: str) -> None:
    for city in cities:
        await store.aput(facts_namespace(user), city, {"text": f"Has lived in {city}"})


async def found(store: FactStore, user: str, query: str) -> list[str]:
    return [hit.fact.text for hit in await UserMemory(store, user).search(query)]


async def entries(store: FactStore) -> list[Entry]:
    """All entries of the collection."""
    return sorted([entry async for page in store.index.scan() for entry in page])


async def keys(store: FactStore, user: str) -> dict[str, FactKey]:
    """City -> the fact's key."""
    return {fact.key: FactKey(owner_key(user), fact.id) for fact in await store.ledger.all(user)}


async def refuse(*arguments: object, **named: object) -> None:
    raise Unavailable("The index does not answer.")


async def write_without_index(store: FactStore, cities: dict[str, Sequence[str]]) -> None:
    """Write facts to the ledger only, like a process that is killed before it writes the index."""
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(IndexQueue, "drain", refuse)
        for user, names in cities.items():
            await remember(store, user, *names)


async def vector(store: FactStore, text: str) -> Vectors:
    (row,) = await store.embedder.embed([text])
    return cast(Vectors, row)


async def until_clean(store: FactStore) -> None:
    """Wait until the collection answers, and has what the ledger has."""
    clean = False
    async with asyncio.timeout(90):
        while not clean:
            with suppress(Unavailable):
                clean = (await doctor(store)).clean
            await asyncio.sleep(0.2)
