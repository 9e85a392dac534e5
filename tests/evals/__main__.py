"""Prints how well recall finds the labelled answers: `make evals`, or `make evals ARGS=--json`."""

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import get_args

from memory.embeddings import open_embedder
from memory.fact import Fact
from tests.evals.dataset import Split, load_facts, load_questions
from tests.evals.measure import ABLATIONS, DEFAULT, RANKINGS, Score, embed_questions, open_people, score


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    split: Split
    ranking: str
    score: Score


async def measure() -> list[Row]:
    """Every ranking on both splits, and the default with one signal or the quotes left out."""
    embedder, facts, questions = open_embedder("local"), load_facts(), load_questions()
    vectors = await embed_questions(questions, embedder)
    people = await open_people(facts, embedder)
    unquoted = await open_people(
        {user: [without_quote(fact) for fact in known] for user, known in facts.items()}, embedder
    )

    def rows() -> Iterator[Row]:
        for split in get_args(Split):
            for name, weights in (RANKINGS | ABLATIONS).items():
                yield Row(split, name, score(people, questions, vectors, weights, split))
            weights = DEFAULT.without_floor()
            yield Row(split, "default without quotes", score(unquoted, questions, vectors, weights, split))

    return list(rows())


def without_quote(fact: Fact) -> Fact:
    return fact.model_copy(update={"quote": ""})


def table(rows: list[Row]) -> str:
    columns = ("recall@5", "recall@10", "MRR", "nDCG@10", "silent", "wrongly")
    lines = [f"{'':4}  {'percent':30}" + "".join(f"{column:>11}" for column in columns)]
    for row in rows:
        values = "".join(f"{100 * value:11.1f}" for value in asdict(row.score).values())
        lines.append(f"{row.split:4}  {row.ranking:30}{values}")
    lines.append("silent: of the questions without an answer, those that recall nothing but the profile")
    lines.append("wrongly: the same of the questions with an answer")
    return "\n".join(lines)


if __name__ == "__main__":
    measured = asyncio.run(measure())
    as_json = [{"split": row.split, "ranking": row.ranking, **asdict(row.score)} for row in measured]
    print(json.dumps(as_json, indent=2) if "--json" in sys.argv[1:] else table(measured))  # noqa: T201 - its purpose
