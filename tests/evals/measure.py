"""Measures how well recall finds the labelled answers, with the real embedder and ranking, in memory."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from statistics import fmean

from memory.facts.fact import Fact
from memory.index.embeddings import Embedder
from memory.index.protocol import Vectors
from memory.recall.rank import PRESETS, Weights, rank
from memory.recall.table import PROFILE, Table
from memory.recall.words import document, question, without_names
from tests.evals.dataset import NOW, LabelledQuestion, Split

LIMIT = 10
DEFAULT = PRESETS["default"]
NO_FLOOR = -math.inf


def only(**weights: float) -> Weights:
    """Weights that rank by these signals only."""
    none = Weights(0, 0, 0, 0, 0, 0, floor=NO_FLOOR, general_floor=NO_FLOOR)
    return replace(none, **weights)


RANKINGS = {
    "cosine alone": only(similarity=1),
    "words alone": only(words=1),
    "the simple preset": PRESETS["simple"].without_floor(),
    "default": DEFAULT.without_floor(),
    "default, with its floor": DEFAULT,
}
"""The rankings to compare: all but the last without a floor, so that only their order counts."""

ABLATIONS = {
    f"default without {signal}": replace(DEFAULT.without_floor(), **{signal: 0.0})
    for signal in ("similarity", "words", "thread", "person", "recency", "importance")
}


@dataclass(frozen=True)
class Score:
    """The result of one ranking on one split. All values are shares of 1."""

    recall_5: float
    recall_10: float
    """The share of the answering facts that are in the profile or among the first 5 (or 10) hits."""
    mrr: float
    """Mean reciprocal rank of the first fact that answers."""
    ndcg_10: float
    """With gain 2^grade - 1. Like `mrr`, only over questions with an answer outside the profile."""
    silent: float
    """The share of the questions without an answer that recall only the profile; nan if there are none."""
    silent_wrongly: float
    """The same share of the questions with an answer outside the profile."""


@dataclass(frozen=True)
class Outcome:
    """The result of one question."""

    shares: list[float]
    """The share of the answering facts among the first 5 hits, and among the first 10."""
    found: list[int]
    """The grade of each hit: 2 if it answers, 1 if it helps, otherwise 0."""
    best: list[int]
    """The grades that could have been found, best first; empty if the profile already answers."""
    answerable: bool


@dataclass(frozen=True)
class Person:
    """A user's memory as recall sees it."""

    profile: frozenset[str]
    """Ids of the facts that are always recalled and not ranked."""
    table: Table
    vectors: Vectors


async def open_people(facts: Mapping[str, Sequence[Fact]], embedder: Embedder) -> dict[str, Person]:
    """The users' memories, embedded."""
    people = {}
    for user, known in facts.items():
        ranked = [fact for fact in known if fact.category not in PROFILE]
        vectors = await embedder.embed_facts(ranked)
        profile = frozenset(fact.id for fact in known if fact.category in PROFILE)
        people[user] = Person(profile, Table().extended([*map(document, ranked)]), vectors)
    return people


async def embed_questions(
    people: Mapping[str, Person], questions: Sequence[LabelledQuestion], embedder: Embedder
) -> Vectors:
    names = {user: person.table.common_names for user, person in people.items()}
    return await embedder.embed([without_names(asked.text, names[asked.user]) for asked in questions])


def score(
    people: Mapping[str, Person],
    questions: Sequence[LabelledQuestion],
    vectors: Vectors,
    weights: Weights,
    split: Split,
) -> Score:
    """The score of `weights` on the questions of `split`; `vectors` has one row per question."""
    outcomes = []
    for asked, vector in zip(questions, vectors, strict=True):
        if asked.split == split:
            person = people[asked.user]
            found = find(person, asked.text, vector, weights)
            full = {fact for fact, grade in asked.answers.items() if grade == 2}
            grades = {fact: grade for fact, grade in asked.answers.items() if fact not in person.profile}
            outcomes.append(
                Outcome(
                    shares=[share(full, {*person.profile, *found[:depth]}) for depth in (5, LIMIT)],
                    found=[grades.get(fact, 0) for fact in found],
                    best=[] if full <= person.profile else sorted(grades.values(), reverse=True),
                    answerable=bool(asked.answers),
                )
            )
    return mean_score(outcomes)


def share(wanted: Set[str], found: Set[str]) -> float:
    """The share of the wanted facts that was found; 1 if none is wanted."""
    return len(wanted & found) / len(wanted) if wanted else 1.0


def mean_score(outcomes: Sequence[Outcome]) -> Score:
    """The means over questions."""
    answerable = [outcome for outcome in outcomes if outcome.answerable]
    ranked = [outcome for outcome in answerable if outcome.best]
    return Score(
        recall_5=fmean(outcome.shares[0] for outcome in answerable),
        recall_10=fmean(outcome.shares[1] for outcome in answerable),
        mrr=fmean(1 / (outcome.found.index(2) + 1) if 2 in outcome.found else 0.0 for outcome in ranked),
        ndcg_10=fmean(_gain(outcome.found) / _gain(outcome.best[:LIMIT]) for outcome in ranked),
        silent=fmean([not outcome.found for outcome in outcomes if not outcome.answerable] or [math.nan]),
        silent_wrongly=fmean(not outcome.found for outcome in ranked),
    )


def find(person: Person, text: str, vector: Vectors, weights: Weights) -> list[str]:
    """Ids of the facts recalled besides the profile, best first."""
    cosines = (person.vectors @ vector).astype(float)
    hits = rank(question(text), person.table, cosines, NOW, weights, LIMIT)
    return [hit.fact.id for hit in hits if hit.score > 0]


def _gain(grades: Sequence[int]) -> float:
    return float(sum((2**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades, 1)))
