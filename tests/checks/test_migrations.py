"""Migrations only add, so that processes of the version before go on while those of the next one start."""

import re

import pytest

from memory.ledger.migrate import MIGRATIONS
from tests.checks.report import check

FIRST = "001_"
"""The tables themselves: no version was before them."""

TAKES_AWAY = re.compile(
    r"\b(?:drop|rename|truncate|alter column)\b.*|\badd (?:column )?\w+ [^,;]*not null.*", re.IGNORECASE
)


def taken_away(sql: str) -> list[str]:
    """The parts of a migration at which a process of the version before may fail: it reads what is gone, or writes a
    row without the new column. Lines that end with `-- unused` are left out."""
    lines = [line for line in sql.splitlines() if not line.rstrip().endswith("-- unused")]
    parts = re.split(r"[,;]", " ".join(line.partition("--")[0] for line in lines))
    return [found[0].strip() for part in parts if (found := TAKES_AWAY.search(part)) and "default" not in part.lower()]


def test_migrations_only_add() -> None:
    advice = "add only. If no version in use reads or writes it, end the line with `-- unused`."
    check(
        f"{path.name}: {part!r} breaks processes of the version before, which run during an upgrade: {advice}"
        for path in sorted(MIGRATIONS.glob("*.sql"))
        if not path.name.startswith(FIRST)
        for part in taken_away(path.read_text())
    )


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("alter table memory.facts add column mood text, add column x text not null default 'en';", []),
        (
            "create table memory.moods (owner text primary key, mood text not null)",
            [],
        ),
        ("alter table memory.facts add column x text not null", ["add column x text not null"]),
        ("alter table memory.facts add column x text not null default 1, drop column quote", ["drop column quote"]),
        ("alter table memory.facts\n  rename quote to words;", ["rename quote to words"]),
        ("alter table memory.facts\n  drop column quote; -- unused", []),
    ],
)
def test_what_takes_something_away_is_found(sql: str, found: list[str]) -> None:
    assert taken_away(sql) == found
