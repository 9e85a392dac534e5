"""The terminal program: `python -m agent`."""

import _signal  # type: ignore[import-not-found]

if __name__ == "__main__":
    # Ctrl-C ends the process without a traceback. `_signal` is built in; during `import signal` it would raise.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import io
import sys

# Each module adds its commands to the app.
from agent.terminal import change, maintenance, roll_back, show, talk, threads  # noqa: F401
from agent.terminal.app import app as app

if __name__ == "__main__":
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()
