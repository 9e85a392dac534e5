"""What can go wrong in memory, as a few small exceptions whose text names the value and the fix."""

import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


MAX_QUOTED = 60
"""Characters of a value that an error repeats."""


class AgentMemoryError(Exception):
    """Base of every error this package raises on purpose."""


class BadInput(AgentMemoryError, ValueError):
    """A value from outside cannot be used; nothing was written."""


class Unavailable(AgentMemoryError):
    """A part (Postgres, Chroma, a model) does not answer; nothing was lost, the work can be repeated."""


def cause_of(error: BaseException) -> str:
    """An error for the log: its kind and where it arose, and its text only where that is this project's own.

    Other texts, and the tracebacks that show them, may quote what a user said.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}{f' ({error})' if isinstance(error, AgentMemoryError) else ''}"


def quoted(text: str) -> str:
    """The text in quotes for an error message, shortened where it is long."""
    return repr(text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}...")


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


FAILURES_BY_STATUS = {401: "key", 403: "key", 404: "model", 408: "timeout", 429: "quota", 504: "timeout"}
"""By the HTTP status of the answer."""

FAILURES_BY_CLASS = {
    "ModelAuthenticationError": "key",
    "ModelPermissionDeniedError": "key",
    "ModelNotFoundError": "model",
    "ModelRateLimitError": "quota",
    "ModelAPIError": "server",
    "ModelInvalidRequestError": "request",
    "ModelTimeoutError": "timeout",
    "ModelConnectionError": "connection",
    "APITimeoutError": "timeout",
    "TimeoutException": "timeout",
    "TimeoutError": "timeout",
    "APIConnectionError": "connection",
    "TransportError": "connection",
    "ConnectionError": "connection",
    "ServerTimeoutError": "timeout",
    "ClientConnectionError": "connection",
}
"""By the class of the error, or one it descends from: of LangChain, OpenAI-like clients, httpx, Python and aiohttp."""


def server_failure(
    error: BaseException, *, name: str, setting: str, key: str, address: str, ability: str
) -> str | None:
    """What went wrong between us and the server of the model called `name`, and which settings to check.

    `setting`, `key` and `address` name what gave the model, its key and its server's address, the latter two "" where
    there is no such setting; `ability` is what the model has to be able to do. None for an error that is not known as
    a server's. The text of the error, which may quote the user, is left out.
    """
    shown = quoted(name)
    match _kind_of_failure(error):
        case "key":
            return f"the model's server refused {f'the key: check {key}' if key else f'access: check {address}'}."
        case "model":
            return f"the model's server does not know {shown}: check {' and '.join(filter(None, (setting, address)))}."
        case "quota":
            return "the model's server is asked too often, or the account has no quota left."
        case "timeout":
            return "the model did not answer in time (MODEL_TIMEOUT)."
        case "connection":
            return f"the model's server cannot be reached: check {f'{address} and ' if address else ''}the network."
        case "request":
            checks = f"{key or address}, and that {shown} {ability}"
            return f"the model's server does not accept the request: check {checks}."
        case "server":
            return "the model's server has an internal error."
    return None


def _kind_of_failure(error: BaseException) -> str | None:
    for kind in type(error).__mro__:
        if failure := FAILURES_BY_CLASS.get(kind.__name__):
            return failure
    places = (error, "status_code"), (error, "code"), (getattr(error, "response", None), "status_code")
    status = next((value for where, name in places if isinstance(value := getattr(where, name, None), int)), 0)
    if status >= 400:
        return FAILURES_BY_STATUS.get(status) or ("server" if status >= 500 else "request")
    return None
