"""Finds in a message the words that a model quotes from it; typography, emoji and accents do not count. Pure."""

import re
import unicodedata
from bisect import bisect_right
from itertools import accumulate

from memory.facts.text import INVISIBLE, fold, without_accents

PICTURES = ("So", "Sk", "Me", "Cf")  # categories of emoji, their skin tones, keycaps, and what joins them
MAX_QUOTE = 2_000  # characters of a quote; a longer one does not show where the fact comes from
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？।؟])\s*|\s*\n\s*")
CLAUSE_END = re.compile(rf"{SENTENCE_END.pattern}|(?<=[,;:])\s+|(?<=[，、；：،])\s*|\s+[-–—]+\s+|\s*—\s*")


def is_quoted(quote: str, text: str) -> bool:
    """Whether `text` holds these words; case, accents, typography, quotation marks and Markdown's marks may differ, and
    emoji in or around them."""
    if len(quote) > MAX_QUOTE:
        return False
    forms = ((_bare(part(quote)), part) for part in (str, _without_pictures))  # the first for a quote of emoji alone
    return any(sought and sought in _bare(part(text)) for sought, part in forms)


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
    """The folded text without accents, quotation marks, Markdown's marks, and punctuation at either end."""
    return re.sub(r"\s+", " ", re.sub(r"['*_~]", "", without_accents(fold(text)))).strip(" .,;:!?-")


def _without_pictures(text: str) -> str:
    return "".join(" " if unicodedata.category(char) in PICTURES else char for char in INVISIBLE.sub("", text))


def _letters(text: str) -> str:
    """Letters and digits of the folded text, which do not depend on where a text is cut into sentences."""
    return re.sub(r"[\W_]+", "", without_accents(fold(text)))
