"""Takes a reply piece by piece as it is generated, and gives what may be shown: no thinking, no written tool call."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from agent.chat_models.written_calls import CALL_BEGINS, FENCES, MARKS, WrittenCall, calls_in, may_be_call, meaning_of
from memory.model_text import CLOSE_THINKING, OPEN_THINKING, OPENING_TAGS, without_thinking

LONGEST_TAG = len("</reasoning>")
CALL_ON_NEW_LINE = re.compile(rf"(?<=\n)[ \t]*({CALL_BEGINS.pattern})")
LINE_MARKS = tuple(mark.lower() for mark in (*FENCES, *MARKS, "[ {", "[\n{"))
LONGEST_MARK = max(map(len, (*OPENING_TAGS, *LINE_MARKS)))


@dataclass
class ReplyFilter:
    """One reply. What may be a call is held back, until it is certain or the reply ends; other text passes at once."""

    tools: Collection[str]
    begins_thinking: bool = False  # its thinking has an end only: nothing is shown before that, or before its own end
    calls: list[WrittenCall] = field(default_factory=list)  # what was held back, after `finish`
    hid_call: bool = False
    _mode: Literal["text", "thinking", "call"] = "text"
    _pending: str = ""
    _before: str = "\n"  # the last character that was shown, or "\n" where the line is blank so far
    _shown: bool = False

    def feed(self, piece: str) -> str:
        """What can be shown of the reply after its next piece, beyond what was given before."""
        self._pending += piece
        shown = list[str]()
        while self._step(shown):
            pass
        return "".join(shown)

    def finish(self) -> str:
        """The rest of what can be shown, at the end of the reply."""
        if self.begins_thinking:  # it did not, this time
            self.begins_thinking = False
            return self.feed("") + self.finish()
        rest, self._pending = self._pending, ""
        if self._mode != "call":
            return rest if self._mode == "text" else ""
        self.hid_call = meaning_of(rest, self.tools, alone=not self._shown) == "call"
        self.calls = calls_in(rest) if self.hid_call else []
        return "" if self.hid_call else without_thinking(rest)

    def _step(self, shown: list[str]) -> bool:
        """Handle the pending text up to the next change of mode; whether there was one."""
        if self.begins_thinking:
            closed = CLOSE_THINKING.search(self._pending)
            self._pending = self._pending[closed.end() if closed else 0 :]
            self.begins_thinking = closed is None
            return bool(closed)
        if self._mode == "thinking":
            closed = CLOSE_THINKING.search(self._pending)
            self._pending = self._pending[closed.end() if closed else -LONGEST_TAG :]
            self._mode = "text" if closed else "thinking"
            return bool(closed)
        if self._mode == "call":
            if may_be_call(self._pending):
                return False
            mark = CALL_BEGINS.match(self._pending)
            self._show(mark.end() if mark else 1, shown)
            self._mode = "text"
            return True
        if not self._shown:
            self._pending = self._pending.lstrip()
        text = self._before + self._pending
        thinking, call = OPEN_THINKING.search(text), CALL_ON_NEW_LINE.search(text)
        if thinking and not (call and call.start(1) < thinking.start()):
            self._show(thinking.start() - 1, shown)
            self._pending = self._pending[thinking.end() - thinking.start() :]
            self._mode = "thinking"
        elif call:
            self._show(call.start(1) - 1, shown)
            self._mode = "call"
        else:
            self._show(_certain(text) - 1, shown)
        return bool(thinking or call)

    def _show(self, end: int, shown: list[str]) -> None:
        """Show the pending text up to `end`."""
        text, self._pending = self._pending[:end], self._pending[end:]
        if not text:
            return
        shown.append(text)
        self._shown = True
        blank = not text.rpartition("\n")[2].strip()
        new_line = blank and ("\n" in text or self._before == "\n")
        self._before = "\n" if new_line else text[-1]


def _certain(text: str) -> int:
    """How many characters of the text are not, at its end, the beginning of a tag or of a call."""
    for at in range(max(1, len(text) - LONGEST_MARK), len(text)):
        if text[at] in "<[`~":
            marks = OPENING_TAGS if text[:at].rpartition("\n")[2].strip() else (*OPENING_TAGS, *LINE_MARKS)
            if any(mark.startswith(text[at:].lower()) for mark in marks):
                return at
    return len(text)
