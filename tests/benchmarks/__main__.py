"""Measure memory and print one table: make bench. `--quick` takes under a minute, and names pick benchmarks.

Each benchmark is a file beside this one with `async def run(bench: Bench)`.
"""

import argparse
import asyncio
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from tests.benchmarks import freshness, growth, tasks, writes
from tests.benchmarks.place import Bench

BENCHMARKS = {"writes": writes.run, "freshness": freshness.run, "growth": growth.run, "tasks": tasks.run}

out = Console(highlight=False, soft_wrap=True)


def machine() -> str:
    """What it runs on, and how busy that is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, load {os.getloadavg()[0]:.1f}; {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}, Chroma {version('chromadb')}"
    )


async def main(names: list[str], quick: bool) -> None:
    out.print(machine())
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bench = Bench(Path(directory), quick, lambda text: out.print(text, style="dim"))
        for name in names:
            await BENCHMARKS[name](bench)
    widths = [max(len(row[column]) for row in bench.rows) for column in (0, 1)]
    for what, value, remark in bench.rows:
        out.print(f"{what:<{widths[0]}}  {value:>{widths[1]}}  {remark}".rstrip())
    out.print(f"{time.perf_counter() - started:.0f} s; {machine()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which to run; all where none is named")
    parser.add_argument("--quick", action="store_true", help="small sizes, few repetitions")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.names or [*BENCHMARKS], arguments.quick))
