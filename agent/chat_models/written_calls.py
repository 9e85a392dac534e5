"""Tool calls that a small model writes into its reply, as in ```json {"name": ..., "arguments": {...}} ```. Pure."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from memory.model_text import object_at, objects_in

FENCES = ("```", "~~~")
MARKS = ("<tool_call>", "<function_call>", "<function=", "<|tool_call|>", "<|python_tag|>", "[TOOL_CALLS]")
"""What only calls begin with."""
CALL_BEGINS = re.compile(rf"{'|'.join(map(re.escape, (*FENCES, *MARKS)))}|\[\s*\{{|\{{")
"""At the beginning of a line."""
FENCE = re.compile(r"(?:```|~~~)([\w-]*)")
FENCE_NAMES = ("json", "tool_call", "tool_calls", "tool_code", "tool")
BRACKETS = re.compile(rf"(?:{'|'.join(map(re.escape, MARKS))}|\[|\s)*")  # between the fence and the first object
NAME_KEYS = ("name", "tool", "tool_name", "function", "action")
ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "action_input")
CALL_KEYS = (*NAME_KEYS, *ARGUMENT_KEYS, "type", "id", "tool_call", "tool_calls", "function_call")
FIRST_KEY = re.compile(r'\{\s*(?:"([^"]*)("?)|$)')


class WrittenCall(NamedTuple):
    name: str
    arguments: dict[str, Any]


def calls_in(text: str) -> list[WrittenCall]:
    """The calls among the JSON objects in the text."""
    return [call for value in objects_in(text) for call in _calls(value)]


def _calls(value: object) -> Iterator[WrittenCall]:
    if isinstance(value, list):
        for part in value:
            yield from _calls(part)
    if not isinstance(value, Mapping):
        return
    for key in ("tool_calls", "tool_call", "function_call", "function"):  # {"type": "function", "function": {...}}
        if isinstance(value.get(key), list | dict):
            yield from _calls(value[key])
            return
    name = next((value[key] for key in NAME_KEYS if isinstance(value.get(key), str)), None)
    given = next((value[key] for key in ARGUMENT_KEYS if key in value), None)
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if name and isinstance(given, dict):
        yield WrittenCall(name, given)


def may_be_call(text: str) -> bool:
    """Whether the beginning of a text, from a match of CALL_BEGINS on, may still turn out to be a call."""
    start = 0
    if fence := FENCE.match(text):
        if fence.end() == len(text):
            return any(name.startswith(fence[1].lower()) for name in FENCE_NAMES)
        if fence[1].lower() not in ("", *FENCE_NAMES):
            return False
        start = fence.end()
    brackets = BRACKETS.match(text, start)
    at = brackets.end() if brackets else start
    if any(mark in text[:at] for mark in MARKS) or at == len(text):
        return True
    if any(mark.startswith(text[at:]) for mark in MARKS):
        return True
    if not (key := FIRST_KEY.match(text, at)):
        return False
    if not key[2]:
        return not key[1] or any(known.startswith(key[1]) for known in CALL_KEYS)
    is_whole = text.count("{", at) <= text.count("}", at)  # counting is fast, and this runs for each token
    first = object_at(text, at)[0] if is_whole else None
    return key[1] in CALL_KEYS and (first is None or bool([*_calls(first)]))


def meaning_of(text: str, tools: Collection[str], *, alone: bool) -> Literal["call", "example", "text"]:
    """What a text is that `may_be_call`, once it is whole. In a reply with other text (not `alone`), what names none of
    the tools is an example, which may be shown."""
    calls = calls_in(text)
    named = any(call.name in tools for call in calls) or any(f'"{name}"' in text for name in tools)
    if named or any(mark in text for mark in MARKS):
        return "call"
    return ("call" if alone else "example") if calls else "text"
