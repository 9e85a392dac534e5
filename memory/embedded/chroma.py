"""Chroma as an embedded server, on a port of the loopback interface, which other users of the machine can reach."""

import shutil
import signal
import socket
import sqlite3
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from memory.embedded.server import Server, log
from memory.errors import Unavailable


class Chroma(Server):
    stop_signal = signal.SIGTERM

    def prepare(self) -> tuple[str, list[str]]:
        if self.discard_request.exists():
            for data in self.path.glob("data*"):  # with those that were moved away
                shutil.rmtree(data)
            self.discard_request.unlink()
        damage = f"they made it crash: {self.crash}" if self.crash else chroma_damage(self.data)
        if damage and self.data.exists():
            self.crash = ""
            kept = self.data.with_name(f"data.broken-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
            self.data.rename(kept)
            notice = f"Chroma's files are broken ({damage}): they were moved to {kept}, and it starts without any."
            log.warning("%s", notice)
            self.publish(notice=notice)
        # The `chroma` command first imports the whole package, which takes 2 s, and then calls this.
        run = "import sys, chromadb_rust_bindings; chromadb_rust_bindings.cli(['chroma', *sys.argv[1:]])"
        command = [sys.executable, "-P", "-c", run, "run", "--path", str(self.data), "--host", "127.0.0.1", "--port"]
        for preferred in (urlsplit(self.state.url or "").port or 0, 0):  # the port of the last start, or any other
            with suppress(OSError), socket.create_server(("127.0.0.1", preferred)) as probe:
                port = probe.getsockname()[1]
                return f"http://127.0.0.1:{port}", [*command, str(port)]
        raise Unavailable("no port of the loopback interface is free")

    def answers(self, pid: int, url: str) -> bool:
        port = urlsplit(url).port or 0
        if listens(pid, port):  # otherwise another program may have taken the port
            with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
                connection.request("GET", "/api/v2/heartbeat")
                return connection.getresponse().status == 200
        return False


def chroma_damage(data: Path) -> str:
    """What is wrong with Chroma's files, or ""."""
    for ids in data.glob("*/index_metadata.pickle"):
        # Chroma writes the list of ids last. With newer vectors it would find too little, crash, or fill the disk.
        written = ids.stat()
        if not written.st_size or any(file.stat().st_mtime_ns > written.st_mtime_ns for file in ids.parent.iterdir()):
            return "it was killed while it wrote vectors"
    if not (data / "chroma.sqlite3").exists():
        return ""
    try:
        with closing(sqlite3.connect(data / "chroma.sqlite3")) as connection:
            (verdict,) = connection.execute("pragma quick_check(1)").fetchone()
            return "" if verdict == "ok" else str(verdict).splitlines()[-1]
    except sqlite3.OperationalError:  # it cannot be opened right now, which is no damage
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)


def listens(pid: int, port: int) -> bool:
    """Whether the process listens on the port of the loopback interface; True where the system does not tell."""
    try:
        connections = psutil.Process(pid).net_connections("tcp4")
    except psutil.Error as error:
        return isinstance(error, psutil.AccessDenied)
    return any(c.status == psutil.CONN_LISTEN and c.laddr == ("127.0.0.1", port) for c in connections)
