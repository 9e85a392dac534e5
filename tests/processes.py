"""Runs the programs of this project as child processes of a test."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
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


@contextmanager
def langgraph_dev(
    directory: Path,
    variables: Mapping[str, str],
    config: Path = ROOT / "langgraph.json",
    *,
    reload: bool = False,
    prefix: Sequence[str] = (),
) -> Iterator[str]:
    """Run a real `langgraph dev` with its data in `directory`, and yield its URL once it answers.

    `reload` restarts it when code in `directory` changes, as `make dev` does. `prefix` is a program that runs it.
    """
    port = free_port()
    log = directory / "server.log"
    command = [*prefix, sys.executable, "-m", "agent.terminal.dev", "--no-browser", "--n-jobs-per-worker", "10"]
    command += [] if reload else ["--no-reload"]
    with log.open("ab") as output:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--config", str(config)],
            cwd=directory,
            env=environment(variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY_TIMEOUT
        while not answers(f"{url}/ok"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"langgraph dev did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.1)
        yield url
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def answers(url: str) -> bool:
    """Whether a server answers at `url` with status 200."""
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - loopback
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
