"""Ctrl-C during the first imports ends the process without a traceback."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import install
from tests.processes import environment


@pytest.mark.parametrize("arguments", [("-m", "agent"), (install.__file__,)], ids=["agent", "install.py"])
def test_ctrl_c_during_the_first_import_prints_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "signal.py").write_text("import os; os.kill(os.getpid(), 2)")  # found before Python's own
    program = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, *arguments],
        env=environment({"PYTHONPATH": str(tmp_path)}),
        capture_output=True,
        check=False,
    )
    assert (program.returncode, program.stdout, program.stderr) == (-signal.SIGINT, b"", b"")
