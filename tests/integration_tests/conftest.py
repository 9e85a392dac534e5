"""What the tests of the terminal program's commands share."""

import pytest
from typer.testing import CliRunner

from agent.__main__ import app
from tests.commands import Outcome, Run


@pytest.fixture
def offline(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The rule-based model in place of the scripted one."""
    for name, value in {"CHAT_MODEL": "offline", "LOG_LEVEL": "WARNING"}.items():
        monkeypatch.setenv(name, value)
        environment[name] = value
    return environment


@pytest.fixture
def run(environment: dict[str, str], user: str) -> Run:
    """Run a command as this test's user, in this process: what a process does, without its start."""

    def invoke(*arguments: str, typed: str | bytes | None = None, as_user: str = "") -> Outcome:
        for_everybody = arguments[0] in ("doctor", "reindex")
        who = () if for_everybody else ("--user", as_user or user)
        result = CliRunner().invoke(app, [*arguments, *who], input=typed)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "a mistake in this program" not in result.stderr, result.stderr
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return invoke


@pytest.fixture
def told(offline: dict[str, str], run: Run) -> Run:
    """The same, for a user who moved from Lima to Austin and is allergic to nuts."""
    run("observe", "I live in Lima. I'm allergic to nuts. My name is Ada.", "--at", "2020-03-01")
    run("observe", "I moved to Austin last month.", "--at", "2020-06-15T12:00+02:00")
    return run
