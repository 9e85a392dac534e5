"""The errors of memory, as a few small exceptions whose text names the value and the fix."""

import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any

MAX_QUOTED = 60  # characters of a value that an error repeats
MAX_COUNT = 2**31 - 1  # the largest number that a limit or an offset may be

# By pydantic's type of problem, if its own words are unclear.
PROBLEMS = {
    "missing": "is missing",
    "extra_forbidden": "is unknown here",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number that is not infinite",
}

CODE = re.compile(r"[a-z][a-z0-9_.-]{0,59}")  # what a provider's code has to be to be repeated
UNINFORMATIVE = {"error", "api_error", "invalid_request_error", "server_error"}

# Kind of failure -> the HTTP statuses, the providers' codes and the error classes, or base classes, that mean it: of
# LangChain, OpenAI-like clients, httpx, Python and aiohttp.
FAILURES: dict[str, set[int | str]] = {
    "length": {413, "context_length_exceeded", "string_above_max_length", "request_too_large", "ContextOverflowError"},
    "region": {"unsupported_country_region_territory"},
    "conflict": {409},
    "key": {401, 403, "ModelAuthenticationError", "ModelPermissionDeniedError"},
    "model": {404, "ModelNotFoundError"},
    "plan": {402, "insufficient_quota", "billing_hard_limit_reached"},
    "filter": {"content_filter", "content_policy_violation"},
    "quota": {429, "ModelRateLimitError"},
    "timeout": {408, 504, "ModelTimeoutError", "APITimeoutError", "TimeoutException", "TimeoutError",
                "ServerTimeoutError"},
    "connection": {"ModelConnectionError", "APIConnectionError", "TransportError", "ConnectionError",
                   "ClientConnectionError"},
    "request": {"ModelInvalidRequestError"},
    "server": {"ModelAPIError"},
}  # fmt: skip

# In errors without a code, as of vLLM.
TOO_LONG = re.compile(r"context (?:length|window|size)|too many (?:input )?tokens|(?:prompt|input) is too long", re.I)


class AgentMemoryError(Exception):
    """Base of every error this package raises on purpose."""


class BadInput(AgentMemoryError, ValueError):
    """A value from outside cannot be used; nothing was written."""


class Unavailable(AgentMemoryError, RuntimeError):
    """A part (Postgres, Chroma, a model) does not answer; nothing was lost, and the work can be repeated.

    A RuntimeError, since LangGraph's server hides the texts of most errors from clients."""


def cause_of(error: BaseException) -> str:
    """An error for the log: its class and place, without other packages' texts, which may quote what a user said."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}{f' ({error})' if isinstance(error, AgentMemoryError) else ''}"


def quoted(text: str) -> str:
    """The text in quotes for an error message, shortened if it is long."""
    return repr(text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}...")


def expect(kind: type | UnionType, **values: object) -> None:
    """Raise BadInput that names the first of the values that is not of this type; it never repeats what it holds."""
    for name, value in values.items():
        if not isinstance(value, kind):
            wanted = str(kind) if isinstance(kind, UnionType) else kind.__name__
            raise BadInput(f"`{name}` is of type {type(value).__name__}: give {wanted}.")


def expect_count(**values: object) -> None:
    """Raise BadInput that names the first of the values that is no whole number from 0 to MAX_COUNT."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
            raise BadInput(f"`{name}` must be a whole number from 0 to {MAX_COUNT:,}.")


def problems_of(errors: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Pydantic's `ValidationError.errors()` as (field, what is wrong), without values; the field "" is the whole."""
    return [(".".join(map(str, problem["loc"])), _in_words(problem)) for problem in errors]


def listed(problems: Iterable[tuple[str, str]]) -> str:
    """ "text: must be a string; importance: must be at most 1"."""
    return "; ".join(f"{field}: {text}" if field else text for field, text in problems)


def _in_words(problem: Mapping[str, Any]) -> str:
    if problem["type"] in PROBLEMS:
        return PROBLEMS[problem["type"]]
    message = re.sub(r"^(Value error|Assertion failed), ", "", str(problem["msg"])).rstrip(".")
    message = re.sub(r"^(Input|String|List|Value|Dictionary|Datetime) should ", "must ", message)
    return message.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")


def status_of(error: BaseException) -> int:
    """The HTTP status with which a model's server refused a request; 0 if the error has none."""
    places = (error, "status_code"), (error, "code"), (getattr(error, "response", None), "status_code")
    return next((value for at, name in places if isinstance(value := getattr(at, name, None), int)), 0)


def code_of(error: BaseException) -> str:
    """The provider's own short code for the error, such as "insufficient_quota"; "" if there is none."""
    body = getattr(error, "body", None)
    bodies = [part for part in (body.get("error"), body) if isinstance(part, dict)] if isinstance(body, dict) else []
    given = [getattr(error, "code", None), *(part.get("code") for part in bodies)]
    given += [getattr(error, "type", None), *(part.get("type") for part in bodies), getattr(error, "status", None)]
    codes = (code.lower() for code in given if isinstance(code, str))
    return next((code for code in codes if CODE.fullmatch(code) and code not in UNINFORMATIVE), "")


def is_too_long(error: BaseException) -> bool:
    """Whether a model's server says that the request is too long; in rare cases it may be the user who says so."""
    return status_of(error) in (400, 413, 422) and bool(TOO_LONG.search(str(error)))


def server_failure(
    error: BaseException, *, name: str, setting: str, key: str, address: str, ability: str
) -> str | None:
    """What went wrong with the server of the model called `name`: its status and code, and which settings to check;
    None if it is unknown. `setting`, `key` and `address` name settings, the last two "" if there are none; `ability`
    is what the model has to be able to do. The error's own text, which may quote the user, is left out."""
    status, code = status_of(error), code_of(error)
    answered = f"the model's server answered {status}{f' ({code})' if code else ''}: " if status else ""
    it = "it" if answered else "the model's server"
    plan = f"check the plan of {key or address or setting}"
    sentences = {
        "length": f"the request is too long for {quoted(name)}: lower WINDOW_TOKENS or MAX_MESSAGE_CHARS.",
        "region": f"{it} is not available in this country or region: use another provider ({setting}).",
        "conflict": f"{it} is busy with a conflicting request: try again.",
        "key": f"{it} refused {f'the key: check {key}' if key else f'access: check {address}'}.",
        "model": f"{it} does not know {quoted(name)}: check {' and '.join(filter(None, (setting, address)))}.",
        "plan": f"the account has no quota left: {plan}.",
        "quota": f"{it} is asked too often, or the account has no quota left: wait, or {plan}.",
        "filter": "the provider's content filter refused the request: put it in other words, or begin a new thread.",
        "timeout": "the model did not answer in time (MODEL_TIMEOUT).",
        "connection": f"{it} cannot be reached: check {f'{address} and ' if address else ''}the network.",
        "request": f"{it} does not accept the request: check {key or address}, and that {quoted(name)} {ability}.",
        "server": f"{it} has an internal error.",
    }
    too_long = "ContextOverflowError" if is_too_long(error) else ""
    signs = (code, too_long, *(kind.__name__ for kind in type(error).__mro__), status)
    by_status = "server" if status >= 500 else "request" if status else ""
    kinds = (kind for sign in signs for kind, meant_by in FAILURES.items() if sign in meant_by)
    sentence = sentences.get(next(kinds, by_status))
    return answered + sentence if sentence else None
