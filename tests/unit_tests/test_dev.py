"""`make dev`: wrong settings are reported before the server starts, and it gets a valid log level."""

import os
import sys

import pytest

from agent.settings import Settings
from agent.terminal import dev


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "k")


@pytest.mark.parametrize(("name", "value"), [("LOG_LEVEL", "loud"), ("CHAT_MODEL", "foo")])
def test_wrong_settings_are_named_before_the_server_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["dev", "--help"])
    with pytest.raises(SystemExit) as ended:
        dev.main()
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (2, "")
    assert shown.err.startswith(f"error: {name} is {value!r}: ")


def test_authentication_is_checked_before_the_server_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTH", "jwt")
    with pytest.raises(SystemExit) as ended:
        dev.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: AUTH=jwt needs JWT_SECRET or JWT_JWKS")


@pytest.mark.parametrize(("level", "read"), [(" info ", "INFO"), ("", None), (None, None)])
def test_the_server_reads_the_log_level_in_any_case_or_none(
    monkeypatch: pytest.MonkeyPatch, level: str | None, read: str | None
) -> None:
    if level is not None:
        monkeypatch.setenv("LOG_LEVEL", level)
    before = dict(os.environ)
    dev.check_settings()
    assert os.environ.get("LOG_LEVEL") == read
    assert os.environ["LOG_JSON"] == "false"  # the server accepts neither an empty one nor "no"
    assert {**os.environ, "LOG_LEVEL": "", "LOG_JSON": ""} == {**before, "LOG_LEVEL": "", "LOG_JSON": ""}
