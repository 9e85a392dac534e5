"""The directory of an embedded server, in which its users, its supervisor and the server itself find each other."""

import fcntl
import json
import os
import pwd
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from memory.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class State:  # what the supervisor publishes; only valid while it holds `supervisor.lock`
    url: str | None = None  # where the server listens, or listened last: it starts at the same URL again when it can
    ready: bool = False
    error: str | None = None  # why the server does not start, after more than QUIET_FAILURES attempts
    server_pid: int | None = None
    notice: str = ""  # what users should know about the latest start
    idle_timeout: float = 0  # seconds that the server keeps running after its last use

    @classmethod
    def read(cls, path: Path) -> "State":
        """The published state; an empty one if it is missing or damaged."""
        with suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(path.read_text()))
        return cls()

    def write(self, path: Path) -> None:
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)


class ServerDirectory:
    """The files of one server, in a directory that has its name."""

    def __init__(self, path: Path) -> None:
        self.path, self.title, self.data = path, path.name.capitalize(), path / "data"
        self.label = f"The embedded {self.title} in {path}"
        # Three files are locked with flock, which the kernel releases however a process ends.
        self.users_lock = path / "users.lock"  # shared by all users: an exclusive lock means that there are none
        self.supervisor_lock = path / "supervisor.lock"  # held by the supervisor as long as it lives
        self.server_lock = path / "server.lock"  # inherited by the server and its children: free once all have ended
        self.stop_request = path / "stop"  # tells the supervisor to end the server now if it has no users
        self.discard_request = path / "discard"  # tells the supervisor to start the server anew, without its data
        self.state_file, self.log_file = path / "state.json", path / "server.log"

    def create(self) -> None:
        """Create what is missing. Raises OSError, and Unavailable for a directory of another user."""
        for directory in (self.path.parent, self.path):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (owner := self.path.stat().st_uid) != os.geteuid():
            there, here = (account_name(uid) or f"user {uid}" for uid in (owner, os.geteuid()))
            problem = f"The data directory {self.path} belongs to {there}, and this process is {here}"
            raise Unavailable(f"{problem}: run it as the former, or set DATA_DIR to another one.")
        for lock in (self.server_lock, self.supervisor_lock, self.users_lock):
            lock.touch(mode=0o600)

    def log_tail(self, since: int = 0, lines: int = 8) -> str:
        """The last lines that were logged after byte `since`, without terminal colours."""
        text = self.log_file.read_bytes()[since:].decode(errors="replace") if self.log_file.exists() else ""
        written = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]
        return "\n".join(written[-lines:])


def account_name(uid: int) -> str | None:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return None


def try_lock(path: Path, operation: int) -> int | None:
    """A descriptor that holds the lock until it is closed; None while another process holds a conflicting one."""
    descriptor = os.open(path, os.O_RDWR)
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        return descriptor
    os.close(descriptor)
    return None


def is_free(path: Path, operation: int = fcntl.LOCK_SH) -> bool:
    """Whether the lock can be taken right now; it is released at once."""
    if (descriptor := try_lock(path, operation)) is not None:
        os.close(descriptor)
    return descriptor is not None


def wait_for(attempt: Callable[[], T | None], seconds: float) -> T | None:
    """The first result that is not None; None after `seconds`."""
    deadline = time.monotonic() + seconds
    while (result := attempt()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return result
