"""One embedded server, and how it is kept running while it has users; what differs between servers is abstract."""

import fcntl
import logging
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import psutil

from memory.embedded.directory import ServerDirectory, State, is_free, try_lock, wait_for
from memory.embedded.launch import prepare_child
from memory.errors import Unavailable

log = logging.getLogger("supervisor")
POLL = 0.1  # seconds between two checks of the server and its users
STOP_TIMEOUT = 20  # seconds that the server may take to end, before it is killed
STABLE = 30  # a server that ran for so many seconds before it died has not failed to start
QUIET_FAILURES = 2  # in a row, which are not reported to the users
MAX_BACKOFF = 30
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT}  # only a program's own mistake raises them


class Server(ServerDirectory, ABC):
    """A server that runs while it has users, and for `idle_timeout` seconds after that."""

    stop_signal: ClassVar[signal.Signals]  # ends the server in good order

    def __init__(self, path: Path, idle_timeout: float = 0) -> None:
        super().__init__(path)
        self.state = replace(State.read(self.state_file), ready=False, error=None, idle_timeout=idle_timeout)
        self.crash = ""  # the signal of the latest crash
        self.lock_fd = -1  # a descriptor of `server.lock`, which every program gets
        self._exclusive_lock: int | None = None
        self._last_use = time.monotonic()

    @abstractmethod
    def prepare(self) -> tuple[str, list[str]]:
        """Make ready for a start. Returns the URL, `state.url` if possible, and the command. Raises Unavailable."""

    @abstractmethod
    def answers(self, pid: int, url: str) -> bool:
        """Whether the server that runs as process `pid` accepts requests."""

    def account(self) -> tuple[int, int] | None:
        """The user and the group that run the server, if not this process's own."""
        return None

    def clean_up(self) -> None:
        """Remove what the server has outside its directory, once it has ended."""

    def publish(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]  # the fields of State
        if self.users_lock.exists():  # otherwise the directory is being deleted
            self.state.write(self.state_file)

    def run(self) -> None:
        """Start the server, and again whenever it dies, until it should end."""
        failures = 0
        while not self.should_end():
            started, log_start, reason = time.monotonic(), self.log_file.stat().st_size, ""
            try:
                self.run_once()
            except (Unavailable, OSError) as error:
                reason = str(error)
            if self.should_end():
                break
            if self.discard_request.exists():
                continue
            failures = failures + 1 if time.monotonic() - started < STABLE else 1
            if reason or failures > QUIET_FAILURES:
                reason = reason or f"it died {failures} times in a row"
                self.publish(error=f"{reason}\n{self.log_tail(log_start)}".strip())
                log.error("%s", reason)
            wait_for(lambda: self.should_end() or None, min(MAX_BACKOFF, POLL * 2**failures))
        self.publish(error=None)
        self.clean_up()

    def should_end(self) -> bool:
        """Whether the server may end; if so, the exclusive lock keeps new users waiting until this process ends."""
        if self._exclusive_lock is not None:
            return True
        if not is_free(self.users_lock, fcntl.LOCK_EX):
            self._last_use = time.monotonic()
            self.stop_request.unlink(missing_ok=True)
        idle_timeout = self.state.idle_timeout if self.state.ready else 0
        if time.monotonic() - self._last_use >= idle_timeout or self.stop_request.exists():
            self._exclusive_lock = try_lock(self.users_lock, fcntl.LOCK_EX)
        return self._exclusive_lock is not None

    def run_once(self) -> None:
        """Run the server until it dies or should end; it has ended when this returns."""
        self.lock_fd = self.take_server_lock()
        try:
            self.publish(notice="")
            url, command = self.prepare()
            child = self.spawn(command)
        finally:
            os.close(self.lock_fd)  # from now on only the server holds it
        try:
            self.publish(url=url, server_pid=child.pid)
            while child.poll() is None and not self.should_end() and not self.discard_request.exists():
                if not self.state.ready and self.answers(child.pid, url):
                    self.publish(ready=True, error=None)
                time.sleep(POLL if self.state.ready else POLL / 5)
            if child.poll() is not None:
                log.info("%s ended by itself, with code %s", self.title, child.returncode)
                self.crash = signal.Signals(-child.returncode).name if -child.returncode in CRASHES else ""
        finally:
            try:
                self.publish(ready=False)  # first, so that no new user is sent to this server
            finally:
                child.send_signal(self.stop_signal)
                try:
                    child.wait(STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()

    def spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a program that inherits `server.lock` and, on Linux, ends with this process."""
        # Postgres and Chroma would take these variables for their settings.
        own = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "CHROMA_", "CONFIG_PATH"))}
        env = {**own, "ANONYMIZED_TELEMETRY": "False", "RUST_LOG": "warn"}  # "info" writes 3 KB for each request
        begin = prepare_child(self.stop_signal, self.account())
        try:
            return subprocess.Popen(  # noqa: S603 - our own command, no shell
                command, cwd=self.path, env=env, stdin=subprocess.DEVNULL, pass_fds=[self.lock_fd], preexec_fn=begin
            )
        except subprocess.SubprocessError as error:  # in preexec_fn
            raise Unavailable("root may not change its user here: run it as an ordinary user") from error

    def take_server_lock(self) -> int:
        """`server.lock`, once an earlier server has ended: without a death signal it outlives its supervisor."""
        for seconds, next_signal in (2.0, self.stop_signal), (STOP_TIMEOUT, signal.SIGKILL), (5.0, None):
            if (lock := wait_for(lambda: try_lock(self.server_lock, fcntl.LOCK_EX), seconds)) is not None:
                return lock
            if next_signal and self.state.server_pid:
                with suppress(psutil.Error):
                    process = psutil.Process(self.state.server_pid)
                    if str(self.path) in " ".join(process.cmdline()):  # otherwise the pid was reused
                        process.send_signal(next_signal)
        raise Unavailable(f"another process still holds {self.server_lock}: end the {self.title} that is left over")
