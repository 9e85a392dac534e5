"""Fixtures: the directories for copies of the project, and a check of a copy."""

import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fresh.clone import Clone
from tests.processes import processes

END_TIMEOUT = 30
"""Seconds that the processes of a copy may take to end."""

Check = Callable[[Clone], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tests", action="store_true", help="also run `make test` in each copy of the project")


@contextmanager
def new_place() -> Iterator[Path]:
    """A directory below /tmp that every user can enter. Fails if processes that use it are left, and removes it."""
    place = Path(tempfile.mkdtemp(prefix="fresh-", dir="/tmp")).resolve()
    place.chmod(0o755)
    try:
        yield place
        deadline = time.monotonic() + END_TIMEOUT
        while (remaining := processes(place)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not remaining
    finally:
        for pid in processes(place):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for folder in place.iterdir():
            folder.chmod(stat.S_IRWXU)
        shutil.rmtree(place)


@pytest.fixture
def place() -> Iterator[Path]:
    with new_place() as directory:
        yield directory


@pytest.fixture(scope="module")
def shared_place() -> Iterator[Path]:
    """A directory for a copy that several tests use."""
    with new_place() as directory:
        yield directory


@pytest.fixture
def remembers(request: pytest.FixtureRequest) -> Check:
    """Checks that `make chat` sets up and answers, and that a second start remembers; with --tests, `make test`."""
    pytest.importorskip("agent.offline.model")  # it gives the answers

    def check(clone: Clone) -> None:
        first = clone.make("chat", typed="I live in Lima.\n")
        assert (first.returncode, first.stdout) == (0, "Noted: you live in Lima.\nlearned: lives in Lima\n"), (
            first.stderr
        )
        second = clone.make("chat", typed="Where do I live?\n")
        assert (second.returncode, second.stdout) == (0, "You live in Lima.\n"), second.stderr
        if request.config.getoption("--tests", default=False):
            tested = clone.make("test", "ARGS=--ignore=tests/fresh")
            assert tested.returncode == 0, tested.stdout[-8000:] + tested.stderr[-2000:]

    return check
