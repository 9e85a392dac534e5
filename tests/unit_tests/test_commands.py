"""Commands without a server: a fact's state, error lines, the help and the version."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import DiskFull, InsufficientPrivilege, ReadOnlySqlTransaction
from typer.testing import CliRunner

from agent.__main__ import app
from agent.terminal.app import bug_report, failure_of
from agent.terminal.show import fact_rows, state_of
from memory.errors import Unavailable
from tests.facts import NOON, make_fact
from tests.processes import environment

BEFORE, AFTER = NOON - timedelta(days=100), NOON + timedelta(days=100)  # 2026-08-14 and 2027-03-02
TOMORROW = NOON + timedelta(days=1)
NOW = NOON + timedelta(days=10)  # 2026-12-02


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "current"),
        ({"valid_from": BEFORE, "valid_until": AFTER}, "current"),
        ({"valid_from": AFTER}, "from 2027-03-02"),
        ({"valid_from": AFTER, "valid_until": AFTER + timedelta(days=7)}, "from 2027-03-02"),
        ({"valid_until": TOMORROW}, "until 2026-11-23"),
        ({"retired_reason": "superseded", "ended_at": BEFORE}, "until 2026-08-14"),
        ({"retired_reason": "superseded", "ended_at": NOON, "valid_until": BEFORE}, "until 2026-08-14"),
        ({"retired_reason": "superseded", "ended_at": AFTER, "valid_from": BEFORE}, "until 2027-03-02"),
        ({"retired_reason": "superseded"}, "until 2026-12-01"),
        ({"retired_reason": "superseded", "valid_from": AFTER, "ended_at": NOON}, "cancelled 2026-11-22"),
        ({"retired_reason": "superseded", "valid_from": TOMORROW, "ended_at": AFTER}, "until 2027-03-02"),
        ({"retired_reason": "expired", "ended_at": BEFORE, "valid_until": BEFORE}, "until 2026-08-14"),
        ({"retired_reason": "expired", "ended_at": NOON, "valid_until": NOON}, "before 2026-11-22"),
        ({"retired_reason": "retracted", "ended_at": NOON}, "retracted 2026-11-22"),
        ({"retired_reason": "retracted", "ended_at": NOON, "valid_until": BEFORE}, "retracted 2026-11-22"),
        ({"retired_reason": "refined", "ended_at": BEFORE}, "refined"),
    ],
)  # fmt: skip
def test_the_state_of_a_fact_says_whether_and_until_when_it_held(values: dict[str, Any], state: str) -> None:
    retired_at = NOW - timedelta(days=1) if "retired_reason" in values else None
    assert state_of(make_fact("Lives in Lima", retired_at=retired_at, **values), NOW) == state


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DiskFull("could not extend file: Lives in Lima"), "The database's disk is full: free some space"),
        (InsufficientPrivilege("Lives in Lima"), "The role in POSTGRES_URL may not do this: name the owner of"),
        (ReadOnlySqlTransaction("Lives in Lima"), "The database is read-only: name a server in POSTGRES_URL"),
        (psycopg.OperationalError("Lives in Lima"), "The connection to the database was lost"),
        (psycopg.DataError("Lives in Lima"), "The database refused this (DataError)."),
        (OSError(28, "No space left on device"), "The output cannot be written: No space left on device."),
        (PermissionError(13, "Permission denied", "/a/b"), "'/a/b': Permission denied."),
        (ConnectionResetError(104, "Connection reset by peer"), "A connection was lost (ConnectionResetError)"),
        (Unavailable("Chroma does not answer."), "Chroma does not answer."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_without_the_text_of_facts(error: Exception, line: str) -> None:
    shown = failure_of(error) or ""
    assert shown.startswith(line)
    assert "Lima" not in shown
    assert "\n" not in shown


def test_a_bug_report_has_the_traceback_without_the_text_of_facts() -> None:
    fact = make_fact(" ".join(["Lives", "in", "Lima"]))
    with pytest.raises(KeyError) as raised:
        raise KeyError(fact.text)
    assert failure_of(raised.value) is None
    shown = bug_report(raised.value)
    assert shown.startswith("KeyError, which is a bug in this program:\n")
    assert "test_commands.py" in shown
    assert "Lives in Lima" not in shown


@pytest.mark.parametrize("arguments", [[], ["threads"], ["held"]])
def test_no_command_summary_in_the_help_is_truncated(arguments: list[str]) -> None:
    shown = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "80"}).stdout
    assert "Commands:" in shown
    assert "..." not in shown.partition("Options:")[2]


def test_the_version_is_that_of_the_package() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.stdout) == (0, "0.1.0\n")


@pytest.mark.parametrize("days", ["inf", "-inf", "nan", "1e300", "-1", "36501", "abc", ""])
def test_an_invalid_number_of_days_is_one_line_that_names_it(days: str) -> None:
    refused = CliRunner().invoke(app, ["threads", "prune", f"--older-than={days}"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert re.search(r"Invalid value for '--older-than': .*(integer|than or equal to (0|36500))\n$", refused.stderr)


@pytest.mark.parametrize("tokens", ["-1", "abc", "2.5", "1" + "0" * 20])
def test_an_invalid_number_of_tokens_is_one_line_that_names_it(tokens: str) -> None:
    refused = CliRunner().invoke(app, ["context", "hi", f"--tokens={tokens}"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert re.search(r"Invalid value for '--tokens': .*(integer|than or equal to (0|1000000))\n$", refused.stderr)


@pytest.mark.parametrize("command", ["export", "memories", "--version"])
def test_a_closed_standard_output_is_a_one_line_error(command: str, tmp_path: Path) -> None:
    program = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "agent", command],
        capture_output=True,
        env=environment({"DATA_DIR": str(tmp_path)}),
        check=False,
    )
    assert (program.returncode, program.stderr) == (1, b"error: The output cannot be written: it is closed.\n")


@pytest.mark.parametrize("closed", ["<&-", "2>&-"])
def test_a_closed_standard_input_or_error_counts_as_empty(closed: str, tmp_path: Path) -> None:
    program = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "agent", "forget", "--everything"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment({"DATA_DIR": str(tmp_path)}),
        check=False,
    )
    assert (program.returncode, program.stdout) == (2, "")
    assert ("confirm it with --yes" in program.stderr) == (closed == "<&-")


@pytest.mark.parametrize("when", ["99999-01-01", "0001-01-01T00:00+05:00", "x" * 10_000_000, "2026\0"])
def test_an_invalid_date_is_one_short_line(when: str) -> None:
    refused = CliRunner().invoke(app, ["as-of", when])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "is not a time" in refused.stderr
    assert len(refused.stderr) < 200


def test_only_the_last_of_a_slot_is_shown_as_current() -> None:
    home: dict[str, Any] = {"attribute": "home city", "exclusive": True}
    rome = make_fact("Lives in Rome", observed_at=NOW - timedelta(days=90), **home)
    berlin = make_fact(
        "Lives in Berlin", observed_at=NOW - timedelta(days=60), valid_from=NOW - timedelta(days=30), **home
    )
    assert [row[3:] for row in fact_rows([rome, berlin])] == [
        ["replaced", "Lives in Rome"],
        ["current", "Lives in Berlin"],
    ]
