"""What the commands print: tables for people, plain lines and JSON for scripts, progress on standard error."""

import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from agent.state import MemoryChanges

MIN_TEXT_WIDTH = 20  # of a column; on a screen without room for it, texts are printed below their rows


@cache
def console(*, stderr: bool = False) -> "Console":
    from rich.console import Console  # takes a tenth of a second, which --help saves

    return Console(stderr=stderr, highlight=False)


def printable(text: str) -> str:
    """The text without control characters, which could steer the terminal."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())


def cell(text: str) -> str:
    """The text on one line."""
    return printable(" ".join(text.split()))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def note(text: str, style: str = "dim") -> None:
    """A line on standard error: what is being done, or that there is nothing to show."""
    with suppress(OSError):  # a full disk does not stop the work
        if sys.stderr and sys.stderr.isatty():
            console(stderr=True).print(printable(text), style=style, markup=False, soft_wrap=True)
        elif sys.stderr:  # None if it is closed
            sys.stderr.write(f"{printable(text)}\n")


def error(message: str) -> None:
    note(f"error: {message}", "red")


def line(text: str) -> None:
    """A line of output, as it is: rich would turn tabs into spaces."""
    sys.stdout.write(f"{printable(text)}\n")


def line_or_note(text: str, empty: str) -> None:
    """The text as a line of output; if there is none, the note `empty`."""
    if text:
        line(text)
    elif empty:
        note(empty)


def print_json(value: Any) -> None:
    """A JSON document on one line."""
    from memory.facts.portable import json_line

    line(json_line(value))


def listing(
    columns: list[str], rows: list[list[str]], empty: str, document: Any, *, as_json: bool, texts: int = 1
) -> None:
    """The rows as a table (see `table`), or the document as JSON; `empty` is the note for no rows."""
    if as_json:
        print_json(document)
    elif rows:
        table(columns, rows, texts=texts)
    else:
        note(empty)


def changes_line(changes: "MemoryChanges") -> str:
    """ "learned: lives in Austin; retired: lives in San Francisco"; "" when nothing changed."""
    labels = {
        "learned": changes["added"],
        "learned as history": changes["history"],
        "known already": changes["reinforced"],
        "retired": changes["retired"],
    }
    return "; ".join(f"{label}: {', '.join(map(lower_first, texts))}" for label, texts in labels.items() if texts)


def dropped_line(changes: "MemoryChanges") -> str:
    """ "not kept: Lives in Lima (quote not found), an item (looks like a password)"; "" when everything was kept."""
    return f"not kept: {', '.join(changes['dropped'])}" if changes["dropped"] else ""


def held_line(changes: "MemoryChanges", how: str) -> str:
    """ "? held back: Wants short answers (reads like an instruction): decide with /held"; "" when nothing was."""
    return f"? held back: {', '.join(changes['held'])}: decide with {how}" if changes["held"] else ""


def own_command(name: str, user: str) -> str:
    """ "`python -m agent held --user ana`": the command of this user, to be copied into a shell."""
    who = "" if user == "default" else f" --user {shlex.quote(user)}"
    return f"`python -m agent {name}{who}`"


def lower_first(text: str) -> str:
    """The text with a small first letter, unless its first word is in capitals."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> None:
    """A table on a terminal; otherwise one row a line, with tabs between cells and without a heading. Only the last
    `texts` columns may be wrapped. On a screen that is too narrow they are printed below their row."""
    if not sys.stdout.isatty():
        for row in rows:
            line("\t".join(map(cell, row)))
        return
    from rich.cells import cell_len
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    cells = [[cell(text) for text in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    needed = [*widths[:-texts], *(min(MIN_TEXT_WIDTH, width) for width in widths[-texts:])]
    if sum(needed) + 2 * (len(needed) - 1) <= console().width:
        shown = Table(box=None, pad_edge=False, header_style="dim")
        for number, column in enumerate(columns, 1):
            shown.add_column(column, no_wrap=number <= len(columns) - texts, overflow="fold")
        for row in cells:
            shown.add_row(*map(Text, row))
        console().print(shown)
        return
    for row, style in ((columns, "dim"), *((row, "") for row in cells)):
        unbroken = "  ".join(text.replace(" ", "\0") for text in row[:-texts] if text)  # lines break between cells
        for filled in textwrap.wrap(unbroken, console().width, break_on_hyphens=False):
            console().print(Text(filled.replace("\0", " "), style, overflow="fold"))
        for text in row[-texts:]:
            console().print(Padding(Text(text, style, overflow="fold"), (0, 0, 0, 2), expand=False))


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error if that is a terminal; call what it yields with (done, total)."""
    from rich.progress import Progress

    shown_on = console(stderr=True)
    with Progress(console=shown_on, transient=True, disable=not shown_on.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def local_zone() -> tzinfo:
    """The time zone of this terminal."""
    return datetime.now().astimezone().tzinfo or UTC


def day_of(moment: datetime) -> str:
    """ "2026-11-22", in the time zone of this terminal."""
    return f"{moment.astimezone():%Y-%m-%d}"


def minute_of(moment: datetime) -> str:
    """ "2026-11-22 12:00", in the time zone of this terminal."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
