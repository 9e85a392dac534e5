"""Which words carry content, and which are forms of one word."""

import pytest

from memory.language.content import alike, content, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Is the user, and works at it", set()),
        ("Lives in Austin", {"austin"}),
        ("Hat eine Nuss-Allergie", {"nuss", "allergie"}),
        ("Vit à l’Étoile", {"etoile"}),
        ("Has twenty-one cats, 007 and ٣ dogs", {"20", "1", "cats", "7", "3", "dogs"}),
        ("犬を飼っています", {"犬", "飼"}),
        ("住在上海", {"上海"}),
        ("저는 커피를 마셔요", {"커피", "마셔요"}),
        ("يحب القهوة", {"قهوة"}),
    ],
)
def test_content_is_what_remains_without_empty_words(text: str, found: set[str]) -> None:
    assert content(text) == found


def test_words_have_no_case_and_no_accents_but_keep_vowel_signs() -> None:
    assert words("Nüsse, JOSÉ’s चाय") == ["nusse", "jose", "s", "चाय"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("allergic", "allergy"),
        ("run", "running"),
        ("nusse", "nussallergie"),
        ("shelfish", "shellfish"),
        ("alergico", "allergic"),
        ("москва", "москве"),
        ("قهوة", "والقهوة"),
        ("커피", "커피숍"),
        ("犬", "愛犬"),
    ],
)
def test_forms_parts_and_misspellings_of_a_word_are_alike(one: str, other: str) -> None:
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("cat", "category"), ("austin", "autumn"), ("tea", "steam"), ("1990", "19900"), ("7", "17"), ("上海", "海上")],
)
def test_words_with_some_letters_in_common_are_not_alike(one: str, other: str) -> None:
    assert not alike(one, other)
    assert not alike(other, one)
