"""Tables on wide and narrow screens, and values in error messages."""

import io
import sys

import pytest
from rich.console import Console

from agent.terminal import output
from memory.errors import MAX_QUOTED, quoted

COLUMNS = ["id", "said", "category", "state", "text"]
ROWS = [
    ["bd59af10", "2026-11-22", "constraint", "current", "Is allergic to peanuts, cashews and every other nut there is"],
    ["4ff45923", "2019-01-01", "location", "until 2026-11-28", "Lives in Lima"],
]


def printed(monkeypatch: pytest.MonkeyPatch, width: int, rows: list[list[str]], texts: int = 1) -> list[str]:
    """The lines of a table with these rows on a screen with this many columns."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, highlight=False)
    monkeypatch.setattr(output, "console", lambda: console)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.table(COLUMNS[: len(rows[0])], rows, texts=texts)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    return [line.rstrip() for line in lines]


def test_a_wide_screen_shows_each_text_in_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    heading, first, *_, last = printed(monkeypatch, 80, ROWS)
    assert heading.split() == COLUMNS
    assert first.startswith("bd59af10  2026-11-22  constraint  current           Is allergic to")
    assert last == "4ff45923  2019-01-01  location    until 2026-11-28  Lives in Lima"


def test_a_narrow_screen_shows_each_text_below_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, 45, ROWS) == [
        "id  said  category  state",
        "  text",
        "bd59af10  2026-11-22  constraint  current",
        "  Is allergic to peanuts, cashews and every",
        "  other nut there is",
        "4ff45923  2019-01-01  location",
        "until 2026-11-28",
        "  Lives in Lima",
    ]


def test_a_very_narrow_screen_still_shows_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    words = " ".join(printed(monkeypatch, 30, ROWS)).split()
    assert all(word in words for row in ROWS for cell in row for word in cell.split())


def test_short_texts_stay_in_their_rows_if_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    short = [[*row[:4], "Likes tea"] for row in ROWS]
    assert len(printed(monkeypatch, 61, short)) == 3
    assert len(printed(monkeypatch, 60, short)) > 3


def test_two_texts_that_do_not_fit_are_both_shown_below(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["now", "0.512", "Lives in Austin", "similarity 0.300, cosine 0.600; words 0.212, shares live"]]
    assert printed(monkeypatch, 45, rows, texts=2) == [
        "id  said",
        "  category",
        "  state",
        "now  0.512",
        "  Lives in Austin",
        "  similarity 0.300, cosine 0.600; words",
        "  0.212, shares live",
    ]


def test_an_error_quotes_only_the_beginning_of_a_value() -> None:
    assert quoted("ffff") == "'ffff'"
    assert len(quoted("x" * 10_000_000)) == MAX_QUOTED + 2
    assert quoted("a\0\x1b[2J") == r"'a\x00\x1b[2J'"
