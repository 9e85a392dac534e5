"""Runs the programs of this project as child processes of a test."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from memory.embedded.connect import ServerName
from memory.embedded.directory import State
from memory.environment import NO_TELEMETRY

ROOT = Path(__file__).parents[1]
READY_TIMEOUT = 120
"""Seconds that a server may take to start on a busy machine."""


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with `variables` in place of the developer's settings.

    Variables that the import of `memory` has set in this process are removed: the program must set them itself.
    """
    set_here = {*NO_TELEMETRY, "no_proxy", "NO_PROXY"}
    inherited = {name: value for name, value in os.environ.items() if name not in set_here}
    return {**inherited, "LANGSMITH_TRACING": "false", **variables}


def processes(directory: Path, kind: str = "") -> dict[int, str]:
    """The processes whose command line names `directory`, by pid, without zombies."""
    return {pid: command for pid, command in _running() if str(directory) in command and kind in command}


def alive(pids: Iterable[int]) -> set[int]:
    """Those of the processes that are running."""
    return {pid for pid, _ in _running()}.intersection(pids)


def _running() -> Iterator[tuple[int, str]]:
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        pid, status, command = line.split(None, 2)
        if not status.startswith("Z"):
            yield int(pid), command


def server_pid(data_dir: Path, name: ServerName) -> int:
    """The pid of an embedded server."""
    pid = State.read(data_dir / name / "state.json").server_pid
    assert pid
    return pid


def chat(
    lines: str | bytes, variables: Mapping[str, str], cwd: Path, *arguments: str, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `python -m agent` with these lines as its input, and wait until it ends."""
    result = subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        input=lines if isinstance(lines, bytes) else lines.encode(),
        capture_output=True,
        cwd=cwd,
        env=environment(variables),
        timeout=timeout,
        check=False,
    )
    return subprocess.CompletedProcess(result.args, result.returncode, result.stdout.decode(), result.stderr.decode())


@dataclass
class Server:
    """A server that a test has started in a directory."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    health: str
    """The path that answers once it is ready."""

    def ready(self) -> Self:
        """Wait until it answers."""
        deadline = time.monotonic() + READY_TIMEOUT
        while not answers(self.url + self.health):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"The server did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)
        return self

    def kill(self) -> None:
        """`kill -9`."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def serving(
    command: Sequence[str], directory: Path, variables: Mapping[str, str], port: int, health: str
) -> Iterator[Server]:
    """A server that `command` starts on this port, stopped at the end. `ready` waits for it."""
    log = directory / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=directory, env=environment(variables), stdout=output, stderr=output, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}", process, log, health)
    try:
        yield server
    finally:
        server.stop()


def dev_server(
    directory: Path, variables: Mapping[str, str], *, reload: bool = False, prefix: Sequence[str] = ()
) -> AbstractContextManager[Server]:
    """A `langgraph dev` with its data in `directory`.

    `reload` restarts it when code in `directory` changes, as `make dev` does. `prefix` is a program that runs it.
    """
    port = free_port()
    command = [*prefix, sys.executable, "-m", "agent.terminal.dev", "--no-browser", "--n-jobs-per-worker", "10"]
    command += [*([] if reload else ["--no-reload"]), "--port", str(port), "--config", str(ROOT / "langgraph.json")]
    return serving(command, directory, variables, port, "/ok")


@contextmanager
def ready(starting: AbstractContextManager[Server]) -> Iterator[str]:
    """The URL of a server, once it answers."""
    with starting as server:
        yield server.ready().url


def answers(url: str) -> bool:
    """Whether a server answers at `url` with status 200."""
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - loopback
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
