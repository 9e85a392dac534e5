"""A snapshot finds what ranking all of its facts one by one would find."""

import random
from datetime import timedelta

import numpy as np
import pytest

from memory.fact import Fact
from memory.hot import Snapshot
from memory.rank import PRESETS, Index, Weights, rank
from memory.words import document, question
from tests.benchmarks.place import WORDS
from tests.facts import NOON, make_fact


def facts_at_random(seed: int, count: int) -> list[Fact]:
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    return [
        make_fact(
            " ".join(chance.choices(WORDS, k=4)),
            chance.choice(WORDS),
            subject=chance.choice(["user", "user", "anna", "bob"]),
            observed_at=NOON - timedelta(days=chance.randrange(900)),
            importance=chance.random(),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("weights", PRESETS.values(), ids=PRESETS)
@pytest.mark.parametrize("seed", range(20))
def test_it_finds_the_same_as_ranking_every_fact(seed: int, weights: Weights) -> None:
    facts = facts_at_random(seed, 60)
    index = Index(map(document, facts))
    vectors = np.random.default_rng(seed).standard_normal((60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    snapshot = Snapshot(index, vectors)
    mask = np.array([number % 3 != 0 for number in range(60)])
    cosines = snapshot.cosines(vectors[1])
    assert cosines is not None
    asked = f"What does Anna say of the {WORDS[seed % 12]} and my {WORDS[seed % 7]}?"
    expected = rank(
        index.ask(question(asked)), index, cosines.tolist(), NOON, weights, 10, np.flatnonzero(mask).tolist()
    )
    assert snapshot.best(asked, cosines, mask, NOON, weights, 10) == expected
    assert len(expected) == 10


def test_a_plan_takes_the_place_of_what_it_overtakes_once_its_time_has_come() -> None:
    lives = make_fact("Lives in Austin", "home city", exclusive=True, observed_at=NOON - timedelta(days=9))
    moves = make_fact(
        "Moves to Oslo", "home city", exclusive=True, observed_at=NOON, valid_from=NOON + timedelta(days=30)
    )
    snapshot = Snapshot(Index(map(document, [lives, moves])), None)
    assert snapshot.current(NOON).tolist() == [True, True]
    assert snapshot.current(NOON + timedelta(days=31)).tolist() == [False, True]


def test_what_is_over_is_not_current() -> None:
    visit = make_fact("Is in Rome", "stay", observed_at=NOON, valid_until=NOON + timedelta(days=2))
    snapshot = Snapshot(Index([document(visit)]), None)
    assert snapshot.current(NOON).all()
    assert not snapshot.current(NOON + timedelta(days=2)).any()
