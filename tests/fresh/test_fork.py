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
    if (checked := ROOT / ".mypy_cache").is_dir():  # saves mypy the installed packages, whose files it compares by hash
        shutil.copytree(checked, clone.directory / checked.name)
    run(clone, "git init -q . && git add -A")
    run(clone, "git -c user.name=Ada -c user.email=ada@example.com commit -qm Fork")
    return clone


def run(clone: Clone, script: str, code: int = 0) -> str:
    """Run a shell script in the copy, which ends with this exit code. Returns what it printed on standard error."""
    ran = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=clone.directory,
        env=clone.environment(),
        capture_output=True,
        text=True,
        timeout=SETUP_TIMEOUT,
        check=False,
    )
    assert ran.returncode == code, f"{script}\n{ran.stdout[-6000:]}\n{ran.stderr[-6000:]}"
    return ran.stderr


def test_a_fork_that_changes_every_part_passes_its_own_checks(fork: Clone) -> None:
    run(fork, "make setup")
    (fork.directory / "agent" / "prices.py").write_text('"""What a repair costs."""\n')
    run(fork, ".venv/bin/python -m pytest tests/checks -q")  # also under the template's name, a module can be added
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
    refused = run(fork, "CHAT_MODEL= OPENAI_API_KEY= .venv/bin/python -m desk --user ada", code=2)
    assert refused.startswith("error: There is no chat model: set OPENAI_API_KEY or CHAT_MODEL"), refused
    assert not (fork.directory / ".data").exists(), "no server was started"
