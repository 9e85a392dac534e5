"""Impersonal questions and requests are recognized, and statements are not taken for them."""

import pytest

from memory.evidence.support import asks, asks_in_english


@pytest.mark.parametrize(
    "clause",
    [
        "What’s the rent in Lisbon",
        "how far is it to Rome",
        "Do pilots fly for free?",
        "Please write me a poem",
        "could you explain diabetes",
        "plan a trip to Kyoto",
    ],
)
def test_an_english_question_or_request_is_recognized(clause: str) -> None:
    assert asks_in_english([clause])
    assert asks_in_english(["Hi!", clause, "Thanks"])
    assert not asks_in_english([clause, "moved there last week"])


@pytest.mark.parametrize(
    "clause",
    [
        "What's good for my knees?",
        "Why do we never see Anna?",
        "What a day in Rome",
        "Which is why Anna moved to Rome",
        "write Rust at work",
        "plan to move to Rome",
        "Translating novels for a living",
        "Vegan since May",
        "Hello",
    ],
)
def test_a_statement_or_a_personal_question_is_not_taken_for_one(clause: str) -> None:
    assert not asks_in_english([clause])
    assert not asks([clause])


def test_a_question_whether_one_knows_states_something() -> None:
    assert not asks_in_english(["Did you know Anna moved to Rome?"])


@pytest.mark.parametrize(
    "clause",
    [
        "Wie hoch ist der Eiffelturm?",
        "Schreib ein Gedicht",
        "¿Cuánto mide?",
        "Напиши стих",
        "帮我写一首诗",
        "北京到上海要多久?",
        "俳句を書いて",
        "시를 써 줘",
        "एक कविता लिख दो",
        "اكتب قصيدة",
    ],
)
def test_other_languages_ask_but_not_for_certain(clause: str) -> None:
    assert asks([clause])
    assert not asks_in_english([clause])


@pytest.mark.parametrize(
    "clause", ["Was soll ich essen?", "我对花生过敏吗?", "¿Qué le compro a mi hija?", "Что купить моей дочери?"]
)
def test_a_question_in_which_somebody_speaks_of_himself_does_not_count(clause: str) -> None:
    assert not asks([clause])
