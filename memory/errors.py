"""What can go wrong in memory, as a few small exceptions whose text names the value and the fix."""

import traceback
from pathlib import Path


class AgentMemoryError(Exception):
    """Base of every error this package raises on purpose."""


class BadInput(AgentMemoryError, ValueError):
    """A value from outside cannot be used; nothing was written."""


class Unavailable(AgentMemoryError):
    """A part (Postgres, Chroma, an embedder) does not answer; nothing was lost, the work can be repeated."""


def cause_of(error: BaseException) -> str:
    """An error for the log: its kind and where it arose, and its text only where that is this project's own.

    Other texts, and the tracebacks that show them, may quote what a user said.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}{f' ({error})' if isinstance(error, AgentMemoryError) else ''}"
