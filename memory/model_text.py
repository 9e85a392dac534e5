"""Reads what real models write: answers with thinking in front of them, and JSON among prose and code fences."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import regex  # it also finds what may be the beginning of a match, at the end of a text that arrives in pieces

NAMES = "think|thinking|thought|reasoning|reflection|antthinking|seed:think"
OPENING = rf"<(?:{NAMES})(?:\s+[\w:.-]+\s*=[^<>\n]{{0,99}})?\s*>"
SPECIAL_OPENING = r"\[THINK\]|<\|begin_of_thought\|>|<\|channel\|>analysis<\|message\|>|<unused94>thought"
CLOSING = rf"</(?:{NAMES})\s*>|\[/THINK\]|<\|end_of_thought\|>|<unused95>"
FRAME = r"<\|start\|>assistant|<\|channel\|>(?:final|commentary)<\|message\|>|<\|(?:end|return)\|>"
SOLUTION = r"<\|(?:begin|end)_of_solution\|>"
QUOTE = "[\"'`]"  # a tag between quotation marks or backticks is only mentioned


def _unquoted(tag: str) -> str:
    return rf"(?:(?<!{QUOTE})(?:{tag})|(?<={QUOTE})(?:{tag})(?=[^\"'`]))"


IN_TEXT = regex.compile(
    rf"""(?P<fence>^[ \t]*(?:```|~~~))
    |(?P<opening>(?:^[ \t]*|(?<=[.!?…。！？]))(?:{OPENING})|(?<!{QUOTE})(?:{SPECIAL_OPENING}))
    |(?P<closing>{_unquoted(CLOSING)})
    |(?P<mention>{OPENING})
    |(?P<frame>{_unquoted(f"{FRAME}|{SOLUTION}")})""",
    regex.VERBOSE | regex.MULTILINE | regex.IGNORECASE,
)
IN_FENCE = regex.compile(r"(?P<fence>^[ \t]*(?:```|~~~))", regex.MULTILINE)
IN_THINKING = regex.compile(
    rf"(?P<opening>(?<!{QUOTE})(?:{OPENING}|{SPECIAL_OPENING}))|(?P<closing>{_unquoted(f'{CLOSING}|{FRAME}')})",
    regex.IGNORECASE,
)


class UnopenedEnd(str):
    """A closing tag without an opening one: all the text before it was thinking."""


@dataclass
class ThinkingFilter:
    """Takes the thinking out of one answer that arrives in pieces, and the special tokens that stand around it.

    Thinking begins the answer or a line, or follows the end of a sentence directly. In the middle of a sentence it is
    thinking if its closing tag follows, and otherwise only mentioned, as in quotes and code fences. Where the opening
    tag is in the prompt, only the closing one is in the answer: `begins` says so beforehand, and otherwise it is
    returned as an UnopenedEnd.
    """

    begins: bool = False
    _depth: int = 0
    _may_be_answer: bool = False  # whether `_skipped` is shown if the thinking does not end
    _skipped: str = ""
    _fenced: bool = False
    _mentioned: bool = False
    _in_sentence: bool = False  # whether the thinking, if it is one, began in the middle of a sentence
    _pending: str = ""
    _before: str = "\n"  # the last character that was read, or "\n"

    def __post_init__(self) -> None:
        self._depth, self._may_be_answer = int(self.begins), self.begins

    def feed(self, piece: str) -> list[str]:
        """The next parts of the answer: text, or an UnopenedEnd."""
        self._pending += piece
        return [*filter(None, self._read(partial=True))]

    def finish(self) -> list[str]:
        """The rest of them, at the end of the answer."""
        parts = [*self._read(partial=False)]
        if self._depth and self._in_sentence:
            parts.append(self._skipped)
        elif self._depth and self._may_be_answer:
            # It did not begin with thinking, or what looked like thinking in thinking was a mention.
            rest = ThinkingFilter()
            parts += [*rest.feed(self._skipped), *rest.finish()]
        return [*filter(None, parts)]

    def _read(self, *, partial: bool) -> Iterator[str]:
        while True:
            pattern = IN_THINKING if self._depth else IN_FENCE if self._fenced else IN_TEXT
            text = self._before + self._pending
            found = pattern.search(text, 1, partial=partial)
            start, end = found.span() if found else (len(text), len(text))
            self._before, self._pending = text[start - 1], text[start:]
            if self._depth:
                self._skipped += text[1:start] if self._may_be_answer else ""
            else:
                yield text[1:start]
            if not found or found.partial:
                return
            self._pending = text[end:]
            if self._depth:
                self._think(text[start:end], opened=found.lastgroup == "opening")
            else:
                yield self._react(text[start:end], str(found.lastgroup))

    def _think(self, tag: str, *, opened: bool) -> None:
        """Go on after a tag inside of thinking."""
        if not opened:
            self._depth, self._skipped = self._depth - 1, ""
            self._may_be_answer, self._in_sentence = self._depth > 0, self._in_sentence and self._depth > 0
            self._before = self._before if self._depth else "\n"  # another thought may follow
        elif self.begins and not self._skipped.strip():  # this time the opening tag is there
            self.begins = self._may_be_answer = False
        else:
            self._depth, self._skipped = self._depth + 1, self._skipped + tag

    def _react(self, tag: str, kind: str) -> str:
        """Go on after a tag outside of thinking, and return what is shown of it."""
        match kind:
            case "opening":
                self._depth = 1
                return ""
            case "frame":
                return ""
            case "closing" if not self._mentioned:
                self._before = "\n"
                return UnopenedEnd(tag)
            case "fence":
                self._fenced = not self._fenced
            case "mention" if self._before in QUOTE:
                self._mentioned = True
            case "mention":
                self._depth, self._may_be_answer, self._in_sentence, self._skipped = 1, True, True, tag
                return ""
        self._before = tag[-1]
        return tag


def without_thinking(text: str) -> str:
    """The text without what the model thought, and without the special tokens around the answer."""
    whole = ThinkingFilter()
    parts = [*whole.feed(text), *whole.finish()]
    ends = [at for at, part in enumerate(parts, 1) if isinstance(part, UnopenedEnd)]
    return "".join(parts[ends[-1] if ends else 0 :]).strip()


# JSON

MAX_BRACKETS = 200  # each of them costs a look at all that follows
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{}\[\]]|\b(?:true|false|null)\b', re.DOTALL)
AS_PYTHON = {"true": "True", "false": "False", "null": "None"}


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
