"""`make torture`: kills the agent and its servers repeatedly, at every step and at random, and counts what is lost.

It exits with code 1, and keeps the data directory, if anything acknowledged is lost, duplicated or wrong.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import get_args

from rich.console import Console

from memory.index.protocol import Backend
from tests.torture.points import POINTS, AtRandom, InPersist, Moment, Target
from tests.torture.rig import Outcome, Rig

TARGETS: dict[Target, int] = {"process": 12, "postgres": 2, "index": 3, "supervisors": 1, "everything": 2}
"""How often each is killed at a random moment, of 20 times."""
ROUND = 0.6  # approximate seconds of a round
REPAIR = 1.5  # approximate seconds of repairing one

out = Console(highlight=False, soft_wrap=True)


def moments(kills: int, chance: random.Random, backend: Backend) -> Iterator[Moment]:
    """Cycle through the points that this index has, with a random moment after every second one."""
    points = cycle(
        point
        for point in POINTS
        if point.target in targets_of(backend) and (backend == "chroma" or not isinstance(point, InPersist))
    )
    for number in range(kills):
        yield at_random(chance, backend) if number % 3 == 2 else next(points)


def at_random(chance: random.Random, backend: Backend) -> Moment:
    """A random time in a round or in a repair; or the moment when Chroma persists."""
    match chance.choices(["round", "repair", "persist"], [6, 3, 2 if backend == "chroma" else 0]):
        case ["repair"]:
            return AtRandom(chance.uniform(0, REPAIR), "process", "repair")
        case ["persist"]:
            return InPersist()
    targets = targets_of(backend)
    (target,) = chance.choices([*targets], [*targets.values()])
    return AtRandom(chance.uniform(0, ROUND), target)


def targets_of(backend: Backend) -> dict[Target, int]:
    """TARGETS, without a server of the index if it has none."""
    return {target: share for target, share in TARGETS.items() if target != "index" or backend != "pgvector"}


def summary(outcomes: Sequence[Outcome]) -> str:
    """A line for each moment: the number of kills and of faults."""
    times = Counter(str(outcome.moment) for outcome in outcomes if outcome.struck)
    faults = Counter(str(outcome.moment) for outcome in outcomes for _ in outcome.faults)
    return "\n".join(f"{times[name]:5} kills, {faults[name]} faults: {name}" for name in times | faults)


def main(kills: int, seed: int, backend: Backend) -> int:
    started = time.monotonic()
    finished = 0

    def progress(outcome: Outcome) -> None:
        nonlocal finished
        finished += 1
        for fault in outcome.faults:
            out.print(f"round {outcome.number}, {outcome.moment}: {fault}", style="red", markup=False)
        if finished % 10 == 0 or finished == kills:
            out.print(f"{finished} of {kills} kills, {time.monotonic() - started:.0f} s", style="dim")

    directory = Path(tempfile.mkdtemp(prefix="torture-"))
    out.print(f"{kills} kills, seed {seed}, index {backend}, in {directory}")
    with Rig(directory, backend) as rig:
        outcomes = rig.torture(moments(kills, random.Random(seed), backend), progress)  # noqa: S311 - no secret
    out.print(summary(outcomes), markup=False)
    found = Counter(fault.kind for outcome in outcomes for fault in outcome.faults)
    rebuilt = (directory / "victims.log").read_text().count("Rebuilding it from the ledger")
    struck = sum(outcome.struck for outcome in outcomes)
    out.print(
        f"kills: {struck} ({len(outcomes) - struck} came too late), lost: {found['lost']}, "
        f"duplicated: {found['duplicated']}, wrong: {found['wrong']}, indexes rebuilt: {rebuilt}, "
        f"acknowledged: {sum(len(outcome.acks) for outcome in outcomes)}, seconds: {time.monotonic() - started:.0f}"
    )
    if found:
        out.print(f"the data is kept in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=len(POINTS))
    parser.add_argument("--seed", type=int, default=int(time.time()), help="seed of the random moments")
    parser.add_argument("--index", choices=get_args(Backend), default="chroma")
    arguments = parser.parse_args()
    sys.exit(main(arguments.kills, arguments.seed, arguments.index))
