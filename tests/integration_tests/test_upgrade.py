"""Upgrades: a database that a newer version has migrated, while processes of this version run or start."""

import shutil
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from agent.persistence import open_services, open_store
from memory.errors import Unavailable
from memory.ledger import migrate
from memory.user_memory import UserMemory
from tests.commands import Run
from tests.memories import store_of_its_own, texts

# What a version may add: see tests/checks/test_migrations.py.
NEXT_VERSION = """
alter table memory.facts add column mood text, add column language text not null default 'en';
alter table memory.users add column note text;
create table memory.moods (owner text primary key, mood text not null);
create index facts_mood on memory.facts (owner, mood);
"""


async def test_this_version_goes_on_beside_the_next_one_and_no_longer_starts(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: str
) -> None:
    newer = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, newer)
    number = len([*newer.iterdir()]) + 1
    (newer / f"{number:03}_next_version.sql").write_text(NEXT_VERSION)
    async with store_of_its_own(monkeypatch, f"upgrade {uuid.uuid4()}") as store:
        this = UserMemory(store, user)
        await this.remember("Likes green tea")
        with monkeypatch.context() as patched:
            patched.setattr(migrate, "MIGRATIONS", newer)
            async with open_services() as services:
                assert await services.migrate() == number
            async with open_store() as other:
                assert await UserMemory(other, user).remember("Likes rye bread") == 1
        assert texts(await this.current()) == ["Likes green tea", "Likes rye bread"]
        assert await this.remember("Likes plums") == 1
        assert {hit.fact.text for hit in await this.search("green tea, rye bread, plums")} == {
            "Likes green tea", "Likes rye bread", "Likes plums",
        }  # fmt: skip
        (bread,) = [fact for fact in await this.current() if "bread" in fact.text]
        assert await this.forget(fact=bread.id) == 1
        exported = [line async for line in this.export()]
        assert len(exported) >= 2
        with pytest.raises(Unavailable, match=f"has migration {number}, and this version knows {number - 1}: run the"):
            async with open_store():
                pass
        assert texts(await this.current()) == ["Likes green tea", "Likes plums"]


def test_the_command_creates_the_tables_of_an_empty_database(
    environment: dict[str, str], run: Run, tmp_path: Path
) -> None:
    name = f"migrate-{uuid.uuid4()}"
    with psycopg.connect(environment["POSTGRES_URL"], autocommit=True) as connection:
        connection.execute(SQL("create database {}").format(Identifier(name)))
    url = make_conninfo(environment["POSTGRES_URL"], dbname=name)
    outcome = run("migrate", POSTGRES_URL=url)
    number = len([*migrate.MIGRATIONS.iterdir()])
    assert (outcome.code, outcome.err) == (0, f"the database is up to date: migration {number}\n")
    with psycopg.connect(url) as connection:
        for table in ("memory.facts", "checkpoints", "store"):
            assert connection.execute(SQL("select from {}").format(Identifier(*table.split(".")))).rowcount == 0
