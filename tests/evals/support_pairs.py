"""Labelled candidates: does a fact follow from the words that it is quoted from? The pairs are in support_pairs.jsonl;
in support_pairs_in_english.jsonl the text is in English, and the message in another language.

Each message, quote and text was written by hand, and labelled by reading alone, without running any check on it. Every
second line is `test`, the others are `dev`: thresholds and lists of words are chosen on `dev` only, and both are
reported. Lines of one kind and language stand together, so that both halves have the same mix.

Supported kinds: "reworded" (text and message share no content word) and "shared word" (they share one, perhaps
inflected or misspelt). Unsupported kinds: "request", "question", "small talk", "weather" and "invented" (a remark about
the user's day) with a text about something else, "accident" (they share only a light verb, a stop word, or a word in
another sense) and "wrong detail" (the message says it of somebody else, denies it, or only imagines it).
"""

import json
from pathlib import Path
from typing import Literal, NamedTuple

from tests.evals.dataset import Split

SupportKind = Literal[
    "reworded", "shared word",
    "request", "question", "small talk", "weather", "invented", "accident", "wrong detail", "in English",
]  # fmt: skip


class SupportPair(NamedTuple):
    """A candidate, the message that it is said to come from, and whether it follows."""

    message: str
    quote: str
    """A verbatim part of `message`, or all of it."""
    text: str
    attribute: str
    supported: bool
    kind: SupportKind
    language: str
    """Of the message, and of the text unless that is "in English"; ISO 639-1, such as "en"."""
    split: Split


def load_support_pairs(file: str = "support_pairs") -> list[SupportPair]:
    """Every pair, in the order of the file."""
    lines = (Path(__file__).parent / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    return [SupportPair(**json.loads(line), split="test" if n % 2 else "dev") for n, line in enumerate(lines)]
