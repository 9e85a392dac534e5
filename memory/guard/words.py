"""The lists of words in words/*.toml, as regular expressions. Pure.

A list holds words and phrases, separated by ";" or by the end of a line (an indented line goes on with the one above),
in lower case and without accents, as `readings.bare` writes a text. Each is a regular expression, except that a "*"
after a letter stands for any ending.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ENDING = re.compile(r"(?<=[^\W\d_])(?<!\\[a-zA-Z])\*")
GROUP = re.compile(r"\((?!\?)")  # one that captures nothing is quicker
NO_SPACES = re.compile("[\u0600-\u06ff\u0900-\u097f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Letters of languages that write no spaces, or join short words to others: Arabic, Hindi, those of East Asia."""


def read(name: str) -> Mapping[str, Any]:
    """The lists of words/`name`.toml."""
    return tomllib.loads((Path(__file__).parent / "words" / f"{name}.toml").read_text(encoding="utf-8"))


def entries(listed: str) -> list[str]:
    """The regular expression of each word or phrase of a list."""
    phrases = (phrase.strip() for phrase in re.split(r"[;\n]", re.sub(r"\n +", "", listed)))
    return [ENDING.sub(r"\\w*", GROUP.sub("(?:", phrase)) for phrase in phrases if phrase]


def any_of(listed: str) -> str:
    """A regular expression that any entry of a list matches, to stand in a group of another one."""
    return "|".join(entries(listed))


def whole(listed: str) -> str:
    """The same, of whole words; in languages without spaces anywhere."""
    spaced = "|".join(entry for entry in entries(listed) if not NO_SPACES.search(entry))
    return "|".join([rf"\b(?:{spaced})\b", *filter(NO_SPACES.search, entries(listed))])


def without_false_friends(plain: str) -> str:
    """A text as `readings` gives it, without words that mean something else in its language: Polish "tu" is "here"."""
    if not (meant := [word for word in re.findall(r"\w+", plain) if word in _only()]):
        return plain
    languages = languages_of(plain)
    others = [word for word in meant if not languages & _only()[word]]
    return re.sub(rf"\b(?:{'|'.join(others)})\b", "_", plain) if others else plain


def languages_of(plain: str) -> frozenset[str]:
    """The language whose common words are the most in the text, or those that have as many; all if it has none."""
    said = re.findall(r"[\w']+", plain)
    counts = {language: sum(map(common.__contains__, said)) for language, common in _common().items()}
    return frozenset(language for language, count in counts.items() if count == max(counts.values()))


@cache
def _only() -> dict[str, frozenset[str]]:
    """Word -> the languages in which it means what the lists take it for."""
    return {word: frozenset(languages.split()) for word, languages in read("languages")["only"].items()}


@cache
def _common() -> dict[str, frozenset[str]]:
    return {language: frozenset(entries(listed)) for language, listed in read("languages")["common"].items()}
