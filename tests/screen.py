"""Runs the terminal program in a pseudo-terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.processes import environment


@contextmanager
def terminal(variables: Mapping[str, str], directory: Path, *arguments: str, columns: int = 200) -> Iterator["Screen"]:
    """Run the program in a pseudo-terminal with this many columns."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "agent", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=directory,
        env=environment({**variables, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "COLUMNS": str(columns)}),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Screen(ours, program)
    finally:
        if program.poll() is None:
            program.kill()
        program.wait()
        os.close(ours)


class Screen:
    """What a person sees and types in the terminal."""

    def __init__(self, descriptor: int, program: "subprocess.Popen[bytes]") -> None:
        self._descriptor = descriptor
        self.program = program
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Wait until `text` appears in the output since the last wait."""
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} did not appear in:\n{self.seen}"
            if select.select([self._descriptor], [], [], left)[0]:
                self.seen += os.read(self._descriptor, 65_536).decode(errors="replace")
        self.seen = self.seen.partition(text)[2]

    def rest(self) -> str:
        """The output from the last wait until the program has ended."""
        with suppress(OSError):  # marks the end of the output on Linux
            while select.select([self._descriptor], [], [], 0)[0] and (shown := os.read(self._descriptor, 65_536)):
                self.seen += shown.decode(errors="replace")
        return self.seen
