"""Measures what is left of what was forgotten: `make erase-scan`. The exit code is 1 if a canary is found that should
be gone, or is gone although it should have stayed."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import get_args

from rich.console import Console

from tests.erasure.measure import IndexIn, Row, document, measure
from tests.erasure.seed import GONE

out = Console(highlight=False, soft_wrap=True, markup=False)
notes = Console(stderr=True, style="dim")


HEADER = ("forgotten by", "channel", "before", "after", "of these, rows", "purged", "promised", "where it is left")


def line_of(row: Row) -> tuple[str, ...]:
    counts = map(str, (row.before, row.after, row.live, row.purged))
    where = "" if row.as_promised else ", ".join(f"{place}: {count}" for place, count in row.places.items())
    return row.way, row.channel, *counts, "encrypted" if row.hidden else "gone" if row.goes else "stays", where


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", choices=[[], *GONE], help="ways to forget (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--index", choices=get_args(IndexIn), default="chroma", help="where it is (default: chroma)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="erasure-") as directory:
        rows = asyncio.run(measure(Path(directory), arguments.ways or [*GONE], index=arguments.index))
    if arguments.json:
        out.print(json.dumps(document(rows)))
    else:
        lines = [HEADER, *map(line_of, rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER) - 1)]
        for line in lines:
            cells = [cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=True)]
            out.print("  ".join(cells).rstrip())
    broken = [row for row in rows if not row.as_promised]
    notes.print(f"{len(rows) - len(broken)} of {len(rows)} canaries are as promised")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
