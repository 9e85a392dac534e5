"""Postgres and Chroma as child servers, for settings that name no address.

Each belongs to a supervisor, a process that all users of the directory share. If it dies, one of them starts another.
"""

import asyncio
import fcntl
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, run
from typing import Literal

from memory.embedded.directory import ServerDirectory, State, T, is_free, try_lock, wait_for
from memory.errors import Unavailable

log = logging.getLogger(__name__)

ServerName = Literal["postgres", "chroma"]
Say = Callable[[str], None]  # gets what is being done, in words
START_TIMEOUT = 90  # seconds; on a busy machine Chroma has taken 60
LEAVE_TIMEOUT = 10  # seconds that the last user waits for the server to end
STOP_TIMEOUT = 30  # seconds that an idle server may take to end when it is told to
POLL = 0.05
SUPERVISOR_CHECK = 0.25  # seconds between two checks whether the supervisors live


@dataclass(frozen=True)
class Addresses:
    postgres: str | None = None  # a `postgresql://` URL of a unix socket
    chroma: str | None = None  # an `http://127.0.0.1:port` URL


@asynccontextmanager
async def embedded_servers(
    data_dir: Path, wanted: frozenset[ServerName], *, idle_timeout: float = 0, say: Say | None = None
) -> AsyncIterator[Addresses]:
    """The `wanted` servers of `data_dir`, ready for use; they run at least until the context is left.

    One that this call starts keeps running for `idle_timeout` seconds after its last use; with 0, leaving waits for its
    end. Raises Unavailable when the directory cannot be used, or a server does not start.
    """
    root = await asyncio.to_thread(data_dir.resolve)
    uses = {name: _Use(root / name, idle_timeout) for name in sorted(wanted)}
    started: list[ServerName] = []
    watches: list[asyncio.Task[None]] = []
    try:
        for name, use in uses.items():  # all of them start before the first is waited for
            if await use.poll(use.join):
                started.append(name)
                if say:
                    say(f"Starting {use.title} in {use.path} ...")
        states = {name: await use.poll(use.ready_state) for name, use in uses.items()}
        for notice in filter(None, (states[name].notice for name in started)):
            (say or log.warning)(notice)
        watches += [asyncio.create_task(use.replace_dead_supervisors()) for use in uses.values()]
        yield Addresses(**{name: state.url for name, state in states.items()})
    finally:
        for watch in watches:
            watch.cancel()
        for descriptor in (use.joined for use in uses.values() if use.joined is not None):
            os.close(descriptor)
        await asyncio.to_thread(wait_for, lambda: all(use.is_over() for use in uses.values()) or None, LEAVE_TIMEOUT)


async def stop_servers(data_dir: Path) -> list[str]:
    """End the idle servers of `data_dir` now, and return their titles. Raises Unavailable if one is in use."""
    root = await asyncio.to_thread(data_dir.resolve)
    uses = [_Use(root / name) for name in ("chroma", "postgres")]
    return [use.title for use in uses if await asyncio.to_thread(use.stop)]


async def discard_chroma(data_dir: Path) -> None:
    """Start the embedded Chroma of `data_dir` anew, at the same address and without its files. Raises Unavailable."""
    use = _Use(await asyncio.to_thread(data_dir.resolve) / "chroma")
    await use.call(use.discard_request.touch)
    await use.poll(use.discarded)


class _Use(ServerDirectory):
    """One use of a server, from joining its users to leaving them. Its plain methods block: call them in a thread."""

    def __init__(self, path: Path, idle_timeout: float = 0) -> None:
        super().__init__(path)
        self.idle_timeout = idle_timeout
        self.joined: int | None = None  # a descriptor that holds `users.lock`

    async def call(self, method: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(method)
        except OSError as error:
            problem = f"The data directory {error.filename or self.path} cannot be used ({error.strerror})"
            raise Unavailable(f"{problem}: make it writable for this user, or set DATA_DIR to another one.") from error

    async def poll(self, method: Callable[[], T | None]) -> T:
        """The first result that is not None. Raises Unavailable after START_TIMEOUT seconds."""
        deadline = time.monotonic() + START_TIMEOUT
        while (result := await self.call(method)) is None:
            if time.monotonic() > deadline:
                raise self.failure(f"no answer within {START_TIMEOUT} s\n{await asyncio.to_thread(self.log_tail)}")
            await asyncio.sleep(POLL)
        return result

    async def replace_dead_supervisors(self) -> None:
        while True:
            await asyncio.sleep(SUPERVISOR_CHECK)
            try:
                if await self.call(self.ensure_supervisor):
                    log.warning("The supervisor of the embedded %s had died: another was started.", self.title)
            except Unavailable as error:
                log.warning("%s", error)
                await asyncio.sleep(1)

    def join(self) -> bool | None:
        """Become a user, and return whether this started a supervisor; None while a supervisor ends the server."""
        self.create()
        self.joined = try_lock(self.users_lock, fcntl.LOCK_SH)
        return None if self.joined is None else self.ensure_supervisor()

    def ensure_supervisor(self) -> bool:
        """Start a supervisor if there is none, and return whether that was so."""
        if not is_free(self.supervisor_lock):
            return False
        command = [sys.executable, "-m", "memory.embedded.supervisor", str(self.path), str(self.idle_timeout)]
        # In a session of its own, so that Ctrl-C in this terminal ends neither the supervisor nor the server.
        with self.log_file.open("ab") as out:
            started = run(  # noqa: S603 - our own command, no shell
                command, cwd=Path(__file__).parents[2], stdin=DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        if started.returncode != 0:
            raise self.failure(f"its supervisor ended with code {started.returncode}\n{self.log_tail()}")
        return True

    def ready_state(self) -> State | None:
        self.ensure_supervisor()
        state = State.read(self.state_file)
        if state.error:
            raise self.failure(state.error)
        return state if state.ready and not is_free(self.server_lock) else None  # its lock is free if it has died

    def discarded(self) -> State | None:
        return None if self.discard_request.exists() else self.ready_state()

    def stop(self) -> bool:
        if not self.users_lock.exists() or is_free(self.supervisor_lock):
            return False
        if is_free(self.users_lock, fcntl.LOCK_EX):
            self.stop_request.touch()  # a supervisor that finds a new user removes it
            wait_for(lambda: is_free(self.supervisor_lock) or not self.stop_request.exists() or None, STOP_TIMEOUT)
        if not is_free(self.supervisor_lock):
            raise Unavailable(f"{self.label} is in use: first end the program that uses it, such as `make dev`.")
        return True

    def is_over(self) -> bool:
        """Whether the server has ended, or keeps running: for other users, or until the idle timeout."""
        with suppress(OSError):  # the directory was deleted
            has_ended = is_free(self.supervisor_lock) and is_free(self.server_lock)
            has_users = is_free(self.users_lock) and not is_free(self.users_lock, fcntl.LOCK_EX)
            return has_ended or has_users or State.read(self.state_file).idle_timeout > 0
        return True

    def failure(self, reason: str) -> Unavailable:
        advice = f"Mend the cause, or set {self.path.name.upper()}_URL to use a server of your own."
        return Unavailable(f"{self.label} does not start: {reason}\nThe whole log is {self.log_file}. {advice}")
