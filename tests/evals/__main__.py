"""Measures how well recall finds labelled answers: `make evals`, or `make evals ARGS="--talks FOLDER"` for your own."""

import argparse
import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from memory.facts.fact import Fact
from memory.index.embeddings import Embedder, open_embedder
from tests.evals.conversations import FOLDER, names, open_talks, score_talks
from tests.evals.dataset import Split, load_facts, load_questions
from tests.evals.measure import ABLATIONS, DEFAULT, RANKINGS, Score, embed_questions, open_people, score

ORDER = DEFAULT.without_floor()


Labelled = Literal["facts", "talks", "plain"]
"""Facts; conversations with indirect questions ("talks"); conversations with questions in their words ("plain")."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    labelled: Labelled
    split: Split
    ranking: str
    score: Score


async def measure_facts(embedder: Embedder) -> list[Row]:
    """Score every ranking on both splits, and the default without one signal or without the quotes."""
    facts, questions = load_facts(), load_questions()
    people = await open_people(facts, embedder)
    vectors = await embed_questions(people, questions, embedder)
    unquoted = await open_people(
        {user: [without_quote(fact) for fact in known] for user, known in facts.items()}, embedder
    )

    def rows() -> Iterator[Row]:
        for split in get_args(Split):
            for name, weights in (RANKINGS | ABLATIONS).items():
                yield Row("facts", split, name, score(people, questions, vectors, weights, split))
            yield Row("facts", split, "default without quotes", score(unquoted, questions, vectors, ORDER, split))

    return list(rows())


async def measure_talks(embedder: Embedder, folder: Path = FOLDER) -> list[Row]:
    """The same for conversations, each turn as a fact with the two previous turns as context; and with fewer turns."""
    talks, with_one, with_none = [await open_talks(embedder, previous, folder) for previous in (2, 1, 0)]
    available = {(talk.split, asked.kind == "plain") for talk in talks for asked in talk.questions if asked.answers}

    def rows() -> Iterator[Row]:
        asked: list[tuple[Labelled, bool]] = [("talks", False), ("plain", True)]
        for labelled, plain in asked:
            for split in (split for split in get_args(Split) if (split, plain) in available):
                for name, weights in (RANKINGS | ABLATIONS).items():
                    yield Row(labelled, split, name, score_talks(talks, weights, split, plain=plain))
                for name, fewer in (("one previous turn", with_one), ("no previous turn", with_none)):
                    yield Row(labelled, split, f"default, {name}", score_talks(fewer, ORDER, split, plain=plain))

    return list(rows())


def without_quote(fact: Fact) -> Fact:
    return fact.model_copy(update={"quote": ""})


def table(rows: list[Row]) -> str:
    columns = ("recall@5", "recall@10", "MRR", "nDCG@10", "silent", "missed")
    lines = [f"{'':10}  {'percent':30}" + "".join(f"{column:>11}" for column in columns)]
    for row in rows:
        values = "".join(f"{100 * value:11.1f}".replace("nan", "  -") for value in asdict(row.score).values())
        lines.append(f"{row.labelled} {row.split:4}  {row.ranking:30}{values}")
    lines.append("silent: the share of the questions without an answer that recall only the profile")
    lines.append("missed: the same share of the questions with an answer")
    return "\n".join(lines)


async def measure(talks: Path | None) -> list[Row]:
    embedder = open_embedder("local")
    return (
        await measure_talks(embedder, talks) if talks else await measure_facts(embedder) + await measure_talks(embedder)
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make evals", description="Measure how well recall finds labelled answers.")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--talks", type=Path, metavar="FOLDER", help="your conversations (see tests/evals/README.md)")
    arguments = parser.parse_args()
    if arguments.talks and not names(arguments.talks):
        parser.error(f"{arguments.talks} holds no conversation: add NAME.jsonl and NAME.questions.jsonl.")
    rows = asyncio.run(measure(arguments.talks))
    print(json.dumps([asdict(row) for row in rows], indent=2) if arguments.json else table(rows))  # noqa: T201


if __name__ == "__main__":
    main()
