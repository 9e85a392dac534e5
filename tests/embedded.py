"""Client processes of the embedded servers, for tests of how the servers start, are shared and stop."""

import json
import os
import pwd
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from memory.embedded.connect import Addresses, ServerName

BOTH: frozenset[ServerName] = frozenset({"postgres", "chroma"})
POSTGRES: frozenset[ServerName] = frozenset({"postgres"})
CHROMA: frozenset[ServerName] = frozenset({"chroma"})

CLIENT = """
import asyncio, json, os, sys
from pathlib import Path
from memory.embedded.connect import embedded_servers
from memory.errors import Unavailable

async def main():
    # From the environment, so that a search for the data directory among the processes does not find this one.
    wanted = frozenset(os.environ["WANTED"].split())
    try:
        directory, idle_timeout = Path(os.environ["DATA_DIR"]), float(os.environ["IDLE_TIMEOUT"])
        async with embedded_servers(directory, wanted, idle_timeout=idle_timeout) as addresses:
            print(json.dumps(vars(addresses)), flush=True)
            await asyncio.get_running_loop().connect_read_pipe(lambda: Reader(), sys.stdin)
            await ended.wait()
    except Unavailable as error:
        print(json.dumps({"unavailable": str(error)}), flush=True)

class Reader(asyncio.Protocol):
    def connection_lost(self, exc):
        ended.set()

ended = asyncio.Event()
asyncio.run(main())
"""
ORDINARY_USER = pwd.getpwnam("nobody")


class Client:
    """A process that uses the servers until `end()`."""

    def __init__(
        self, data_dir: Path, wanted: frozenset[ServerName], prefix: Sequence[str], idle_timeout: float
    ) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", CLIENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={
                **os.environ,
                "DATA_DIR": str(data_dir),
                "WANTED": " ".join(wanted),
                "IDLE_TIMEOUT": str(idle_timeout),
            },
        )

    def answer(self) -> dict[str, str]:
        """The printed addresses or error."""
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], 60)[0], "no address within 60 s"
        answer: dict[str, str] = json.loads(self.process.stdout.readline())
        return answer

    def addresses(self) -> Addresses:
        answer = self.answer()
        assert "unavailable" not in answer, answer["unavailable"]
        return Addresses(**answer)

    def end(self) -> None:
        """End the process normally, and wait for it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


StartClient = Callable[..., Client]


def eventually(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait until `condition` holds; a refused connection counts as false."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (psycopg.OperationalError, OSError):
            pass
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def postgres_query(url: str | None, query: str) -> object:
    """The first value of the query's result, if it has one."""
    assert url
    with psycopg.connect(url, connect_timeout=10) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def chroma_listens(url: str | None) -> bool:
    assert url
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=5):
        return True


def run_as(uid: int, gid: int) -> list[str]:
    """The prefix of a command that runs it as another user, if root runs pytest.

    The capability dac_read_search (2) lets that user run an interpreter below root's home, but not write to it."""
    if os.geteuid() != 0:
        return []
    program = f"import os, sys; from memory.embedded.launch import become; become({uid}, {gid}, 2)"
    return [sys.executable, "-c", f"{program}; os.execvp(sys.argv[1], sys.argv[1:])"]


def as_ordinary_user() -> list[str]:
    return run_as(ORDINARY_USER.pw_uid, ORDINARY_USER.pw_gid)
