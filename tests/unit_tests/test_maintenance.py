"""Names of indexes and ids of entries, and when a report is clean."""

import sqlite3
from pathlib import Path

import pytest

from memory.embedded.chroma import chroma_damage
from memory.index.chroma import entry_id, fact_key
from memory.index.protocol import FactKey
from memory.index.registry import index_name
from memory.maintenance import Finding, Report

SOUND = Report(index="facts-local-384-0", backend="chroma", embedder="local", facts=7, queued=0, indexed=7)


def test_an_index_name_has_embedder_and_dimension_and_is_unique() -> None:
    assert index_name("local", 384).startswith("facts-local-384-")
    assert index_name("openai:text-embedding-3-small", 1536).startswith("facts-openai-text-embedding-3-small-1536-")
    assert index_name("local", 384) != index_name("local", 384)


@pytest.mark.parametrize("key", [FactKey("0a", "f1"), FactKey("", "junk"), FactKey("a:b", "f1")])
def test_an_entry_id_is_read_back_as_the_fact_key(key: FactKey) -> None:
    assert fact_key(entry_id(key)) == key


def test_two_users_may_have_a_fact_of_the_same_id() -> None:
    assert entry_id(FactKey("0a", "f1")) != entry_id(FactKey("0b", "f1"))


def test_a_report_is_clean_if_nothing_differs_and_nothing_is_queued() -> None:
    assert SOUND.clean


@pytest.mark.parametrize(
    "found",
    [
        {"queued": 1},
        {"damage": "it is gone"},
        {"missing": Finding(1, ("f1",))},
        {"stale": Finding(1, ("f1",))},
        {"orphans": Finding(1, ("f1",))},
        {"broken_chains": Finding(1, ("f1",))},
    ],
)
def test_a_report_with_anything_to_repair_is_not_clean(found: dict[str, object]) -> None:
    report = {"index": "facts-local-384-0", "backend": "chroma", "embedder": "local", "facts": 7, "queued": 0} | found
    assert not Report(**report).clean  # type: ignore[arg-type]  # each value is of its field's type


def test_damaged_files_that_stop_chroma_from_starting_are_recognised(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert chroma_damage(data) == ""
    data.mkdir()
    assert chroma_damage(data) == ""
    database = data / "chroma.sqlite3"
    with sqlite3.connect(database) as connection:
        connection.execute("create table facts as select randomblob(9000)")
    connection.close()
    assert chroma_damage(data) == ""
    database.write_bytes(database.read_bytes()[:5_000])
    assert "malformed" in chroma_damage(data)
    database.write_bytes(b"x" * 5_000)
    assert chroma_damage(data) == "file is not a database"
