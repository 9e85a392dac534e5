"""Runs the benchmarks and prints their results: `make bench`. `--quick` takes about a minute; names choose benchmarks.

Each benchmark is a module of this package with `async def run(bench: Bench)`.
"""

import argparse
import asyncio
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from tests.benchmarks import freshness, growth, load, recall, startup, tasks, threads, writes
from tests.benchmarks.place import Bench

BENCHMARKS = {
    "writes": writes.run,
    "freshness": freshness.run,
    "growth": growth.run,
    "tasks": tasks.run,
    "recall": recall.run,
    "threads": threads.run,
    "startup": startup.run,
    "load": load.run,
}

out = Console(highlight=False, soft_wrap=True, markup=False)
notes = Console(stderr=True, style="dim", highlight=False, soft_wrap=True, markup=False)


def machine() -> str:
    """The machine, its load, and the versions of Python and Chroma."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, load {os.getloadavg()[0]:.1f}; {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}, Chroma {version('chromadb')}"
    )


async def main(names: list[str], *, quick: bool, million: bool, as_json: bool) -> None:
    started, before = time.perf_counter(), machine()
    notes.print(before)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bench = Bench(Path(directory), quick, notes.print, million=million)
        for name in names:
            await BENCHMARKS[name](bench)
    took = time.perf_counter() - started
    if as_json:
        outcome = {"machine": before, "seconds": took, "tables": bench.tables, "rows": bench.rows}
        out.print(json.dumps(outcome, default=asdict))
        return
    for table in bench.tables:
        out.print(f"{table.markdown()}\n")
    widths = [max((len(row[column]) for row in bench.rows), default=0) for column in (0, 1)]
    for what, value, remark in bench.rows:
        out.print(f"{what:<{widths[0]}}  {value:>{widths[1]}}  {remark}".rstrip())
    out.print(f"{took:.0f} s; {machine()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="benchmarks to run (default: all)")
    parser.add_argument("--quick", action="store_true", help="use small sizes and few repetitions")
    parser.add_argument("--million", action="store_true", help="also with a million facts (most of an hour)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    arguments = parser.parse_args()
    asyncio.run(
        main(
            arguments.names or [*BENCHMARKS],
            quick=arguments.quick,
            million=arguments.million,
            as_json=arguments.json,
        )
    )
