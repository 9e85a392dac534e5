"""A table of facts: it returns its facts unchanged, and ranks them as the formulas rank each single fact."""

import asyncio
import gc
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain

import numpy as np
import pytest

from memory.facts.fact import Fact, Source
from memory.index.local_model import DIMENSION
from memory.language.text import hashes
from memory.recall.bm25 import K1, B, Bm25
from memory.recall.cache import extend
from memory.recall.rank import PRESETS, RECENCY_DAYS, THREAD_HALF, WORDS_HALF, Weights, found_by_words, rank
from memory.recall.search import RecallOptions
from memory.recall.table import Table
from memory.recall.words import document, overview, question
from tests.benchmarks.place import WORDS
from tests.facts import NOON, make_fact

WITH_THREADS = Weights(0.4, 0.2, 0.15, 0.15, 0.05, 0.05, floor=0, general_floor=0)


def facts_at_random(seed: int, count: int) -> list[Fact]:
    chance = random.Random(seed)  # noqa: S311 - not for security
    return [
        make_fact(
            " ".join(chance.choices(WORDS, k=4)),
            chance.choice(WORDS),
            subject=chance.choice(["user", "user", "anna", "bob"]),
            message_id=str(number),
            source=Source(thread_id=chance.choice(["t1", "t2", None]), message_id=str(number), previous=("river",)),
            observed_at=NOON - timedelta(days=chance.randrange(900)),
            importance=chance.random(),
        )
        for number in range(count)
    ]


def bm25(documents: Sequence[Sequence[str]], asked: Sequence[str]) -> list[float]:
    """BM25 by its formula, document by document."""
    average = sum(map(len, documents)) / len(documents)

    def score(stems: Sequence[str]) -> float:
        total, counts = 0.0, Counter(stems)
        for stem in set(asked):
            holding = sum(stem in other for other in documents)
            rarity = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
            total += rarity * counts[stem] * (K1 + 1) / (counts[stem] + K1 * (1 - B + B * len(stems) / average))
        return total

    return [score(stems) for stems in documents]


def expected_scores(facts: list[Fact], asked: str, cosines: list[float], weights: Weights) -> dict[str, float]:
    """Fact id -> score, with each signal computed from its definition."""
    documents = [document(fact) for fact in facts]
    stems = question(asked).stems
    threads: dict[str, list[str]] = {}
    for fact, found in zip(facts, documents, strict=True):
        threads.setdefault(fact.source.thread_id or fact.id, []).extend(found.stems)
    by_thread = dict(zip(threads, bm25([*threads.values()], stems), strict=True))
    words = bm25([found.stems for found in documents], stems)
    scores = {}
    for fact, cosine, word in zip(facts, cosines, words, strict=True):
        thread = by_thread[fact.source.thread_id or fact.id]
        age = (NOON - fact.observed_at).days
        scores[fact.id] = (
            weights.similarity * max(cosine, 0)
            + weights.words * word / (word + WORDS_HALF)
            + weights.thread * thread / (thread + THREAD_HALF)
            + weights.person * (fact.subject in asked.casefold() and fact.subject != "user")
            + weights.recency / (1 + age / RECENCY_DAYS)
            + weights.importance * fact.importance
        )
    return scores


@pytest.mark.parametrize("weights", [*PRESETS.values(), WITH_THREADS], ids=[*PRESETS, "threads"])
@pytest.mark.parametrize("seed", range(10))
def test_ranking_gives_each_fact_the_score_of_the_formula(seed: int, weights: Weights) -> None:
    facts = facts_at_random(seed, 60)
    asked = f"What does Anna say of the {WORDS[seed % 12]} and my {WORDS[seed % 7]}?"
    cosines = np.random.default_rng(seed).uniform(-1, 1, 60)
    expected = expected_scores(facts, asked, cosines.tolist(), weights)
    hits = [*rank(question(asked), Table().extended([*map(document, facts)]), cosines, NOON, weights, 10)]
    best = sorted(expected, key=lambda fact_id: (-expected[fact_id], fact_id))[:10]
    assert [hit.fact.id for hit in hits] == best
    assert [hit.score for hit in hits] == pytest.approx([expected[fact_id] for fact_id in best])


@pytest.mark.parametrize("seed", range(5))
def test_an_updated_table_ranks_like_a_new_one(seed: int) -> None:
    facts = facts_at_random(seed, 60)
    kept = [at for at in range(60) if at % 4 != seed % 4]
    grown = Table()
    for start in range(0, 60, 7):
        grown = grown.extended([*map(document, facts[start : start + 7])])
        assert next(rank(question("river"), grown, np.zeros(len(grown)), NOON, WITH_THREADS, 10))
    grown = grown.kept(np.array(kept))
    fresh = Table().extended([document(facts[at]) for at in kept])
    cosines = np.random.default_rng(seed).uniform(-1, 1, len(kept))
    asked = question(f"What does Anna say of the {WORDS[seed]}?")
    for mask in (None, np.arange(len(kept)) % 2 == 0):
        found = [[*rank(asked, table, cosines, NOON, WITH_THREADS, 10, mask=mask)] for table in (grown, fresh)]
        assert found[0] == found[1]
        assert len(found[0]) == 10


def test_a_vocabulary_of_unused_words_is_bloated() -> None:
    words = Bm25().extended([[f"word{number}" for number in range(2_000)], ["tea"]])
    assert not words.is_bloated
    assert words.kept(np.array([1])).is_bloated


def test_a_table_returns_its_facts_unchanged() -> None:
    facts = [
        fact.model_copy(update={"said_again_at": NOON if at % 2 else None})
        for at, fact in enumerate(facts_at_random(1, 6))
    ]
    table = Table().extended([*map(document, facts)])
    assert [*table] == facts
    assert [*table.kept(np.array([1, 4]))] == [facts[1], facts[4]]
    again = table.said_again({0: NOON, 1: None})
    assert [fact.said_again_at for fact in again][:3] == [NOON, None, None]
    assert [fact.model_copy(update={"said_again_at": None}) for fact in again] == [
        fact.model_copy(update={"said_again_at": None}) for fact in facts
    ]


def test_a_fact_that_was_said_again_is_recent() -> None:
    old = make_fact("Likes tea", observed_at=NOON - timedelta(days=300))
    table = Table().extended([document(old)])
    (before,) = rank(question("tea"), table, np.zeros(1), NOON, WITH_THREADS, 1)
    (after,) = rank(question("tea"), table.said_again({0: NOON}), np.zeros(1), NOON, WITH_THREADS, 1)
    assert before.recency < 0.1
    assert after.recency == 1


def test_a_plan_replaces_the_current_fact_once_it_begins() -> None:
    lives = make_fact("Lives in Austin", "home city", exclusive=True, observed_at=NOON - timedelta(days=9))
    moves = make_fact(
        "Moves to Oslo", "home city", exclusive=True, observed_at=NOON, valid_from=NOON + timedelta(days=30)
    )
    table = Table().extended([*map(document, [lives, moves])])
    assert table.current(NOON).tolist() == [True, True]
    assert table.current(NOON + timedelta(days=31)).tolist() == [False, True]
    assert table.kept(np.array([1])).current(NOON + timedelta(days=31)).tolist() == [True]


def test_a_fact_that_has_ended_is_not_current() -> None:
    visit = make_fact("Is in Rome", "stay", observed_at=NOON, valid_until=NOON + timedelta(days=2))
    table = Table().extended([document(visit)])
    assert table.current(NOON).all()
    assert not table.current(NOON + timedelta(days=2)).any()


def test_hashed_stems_give_the_same_scores_as_the_stems() -> None:
    documents = [["tea", "tea", "green"], [], ["green"], ["coffee", "tea"]]
    known = Bm25().extended(documents)
    hashed = Bm25.of_hashes(["tea", "green", "water"], hashes([*chain(*documents)]), known.lengths)
    assert hashed.scores(["tea", "green", "water"]).tolist() == known.scores(["tea", "green", "water"]).tolist()
    groups = np.array([0, 0, 1, 1])
    assert hashed.grouped(groups, 2).scores(["tea"]).tolist() == known.grouped(groups, 2).scores(["tea"]).tolist()


def test_a_user_without_facts_has_an_empty_overview() -> None:
    assert found_by_words(question("tea"), overview("tea", []), PRESETS["default"], 5) == []


async def test_as_many_facts_as_are_held_by_default_do_not_block_the_event_loop() -> None:
    """Measures CPU time between two turns of the loop, without the garbage collection of what other tests left."""
    facts = [make_fact(f"Likes tea number {number}") for number in range(RecallOptions().cached_facts)]
    stored = {fact.id: bytes(4 * DIMENSION) for fact in facts}
    expected, spent = [fact.id for fact in reversed(facts)], list[float]()
    gc.disable()
    try:
        building = asyncio.create_task(extend(Table(), facts, stored))
        while not building.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            spent.append(time.thread_time() - before)
    finally:
        gc.enable()
    assert max(spent) < 0.005
    assert building.result().ids == expected
