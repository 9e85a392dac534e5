"""Texts that differ in typography alone fold into one form, and others do not."""

import pytest

from memory.facts.fact import fact_id
from memory.facts.slots import attribute_name
from memory.language.text import fold, normalize
from tests.facts import make_fact

SAME = [
    ("I’m allergic to nuts", "I'm allergic to nuts"),
    ("I´m here, it`s me, it′s us", "I'm here, it's me, it's us"),
    ("says “hello” and „hallo“", 'says "hello" and "hallo"'),
    ("dit « bonjour » à tous", 'dit "bonjour" à tous'),
    ("sagt »hallo« laut", 'sagt "hallo" laut'),
    ("「こんにちは」と言う", '"こんにちは"と言う'),
    ("6′2″ tall", "6'2\" tall"),
    ("tea — not coffee", "tea - not coffee"),
    ("tea–time, −5 °C", "tea-time, -5 °C"),
    ("well… no", "well... no"),
    ("10\u00a0km, 5\u202fkg", "10 km, 5 kg"),
    ("C'est vrai\u202f!", "C'est vrai!"),
    ("ＡＢＣ１２３！", "ABC123!"),
    ("Nu\u0308sse, cafe\u0301", "Nüsse, café"),
    ("co\u00adoperate zero\u200bwidth\ufeff", "cooperate zerowidth"),
    ("我住在上海。", "我住在上海."),
    ("Große STRASSE", "grosse straße"),
    ("İstanbul", "istanbul"),
    ("a\n\t b", "a b"),
]


@pytest.mark.parametrize(("written", "other"), SAME)
def test_typography_folds_into_one_form_that_stays_as_it_is(written: str, other: str) -> None:
    assert fold(written) == fold(other) == fold(fold(written))


@pytest.mark.parametrize(
    ("one", "other"),
    [("its", "it's"), ("-5 °C", "5 °C"), ("3.5", "35"), ("resume", "résumé"), ("a b", "ab"), ("a.", "a")],
)
def test_texts_that_differ_in_more_than_typography_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_facts_that_differ_in_typography_alone_say_the_same() -> None:
    curly, straight = make_fact("Likes “Amélie” — the film"), make_fact("Likes 'Ame\u0301lie' - the film.")
    assert curly.words == straight.words
    assert fact_id("ada", curly.source, curly.text) == fact_id("ada", straight.source, straight.text)
    assert normalize("Doesn’t smoke…") == normalize("Doesn't smoke")
    assert attribute_name("Mother’s eye–colour") == attribute_name("mother's eye-colour") == "mother's eye color"
