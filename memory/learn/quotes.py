"""Finds in a message the words that a model says it quotes from it; typography does not count. Pure."""

import re
from bisect import bisect_right
from itertools import accumulate

from memory.facts.text import fold

MAX_QUOTE = 2_000  # characters of a quote; a longer one does not show where the fact comes from
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？।؟])\s*|\s*\n\s*")
CLAUSE_END = re.compile(rf"{SENTENCE_END.pattern}|(?<=[,;:])\s+|(?<=[，、；：،])\s*|\s+[-–—]+\s+|\s*—\s*")


def is_quoted(quote: str, text: str) -> bool:
    """Whether `text` holds these words; case, typography, quotation marks and Markdown's marks may differ."""
    return len(quote) <= MAX_QUOTE and bool(sought := _bare(quote)) and sought in _bare(text)


def sentence_around(quote: str, text: str) -> str:
    """The sentence or line of `text` with the quote in it, or those that it runs over; the quote if it has none."""
    return " ".join(_around(quote, text, SENTENCE_END))


def clauses_around(quote: str, text: str) -> list[str]:
    """The clauses of `text` that the quote runs over, which a comma, a colon or a dash ends, too."""
    return _around(quote, text, CLAUSE_END)


def _around(quote: str, text: str, end: re.Pattern[str]) -> list[str]:
    parts = [part for part in end.split(text) if part]
    letters, sought = [*map(_letters, parts)], _letters(quote)
    start = "".join(letters).find(sought)
    if start < 0 or not sought:
        return [quote]
    ends = [*accumulate(map(len, letters))]
    first, last = bisect_right(ends, start), bisect_right(ends, start + len(sought) - 1)
    return parts[first : last + 1]


def _bare(text: str) -> str:
    """The folded text without quotation marks, Markdown's marks, and punctuation at either end."""
    return re.sub(r"\s+", " ", re.sub(r"['*_~]", "", fold(text))).strip(" .,;:!?-")


def _letters(text: str) -> str:
    """Letters and digits of the folded text, which do not depend on where a text is cut into sentences."""
    return re.sub(r"[\W_]+", "", fold(text))
