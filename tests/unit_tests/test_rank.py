"""Ranking: each signal by itself, their weighted sum, and what is no answer."""

from datetime import timedelta

import pytest

from memory.rank import PRESETS, Document, bm25_scores, rank, recency_score
from memory.words import stems
from tests.facts import NOON, make_fact


def document(text: str, cosine: float, *, days: float = 0, importance: float = 0.5) -> Document:
    fact = make_fact(text, observed_at=NOON - timedelta(days=days), importance=importance)
    return Document(fact, stems(text), cosine)


def test_the_guides_weights_give_the_guides_score() -> None:
    (hit,) = rank([], [document("x", 0.5, days=30, importance=0.8)], NOON, PRESETS["guide"], 10)
    assert hit.score == pytest.approx(0.40 * 0.5 + 0.35 * 0.5 + 0.25 * 0.8)


@pytest.mark.parametrize(("days", "expected"), [(0, 1.0), (30, 0.5), (90, 0.25), (-5, 1.0)])
def test_recency_halves_in_thirty_days_and_never_exceeds_one(days: float, expected: float) -> None:
    assert recency_score(NOON - timedelta(days=days), NOON) == pytest.approx(expected)


def test_what_nothing_answers_recalls_nothing_however_new_and_important_it_is() -> None:
    documents = [document("Dog is called Rex", 0.1, importance=1.0), document("Likes tea", -0.3)]
    for weights in PRESETS.values():
        assert rank(stems("Who won the game?"), documents, NOON, weights, 10) == []


def test_by_default_an_old_answer_beats_a_new_fact_beside_the_point() -> None:
    old, new = document("Sister is called Anna", 0.6, days=900), document("Likes tea", 0.3)
    assert rank([], [new, old], NOON, PRESETS["default"], 2)[0].fact is old.fact
    assert rank([], [new, old], NOON, PRESETS["guide"], 2)[0].fact is new.fact


def test_a_shared_rare_word_counts_more_than_a_shared_common_one() -> None:
    texts = ["Anna likes tea", "Bob likes tea", "Cleo likes tea", "Dan likes cello"]
    rare, common = (bm25_scores(stems(word), [stems(text) for text in texts]) for word in ("cello", "tea"))
    assert rare[3] > max(common)
    assert rare[:3] == [0, 0, 0]


def test_words_are_compared_by_their_stems() -> None:
    assert stems("Restaurants recommended") == stems("restaurant recommend")


def test_equal_scores_come_in_the_same_order_every_time() -> None:
    documents = [document(f"fact {n}", 0.5) for n in range(10)]
    once, again = (rank([], order, NOON, PRESETS["default"], 10) for order in (documents, documents[::-1]))
    assert [hit.fact.id for hit in once] == [hit.fact.id for hit in again]
    assert len(rank([], documents, NOON, PRESETS["default"], 3)) == 3
