"""Takes what a model thought out of its answers, whole ones and those that arrive in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass

import regex  # it also finds what may be the beginning of a match, at the end of a text that arrives in pieces

NAMES = (
    r"(?:ant|(?:(?!no_)[a-z]{2,9}[:_])+)?"
    r"(?:think(?:ing)?(?:_process)?|thought(?:s|_process)?|reasoning|reflection|scratchpad|monologue)"
)
OPENING = rf"<(?:{NAMES})(?:\s+[\w:.-]+\s*=[^<>\n]{{0,99}})?\s*>"
SPECIAL_OPENING = (
    r"\[THINK\]|◁think▷|<\|(?:think|start_thinking|begin_of_thought|inner_prefix)\|>"
    r"|<\|channel\|>analysis<\|message\|>|<\|channel>thought|<unused94>thought"
)
CLOSING = (
    rf"</(?:{NAMES})\s*>|\[/THINK\]|◁/think▷|<\|(?:/think|end_thinking|end_of_thought|inner_suffix)\|>"
    r"|<channel\|>|<unused95>"
)
FINAL = r"<\|channel\|>(?:final|commentary)\s*(?:<\|constrain\|>\w+\s*)?<\|message\|>"
FRAME = rf"<\|start\|>assistant|{FINAL}|<\|(?:end|return)\|>"
# What stands around an answer where a server does not take it out.
AROUND = (
    r"<\|(?:begin|end)_of_solution\|>|<\|(?:start|end)_response\|>|<\|im_start\|>assistant\b"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>|<\|(?:im_end|eot_id|eom_id|end_?of_?text)\|>"
    r"|<end_of_turn>|<｜end▁of▁sentence｜>"
)
# What is left of gpt-oss's channels where a server drops their tokens.
BARE_OPENING, BARE_CLOSING = r"(?-i:analysis)", r"(?-i:assistant(?:final|(?=commentary)))"
FENCE = r"^[ \t]{0,40}(?:```|~~~)"
QUOTES = "\"'`"  # a tag between quotation marks or backticks is only mentioned
QUOTE = f"[{QUOTES}]"
# A tag in the middle of a sentence that is spoken of, although a closing tag follows.
MENTION = regex.compile(rf"{OPENING}\s*(?:\.\.\.|…|(?:and|or|to|tags?|tokens?|blocks?)\b)", regex.IGNORECASE)


def _unquoted(tag: str) -> str:
    return rf"(?:(?<!{QUOTE})(?:{tag})|(?<={QUOTE})(?:{tag})(?=[^\"'`]))"


ANYWHERE = rf"""
    (?P<thinking_fence>{FENCE}[ \t]?(?:{NAMES})(?=\n))
    |(?P<fence>{FENCE}[^\n`<\[◁]*(?=\n))
    |(?P<opening>(?:^[ \t]{{0,40}}|(?<=[.!?…。！？]))(?:{OPENING})|(?<!{QUOTE})(?:{SPECIAL_OPENING}))
    |(?P<closing>{_unquoted(CLOSING)})
    |(?P<mention>{OPENING})
    |(?P<frame>{_unquoted(f"{FRAME}|{AROUND}")})"""
AT_BEGINNING = rf"(?<=\A\n)\s{{0,99}}(?P<bare>{BARE_OPENING})"
FLAGS = regex.VERBOSE | regex.MULTILINE | regex.IGNORECASE
IN_TEXT, IN_BEGINNING = regex.compile(ANYWHERE, FLAGS), regex.compile(f"{AT_BEGINNING}|{ANYWHERE}", FLAGS)
WRAPPER = ("```", "```xml", "```text", "```markdown", "~~~")  # fences in which an answer, or its thinking, may begin
IN_WRAPPER = regex.compile(rf"\s*(?:{OPENING}|{SPECIAL_OPENING})", regex.IGNORECASE)
IN_FENCE = regex.compile(rf"(?P<fence>{FENCE})", regex.MULTILINE)


def _in_thinking(closing: str) -> "regex.Pattern[str]":
    opening = rf"(?<!{QUOTE})(?:{OPENING}|{SPECIAL_OPENING})"
    return regex.compile(rf"(?P<opening>{opening})|(?P<closing>{_unquoted(closing)})", regex.IGNORECASE)


IN_THINKING = _in_thinking(f"{CLOSING}|{FRAME}|{BARE_CLOSING}")
IN_UNOPENED = _in_thinking(f"{CLOSING}|{FINAL}")  # other special tokens may stand at the end of an answer


class UnopenedEnd(str):
    """A closing tag without an opening one: all the text before it was thinking."""


@dataclass
class ThinkingFilter:
    """Takes the thinking out of one answer that arrives in pieces, and the special tokens that stand around it.

    Thinking begins the answer or a line, or follows the end of a sentence directly. In the middle of a sentence it is
    thinking if its closing tag follows, and otherwise only mentioned, as in quotes and code fences. A fence is thinking
    if it is named so ("```thinking"), or if it begins the answer and a tag of thinking follows. Where the opening tag
    is in the prompt, only the closing one is in the answer: the text before it is held back if the answer may begin so
    (`begins`); otherwise the closing tag is returned as an UnopenedEnd.
    """

    begins: bool = False
    ended_unopened: bool = False  # whether it did begin so, and the thinking has ended
    _depth: int = 0
    _may_be_answer: bool = False  # whether `_skipped` is shown if the thinking does not end
    _skipped: str = ""
    _fenced: bool = False
    _wrapper: str = ""  # the fence that the answer began with, until it is known whether thinking follows
    _wrapped: bool = False  # whether it does, and the fence has not ended yet
    _mentioned: bool = False
    _in_sentence: bool = False  # whether the thinking, if it is one, began in the middle of a sentence
    _pending: str = ""
    _before: str = "\n"  # the last character that was read, or "\n"
    _begun: bool = False  # whether there was more than blanks

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
        return [part for part in parts if part and not (self._wrapped and part.strip() in ("```", "~~~"))]

    def _read(self, *, partial: bool) -> Iterator[str]:
        while True:
            if self._wrapper:
                found = IN_WRAPPER.match(self._pending, partial=partial)
                if found and found.partial:
                    return
                self._depth, self._wrapped, self._fenced = int(bool(found)), bool(found), not found
                self._pending = self._pending[found.end() if found else 0 :]
                yield "" if found else self._wrapper
                self._wrapper = ""
            in_text = IN_TEXT if self._begun else IN_BEGINNING
            in_thinking = IN_UNOPENED if self.begins else IN_THINKING
            pattern = IN_FENCE if self._fenced else in_thinking if self._depth else in_text
            text = self._before + self._pending
            found = pattern.search(text, 1, partial=partial)
            start, end = found.span() if found else (len(text), len(text))
            self._before, self._pending = text[start - 1], text[start:]
            self._begun = self._begun or bool(text[1:start].strip())
            if self._depth:
                self._skipped += text[1:start] if self._may_be_answer else ""
            else:
                yield text[1:start]
            if not found or found.partial:
                return
            first, self._pending, self._begun = not self._begun, text[end:], True
            if self._depth:
                yield self._think(text[start:end], opened=found.lastgroup == "opening")
            else:
                yield self._react(text[start:end], str(found.lastgroup), first=first)

    def _think(self, tag: str, *, opened: bool) -> str:
        """Go on after a tag inside of thinking, and return what was no thinking after all."""
        if not opened and self._in_sentence and self._depth == 1 and MENTION.match(self._skipped):
            mention, self._skipped = self._skipped + tag, ""
            self._depth, self._may_be_answer, self._in_sentence, self._mentioned = 0, False, False, True
            self._before = tag[-1]
            return mention
        if not opened:
            self._depth = 0 if self.begins and MENTION.search(self._skipped) else self._depth - 1
            self._fenced = False
            self._skipped = self._skipped + tag if self.begins and self._depth else ""
            self._may_be_answer, self._in_sentence = self._depth > 0, self._in_sentence and self._depth > 0
            if not self._depth:
                self._before = "\n"  # another thought may follow
                self.begins, self.ended_unopened = False, self.ended_unopened or self.begins
        elif self.begins and not self._skipped.strip():  # this time the opening tag is there
            self.begins = self._may_be_answer = False
        else:
            self._depth, self._skipped = self._depth + 1, self._skipped + tag
        return ""

    def _react(self, tag: str, kind: str, *, first: bool) -> str:
        """Go on after a tag outside of thinking, and return what is shown of it. `first`: the answer begins with it."""
        match kind:
            case "opening" | "thinking_fence":
                self._depth, self._fenced = 1, kind == "thinking_fence"
                return ""
            case "fence" if first and tag.strip().lower() in WRAPPER:
                self._wrapper = tag
                return ""
            case "frame":
                return ""
            case "fence" if self._wrapped:
                self._wrapped, self._before = False, "\n"
                return ""
            case "closing" if not self._mentioned:
                self._before = "\n"
                return UnopenedEnd(tag)
            case "fence":
                self._fenced = not self._fenced
            case "mention" if self._before in QUOTES:
                self._mentioned = True
            case "mention" | "bare":
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
