"""Quotes are found whatever their typography, with the sentence or clause around them."""

from time import process_time

import pytest

from memory.evidence.quotes import MAX_QUOTE, clauses_around, is_quoted, sentence_around

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


@pytest.mark.parametrize(
    ("quote", "message"),
    [
        ("I run a cafe", "I run a café"),
        ("Llevo años en Málaga", "llevo anos en Malaga"),
        ("e\u0301cole", "l'École"),
        ("گربه دارم", "گُربه دارم"),
        ("I love pizza!", "I love 🍕 pizza! 😍"),
        ("my girls 👧🏽👧 sing", "my girls sing"),
        ("the family", "the 👨‍👩‍👧 family"),
        ("I ❤ tea", "I ❤️ tea"),
        ("room 1 please", "room 1️⃣ please"),
        ("from Wales", "from 🏴\U000e0067\U000e0062\U000e007f Wales"),
        ("nut-free", "nut\u200d-\ufe0ffree 🥜"),
        ("🍕", "🍕 forever"),
    ],
)
def test_emoji_and_accents_do_not_count(quote: str, message: str) -> None:
    assert is_quoted(quote, message)


@pytest.mark.parametrize(("quote", "message"), [("🍕", "I like tea"), ("🍕 pizza", "I like 🍕"), ("がく", "かくれ")])
def test_emoji_and_accents_make_no_quote(quote: str, message: str) -> None:
    assert not is_quoted(quote, message)


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


def test_the_sentence_around_a_quote_without_its_accents_and_emoji_is_found() -> None:
    assert sentence_around("cafe downtown", "Hi! I run a café ☕ downtown. Bye!") == "I run a café ☕ downtown."


@pytest.mark.parametrize("space", [" ", "\n", "\u00a0"])
def test_a_message_with_many_spaces_takes_no_longer_than_another(space: str) -> None:
    started = process_time()
    message = f"I like tea{space * 50_000}- really"
    assert clauses_around("like tea", message) == ["I like tea"]
    assert is_quoted("tea - really", message)
    assert process_time() - started < 2
