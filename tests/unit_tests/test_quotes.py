"""Quotes are found whatever their typography, with the sentence or clause around them."""

import pytest

from memory.learn.quotes import MAX_QUOTE, clauses_around, is_quoted, sentence_around

MESSAGE = (
    "Hi! I’m allergic to **nuts** — badly… My _wifi_ password: `hunter2`! I live in\nAustin. 我住在上海。我喜欢茶。"
)


@pytest.mark.parametrize(
    "quote",
    [
        "I'm allergic to nuts",
        "I´M ALLERGIC TO **NUTS**",
        "“allergic to nuts - badly...”",
        "nuts—badly",
        "My wifi password: hunter2",
        "I live in Austin.",
        "...I live",
        "我住在上海",
        "我喜欢茶.",
    ],
)
def test_a_quote_is_found_whatever_its_typography(quote: str) -> None:
    assert is_quoted(quote, MESSAGE)


@pytest.mark.parametrize("quote", ["", " … ", "'*_", "I am allergic to nuts", "nuts badly", "hunter 2", "Austin Hi"])
def test_words_that_were_not_written_are_no_quote(quote: str) -> None:
    assert not is_quoted(quote, MESSAGE)


def test_a_quote_that_is_too_long_shows_no_place() -> None:
    text = "a" * (MAX_QUOTE + 1)
    assert is_quoted(text[:-1], text)
    assert not is_quoted(text, text)


@pytest.mark.parametrize(
    ("quote", "sentence"),
    [
        ("hunter2", "I’m allergic to **nuts** — badly… My _wifi_ password: `hunter2`!"),
        ("allergic to 'nuts'", "I’m allergic to **nuts** — badly… My _wifi_ password: `hunter2`!"),
        ("hunter2! I live in", "I’m allergic to **nuts** — badly… My _wifi_ password: `hunter2`! I live in"),
        ("喜欢", "我喜欢茶。"),
        ("never written", "never written"),
        ("!", "!"),
    ],
)
def test_the_sentence_around_a_quote_is_found_by_its_letters(quote: str, sentence: str) -> None:
    assert sentence_around(quote, MESSAGE) == sentence


@pytest.mark.parametrize(
    ("quote", "clauses"),
    [
        ("can't do dairy", ["can't do dairy,"]),
        ("what can I eat", ["what can I eat?"]),
        ("dairy, what", ["can't do dairy,", "what can I eat?"]),
        ("a stew", ["a stew"]),
    ],
)
def test_a_clause_ends_at_a_comma_or_dash_too(quote: str, clauses: list[str]) -> None:
    assert clauses_around(quote, "can't do dairy, what can I eat? Perhaps — a stew") == clauses
