"""Labelled retractions: do a user's words take a known fact back, as a model says that they do? In retractions.jsonl.

Each was written by hand and labelled by reading alone, before its author had read the rules. `label` is "retracted" if
the fact is no longer to be held, and "kept" otherwise. Every second line is `test`: rules are chosen on `dev` only.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from memory.extraction.answer import Extraction, Retraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.fact import Fact, Source, fact_id
from memory.index.embeddings import Embedder
from memory.learn.candidates import proposals, to_compare
from tests.evals.dataset import NOW, Split

Kind = Literal[
    "ended", "forget that", "just said", "was never so",
    "idiom", "joke", "somebody else", "past", "question", "wish or condition", "another thing", "other language",
]  # fmt: skip
Outcome = Literal["retracted", "asked", "kept"]
KNOWN_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Case(NamedTuple):
    known: Fact
    message: str
    quote: str
    """A verbatim part of `message`, or all of it."""
    label: Literal["retracted", "kept"]
    kind: Kind
    """Both labels have a kind "other language"."""
    language: str
    split: Split

    @property
    def extracted(self) -> Extracted:
        """The answer of a model that takes the words for a retraction."""
        said = Utterance(text=self.message, said_at=NOW, source=Source(thread_id="now", message_id="m1"))
        taken = Retraction(known=1, message=1, quote=self.quote)
        return Extracted([said], [self.known], Extraction(facts=[], retracted=[taken]), NOW)


def load_retractions() -> list[Case]:
    """Every case, in the order of the file. One with `same_thread` was said in the thread of the message."""
    rows = map(json.loads, (Path(__file__).parent / "retractions.jsonl").read_text(encoding="utf-8").splitlines())
    cases = list[Case]()
    for number, row in enumerate(rows):
        source = Source(thread_id="now" if row.pop("same_thread", False) else "earlier", message_id="m0")
        identifier = fact_id("ada", source, row["known"]["text"])
        ids = {"id": identifier, "key": identifier, "source": source, "quote": row["known"]["text"]}
        row["known"] = Fact.model_validate(row["known"] | ids | {"observed_at": KNOWN_AT, "recorded_at": KNOWN_AT})
        cases.append(Case(**row, split="test" if number % 2 else "dev"))
    return cases


async def outcomes(cases: Sequence[Case], embedder: Embedder) -> list[Outcome]:
    """What becomes of each known fact: of one that is "asked" about, the user decides."""
    answers = [case.extracted for case in cases]
    compared = [pair for found in answers for pair in to_compare("ada", found)]
    one, other = [await embedder.embed(side) for side in zip(*compared, strict=True)]
    cosines = dict(zip(compared, (one * other).sum(axis=1).tolist(), strict=True))
    proposed = [proposals("ada", found, NOW, cosines) for found in answers]
    return ["retracted" if made.retracted else "asked" if made.held else "kept" for made in proposed]
