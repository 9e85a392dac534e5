"""Lists of words in TOML files, as regular expressions. Pure.

A list holds words and phrases in lower case, separated by ";" or by the end of a line (an indented line goes on with
the one above). Each is a regular expression, except that a "*" after a letter stands for any ending.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

ENDING = re.compile(r"(?<=[^\W\d_])(?<!\\[a-zA-Z])\*")
GROUP = re.compile(r"\((?!\?)")  # one that captures nothing is quicker
NO_SPACES = re.compile("[\u0600-\u06ff\u0900-\u097f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U0001f300-\U0001faff]")
"""Letters of languages that write no spaces, or join short words to others (Arabic, Hindi, those of East Asia), and
emoji."""


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def entries(listed: str) -> list[str]:
    """The regular expression of each word or phrase of a list."""
    phrases = (phrase.strip() for phrase in re.split(r"[;\n]", re.sub(r"\n +", "", listed)))
    return [ENDING.sub(r"\\w*", GROUP.sub("(?:", phrase)) for phrase in phrases if phrase]


def any_of(listed: str) -> str:
    """A regular expression that any entry of a list matches, to stand in a group of another one."""
    return "|".join(entries(listed))


def whole(listed: str) -> str:
    """The same, of whole words; in languages without spaces anywhere, up to the next space."""
    spaced = "|".join(entry for entry in entries(listed) if not NO_SPACES.search(entry))
    unspaced = "|".join(filter(NO_SPACES.search, entries(listed)))
    return rf"(?<!\w)(?:{spaced or '(?!)'})(?!\w)|(?:{unspaced or '(?!)'})\S*"
