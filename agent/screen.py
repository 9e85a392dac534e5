"""What the terminal program prints: tables for people, plain lines and JSON for scripts, progress on standard error."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from memory.portable import json_line

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


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
    err.print(printable(line), style="dim", markup=False, soft_wrap=True)


def error(message: str) -> None:
    err.print(f"error: {printable(message)}", style="red", markup=False, soft_wrap=True)


def line(text: str) -> None:
    """A line of output, as it is: rich would turn tabs into spaces."""
    out.file.write(f"{printable(text)}\n")


def document(value: Any) -> None:
    """One JSON document, on one line."""
    line(json_line(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> None:
    """A table where a person looks; otherwise one row a line, its cells parted by tabs, without the columns' names.

    The last columns are `texts`, and the only ones that may be broken.
    """
    if not out.is_terminal:
        for row in rows:
            line("\t".join(map(cell, row)))
        return
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns, 1):
        shown.add_column(column, no_wrap=number <= len(columns) - texts, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell(text)) for text in row))
    out.print(shown)


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, where that is a terminal; what it yields is told (done, total)."""
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
