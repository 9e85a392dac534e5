"""Reads what real models write: JSON among prose and code fences, and texts without thinking."""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_BRACES = 200  # each of them costs a look at all that follows
TAGS = ("think", "thinking", "thought", "reasoning")
OPENING_TAGS = (*(f"<{tag}>" for tag in TAGS), "[think]")
# Not after a quotation mark or a backtick: there, the tag is only mentioned.
OPEN_THINKING = re.compile(rf"(?<![`\"'])(?:<(?:{'|'.join(TAGS)})>|\[THINK\])", re.IGNORECASE)
CLOSE_THINKING = re.compile(rf"</(?:{'|'.join(TAGS)})>|\[/THINK\]", re.IGNORECASE)
# Some servers put the opening tag into the prompt, so that only the closing one is in the answer, on a line of its own.
UNOPENED_THINKING = re.compile(rf"\A.*?^[ \t]*(?:{CLOSE_THINKING.pattern})[ \t]*$", re.DOTALL | re.MULTILINE | re.I)


def without_thinking(text: str) -> str:
    """The text without what the model wrote between tags such as <think> and </think>; an unclosed one never ends."""
    kept, at = list[str](), 0
    while opened := OPEN_THINKING.search(text, at):
        kept.append(text[at : opened.start()])
        closed = CLOSE_THINKING.search(text, opened.end())
        at = closed.end() if closed else len(text)
    return UNOPENED_THINKING.sub("", "".join([*kept, text[at:]])).strip()


def object_at(text: str, at: int) -> tuple[dict[str, Any] | None, int]:
    """The whole JSON object that begins with the brace at `at`, or None, and where to look for the next one."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at + 1


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """The whole JSON objects in the text, in order, without those inside of others; up to MAX_BRACES are not whole."""
    at, failed = text.find("{"), 0
    while at >= 0 and failed < MAX_BRACES:
        value, end = object_at(text, at)
        if value is None:
            failed += 1
        else:
            yield value
        at = text.find("{", end)
