"""Tool calls that a model writes into its reply, as in ```json {"name": ..., "arguments": {...}} ```. Pure."""

import ast
import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import regex

from memory.model_text import literals_in, value_at, values_in

NAME_KEYS = ("name", "tool", "tool_name", "function", "function_name", "recipient_name", "action")
ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "action_input", "tool_input")
OUTER_KEYS = ("tool_calls", "tool_call", "function_call", "function")  # {"type": "function", "function": {...}}
MARKS = (
    r"<(?:[a-z]+[:_])?(?:tool_?calls?|function_calls?)>|<function=|<(?:[a-z]+:)?invoke name=|\[TOOL_CALLS\]"
    r"|<\|(?:tool_call|tool_call_start|tools_prefix|python_tag|tool_calls_section_begin|tool_call_begin|action_start"
    r"|start_action)(?:\|>|>)|<start_function_call>|<｜(?:tool[▁_]calls?[▁_]begin|DSML)｜"
    r"|(?:<\|channel\|>)?commentary to=|(?<!\S)to=functions\.|(?:```|~~~)tool(?:_code|_calls?)?\b"
)
"""What only calls begin with."""
WRAPPER = (
    r"(?:^[ \t]*[-*]\s+)?"
    r"(?:(?:```|~~~)[\w-]*\s*(?:\w+\s*=\s*)?(?:await\s+)?|`|<tools>\s*|\[\s*|\{\s*(?=\{)|print\()*"
)
"""What may stand before a call, and is hidden with it: also a second brace: {{"name": ...}}."""
MAX_PARENTHESES = 20  # looked at for the end of a call


class WrittenCall(NamedTuple):
    name: str
    arguments: dict[str, Any]


@lru_cache(maxsize=16)
def call_pattern(tools: frozenset[str]) -> "regex.Pattern[str]":
    """What a call may begin with: a mark, an object with a call's key, or a tool's name and the syntax of a call."""
    keys = "|".join(map(regex.escape, {*NAME_KEYS, *ARGUMENT_KEYS, *OUTER_KEYS, "type", "id", *tools}))
    names = "|".join(map(regex.escape, tools)) or r"\b\B"
    begins = (
        rf"(?P<mark>{MARKS})",
        rf"(?P<object>\{{)\s*[\"'](?:{keys})[\"']\s*:",
        rf"(?P<object>\{{)\s*(?://[^\n]*\n\s*)?[\"']?(?:{keys})[\"']?\s*:\s*[\"'](?:\w+\.)?(?:{names})[\"']",
        rf"(?<![\w.])(?:(?:functions|tools|default_api)\.)?(?:{names})(?:\((?:\w+\s*=[^=]|[\"'{{])|(?::\s*)?\{{)",
        rf"<(?:{names})[\s/>]|<\w+(?:\sname=[\"']|>)(?:{names})[\"'<]",
        rf"^(?:Action|name|tool|function):\s*(?:{names})\b",
    )
    # In backticks within a line it is only mentioned.
    return regex.compile(rf"{WRAPPER}(?<![^\n`]`)(?:{'|'.join(begins)})", regex.MULTILINE | regex.IGNORECASE)


@lru_cache(maxsize=16)
def name_pattern(tools: frozenset[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, tools)) or '(?!)'})(?!\w)", re.IGNORECASE)


def calls_in(text: str, tools: Collection[str]) -> list[WrittenCall]:
    """The calls in the text; those that are not JSON only if they are of these tools."""
    for values in (values_in(text), literals_in(text)):
        if found := [call for value in values for call in _calls(value, tools)]:
            return found
    named = [(match[0], match.end()) for match in name_pattern(frozenset(tools)).finditer(text)]
    found = [WrittenCall(name, value) for name, at in named if isinstance(value := _object_after(text, at), dict)]
    return found or [call for name, at in named if (call := _as_python(name, text[at:]))]


def _calls(value: object, tools: Collection[str]) -> Iterator[WrittenCall]:
    if isinstance(value, list):
        for part in value:
            yield from _calls(part, tools)
    if not isinstance(value, Mapping):
        return
    for key in OUTER_KEYS:
        if isinstance(value.get(key), list | dict):
            yield from _calls(value[key], tools)
            return
    name = next((value[key] for key in NAME_KEYS if isinstance(value.get(key), str)), None)
    given = next((value[key] for key in ARGUMENT_KEYS if key in value), None)
    if len(value) == 1 and (key := next(iter(value))) in tools:  # {"search_memory": {...}}
        name, given = key, value[key]
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    is_schema = isinstance(given, dict) and given.get("type") == "object" and "properties" in given
    if name and isinstance(given, dict) and not is_schema:
        short = name.rpartition(".")[2]  # of "functions.search_memory"
        yield WrittenCall(short if short in tools else name, given)


def _object_after(text: str, at: int) -> object:
    """The object that follows a name, with nothing but marks between them, as in <function=NAME>{...}."""
    between = re.compile(r"(?![\"'(])(?:[^\w{}]|<[^<>{}]*>|:\d+|json|commentary|Action Input)*(?=\{)").match(text, at)
    return value_at(text, between.end())[0] if between else None


def _as_python(name: str, rest: str) -> WrittenCall | None:
    """The call of `name` whose parentheses the rest begins with, if its arguments are literals with names."""
    ends = [match.end() for match in re.finditer(r"\)", rest)] if rest.startswith("(") else []
    for end in ends[:MAX_PARENTHESES]:
        try:
            match ast.parse(name + rest[:end], mode="eval").body:
                case ast.Call(args=[], keywords=given):
                    return WrittenCall(name, {str(part.arg): ast.literal_eval(part.value) for part in given})
                case _:
                    return None
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def is_no_call(text: str, at: int, tools: Collection[str], *, others: bool) -> bool:
    """Whether the object at `at` is whole and calls none of these tools nor, with `others`, any other tool."""
    if text.count("{", at) > text.count("}", at):  # counting is fast, and this runs for each token
        return False
    value, end = value_at(text, at)
    if value is None:  # maybe it is as in Python
        value, end = next(literals_in(text[at:]), None), len(text)
    if value is None or name_pattern(frozenset(tools)).search(text, at, end):
        return False
    return not (others and any(_calls(value, tools)))
