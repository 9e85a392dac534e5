"""Helpers that open a user's memory, and a database for a single test."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from agent.chat_models.by_name import open_model
from agent.persistence import open_store
from agent.settings import read_settings
from memory.facts.fact import Fact
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.user_memory import UserMemory


def remembering(store: FactStore, user: str, model: str = "openai:scripted") -> UserMemory:
    """The memory of a user, with a model for `observe`."""
    return UserMemory(store, user, model=open_model(model, read_settings()))


async def put(store: FactStore, user: str, key: str, text: str, **values: object) -> None:
    """Put a fact into the store."""
    await store.aput(facts_namespace(user), key, {"text": text, **values})


def day(text: str) -> datetime:
    """The moment of an ISO date or time, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def texts(facts: Iterable[Fact]) -> list[str]:
    return [fact.text for fact in facts]


@asynccontextmanager
async def store_of_its_own(monkeypatch: pytest.MonkeyPatch, name: str, **variables: str) -> AsyncIterator[FactStore]:
    """A store in a new, empty database of this name."""
    url = read_settings().postgres_url
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f'create database "{name}"')
    for variable, value in ({"POSTGRES_URL": make_conninfo(url, dbname=name)} | variables).items():
        monkeypatch.setenv(variable, value)
    async with open_store() as store:
        yield store
