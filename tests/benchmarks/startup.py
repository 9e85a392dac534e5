"""What each command of the terminal program costs while the embedded servers run."""

import asyncio
import os
import pty
import resource
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.benchmarks.place import Bench, Table
from tests.processes import ROOT

AGENT = (sys.executable, "-m", "agent")
REFERENCE = (sys.executable, "-c", "import langgraph.graph")
COMMANDS = {
    "--help": (*AGENT, "--help"),
    "memories": (*AGENT, "memories"),
    "history": (*AGENT, "history", "--slot", "user/home city"),
    "profile": (*AGENT, "profile"),
    "as-of": (*AGENT, "as-of", "2026-01-01"),
    "export": (*AGENT, "export"),
    "memories --query": (*AGENT, "memories", "--query", "Where do I live?"),
    "threads": (*AGENT, "threads"),
    "tasks": (*AGENT, "tasks"),
}
PROMPT = "\x1b[?2004h"
"""What prompt-toolkit writes when it is ready for input."""
MAKE_VARIABLES = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS")


class Cost(NamedTuple):
    """Medians over the runs of one command, in seconds."""

    cpu: float
    wall: float


async def run(bench: Bench) -> None:
    with bench.environment("startup", CHAT_MODEL="offline", OPENAI_API_KEY="", EMBEDDED_IDLE_TIMEOUT="60"):
        await asyncio.to_thread(measure, bench)


def measure(bench: Bench) -> None:
    runs = 5 if bench.quick else 15
    subprocess.run([*AGENT, "observe", "I live in Oslo."], cwd=ROOT, check=True, capture_output=True)
    try:
        bench.note(f"startup: each command {runs} times")
        chat = statistics.median(seconds_to_prompt() for _ in range(runs))
        reference = cost_of(REFERENCE, runs)
        table = Table(f"Start-up, median of {runs} runs", ["CPU, s", "wall, s", "x `import langgraph.graph`"])
        table.rows["python -c 'import langgraph.graph'"] = [*reference, 1.0]
        for name, command in COMMANDS.items():
            cost = cost_of(command, runs)
            table.rows[name] = [*cost, cost.wall / reference.wall]
        table.rows["make chat, until its first prompt"] = [None, chat, chat / reference.wall]
        bench.tables.append(table)
    finally:
        subprocess.run([*AGENT, "stop"], cwd=ROOT, check=True, capture_output=True)


def cost_of(command: Sequence[str], runs: int) -> Cost:
    """The cost of the process from start to exit. A first run, which is not counted, warms the disk cache."""
    costs = [_cost(command) for _ in range(runs + 1)][1:]
    return Cost(statistics.median(cost.cpu for cost in costs), statistics.median(cost.wall for cost in costs))


def _cost(command: Sequence[str]) -> Cost:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def seconds_to_prompt() -> float:
    """Seconds from `make chat` until it is ready for input."""
    ours, theirs = pty.openpty()
    # Without the variables that `make bench` passes on, such as ARGS.
    variables = {name: value for name, value in os.environ.items() if name not in MAKE_VARIABLES}
    started, seen = time.perf_counter(), ""
    chat = subprocess.Popen(["make", "chat"], cwd=ROOT, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        while PROMPT not in seen:
            if not select.select([ours], [], [], 60)[0]:
                raise AssertionError(f"no prompt within 60 s:\n{seen}")
            try:
                seen += os.read(ours, 65_536).decode(errors="replace")
            except OSError as error:
                raise AssertionError(f"`make chat` ended before its prompt:\n{seen}") from error
        took = time.perf_counter() - started
        os.write(ours, b"/quit\r")
        while select.select([ours], [], [], 60)[0]:
            try:
                os.read(ours, 65_536)
            except OSError:  # the program has closed the terminal
                break
        chat.wait(60)
        return took
    finally:
        if chat.poll() is None:
            chat.kill()
        os.close(ours)
