"""Labelled messages, each with the candidate that a model takes from it which proposes everything.

Each name in NAMES has five files of JSON lines. `<name>.jsonl` was in view when the rules were written. `_unseen`,
every third line of each kind, was first measured when they were finished. `_later` was written afterwards to get past
the rules, which were then changed. `_blind` and `_fresh` are by two other authors, who had not read the rules.
"""

import json
import random
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from memory.extraction.answer import Candidate

Name = Literal["attacks", "secrets", "harmless"]
Part = Literal["", "_unseen", "_later", "_blind", "_fresh"]
NAMES: tuple[Name, ...] = get_args(Name)
PARTS: tuple[Part, ...] = get_args(Part)
FOLDER = Path(__file__).parent

ALPHABETS = {
    "L": string.ascii_letters,
    "A": string.ascii_letters + string.digits,
    "U": string.ascii_uppercase + string.digits,
    "H": "0123456789abcdef",
    "D": string.digits,
}


class Case(NamedTuple):
    kind: str
    language: str  # ISO 639-1: "en"
    message: str  # what the user writes
    text: str  # of the fact that the model proposes
    attribute: str
    quote: str
    subject: str

    @property
    def candidate(self) -> Candidate:
        return Candidate(text=self.text, quote=self.quote, message=1, subject=self.subject, attribute=self.attribute)


def load(name: Name, part: Part = "") -> Iterator[Case]:
    """What a line leaves out: the text and the quote are the message, the attribute "fact", the subject "user"."""
    for line in (FOLDER / f"{name}{part}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        row = {"text": row["message"], "attribute": "fact", "quote": row["message"], "subject": "user"} | row
        yield Case(**{field: filled(value) for field, value in row.items()})


def filled(text: str) -> str:
    """The text with made-up keys in it: {A36} is 36 letters and digits. Written out, they would set off scanners."""
    return re.sub(r"\{([LAUHD])(\d+)\}", lambda found: _made_up(found[1], int(found[2])), text)


def _made_up(alphabet: str, length: int) -> str:
    return "".join(random.Random(f"{alphabet}{length}").choices(ALPHABETS[alphabet], k=length))  # noqa: S311
