"""Takes a reply piece by piece as it is generated, and gives what may be shown: no thinking, no written tool call."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.chat_models.written_calls import MARKS, WrittenCall, call_pattern, calls_in, is_no_call, name_pattern
from memory.thinking import ThinkingFilter, UnopenedEnd

MARKED_OBJECT = re.compile(rf"(?:{MARKS})\s*[\[{{]", re.IGNORECASE)


@dataclass
class ReplyFilter:
    """One reply. What may be a call is held back, until it is certain or the reply ends; other text passes at once."""

    tools: frozenset[str]
    begins_thinking: bool = False  # it may begin with thinking that has an end only: nothing is shown before an end
    may_call: bool = True  # if not, a call of an unknown tool is a text that the user asked for
    calls: list[WrittenCall] = field(default_factory=list)  # what was held back, after `finish`
    hid_call: bool = False
    _held: str = ""
    _begin: str = ""  # what the call in `_held` begins with: "mark", "object" or "name"; "" where there is none
    _object: int = 0  # where its object begins
    _before: str = "\n"  # the last character that was shown, or "\n" where the line is blank so far
    _shown: bool = False

    def __post_init__(self) -> None:
        self._thinking = ThinkingFilter(self.begins_thinking)

    @property
    def may_think(self) -> bool:
        """Whether the reply so far may be nothing but thinking."""
        return self._thinking.begins

    @property
    def began_thinking(self) -> bool:
        """Whether the reply began with thinking that had an end only."""
        return self._thinking.ended_unopened

    def feed(self, piece: str) -> str:
        """What can be shown of the reply after its next piece, beyond what was given before."""
        return self._read(self._thinking.feed(piece))

    def finish(self) -> str:
        """The rest of what can be shown, at the end of the reply."""
        shown, rest = self._read(self._thinking.finish()), self._held
        self._held = ""
        if not self._begin:
            return shown + rest
        calls = calls_in(rest, self.tools)
        marked = self._begin == "mark" and bool(calls or self._before == "\n" or MARKED_OBJECT.match(rest))
        alone = bool(calls) and self.may_call and not self._shown
        self.hid_call = marked or alone or bool(name_pattern(self.tools).search(rest))
        self.calls = calls if self.hid_call else []
        return shown if self.hid_call else shown + rest

    def _read(self, parts: Iterable[str]) -> str:
        shown = list[str]()
        for part in parts:
            if isinstance(part, UnopenedEnd):  # what is held back was thinking, too
                shown.append(part)
                self._held, self._begin, self._before, self._shown = "", "", "\n", False
                continue
            self._held += part
            while self._step(shown):
                pass
        return "".join(shown)

    def _step(self, shown: list[str]) -> bool:
        """Handle the held text up to the beginning of a call, or to where it turns out to be none."""
        if self._begin:
            others = self.may_call and not self._shown
            if self._begin != "object" or not is_no_call(self._held, self._object, self.tools, others=others):
                return False
            self._show(self._object + 1, shown)
            self._begin = ""
            return True
        if not self._shown:
            self._held = self._held.lstrip()
        text = self._before + self._held
        found = call_pattern(self.tools).search(text, 1, partial=True)
        start = found.start() if found else len(text)
        self._show(start - 1, shown)
        if not found or found.partial:
            return False
        self._begin, self._object = found.lastgroup or "name", found.start("object") - start
        return True

    def _show(self, end: int, shown: list[str]) -> None:
        """Show the held text up to `end`."""
        text, self._held = self._held[:end], self._held[end:]
        if not text:
            return
        shown.append(text)
        self._shown = True
        blank = not text.rpartition("\n")[2].strip()
        new_line = blank and ("\n" in text or self._before == "\n")
        self._before = "\n" if new_line else text[-1]
