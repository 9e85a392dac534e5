"""The lists of words in words/*.toml, and in which language a word of a text is one of them. Pure.

They are written as `memory.language.word_lists` says, and without accents, as `readings.bare` writes a text.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from memory.language import word_lists
from memory.language.word_lists import entries


def read(name: str) -> Mapping[str, Any]:
    """The lists of words/`name`.toml."""
    return word_lists.read(Path(__file__).parent / "words" / f"{name}.toml")


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
