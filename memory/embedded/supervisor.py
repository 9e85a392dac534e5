"""The process that owns one embedded server: `python -m memory.embedded.supervisor DIRECTORY IDLE_TIMEOUT`."""

import fcntl
import logging
import os
import resource
import signal
import sys
from pathlib import Path

from memory.embedded.chroma import Chroma
from memory.embedded.directory import try_lock, wait_for
from memory.embedded.postgres import Postgres
from memory.embedded.server import Server

SERVERS: dict[str, type[Server]] = {"postgres": Postgres, "chroma": Chroma}
MAX_LOG_BYTES = 5_000_000
OPEN_FILES = 4_096  # Chroma opens five for each collection


def main(path: Path, idle_timeout: float) -> None:
    """Run the server of that name in the background until it has no users; return at once if another process does."""
    server = SERVERS[path.name](path, idle_timeout)
    # Users check the lock by taking it for a moment, so a single failure means nothing.
    if wait_for(lambda: try_lock(server.supervisor_lock, fcntl.LOCK_EX), 0.2) is None:
        return
    os.umask(0o077)
    if server.log_file.stat().st_size > MAX_LOG_BYTES:
        os.truncate(server.log_file, 0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s supervisor %(process)d: %(message)s")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < OPEN_FILES:  # "unlimited" is -1 on Linux, and a large number elsewhere
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES if hard < 0 else min(hard, OPEN_FILES), hard))
    server.stop_request.unlink(missing_ok=True)
    server.publish()
    if os.fork():  # the process that started this one can go on, and has no child to wait for
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), float(sys.argv[2]))
    except OSError as error:
        sys.exit(str(error))  # such as a full disk: the line is shown to the user who started this
