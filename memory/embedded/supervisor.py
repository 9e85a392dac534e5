"""The process that owns one embedded server: starts it, restarts it when it dies, and ends it once nobody uses it.

    python -m memory.embedded.supervisor postgres DIRECTORY IDLE_TIMEOUT

After its last user has left, the server stays up for IDLE_TIMEOUT seconds, or until the file `stop` appears.

Processes meet in three files in DIRECTORY. They are locked with flock, which the kernel undoes however a process ends:

- `users.lock` is shared by all who use the server: an exclusive lock on it means that nobody does. Each use also sets
  the file's modification time, so that a short use counts, too.
- `keeper.lock` is the keeper's for its life.
- `server.lock` is inherited by the server and its children: it is free once the last of them is gone.

`state.json` tells where the server is, and `server.log` what it and its keeper had to say.
"""

import fcntl
import json
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from memory.embedded.servers import SERVERS, Server, process_info, server_environment
from memory.errors import Unavailable

log = logging.getLogger("keeper")

POLL = 0.1
"""Seconds between two looks at the server and its users."""
STOP_TIMEOUT = 20
"""Seconds a server gets to write out what it holds, before it is killed."""
STABLE = 30
"""Seconds after which a death no longer counts as one of a row."""
QUIET_FAILURES = 2
"""Deaths in a row that are mended without telling the users."""
MAX_BACKOFF = 30
MAX_LOG_BYTES = 5_000_000
OPEN_FILES = 4_096
CRASHES: dict[int, str] = {number: number.name for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)}
"""Signals by which a program ends that made a mistake; nobody else sends them."""

T = TypeVar("T")


@dataclass(frozen=True)
class Home:
    """The directory of one server: `data/` holds what it stores, the rest is how processes find it."""

    directory: Path

    @property
    def users_lock(self) -> Path:
        return self.directory / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        return self.directory / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        return self.directory / "server.lock"

    @property
    def stop_file(self) -> Path:
        return self.directory / "stop"

    @property
    def state_file(self) -> Path:
        return self.directory / "state.json"

    @property
    def log_file(self) -> Path:
        return self.directory / "server.log"

    def log_tail(self, since: int = 0, lines: int = 8) -> str:
        """The last lines of the log that were written after byte `since`, without terminal colours."""
        try:
            text = self.log_file.read_bytes()[since:].decode(errors="replace")
        except OSError:
            return ""
        written = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]
        return "\n".join(written[-lines:])


@dataclass(frozen=True)
class State:
    """What the keeper publishes; to be believed only while `keeper.lock` is held."""

    url: str | None = None
    """Where the server listens, or listened last: it comes back there when it can."""
    ready: bool = False
    error: str | None = None
    """Why it does not run, after more than QUIET_FAILURES attempts."""
    server_pid: int | None = None
    notice: str = ""
    """What its latest start did that people should know of."""
    idle_timeout: float = 0
    """Seconds that the server stays up after its last use."""

    @classmethod
    def read(cls, path: Path) -> "State":
        """The published state, or the empty one where there is none."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        """Replace the state in one step: a reader sees the old or the new one."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)


def try_lock(path: Path, operation: int) -> int | None:
    """A descriptor that holds the lock until it is closed, or None where another one's lock is in the way."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def can_lock(path: Path, operation: int) -> bool:
    """Whether the lock could be had just now; it is given back at once."""
    if (descriptor := try_lock(path, operation)) is None:
        return False
    os.close(descriptor)
    return True


def wait_for(attempt: Callable[[], T | None], seconds: float) -> T | None:
    """The first result that is not None, or None when the time is over."""
    deadline = time.monotonic() + seconds
    while (result := attempt()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return result


class Keeper:
    """Keeps one server running as long as somebody uses it, and for `idle_timeout` seconds after that."""

    def __init__(self, server: Server, home: Home, idle_timeout: float) -> None:
        self.server = server
        self.home = home
        self.state = replace(State.read(home.state_file), ready=False, error=None, idle_timeout=idle_timeout)
        self._users: int | None = None
        self._last_use = time.monotonic()
        self._last_modified = 0
        """Modification time of `users.lock` when it was last looked at."""

    def publish(self, state: State) -> None:
        self.state = state
        if self.home.users_lock.exists():  # otherwise the directory is being deleted
            state.write(self.home.state_file)

    def should_end(self) -> bool:
        """Whether the server has been idle for long enough, or was told to stop and is not in use.

        A server that is not ready ends with its last user. Once this is true it stays true: the keeper holds the
        exclusive lock until it ends, and a new user waits for its end.
        """
        if self._users is not None:
            return True
        modified = self.home.users_lock.stat().st_mtime_ns
        in_use = not can_lock(self.home.users_lock, fcntl.LOCK_EX)
        if in_use:
            self.home.stop_file.unlink(missing_ok=True)
        if in_use or modified != self._last_modified:
            self._last_modified, self._last_use = modified, time.monotonic()
        idle_timeout = self.state.idle_timeout if self.state.ready else 0
        if time.monotonic() - self._last_use >= idle_timeout or self.home.stop_file.exists():
            self._users = try_lock(self.home.users_lock, fcntl.LOCK_EX)
        return self._users is not None

    def run(self) -> None:
        """Start the server, again and again where it dies, until it should end."""
        failures = 0
        while not self.should_end():
            started = time.monotonic()
            log_start = self.home.log_file.stat().st_size
            reason: str | None = None
            try:
                self.run_server_once()
            except (Unavailable, OSError) as error:
                reason = str(error)
            if self.should_end():
                break
            failures = failures + 1 if time.monotonic() - started < STABLE else 1
            if failures > QUIET_FAILURES:
                reason = reason or f"it died {failures} times in a row"
            if reason:
                self.publish(replace(self.state, error=f"{reason}\n{self.home.log_tail(log_start)}".strip()))
                log.error("%s", reason)
            wait_for(lambda: self.should_end() or None, min(MAX_BACKOFF, POLL * 2**failures))
        self.publish(replace(self.state, error=None))
        self.server.clean_up()

    def run_server_once(self) -> None:
        """Run the server until it dies or should end; it is gone when this returns."""
        lock = self.take_server_lock()
        try:
            self.server.notice = ""
            url = self.server.prepare(self.state.url, lock)
            if self.server.notice:
                log.warning("%s", self.server.notice)
            child = subprocess.Popen(  # noqa: S603 - our own command, no shell
                self.server.command(url),
                cwd=self.home.directory,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[lock],
            )
        finally:
            os.close(lock)  # now the server's alone
        try:
            self.publish(replace(self.state, url=url, server_pid=child.pid, notice=self.server.notice))
            while child.poll() is None and not self.should_end():
                if not self.state.ready and self.server.answers(child.pid, url):
                    self.publish(replace(self.state, ready=True, error=None))
                time.sleep(POLL if self.state.ready else POLL / 5)
            if child.poll() is not None:
                log.info("%s ended by itself, with code %s", self.server.title, child.returncode)
                self.server.crash = CRASHES.get(-child.returncode, "")
        finally:
            try:
                # First: nobody who comes now may be sent to a server that is ending.
                self.publish(replace(self.state, ready=False))
            finally:
                self.stop(child)

    def stop(self, child: subprocess.Popen[bytes]) -> None:
        """End the server, by force where it does not end in time."""
        child.send_signal(self.server.stop_signal)
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def take_server_lock(self) -> int:
        """`server.lock`, once no process of an earlier server is left.

        One that outlived its keeper (where the system has no death signal) is ended first, but only when the process
        with the recorded number is that server: numbers are given out again."""
        stages = [(2.0, self.server.stop_signal), (STOP_TIMEOUT, signal.SIGKILL), (5.0, None)]
        for seconds, then in stages:
            lock = wait_for(lambda: try_lock(self.home.server_lock, fcntl.LOCK_EX), seconds)
            if lock is not None:
                return lock
            pid = self.state.server_pid
            if then and pid and str(self.home.directory) in process_info(pid, "args"):
                with suppress(ProcessLookupError):
                    os.kill(pid, then)
        raise Unavailable(
            f"another process still holds {self.home.server_lock}: end the {self.server.title} that an earlier run left"
        )


def main(name: str, directory: str, idle_timeout: str) -> None:
    """Keep the server, in the background; at once done where another keeper has it."""
    home = Home(Path(directory))
    # Users look at the lock by taking it for a moment, so one refusal means nothing.
    if wait_for(lambda: try_lock(home.keeper_lock, fcntl.LOCK_EX), 0.2) is None:
        return
    os.umask(0o077)
    if home.log_file.stat().st_size > MAX_LOG_BYTES:
        os.truncate(home.log_file, 0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s keeper %(process)d: %(message)s")
    raise_open_file_limit()
    home.stop_file.unlink(missing_ok=True)
    keeper = Keeper(SERVERS[name](home.directory), home, float(idle_timeout))
    keeper.publish(keeper.state)
    # Whoever started this process goes on now, and has no child to wait for.
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    keeper.run()


def raise_open_file_limit() -> None:
    """Let the server open OPEN_FILES files, or as many as the system allows: Chroma opens five for each collection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(str(error))  # such as a full disk: the line is shown to whoever started this
