"""Recall on the labelled set of tests/evals, with the local embedder: a change that makes it worse fails here."""

import asyncio
from typing import get_args

import pytest

from memory.index.embeddings import open_embedder
from tests.evals.conversations import Kind, load, names, open_talks, score_talks
from tests.evals.dataset import NOW, Split, load_facts, load_questions
from tests.evals.measure import RANKINGS, Score, embed_questions, open_people, score

SPLITS = get_args(Split)
TALKS = ("dmitri-and-sam", "nadia-and-owen")
"""One long talk of each split, since to embed one takes 6 s of CPU; `make evals` measures all six."""

Scores = dict[tuple[str, str], Score]
"""(ranking, split) -> its score."""


@pytest.fixture(scope="module")
def scores() -> Scores:
    async def measure() -> Scores:
        embedder, questions = open_embedder("local"), load_questions()
        people = await open_people(load_facts(), embedder)
        vectors = await embed_questions(people, questions, embedder)
        return {
            (name, split): score(people, questions, vectors, weights, split)
            for name, weights in RANKINGS.items()
            for split in SPLITS
        }

    return asyncio.run(measure())


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("other", "margin"), [("cosine alone", 0.015), ("words alone", 0.2), ("the simple preset", 0.15)]
)
def test_the_default_ranks_answers_higher_than_the_other_rankings(
    scores: Scores, split: Split, other: str, margin: float
) -> None:
    default = scores["default", split]
    assert default.ndcg_10 >= scores[other, split].ndcg_10 + margin
    assert default.mrr >= scores[other, split].mrr + margin
    assert default.recall_5 >= scores[other, split].recall_5 + 0.01
    assert default.recall_10 >= scores[other, split].recall_10


@pytest.mark.parametrize("split", SPLITS)
def test_the_default_still_finds_as_much_as_when_it_was_chosen(scores: Scores, split: Split) -> None:
    default = scores["default", split]
    assert default.recall_5 >= 0.93
    assert default.recall_10 >= 0.96
    assert default.mrr >= 0.80
    assert default.ndcg_10 >= 0.85


@pytest.fixture(scope="module")
def talks() -> Scores:
    """The same for TALKS, and the default without previous turns as context."""

    async def measure() -> Scores:
        embedder = open_embedder("local")
        hinted, unhinted = [await open_talks(embedder, previous, chosen=TALKS) for previous in (2, 0)]
        rankings = {(name, split): score_talks(hinted, w, split) for name, w in RANKINGS.items() for split in SPLITS}
        without = {("no turn before", split): score_talks(unhinted, RANKINGS["default"], split) for split in SPLITS}
        return rankings | without

    return asyncio.run(measure())


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("other", "margin"),
    [("cosine alone", 0.03), ("words alone", 0.15), ("the simple preset", 0.5), ("no turn before", 0.08)],
)
def test_in_long_talks_the_default_finds_more_than_other_rankings(
    talks: Scores, split: Split, other: str, margin: float
) -> None:
    default = talks["default", split]
    assert default.recall_10 >= talks[other, split].recall_10 + margin
    assert default.recall_5 >= talks[other, split].recall_5
    assert default.mrr >= talks[other, split].mrr


@pytest.mark.parametrize("split", SPLITS)
def test_in_long_talks_the_default_still_finds_as_much(talks: Scores, split: Split) -> None:
    assert talks["default", split].recall_10 >= 0.85
    assert talks["default", split].recall_5 >= 0.74


@pytest.mark.parametrize("split", SPLITS)
def test_questions_without_an_answer_mostly_recall_nothing(scores: Scores, split: Split) -> None:
    with_floor = scores["default, with its floor", split]
    assert with_floor.silent >= 0.5
    assert with_floor.silent_wrongly <= 0.04


def test_every_label_names_a_fact_known_to_the_user_who_asks() -> None:
    facts = load_facts()
    questions = load_questions()
    known = {user: {fact.id for fact in theirs} for user, theirs in facts.items()}
    assert [asked.text for asked in questions if not asked.answers.keys() <= known[asked.user]] == []
    assert [asked.text for asked in questions if asked.answers and 2 not in asked.answers.values()] == []
    assert all(fact.recorded_at <= NOW for theirs in facts.values() for fact in theirs)
    assert len({asked.user for asked in questions}) == len(facts) >= 60


def test_the_talks_have_every_labelled_turn_and_kind_of_question() -> None:
    asked = [question for name in names() for question in load(name)[1]]  # a label without a turn is a KeyError
    assert (len(names()), len(asked)) == (6, 330)
    assert {question.kind for question in asked} == set(get_args(Kind))
    assert all(bool(question.answers) is (question.kind != "none") for question in asked)


def test_no_user_is_on_both_sides_of_the_split() -> None:
    sides = {(asked.user, asked.split) for asked in load_questions()}
    assert len(sides) == len({user for user, _ in sides})
