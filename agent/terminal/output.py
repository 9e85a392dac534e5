"""What the terminal program prints: tables for people, plain lines and JSON for scripts, progress on standard error.

The imports inside functions cost a tenth of a second, which --help saves.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from memory.errors import MAX_QUOTED as MAX_QUOTED
from memory.errors import quoted as quoted

if TYPE_CHECKING:
    from rich.console import Console

SHORTEST_TEXT = 20
"""Columns that a table leaves for a text at least; with less, the text goes on lines of its own."""


@cache
def out() -> "Console":
    """Standard output."""
    from rich.console import Console

    return Console(highlight=False)


@cache
def err() -> "Console":
    """Standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def printable(text: str) -> str:
    """The text without control characters, which could steer the terminal."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())


def cell(text: str) -> str:
    """The text on one line, as a row of a table has it."""
    return printable(" ".join(text.split()))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def note(line: str) -> None:
    """A dim line beside the output: what is being done, or that there is nothing."""
    _say(line, "dim")


def error(message: str) -> None:
    _say(f"error: {message}", "red")


def _say(text: str, style: str) -> None:
    with suppress(OSError):  # a log on a full disk stops no work
        if not sys.stderr:  # closed
            return
        if not sys.stderr.isatty():
            sys.stderr.write(f"{printable(text)}\n")
            return
        err().print(printable(text), style=style, markup=False, soft_wrap=True)


def line(text: str) -> None:
    """A line of output, as it is: rich would turn tabs into spaces."""
    sys.stdout.write(f"{printable(text)}\n")


def document(value: Any) -> None:
    """One JSON document, on one line."""
    from memory.facts.portable import json_line

    line(json_line(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> None:
    """A table where a person looks; otherwise one row a line, its cells separated by tabs, without a heading.

    The last columns are `texts`, and the only ones that may be broken. Where the screen is too narrow for them beside
    the others, they go below, indented.
    """
    if not sys.stdout.isatty():
        for row in rows:
            line("\t".join(map(cell, row)))
        return
    from rich.table import Table
    from rich.text import Text

    cells = [[cell(text) for text in row] for row in rows]
    if not _fits([columns, *cells], texts, out().width):
        _print_below(columns, cells, texts)
        return
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns, 1):
        shown.add_column(column, no_wrap=number <= len(columns) - texts, overflow="fold")
    for row in cells:
        shown.add_row(*map(Text, row))
    out().print(shown)


def _fits(rows: Sequence[Sequence[str]], texts: int, width: int) -> bool:
    """Whether each text column gets the width that it needs, or SHORTEST_TEXT, beside the columns before it."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    needed = [*widths[:-texts], *(min(SHORTEST_TEXT, widest) for widest in widths[-texts:])]
    return sum(needed) + 2 * (len(needed) - 1) <= width


def _print_below(columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> None:
    """Each row as a line, or several where the screen is that narrow, and its texts below, indented."""
    from rich.padding import Padding
    from rich.text import Text

    for row, style in ((columns, "dim"), *((row, "") for row in rows)):
        for filled in _filled(row[:-texts], out().width):
            out().print(Text(filled, style, overflow="fold"))
        for text in row[-texts:]:
            out().print(Padding(Text(text, style, overflow="fold"), (0, 0, 0, 2), expand=False))


def _filled(cells: Sequence[str], width: int) -> list[str]:
    """The cells in lines of that width; none is broken that fits into one."""
    from rich.cells import cell_len

    lines: list[str] = []
    for text in filter(None, cells):
        if lines and cell_len(lines[-1]) + 2 + cell_len(text) <= width:
            lines[-1] += f"  {text}"
        else:
            lines.append(text)
    return lines


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, where that is a terminal; what it yields is told (done, total)."""
    from rich.progress import Progress

    with Progress(console=err(), transient=True, disable=not err().is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
