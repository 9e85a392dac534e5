"""Reads what real models write: JSON among prose and code fences, and why an answer ended."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_BRACKETS = 200  # each of them costs a look at all that follows
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{}\[\]]|\b(?:true|false|null)\b', re.DOTALL)
AS_PYTHON = {"true": "True", "false": "False", "null": "None"}
CUT_OFF = {"length", "max_tokens"}  # providers' words for why an answer ended
CUT_SHORT = "connection_closed"  # our own, for a stream that ended without one


def reason_of(metadata: Mapping[str, Any]) -> str:
    """Why an answer ended, from its `response_metadata`: the provider's word, or ""."""
    return str(
        metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason") or ""
    ).lower()


def was_cut_off(metadata: Mapping[str, Any]) -> bool:
    return reason_of(metadata) in {*CUT_OFF, CUT_SHORT}


def value_at(text: str, at: int) -> tuple[Any, int]:
    """The whole JSON object or list that begins at `at`, or None, and where to look for the next one."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at + 1


def values_in(text: str) -> Iterator[Any]:
    """The whole JSON objects and lists in the text, in order, without those inside of others.

    The parts of a list or object that was cut off are not taken for lists. After MAX_BRACKETS that are no JSON, none
    is read.
    """
    opening, at, failed = re.compile(r"[{\[]"), 0, 0
    while failed < MAX_BRACKETS and (found := opening.search(text, at)):
        value, at = value_at(text, found.start())
        if value is not None:
            yield value
            continue
        failed += 1
        if found[0] == "{":
            opening = re.compile(r"{")


def literals_in(text: str) -> Iterator[Any]:
    """The same for objects and lists as in Python: with single quotes, True, None, or a comma before the end."""
    at = 0
    while (start := min((found for b in "{[" if (found := text.find(b, at)) >= 0), default=-1)) >= 0:
        depth = 0
        for token in TOKEN.finditer(text, start):
            depth += (token[0] in ("{", "[")) - (token[0] in ("}", "]"))
            if not depth:
                at = token.end()
                break
        else:
            return  # it was cut off
        try:
            yield ast.literal_eval(TOKEN.sub(_as_python, text[start:at]))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue


def _as_python(token: re.Match[str]) -> str:
    return AS_PYTHON.get(token[0], token[0]).replace("\n", r"\n").replace(r"\/", "/")
