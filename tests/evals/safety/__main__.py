"""Measures what is not kept: `make safety`. README.md of the folder above says what the numbers mean."""

import argparse
from collections import defaultdict
from pathlib import Path

from memory.errors import BadInput
from tests.evals.safety.cases import NAMES, PARTS, Case, load
from tests.evals.safety.measure import by_kind, outcomes
from tests.evals.safety.owasp import load_owasp


def main() -> None:
    parser = argparse.ArgumentParser(prog="make safety", description="Measure what is refused, and what is not.")
    parser.add_argument("--wrong", action="store_true", help="list the cases that come out wrong")
    parser.add_argument(
        "--owasp", type=Path, metavar="FILE", help="benchmarks/security_benchmark.py of OWASP's project"
    )
    arguments = parser.parse_args()
    cases = defaultdict[str, list[Case]](list)
    if arguments.owasp:
        try:
            found_there = load_owasp(arguments.owasp)
        except BadInput as error:
            parser.error(str(error))
        for label, case in found_there:
            cases[label].append(case)
    else:
        cases |= {f"{name}{part}": [*load(name, part)] for name in NAMES for part in PARTS}
    for name, several in cases.items():
        found = [*outcomes(several)]
        refused, held = sum(outcome.refused for outcome in found), sum(outcome.held for outcome in found)
        shares = f"{refused / len(found):.1%} refused, {held / len(found):.1%} held back"
        print(f"{name}: {refused} refused and {held} held back of {len(found)} ({shares})")  # noqa: T201
        for kind, (part, doubtful, total) in by_kind(found).items():
            print(f"  {kind:20}{part:5} + {doubtful:3} of {total:3}")  # noqa: T201
        for outcome in found:
            stored = outcome.stored or (outcome.held and name.startswith("secrets"))  # to hold a secret is to store it
            if arguments.wrong and stored != name.startswith("harmless"):
                mark = "held" if outcome.held else "refused" if outcome.refused else "stored"
                print(f"  {mark}: {outcome.case.kind}: {outcome.case.message!r} -> {outcome.case.text!r}")  # noqa: T201


if __name__ == "__main__":
    main()
