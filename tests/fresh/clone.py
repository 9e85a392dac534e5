"""A copy of this project with its own set-up, and the user accounts and Pythons to test it with."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.processes import ROOT

SETUP_TIMEOUT = 600
"""Seconds a set-up or a chat may take, with an empty package cache on a busy machine."""
TESTS_TIMEOUT = 3600
INSTALLING = ("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_")
"""Prefixes of the variables that say where packages come from. These variables are passed on."""
FREE_USER_ID = 54321
"""A user id without an account."""


@dataclass(frozen=True)
class Clone:
    """A copy in `directory`. Commands run in it without the developer's settings."""

    directory: Path
    home: Path | None
    """The user's home directory; None leaves HOME unset."""
    prefix: Sequence[str] = ()
    """The prefix of each command: a program that changes the user or a limit."""
    python: str = ""
    """The Python to set up with; "" for the one that the Makefile finds."""
    variables: Mapping[str, str] = field(default_factory=dict)

    def make(self, target: str, *arguments: str, typed: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `make target` to its end, with `typed` as its input."""
        return subprocess.run(
            self.command(target, *arguments),
            input=typed,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env={**self.environment(), **variables},
            timeout=TESTS_TIMEOUT if target == "test" else SETUP_TIMEOUT,
            check=False,
        )

    def command(self, target: str, *arguments: str) -> list[str]:
        python = [f"PYTHON={self.python}"] if self.python else []
        return [*self.prefix, "make", "--no-print-directory", target, *python, *arguments]

    def environment(self) -> dict[str, str]:
        """Only variables that say where programs and packages come from; embedded servers stop with their last user."""
        path = [part for part in os.environ["PATH"].split(os.pathsep) if not Path(part).is_relative_to(ROOT)]
        passed_on = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(INSTALLING) or name.lower().endswith("_proxy")
        }
        home = {"HOME": str(self.home)} if self.home else {}
        return {**passed_on, "PATH": os.pathsep.join(path), "EMBEDDED_IDLE_TIMEOUT": "0", **home, **self.variables}


def copy_project(to: Path) -> Path:
    """Copy this project as it is now, with uncommitted changes, without the files that .gitignore names."""
    lines = [line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip()]
    kept = {path for line in lines if line.startswith("!") for path in ROOT.glob(line[1:])}
    named = shutil.ignore_patterns(".git", *lines)
    shutil.copytree(
        ROOT, to, ignore=lambda folder, names: {n for n in named(folder, names) if Path(folder, n) not in kept}
    )
    return to


def package_cache() -> dict[str, str]:
    """Variables that share the developer's package cache, if there is one, so that a set-up takes seconds."""
    shown = subprocess.run([sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True, check=True)
    cache = shown.stdout.strip()
    return {"UV_CACHE_DIR": cache} if os.access(cache, os.W_OK) else {}


def clone_in(directory: Path, **variables: str) -> Clone:
    """A copy below `directory`, with an empty home directory, that shares the developer's package cache."""
    home = directory / "home"
    home.mkdir(parents=True)
    return Clone(copy_project(directory / "project"), home, variables={**package_cache(), **variables})


def as_user(user_id: int) -> list[str]:
    """The prefix of a command that runs it as another user. Skips the test if that is impossible."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a command as another user")
    if not shutil.which("setpriv"):
        pytest.skip("setpriv, which runs a command as another user, is not installed")
    return ["setpriv", f"--reuid={user_id}", f"--regid={user_id}", "--clear-groups", "--"]


def ordinary_user() -> int:
    """The id of a user with an account who is not root: the current user, if possible."""
    return os.geteuid() or pwd.getpwnam("nobody").pw_uid


def free_user() -> int:
    """The id of a user without an account."""
    with pytest.raises(KeyError):
        pwd.getpwuid(FREE_USER_ID)
    return FREE_USER_ID


def give(directory: Path, user_id: int) -> None:
    """Give a directory and everything in it to another user."""
    if user_id != os.geteuid():
        for path in (directory, *directory.rglob("*")):
            os.chown(path, user_id, user_id, follow_symlinks=False)


def find_python(version: str = "", prefix: Sequence[str] = ()) -> str:
    """A Python of this version ("" for any supported one) that the user of `prefix` can run. May skip the test."""
    versions = [version] if version else ["3.11", "3.12", "3.13"]
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep)), *Path.home().glob(".pyenv/versions/*/bin")]
    for candidate in (folder / f"python{name}" for name in versions for folder in folders):
        program = "import ensurepip, sys, venv; print(sys.version_info[:2] >= (3, 11) and sys.executable)"
        try:
            tried = subprocess.run(
                [*prefix, str(candidate), "-c", program], capture_output=True, text=True, cwd="/", check=False
            )
        except OSError:
            continue
        if tried.returncode == 0 and (found := tried.stdout.strip()) != "False":
            return found
    pytest.skip(f"no Python {version or '3.11 or newer'} found that this user can run")
