"""Ranking: each signal, their weighted sum, and the floors."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from memory.facts.fact import Fact
from memory.recall.bm25 import Bm25
from memory.recall.rank import PRESETS, Hit, Question, Weights, rank, recency
from memory.recall.table import Document, Table
from memory.recall.words import document, question
from memory.stems import stems
from tests.facts import NOON, make_fact

DAY = 86_400
DEFAULT, SIMPLE = PRESETS["default"], PRESETS["simple"]


def said(text: str, attribute: str = "note", *, days: float = 0, **values: Any) -> Fact:
    return make_fact(text, attribute, observed_at=NOON - timedelta(days=days), **values)


def ranked(asked: str, facts: dict[Fact, float] | list[Fact], weights: Weights = DEFAULT, limit: int = 10) -> list[Hit]:
    """The hits of `asked` among facts, given as a dict with their cosines or as a list without."""
    cosines = np.array(list(facts.values()) if isinstance(facts, dict) else [0.0] * len(facts))
    return [*rank(question(asked), table(facts), cosines, NOON, weights, limit)]


def table(facts: Iterable[Fact]) -> Table:
    return Table().extended([*map(document, facts)])


def only(**weights: float) -> Weights:
    return Weights(**dict.fromkeys(Weights.__dataclass_fields__, 0.0) | weights)


def texts(hits: list[Hit]) -> list[str]:
    return [hit.fact.text for hit in hits]


def test_the_simple_preset_adds_similarity_recency_and_importance() -> None:
    assert Weights(0.40, 0, 0, 0, 0.35, 0.25, SIMPLE.floor, SIMPLE.general_floor) == SIMPLE
    one = Table().extended([Document(said("x", days=30, importance=0.8), [])])
    (hit,) = rank(Question([]), one, np.array([0.5]), NOON, SIMPLE, 10)
    assert hit.score == pytest.approx(0.40 * 0.5 + 0.35 * 0.5 + 0.25 * 0.8)


def test_the_defaults_weights_add_up_to_one() -> None:
    signals = (DEFAULT.similarity, DEFAULT.words, DEFAULT.thread, DEFAULT.person, DEFAULT.recency, DEFAULT.importance)
    assert sum(signals) == pytest.approx(1)


def test_a_score_is_the_weighted_sum_of_its_signals() -> None:
    anna = said("Anna likes pottery", "likes", subject="anna", days=90, importance=0.4)
    (hit,) = ranked("What does Anna like?", {anna: 0.6})
    assert (hit.similarity, hit.person, hit.importance) == (0.6, 1, 0.4)
    assert hit.recency == pytest.approx(0.25)
    assert 0 < hit.words < 1
    assert hit.score == pytest.approx(
        DEFAULT.similarity * hit.similarity
        + DEFAULT.words * hit.words
        + DEFAULT.thread * hit.thread
        + DEFAULT.person * hit.person
        + DEFAULT.recency * hit.recency
        + DEFAULT.importance * hit.importance
    )


@pytest.mark.parametrize(("days", "expected"), [(0, 1.0), (30, 0.5), (90, 0.25), (-5, 1.0)])
def test_recency_halves_in_thirty_days_and_never_exceeds_one(days: float, expected: float) -> None:
    assert recency(np.array([days * DAY])) == pytest.approx(expected)


@pytest.mark.parametrize("weights", PRESETS.values(), ids=PRESETS)
def test_an_unrelated_question_recalls_nothing(weights: Weights) -> None:
    facts = {said("Dog is called Rex", importance=1.0): 0.1, said("Likes tea"): -0.3}
    assert ranked("Who won the game?", facts, weights) == []
    assert texts(ranked("Who won the game?", facts, weights.without_floor())) == ["Dog is called Rex", "Likes tea"]


def test_less_relevant_facts_follow_one_that_answers() -> None:
    facts = {said("Likes tea"): 0.01, said("Is allergic to shellfish"): 0.5}
    assert texts(ranked("Recommend a restaurant to me", facts)) == ["Is allergic to shellfish", "Likes tea"]


@pytest.mark.parametrize(
    ("asked", "general"),
    [
        ("Who won the game?", True),
        ("Who won my game?", False),
        ("What should we eat?", False),
        ("Recommend a restaurant", False),  # for the user, implicitly
        ("Will it snow on Sunday?", True),
        ("How do I cook rice?", True),  # this "I" is generic
        ("How do I get to my office?", False),
        ("Does my sister eat fish?", False),
        ("Wer gewann gestern?", False),  # not English: treated as not general
    ],
)
def test_an_english_question_that_is_not_about_the_user_is_general(asked: str, general: bool) -> None:
    assert question(asked).general is general


def test_a_general_question_has_to_be_nearer_to_a_fact() -> None:
    facts = {said("Works as a nurse"): 0.2}
    assert ranked("What does gold cost?", facts) == []
    assert texts(ranked("What do I earn?", facts)) == ["Works as a nurse"]


def test_by_default_an_old_answer_beats_a_new_irrelevant_fact() -> None:
    old, new = said("Sister is called Anna", days=900), said("Likes tea")
    assert ranked("", {new: 0.3, old: 0.6})[0].fact == old
    assert ranked("", {new: 0.3, old: 0.6}, SIMPLE)[0].fact == new


def test_equally_relevant_facts_are_ordered_by_age_and_importance() -> None:
    old, new = said("Likes tea", days=60), said("Likes mint", days=1)
    assert ranked("", {old: 0.5, new: 0.5})[0].fact == new
    weak, strong = said("Likes tea", importance=0.2), said("Likes mint", importance=0.9)
    assert ranked("", {weak: 0.5, strong: 0.5})[0].fact == strong


def test_a_shared_rare_word_counts_more_than_a_shared_common_one() -> None:
    words = table(map(said, ["Anna likes tea", "Bob likes tea", "Cleo likes tea", "Dan likes cello"])).words
    rare, common = words.scores(["cello"]), words.scores(["tea"])
    assert np.flatnonzero(rare).tolist() == [3]
    assert np.flatnonzero(common).tolist() == [0, 1, 2]
    assert rare[3] > max(common)


def test_bm25_gives_the_score_of_the_formula() -> None:
    words = Bm25().extended([["x", "x", "y"], ["y"]])
    # rarity ln(1 + 1.5 / 1.5), frequency 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    assert words.scores(["x"]) == pytest.approx([0.693147 * 2 * 2.2 / 3.65, 0], rel=1e-5)


@pytest.mark.parametrize(
    "asked", ["restaurants", "did I mention tacos", "what happened in March?", "on a Sunday", "and in 2026"]
)
def test_the_slot_the_sentence_the_quote_and_the_date_are_searched(asked: str) -> None:
    party = said("Ate at Casa Lola", "restaurant", quote="tacos at Casa Lola!", valid_from="2026-03-15T00:00:00Z")
    (hit,) = ranked(asked, [party, said("Likes tea", days=400)], only(words=1), limit=1)
    assert hit.fact == party
    assert hit.words > 0


def test_a_relation_may_come_from_a_fact_that_is_not_ranked() -> None:
    many = table([said("Sister is called Anna", "sister", category="relationship")])
    few = table([said("Anna lived in Lima", "home city", subject="anna")])
    (hit,) = rank(question("Where did my sister live?"), few, np.zeros(1), NOON, only(person=1), 10, beside=[many])
    assert hit.person == 1


@pytest.mark.parametrize(
    ("text", "expected"), [("İstanbul", stems("istanbul")), ("हिन्दी सीखता है", ["हिन्दी", "सीखता", "है"])]
)
def test_words_of_other_scripts_are_not_split(text: str, expected: list[str]) -> None:
    assert stems(text) == expected


def test_words_are_compared_by_their_stems() -> None:
    assert stems("Restaurants recommended") == stems("restaurant recommend")
    assert stems("on the 26th") == stems("26")


@pytest.mark.parametrize("asked", ["What does Anna like?", "a present for my sister", "SISTERS"])
def test_a_fact_about_a_person_is_found_by_name_and_by_relation(asked: str) -> None:
    facts = [
        said("Sister is called Anna", "sister", category="relationship"),
        said("Anna throws pots", "hobby", subject="anna"),
        said("Brother is called Tom", "brother", category="relationship"),
        said("Tom sings", "hobby", subject="tom"),
        said("Swims", "hobby"),
    ]
    assert [hit.fact.text for hit in ranked(asked, facts, only(person=1)) if hit.person] == ["Anna throws pots"]


def test_equal_scores_come_in_the_same_order_every_time() -> None:
    facts = [said(f"fact {n}") for n in range(10)]
    once, again = (ranked("", dict.fromkeys(order, 0.5)) for order in (facts, facts[::-1]))
    assert texts(once) == texts(again)
    assert texts(ranked("", dict.fromkeys(facts, 0.5), limit=3)) == texts(once)[:3]


def test_only_the_given_positions_are_ranked() -> None:
    drinks, cosines = table([said("Likes tea"), said("Likes mint"), said("Likes rum")]), np.array([0.9, 0.5, 0.5])
    hits = rank(question("mint"), drinks, cosines, NOON, DEFAULT, 10, mask=np.array([False, True, True]))
    assert texts([*hits]) == ["Likes mint", "Likes rum"]
    assert [*rank(question("mint"), drinks, cosines, NOON, DEFAULT, 10, mask=np.zeros(3, dtype=bool))] == []


def test_a_memory_without_facts_recalls_nothing() -> None:
    assert ranked("Where do I live?", []) == []
