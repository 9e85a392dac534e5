"""The terminal program as a process: its imports, its output, and how it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.commands import Run
from tests.conversation import candidate, found
from tests.openai_server import After, Hang, ScriptedOpenAI
from tests.processes import chat
from tests.processes import environment as environment_of
from tests.screen import terminal


def run_and_list_imports(arguments: list[str], libraries: tuple[str, ...], variables: Mapping[str, str]) -> str:
    """Run a command in a new process. Returns its output, its exit code and which of the libraries it imported."""
    program = (
        "import sys; from typer.testing import CliRunner; from agent.__main__ import app; "
        f"result = CliRunner().invoke(app, {arguments}); "
        f"print(result.stdout, result.exit_code, [name for name in {libraries} if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, env=environment_of(variables), check=True).stdout


def test_help_imports_neither_langgraph_nor_chroma() -> None:
    libraries = ("langgraph", "chromadb", "langchain", "langchain_core", "numpy", "pydantic", "psycopg", "rich")
    shown = run_and_list_imports(["--help"], libraries, {})
    for name in (
        "memories", "history", "as-of", "profile", "observe", "context", "export", "import", "forget", "threads",
        "tasks", "catch-up", "doctor", "reindex", "stop",
    ):  # fmt: skip
        assert f"\n  {name} " in shown
    assert shown.endswith(" 0 []\n")


@pytest.mark.parametrize("command", ["memories", "history --slot user/name", "profile", "as-of 2026-01-01", "export"])
def test_commands_that_read_the_ledger_import_no_langgraph_or_chroma(
    environment: dict[str, str], run: Run, command: str
) -> None:
    run("memories")  # the first command creates the tables, including LangGraph's
    libraries = ("langgraph", "chromadb", "langchain_core", "langsmith", "onnxruntime", "httpx")
    assert run_and_list_imports(command.split(), libraries, environment).endswith(" 0 []\n")


def test_standard_output_holds_only_the_export_even_if_servers_start(
    environment: dict[str, str], tmp_path: Path
) -> None:
    fresh = {**environment, "CHROMA_URL": "", "DATA_DIR": str(tmp_path / "data")}
    shown = chat("", fresh, tmp_path, "export", "--user", "nobody-yet")
    assert (shown.returncode, shown.stdout) == (0, '{"format": "remembering-agent memory", "version": 1}\n')
    assert "Starting Chroma" in shown.stderr


def observing(
    environment: dict[str, str], openai: ScriptedOpenAI, directory: Path, user: str
) -> "subprocess.Popen[bytes]":
    """A process that observes "I like tea." and is waiting for the model's answer."""
    program = subprocess.Popen(
        [sys.executable, "-m", "agent", "observe", "I like tea.", "--user", user],
        cwd=directory,
        env=environment_of({**environment, "MODEL_TIMEOUT": "60", "LOG_LEVEL": "WARNING"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not openai.calls("extraction"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return program


def test_ctrl_c_ends_a_command_with_130(
    environment: dict[str, str], openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    openai.extraction(Hang())
    program = observing(environment, openai, tmp_path, user)
    os.kill(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize("module", ["typer", "pydantic", "psycopg", "agent.persistence"])
def test_ctrl_c_during_the_imports_prints_no_traceback(
    environment: dict[str, str], tmp_path: Path, module: str
) -> None:
    program = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "agent", "profile"],
        cwd=tmp_path,
        env=environment_of(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr
    assert any(line.endswith(f" {module}\n") for line in program.stderr)  # its import has started
    os.kill(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode in (-signal.SIGINT, 130), out) == (True, "")
    assert [line for line in err.splitlines() if not line.startswith("import time:")] == []


def test_ctrl_c_while_servers_start_ends_the_command(environment: dict[str, str], tmp_path: Path) -> None:
    fresh = {**environment, "CHROMA_URL": "", "DATA_DIR": str(tmp_path / "data")}
    with terminal(fresh, tmp_path, "profile") as screen:
        screen.wait_for("Starting Chroma")
        os.kill(screen.program.pid, signal.SIGINT)
        assert screen.program.wait(60) == 130
        assert "Traceback" not in screen.rest()


@pytest.mark.parametrize("arguments", [["--help"], ["export"], ["profile", "--json"]])
def test_a_full_disk_for_standard_output_is_a_one_line_error(
    environment: dict[str, str], tmp_path: Path, arguments: list[str]
) -> None:
    with Path("/dev/full").open("wb") as full:
        program = subprocess.run(
            [sys.executable, "-m", "agent", *arguments],
            cwd=tmp_path,
            env=environment_of(environment),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert program.stderr == b"error: The output cannot be written: No space left on device.\n"
    assert program.returncode == 1


def test_a_closed_pipe_ends_an_export_quietly(environment: dict[str, str], tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    program = subprocess.run(
        [sys.executable, "-m", "agent", "export"],
        cwd=tmp_path,
        env=environment_of(environment),
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    assert (program.returncode, program.stderr) == (1, b"")


def test_a_lost_connection_is_a_one_line_error(
    environment: dict[str, str], openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    lost = threading.Event()
    openai.extraction(After(lost, found(candidate("Likes tea", "I like tea", "likes"))))
    shared = environment["POSTGRES_URL"]
    with psycopg.connect(shared, autocommit=True) as connection:
        connection.execute(f'create database "{user}"')
        program = observing({**environment, "POSTGRES_URL": make_conninfo(shared, dbname=user)}, openai, tmp_path, user)
        connection.execute(f'drop database "{user}" with (force)')
    lost.set()
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (1, b"")
    assert err.startswith(b"error: ")
    assert err.count(b"\n") == 1
    assert b"tea" not in err
