"""Postgres as an embedded server, on a unix socket that only this user can reach, so that it needs no password."""

import hashlib
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil

from memory.embedded.programs import POSTGRES_MAJOR, is_own, postgres_programs
from memory.embedded.server import Server
from memory.errors import Unavailable

PORT = "5432"  # only part of the socket's name: nothing listens on it
MAX_SOCKET_PATH = 103  # bytes that the path of a unix socket may have: 103 on macOS, 107 on Linux
NOBODY = 65534  # user and group that run Postgres for root: "nobody" on every Linux, if it has such an account
# No statements and no rows in the log: what users said has to be erasable.
LOG_OPTIONS = ("--log_min_error_statement=panic", "--log_error_verbosity=terse", "--log_checkpoints=off")
WAL_OPTIONS = ("--wal_recycle=off",)  # nor in old files of the write-ahead log, which would wait to be overwritten


class Postgres(Server):
    stop_signal = signal.SIGINT  # "fast" shutdown: rolls back transactions and leaves clean files

    def account(self) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        if sys.platform != "linux":
            raise Unavailable("Postgres refuses to run as root: run this as an ordinary user, or set POSTGRES_URL")
        return NOBODY, NOBODY

    def prepare(self) -> tuple[str, list[str]]:
        if not self.data.exists():
            self._create_data()
        self._give_to_account(self.data)
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != POSTGRES_MAJOR:
            problem = f"{self.data} was written by Postgres {version}, and this is Postgres {POSTGRES_MAJOR}"
            raise Unavailable(f"{problem}: use the release that wrote it, or move its data with pg_dump")
        sockets = socket_directory(self.path)
        # Postgres removes the lock files of one that has ended only if its pid is unused. It may belong to another
        # program by now, or to a zombie, which some containers never collect. One that runs was started by hand.
        for file in (self.data / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock"):
            pid = next(iter(lines_of(file)), "")
            if pid.isdigit() and not is_running_postgres(int(pid)):
                file.unlink()
        sockets.parent.mkdir(mode=0o700, exist_ok=True)
        if not is_own(sockets.parent, others=0o077):
            raise Unavailable(f"other users can enter {sockets.parent}: chmod 700 or remove it")
        sockets.mkdir(mode=0o700, exist_ok=True)
        self._give_to_account(sockets)
        quoted = str(sockets).replace('"', '""')  # quotes protect spaces and commas
        listen = ["--listen_addresses=", f'--unix_socket_directories="{quoted}"', "--unix_socket_permissions=0700"]
        command = [self._program("postgres"), "-D", str(self.data), "-p", PORT, *listen, *LOG_OPTIONS, *WAL_OPTIONS]
        return socket_url(sockets), command

    def answers(self, pid: int, url: str) -> bool:  # noqa: ARG002 - read where pg_ctl reads it
        lines = lines_of(self.data / "postmaster.pid")
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def clean_up(self) -> None:
        if (directory := socket_directory(self.path).parent) != self.path:
            shutil.rmtree(directory, ignore_errors=True)

    def _program(self, name: str) -> str:
        uid, _ = self.account() or (os.geteuid(), os.getegid())
        return str(postgres_programs(self.path, uid) / name)

    def _create_data(self) -> None:
        """Create an empty database, under another name until it is complete."""
        draft = self.path / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._give_to_account(draft)
        # Only this user can reach the socket, and is trusted. The built-in locale is the same on every system.
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-instructions", "--locale=C"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if code := self.spawn([self._program("initdb"), "-D", str(draft), *options]).wait():
            raise Unavailable(f"initdb, which creates the database, failed with code {code}")
        draft.rename(self.data)

    def _give_to_account(self, tree: Path) -> None:
        """Change the owner of what root made, or has copied or restored, to the user who runs Postgres."""
        if (account := self.account()) and tree.stat().st_uid == 0:
            for path in (tree, *tree.rglob("*")):
                os.chown(path, *account, follow_symlinks=False)


def is_running_postgres(pid: int) -> bool:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    return False


def socket_directory(directory: Path) -> Path:
    """In `directory`, or below /tmp if the path is too long or has a comma, where clients would split it."""
    own = directory / "run"
    name = os.fsencode(own / f".s.PGSQL.{PORT}")
    if len(name) <= MAX_SOCKET_PATH and b"," not in name:
        return own
    digest = hashlib.sha256(b"%d:%s" % (os.geteuid(), os.fsencode(directory))).hexdigest()[:16]
    return Path("/tmp", f"agent-memory-{digest}", "run")  # noqa: S108 - it has to be this user's own


def socket_url(sockets: Path) -> str:
    return f"postgresql://postgres@/postgres?host={quote(os.fsencode(sockets), safe='')}&port={PORT}"


def lines_of(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text().splitlines()
    return []
