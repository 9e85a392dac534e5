"""Postgres and Chroma as child servers, used where the settings name no address.

    async with embedded_servers(Path(".data"), frozenset({"postgres", "chroma"})) as addresses:
        ...  # addresses.postgres, addresses.chroma

Processes that name the same directory share its servers. The first one starts them; they end `idle_timeout` seconds
after the last one has left. Each server belongs to a keeper (`supervisor.py`), a process of its own that lives as long
as the server is in use, so that it survives each single user and is never left behind by a `kill -9`. If a keeper dies,
a user of its server starts another, and the server comes back at the same address: connection pools only reconnect.
"""

import asyncio
import fcntl
import logging
import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args
from urllib.parse import parse_qs, urlsplit

from memory.embedded.servers import POSTGRES_PORT, SERVERS, Server
from memory.embedded.supervisor import STOP_TIMEOUT, Home, State, can_lock, try_lock, wait_for
from memory.errors import Unavailable

log = logging.getLogger(__name__)

ServerName = Literal["postgres", "chroma"]

START_TIMEOUT = 90
"""Seconds a server may take to answer; on a busy machine Chroma has taken 60."""
LEAVE_TIMEOUT = 10
"""Seconds the last user waits for its servers to be gone."""
POLL = 0.05
KEEPER_CHECK = 0.25
"""Seconds between two looks whether the keeper lives."""

T = TypeVar("T")


@dataclass(frozen=True)
class Addresses:
    """Where the servers that were asked for listen."""

    postgres: str | None = None
    """A `postgresql://` URL of a unix socket."""
    chroma: str | None = None
    """An `http://127.0.0.1:port` URL."""


@asynccontextmanager
async def embedded_servers(
    data_dir: Path,
    wanted: frozenset[ServerName],
    *,
    idle_timeout: float = 0,
    progress: Callable[[str], None] | None = None,
) -> AsyncIterator[Addresses]:
    """The `wanted` servers of `data_dir`, which answer; they run at least until the context is left.

    It may be entered often, in one process and in many. A server that this call starts stays up for `idle_timeout`
    seconds after its last user; with 0, leaving waits for its end. `progress` is told of what takes a while. Raises
    Unavailable when the directory cannot be used, or a server does not start.
    """
    uses: dict[ServerName, _Use] = {}
    watch: asyncio.Task[None] | None = None
    try:
        root = await asyncio.to_thread(_create, data_dir)
        for name in sorted(wanted):
            uses[name] = _Use(name, root / name, idle_timeout)
        started: list[_Use] = []
        for use in uses.values():  # all of them start before the first is waited for
            await _until(use.join, use)
            if await asyncio.to_thread(use.ensure_keeper):
                started.append(use)
                if progress:
                    progress(f"Starting {use.server.title} in {use.home.directory} ...")
        urls = {name: await _until(use.find_url, use) for name, use in uses.items()}
        for use in started:
            if notice := (await asyncio.to_thread(State.read, use.home.state_file)).notice:
                (progress or log.warning)(notice)
        watch = asyncio.create_task(_replace_dead_keepers(uses.values()))
        yield Addresses(**urls)
    finally:
        if watch:
            watch.cancel()
        await asyncio.to_thread(_leave, list(uses.values()))


class _Use:
    """One use of one server, from joining its users to leaving them. The methods block: call them in a thread."""

    def __init__(self, name: ServerName, directory: Path, idle_timeout: float = 0) -> None:
        self.name = name
        self.idle_timeout = idle_timeout
        self.home = Home(directory)
        self.server: Server = SERVERS[name](directory)
        self._users: int | None = None

    def join(self) -> bool | None:
        """Become one of the users; None while the keeper ends because there were none."""
        try:
            self.home.directory.mkdir(mode=0o700, exist_ok=True)
            if (owner := self.home.directory.stat().st_uid) != os.geteuid():
                raise Unavailable(
                    f"The data directory {self.home.directory} belongs to {_user_name(owner)}, and this process is "
                    f"{_user_name(os.geteuid())}: run it as the former, or set DATA_DIR to another one."
                )
            self._users = try_lock(self.home.users_lock, fcntl.LOCK_SH)
            os.utime(self.home.users_lock)
        except OSError as error:
            raise _unusable(self.home.directory, error) from error
        return True if self._users is not None else None

    def ensure_keeper(self) -> bool:
        """Start a keeper where there is none, and return whether that was so."""
        try:
            if not self.has_no_keeper():
                return False
            with self.home.log_file.open("ab") as output:
                # In a session of its own, so that Ctrl-C in this terminal ends neither it nor the server.
                started = subprocess.run(  # noqa: S603 - our own command, no shell
                    [
                        sys.executable,
                        "-m",
                        "memory.embedded.supervisor",
                        self.name,
                        str(self.home.directory),
                        str(self.idle_timeout),
                    ],
                    cwd=Path(__file__).parents[2],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    check=False,
                )
        except OSError as error:
            raise _unusable(self.home.directory, error) from error
        if started.returncode != 0:
            raise self.failure(f"its keeper ended with code {started.returncode}\n{self.home.log_tail()}")
        return True

    def find_url(self) -> str | None:
        """Where the server answers, or None as long as it does not."""
        self.ensure_keeper()
        state = State.read(self.home.state_file)
        if state.error:
            raise self.failure(state.error)
        return state.url if state.ready and state.url and _connects(state.url) else None

    def failure(self, reason: str) -> Unavailable:
        return Unavailable(
            f"The embedded {self.server.title} in {self.home.directory} does not start: {reason}\n"
            f"The whole log is {self.home.log_file}. "
            f"Mend the cause, or set {self.server.setting} to use a server of your own."
        )

    def leave(self) -> bool:
        """Be no user any more, and return whether this was one."""
        if self._users is None:
            return False
        os.close(self._users)
        self._users = None
        return True

    def stop(self) -> bool:
        """End the idle server, and return whether there was one. Raises Unavailable."""
        if self.has_no_keeper():
            return False
        described = f"The embedded {self.server.title} in {self.home.directory}"
        in_use = f"{described} is in use: first end the program that uses it, such as a chat or `make dev`."
        if not can_lock(self.home.users_lock, fcntl.LOCK_EX):
            raise Unavailable(in_use)
        self.home.stop_file.touch()
        # The keeper removes the file again when a new user came first.
        decided = lambda: self.has_no_keeper() or not self.home.stop_file.exists() or None  # noqa: E731
        if not wait_for(decided, STOP_TIMEOUT + LEAVE_TIMEOUT):
            raise Unavailable(f"{described} does not end: see {self.home.log_file}.")
        if not self.has_no_keeper():
            raise Unavailable(in_use)
        return True

    def has_no_keeper(self) -> bool:
        return can_lock(self.home.keeper_lock, fcntl.LOCK_SH)

    def is_over(self) -> bool:
        """Whether server and keeper are gone, or stay: since others use them, or for a while after their last use."""
        try:
            if State.read(self.home.state_file).idle_timeout:
                return True
            if self.has_no_keeper() and can_lock(self.home.server_lock, fcntl.LOCK_SH):
                return True
            users = self.home.users_lock
            return not can_lock(users, fcntl.LOCK_EX) and can_lock(users, fcntl.LOCK_SH)
        except OSError:
            return True  # somebody removed the directory


async def _until(attempt: Callable[[], T | None], use: _Use) -> T:
    """The first result of `attempt` that is not None, made in a thread; Unavailable when that takes too long."""
    deadline = time.monotonic() + START_TIMEOUT
    while (result := await asyncio.to_thread(attempt)) is None:
        if time.monotonic() > deadline:
            tail = await asyncio.to_thread(use.home.log_tail)
            raise use.failure(f"no answer within {START_TIMEOUT} s\n{tail}")
        await asyncio.sleep(POLL)
    return result


async def _replace_dead_keepers(uses: Iterable[_Use]) -> None:
    """Start another keeper for each that dies, until cancelled."""
    while True:
        await asyncio.sleep(KEEPER_CHECK)
        for use in uses:
            try:
                if await asyncio.to_thread(use.ensure_keeper):
                    log.warning("The keeper of the embedded %s had died; started another.", use.server.title)
            except Unavailable as error:
                log.warning("%s", error)
                await asyncio.sleep(1)


async def stop_servers(data_dir: Path) -> list[str]:
    """End the idle servers of `data_dir` at once, and return their titles. Raises Unavailable where one is in use."""
    return await asyncio.to_thread(_stop, data_dir)


def _stop(data_dir: Path) -> list[str]:
    uses = [_Use(name, data_dir.resolve() / name) for name in sorted(get_args(ServerName))]
    return [use.server.title for use in uses if use.home.directory.is_dir() and use.stop()]


def _leave(uses: list[_Use]) -> None:
    """Leave the servers' users, and, as their last one, wait until they are gone."""
    joined = [use for use in uses if use.leave()]
    deadline = time.monotonic() + LEAVE_TIMEOUT
    while not all(use.is_over() for use in joined) and time.monotonic() < deadline:
        time.sleep(POLL)


def _create(data_dir: Path) -> Path:
    """The data directory's absolute path, once it is there."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return data_dir.resolve()
    except OSError as error:
        raise _unusable(data_dir, error) from error


def _unusable(directory: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"The data directory {directory} cannot be used ({error.strerror}): "
        f"make it a directory that this user can write, or set DATA_DIR to another one."
    )


def _user_name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def _connects(url: str) -> bool:
    """Whether something accepts connections at `url`: what the keeper published may just have ended."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "http":
            socket.create_connection((parts.hostname, parts.port), timeout=2).close()
        else:
            with socket.socket(socket.AF_UNIX) as connection:
                [sockets] = parse_qs(parts.query, errors="surrogateescape")["host"]
                connection.connect(f"{sockets}/.s.PGSQL.{POSTGRES_PORT}")
    except OSError:
        return False
    return True
