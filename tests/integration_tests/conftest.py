"""Fixtures for the tests of commands and of the embedded servers."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.__main__ import app
from memory.embedded.connect import ServerName
from tests.commands import Outcome, Run
from tests.embedded import BOTH, Client, StartClient, eventually
from tests.processes import processes


@pytest.fixture(scope="session")
def offline_model() -> None:
    """Skips tests that need the offline model if a fork has removed it."""
    pytest.importorskip("agent.offline.model")


@pytest.fixture
def offline(environment: dict[str, str], offline_model: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The offline model in place of the scripted one."""
    for name, value in {"CHAT_MODEL": "offline", "LOG_LEVEL": "WARNING"}.items():
        monkeypatch.setenv(name, value)
        environment[name] = value
    return environment


@pytest.fixture
def run(environment: dict[str, str], user: str) -> Run:
    """Run a command, or the chat, as this test's user in this process, which saves the start of a new one.

    Without arguments it is the chat, and `typed` its lines. Names in capitals are settings for this run.
    """

    def invoke(
        *arguments: str, typed: str | bytes | None = None, as_user: str | None = None, **settings: str
    ) -> Outcome:
        for_everybody = arguments[:1] in (("doctor",), ("encrypt",), ("migrate",), ("reindex",))
        who = () if for_everybody else ("--user", user if as_user is None else as_user)
        result = CliRunner().invoke(app, [*arguments, *who], input=typed, env=settings)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "a bug in this program" not in result.stderr, result.stderr
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return invoke


@pytest.fixture
def ada(offline: dict[str, str], run: Run) -> Run:
    """Run a command as a user who moved from Lima to Austin and is allergic to nuts."""
    run("observe", "I live in Lima. I'm allergic to nuts. My name is Ada.", "--at", "2020-03-01")
    run("observe", "I moved to Austin last month.", "--at", "2020-06-15T12:00+02:00")
    return run


@pytest.fixture
def start_client() -> Iterator[StartClient]:
    clients: list[Client] = []

    def start(
        data_dir: Path,
        wanted: frozenset[ServerName] = BOTH,
        prefix: Sequence[str] = (),
        idle_timeout: float = 0,
    ) -> Client:
        clients.append(Client(data_dir, wanted, prefix, idle_timeout))
        return clients[-1]

    yield start
    for client in clients:
        client.end()


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A path for a data directory. Fails if its processes still run after the test."""
    yield tmp_path / "data"
    eventually(lambda: not processes(tmp_path), "no process is left")


@pytest.fixture
def owned_dir() -> Iterator[Callable[[int, int], Path]]:
    """Makes a data directory of another user, below directories that every user can enter."""
    with tempfile.TemporaryDirectory(prefix="embedded-") as directory:

        def make(uid: int, gid: int) -> Path:
            data_dir = Path(directory, "data")
            data_dir.mkdir(mode=0o700)
            if os.geteuid() == 0:
                Path(directory).chmod(0o711)
                os.chown(data_dir, uid, gid)
            return data_dir

        yield make
        eventually(lambda: not processes(Path(directory)), "no process is left")
