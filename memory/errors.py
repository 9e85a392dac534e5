"""What can go wrong in memory, as a few small exceptions whose text names the value and the fix."""

import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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


def problems_of(errors: "Iterable[Mapping[str, Any]]") -> list[tuple[str, str]]:
    """Pydantic's `ValidationError.errors()` as fields ("" for the whole) and what is wrong, in words without values."""
    return [(".".join(map(str, problem["loc"])), _plain(problem)) for problem in errors]


def listed(problems: "Iterable[tuple[str, str]]") -> str:
    """ "text: must be a string; importance: must be at most 1"."""
    return "; ".join(f"{field}: {text}" if field else text for field, text in problems)


PLAIN = {
    "missing": "is missing",
    "extra_forbidden": "is unknown here",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number that is not infinite",
}
"""By pydantic's type of problem, where its own words would not do."""


def _plain(problem: "Mapping[str, Any]") -> str:
    if problem["type"] in PLAIN:
        return PLAIN[problem["type"]]
    message = re.sub(r"^(Value error|Assertion failed), ", "", str(problem["msg"])).rstrip(".")
    message = re.sub(r"^(Input|String|List|Value|Dictionary|Datetime) should ", "must ", message)
    return message.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")
