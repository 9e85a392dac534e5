"""A traced run of everything without a key: nothing is sent to other machines, and `make dev` logs no noise."""

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client

from agent.settings import Settings
from tests.processes import READY_TIMEOUT, dev_server, environment, ready
from tests.strace import outbound, strace

COMMANDS = """
set -e
printf 'I live in Oslo.\\nWhere do I live?\\n' | "$PYTHON" -m agent
"$PYTHON" -c '
from typer.testing import CliRunner
from agent.__main__ import app

for line in ("memories", "memories --query Oslo", "doctor", "export", "forget --category location --yes"):
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 0, result.output
'
"""
"""A chat, and then the other commands, which share a process to save time."""


@dataclass(frozen=True)
class Seen:
    """The result of the run."""

    commands: str
    """The output of the commands."""
    log: str
    """The log of `langgraph dev`."""
    traces: list[Path]
    home: Path


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Run a reloading development server, with its data in the folder that it watches, and the commands."""
    directory, home = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home")
    traces = [home.parent / f"{home.name}.dev", home.parent / f"{home.name}.commands"]
    variables = dict.fromkeys((name.upper() for name in Settings.model_fields), "") | {
        "LOG_LEVEL": "INFO",
        "EMBEDDED_IDLE_TIMEOUT": "0",  # strace waits for every child
        "DATA_DIR": str(directory / ".data"),
        "HOME": str(home),
        "XDG_CACHE_HOME": "",
        "XDG_CONFIG_HOME": "",
        "PYTHON": sys.executable,
    }
    with ready(dev_server(directory, variables, reload=True, prefix=strace(traces[0]))) as url:
        asyncio.run(talk(url))
        commands = subprocess.run(
            [*strace(traces[1]), "sh", "-c", COMMANDS],
            capture_output=True,
            text=True,
            cwd=directory,
            env=environment(variables),
            check=False,
        )
        assert commands.returncode == 0, commands.stderr
        # Not before: while the server starts again, a command would start the embedded ones, and strace wait for them.
        (directory / "changed.py").touch()
        log = directory / "server.log"
        deadline = time.monotonic() + READY_TIMEOUT
        while log.read_text().count("Application started up") < 2:
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.1)
    return Seen(commands.stdout, log.read_text(), traces, home)


async def talk(url: str) -> None:
    client = get_client(url=url)
    thread = (await client.threads.create())["thread_id"]
    for text in ("I like tea.", "What do I like?"):
        said = {"messages": [{"role": "user", "content": text}]}
        state: Any = await client.runs.wait(thread, "chat", input=said)  # type: ignore[arg-type]  # JSON, as in the docs
    assert state["messages"][-1]["content"] == "You like tea."


def test_without_a_key_there_are_no_outbound_connections_or_lookups(seen: Seen) -> None:
    assert "You live in Oslo." in seen.commands
    for trace in seen.traces:
        text = trace.read_text()
        assert "connect(" in text
        assert outbound(text) == []


def test_a_run_writes_nothing_below_the_users_home(seen: Seen) -> None:
    assert list(seen.home.rglob("*")) == []


def test_the_development_server_reloads_code_and_logs_no_noise(seen: Seen) -> None:
    assert "changed.py" in seen.log
    assert "Reloading" in seen.log
    noise = [line for line in seen.log.splitlines() if "HTTP Request: " in line or "watchfiles.main" in line]
    assert noise == []
