"""The directory of an embedded server, in which its users, its supervisor and the server itself find each other.

Three files are locked with flock, which the kernel releases however a process ends:

- `users.lock` is shared by all users of the server: an exclusive lock on it means that there are none.
- `supervisor.lock` is held by the supervisor as long as it lives.
- `server.lock` is inherited by the server and its children: it is free once the last of them has ended.
"""

import fcntl
import json
import os
import pwd
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from memory.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """What the supervisor publishes; only valid while it holds `supervisor.lock`."""

    url: str | None = None
    """Where the server listens, or listened last: it starts at the same URL again when it can."""
    ready: bool = False
    error: str | None = None
    """Why the server does not start, after more than QUIET_FAILURES attempts."""
    server_pid: int | None = None
    notice: str = ""
    """What users should know about the latest start."""
    idle_timeout: float = 0
    """Seconds that the server keeps running after its last use."""

    @classmethod
    def read(cls, path: Path) -> "State":
        """The published state; an empty one if it is missing or damaged."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        """Replace the file atomically."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)


class ServerDirectory:
    """The files of one server, in a directory that has its name."""

    def __init__(self, path: Path) -> None:
        self.path, self.title = path, path.name.capitalize()
        self.data = path / "data"
        self.users_lock = path / "users.lock"
        self.supervisor_lock = path / "supervisor.lock"
        self.server_lock = path / "server.lock"
        self.stop_request = path / "stop"
        """Tells the supervisor to end the server now if it has no users."""
        self.state_file = path / "state.json"
        self.log_file = path / "server.log"

    def create(self) -> None:
        """Create what is missing. Raises OSError, and Unavailable for a directory of another user."""
        for directory in (self.path.parent, self.path):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner, user = self.path.stat().st_uid, os.geteuid()
        if owner != user:
            raise Unavailable(
                f"The data directory {self.path} belongs to {account_name(owner) or f'user {owner}'}, and this process "
                f"is {account_name(user) or f'user {user}'}: run it as the former, or set DATA_DIR to another one."
            )
        for lock in (self.server_lock, self.supervisor_lock, self.users_lock):
            lock.touch(mode=0o600)

    def log_tail(self, since: int = 0, lines: int = 8) -> str:
        """The last lines that were logged after byte `since`, without terminal colours."""
        try:
            text = self.log_file.read_bytes()[since:].decode(errors="replace")
        except OSError:
            return ""
        written = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]
        return "\n".join(written[-lines:])


def account_name(uid: int) -> str | None:
    """The name of the user's account, if it has one."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def try_lock(path: Path, operation: int) -> int | None:
    """A descriptor that holds the lock until it is closed; None while another process holds a conflicting one."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_free(path: Path, operation: int = fcntl.LOCK_SH) -> bool:
    """Whether the lock can be taken right now; it is released at once."""
    descriptor = try_lock(path, operation)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def wait_for(attempt: Callable[[], T | None], seconds: float) -> T | None:
    """The first result that is not None; None after `seconds`."""
    deadline = time.monotonic() + seconds
    while (result := attempt()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return result
