"""`make chat` as different users, in different places and with different Pythons. Each test sets up its own copy.

`make test` runs the first few tests, `make fresh` runs all, and `make fresh ARGS=--tests` also runs each copy's tests.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.fresh.clone import (
    SETUP_TIMEOUT,
    Clone,
    as_user,
    clone_in,
    copy_project,
    find_python,
    free_user,
    give,
    ordinary_user,
)
from tests.fresh.conftest import Check
from tests.processes import ROOT, free_port

LONG_NAME = "a café in a path with spaces, which is longer than the name of a unix socket may be"
ONLY_IN_FRESH = pytest.mark.fresh
NEW_PACKAGE = "humanize"
"""A small package on PyPI that this project does not depend on."""


def clone_of(user_id: int, place: Path) -> Clone:
    """A copy in the private home of another user, whose package cache is empty."""
    prefix = as_user(user_id) if user_id != os.geteuid() else []
    home = place / "home"
    home.mkdir(mode=0o700)
    project = copy_project(home / "project")
    give(home, user_id)
    return Clone(project, home, prefix, find_python(prefix=prefix))


@pytest.fixture(scope="module")
def long_path(shared_place: Path) -> Clone:
    """A copy in a long path, below a directory that other users cannot enter."""
    private = shared_place / "private"
    private.mkdir(mode=0o700)
    clone = clone_in(private / LONG_NAME, LC_ALL="C")
    assert len(os.fsencode(clone.directory)) > 107
    return clone


@ONLY_IN_FRESH
def test_root_can_run_it_below_a_private_directory(place: Path, remembers: Check) -> None:
    if os.geteuid() != 0:
        pytest.skip("this test needs root")
    private = place / "root"
    private.mkdir(mode=0o700)
    remembers(clone_in(private))


def test_an_ordinary_user_can_run_it_without_cached_packages(place: Path, remembers: Check) -> None:
    remembers(clone_of(ordinary_user(), place))


def test_it_runs_in_a_long_and_private_path_with_a_space_and_an_accent(long_path: Clone, remembers: Check) -> None:
    remembers(long_path)


def test_it_runs_if_a_proxy_is_down_after_the_set_up(long_path: Clone) -> None:
    setup = long_path.make("setup")
    assert setup.returncode == 0, setup.stderr
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    dead = dict.fromkeys([*names, *(name.lower() for name in names)], f"http://127.0.0.1:{free_port()}")
    first = long_path.make("chat", "ARGS=--user ada", typed="I like tea.\nWhat do I like?\n", **dead)
    assert (first.returncode, first.stdout.splitlines()[-1]) == (0, "You like tea."), first.stderr


@ONLY_IN_FRESH
def test_a_user_without_an_account_or_a_home_can_run_it(place: Path, remembers: Check) -> None:
    clone = clone_of(free_user(), place)
    remembers(Clone(clone.directory, None, clone.prefix, clone.python))


@ONLY_IN_FRESH
def test_it_runs_with_a_home_that_is_not_writable(place: Path, remembers: Check) -> None:
    clone = clone_of(ordinary_user(), place)
    read_only = place / "read-only"
    read_only.mkdir()
    read_only.chmod(0o500)
    give(read_only, ordinary_user())
    remembers(Clone(clone.directory, read_only, clone.prefix, clone.python))
    assert list(read_only.iterdir()) == []


@ONLY_IN_FRESH
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_each_python_runs_it_and_passes_lint_and_unit_tests(version: str, place: Path, remembers: Check) -> None:
    clone = clone_in(place / "here")
    clone = Clone(clone.directory, clone.home, python=find_python(version), variables=clone.variables)
    remembers(clone)
    for target in ("lint", "unit"):
        done = clone.make(target)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@ONLY_IN_FRESH
def test_it_runs_without_setpriv(place: Path, remembers: Check) -> None:
    programs = place / "programs"
    programs.mkdir()
    clone = clone_in(place / "here")
    for folder in map(Path, clone.environment()["PATH"].split(os.pathsep)):
        for program in folder.glob("*"):
            if program.name != "setpriv" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    clone = Clone(clone.directory, clone.home, variables={**clone.variables, "PATH": str(programs)})
    remembers(clone)


@ONLY_IN_FRESH
def test_it_runs_with_a_low_limit_of_open_files(place: Path, remembers: Check) -> None:
    clone = clone_in(place / "here")
    limited = ["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh"]
    remembers(Clone(clone.directory, clone.home, limited, variables=clone.variables))


@ONLY_IN_FRESH
def test_two_concurrent_set_ups_both_succeed(place: Path, remembers: Check) -> None:
    clone = clone_in(place / "here")
    both = [start(clone, "setup") for _ in range(2)]
    assert [one.wait(SETUP_TIMEOUT) for one in both] == [0, 0]
    remembers(clone)


@ONLY_IN_FRESH
def test_a_set_up_that_was_killed_can_be_repeated(place: Path, remembers: Check) -> None:
    clone = clone_in(place / "here")
    whole = entries(ROOT / ".venv")
    for part in (0.00001, 0.02, 0.3, 0.9):
        making = start(clone, "setup")
        while making.poll() is None and entries(clone.directory / ".venv") < part * whole:
            time.sleep(0.01)
        if making.poll() is None:
            os.killpg(making.pid, signal.SIGKILL)
        making.wait()
    remembers(clone)


@ONLY_IN_FRESH
def test_a_stale_lock_is_an_error_and_make_add_locks_again(place: Path, remembers: Check) -> None:
    clone = clone_in(place / "here")
    remembers(clone)
    pyproject = clone.directory / "pyproject.toml"
    before = pyproject.read_text()
    pyproject.write_text(before.replace("dependencies = [", f'dependencies = [\n    "{NEW_PACKAGE}",', 1))
    stale = clone.make("chat", typed="Where do I live?\n")
    assert (stale.returncode != 0, stale.stdout) == (True, "")
    assert "requirements.lock" in stale.stderr
    pyproject.write_text(before)
    pinned = (clone.directory / "requirements.lock").read_text()
    added = clone.make("add", f"PACKAGE={NEW_PACKAGE}")
    assert added.returncode == 0, added.stderr
    locked = (clone.directory / "requirements.lock").read_text()
    assert [line for line in pinned.splitlines() if line[:1].isalpha() and line not in locked] == []
    subprocess.run([clone.directory / ".venv" / "bin" / "python", "-c", f"import {NEW_PACKAGE}"], check=True)


def start(clone: Clone, target: str) -> "subprocess.Popen[bytes]":
    """Start `make target` in its own process group."""
    return subprocess.Popen(clone.command(target), cwd=clone.directory, env=clone.environment(), start_new_session=True)


def entries(directory: Path) -> int:
    """The number of files and folders in a directory, at any depth."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(directory))
