"""Takes what a model thought out of its answers, whole ones and those that arrive in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass

import regex  # it also finds what may be the beginning of a match, at the end of a text that arrives in pieces

NAMES = "think|thinking|thought|reasoning|reflection|antthinking|seed:think"
OPENING = rf"<(?:{NAMES})(?:\s+[\w:.-]+\s*=[^<>\n]{{0,99}})?\s*>"
SPECIAL_OPENING = r"\[THINK\]|<\|begin_of_thought\|>|<\|channel\|>analysis<\|message\|>|<unused94>thought"
CLOSING = rf"</(?:{NAMES})\s*>|\[/THINK\]|<\|end_of_thought\|>|<unused95>"
FRAME = r"<\|start\|>assistant|<\|channel\|>(?:final|commentary)<\|message\|>|<\|(?:end|return)\|>"
SOLUTION = r"<\|(?:begin|end)_of_solution\|>"
QUOTES = "\"'`"  # a tag between quotation marks or backticks is only mentioned
QUOTE = f"[{QUOTES}]"


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
            case "mention" if self._before in QUOTES:
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
