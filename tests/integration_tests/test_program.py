"""The terminal program as a process: what it imports, what it writes where, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.openai_server import Hang, ScriptedOpenAI
from tests.processes import chat
from tests.processes import environment as environment_of


def test_help_imports_neither_langgraph_nor_chroma(tmp_path: Path) -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from agent.__main__ import app; "
        "print(CliRunner().invoke(app, ['--help']).stdout); "
        "print([name for name in ('langgraph', 'chromadb', 'langchain', 'langchain_core', 'langchain_openai', 'numpy') "
        "if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment_of({}),
        check=True,
    )
    for name in (
        "memories", "history", "as-of", "profile", "observe", "context", "export", "import", "forget", "threads",
        "tasks", "doctor", "reindex",
    ):  # fmt: skip
        assert f"\n  {name} " in shown.stdout
    assert shown.stdout.endswith("[]\n")


def test_an_export_is_alone_on_standard_output_even_if_servers_start(
    environment: dict[str, str], tmp_path: Path
) -> None:
    fresh = {**environment, "CHROMA_URL": "", "DATA_DIR": str(tmp_path / "data")}
    shown = chat("", fresh, tmp_path, "export", "--user", "nobody-yet")
    assert (shown.returncode, shown.stdout) == (0, '{"format": "remembering-agent memory", "version": 1}\n')
    assert "Starting Chroma" in shown.stderr


def test_ctrl_c_ends_a_command_with_130(
    environment: dict[str, str], openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    openai.extraction(Hang())
    program = subprocess.Popen(
        [sys.executable, "-m", "agent", "observe", "I like tea.", "--user", user],
        cwd=tmp_path,
        env=environment_of({**environment, "MODEL_TIMEOUT": "60"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not openai.calls("extraction"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (130, b"")
    assert b"Traceback" not in err
