"""A project made from the template passes its own checks after every change described in docs/customising.md."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documents import IS_TEMPLATE, ROOT, DoesNotApply, blocks, change
from tests.fresh.clone import SETUP_TIMEOUT, Clone, clone_in

CUSTOMISING = ROOT / "docs" / "customising.md"


@pytest.fixture
def fork(place: Path) -> Clone:
    """A copy of this project in its own Git repository."""
    if not IS_TEMPLATE:
        pytest.skip("this project was made from the template and has already changed")
    if not shutil.which("git"):
        pytest.skip("docs/customising.md needs git")
    clone = clone_in(place)
    run(clone, "git init -q . && git add -A")
    run(clone, "git -c user.name=Ada -c user.email=ada@example.com commit -qm Fork")
    return clone


def run(clone: Clone, script: str) -> None:
    """Run a shell script in the copy."""
    ran = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=clone.directory,
        env=clone.environment(),
        capture_output=True,
        text=True,
        timeout=SETUP_TIMEOUT,
        check=False,
    )
    assert ran.returncode == 0, f"{script}\n{ran.stdout[-6000:]}\n{ran.stderr[-6000:]}"


def test_a_fork_that_changes_every_part_passes_its_own_checks(fork: Clone) -> None:
    run(fork, "make setup")
    for block in blocks(CUSTOMISING, "diff", "sh"):
        if block.language == "sh":
            run(fork, block.text)
            continue
        try:
            change(block).apply(fork.directory)
        except DoesNotApply as error:  # `make lint` fails with the same message in the template
            pytest.skip(str(error))
    assert not [name for name in ("agent", "memory", "graphs") if (fork.directory / name).exists()]
    run(fork, "make lint unit")
