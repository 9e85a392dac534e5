"""Which candidates the words of a message support, which they do not, and which are judged by meaning."""

import re

import pytest

from memory.evidence.support import (
    MIN_COSINE,
    MIN_COSINE_OF_A_NAME,
    compared,
    is_supported,
    supported_by_words,
)
from memory.extraction.answer import EXTRACTION_PROMPT, Candidate


def candidate(text: str, quote: str, subject: str = "user") -> Candidate:
    return Candidate(text=text, quote=quote, message=1, subject=subject, attribute="fact")


SUPPORTED = [
    ("I moved to Lisbon", "Lives in Lisbon"),
    ("I'm alergic to shelfish", "Is allergic to shellfish"),
    ("LA born and raised", "Is from Los Angeles"),
    ("sf has been home for years", "Has lived in San Francisco for years"),
    ("I have two kids", "Has 2 children"),
    ("she turned 7 in May", "Daughter is seven years old"),
    ("our meetings are on Thursdays", "Has a meeting every Thursday"),
    ("Ich vertrage keine Nüsse", "Hat eine Nussallergie"),
    ("J’habite à l’ouest de Lyon", "Vit à Lyon"),
    ("Soy bajista en una banda", "Toca en dos bandas"),
    ("Sono vegetariana da anni", "È vegetariano"),
    ("Moro em São Paulo", "Vive em Sao Paulo"),
    ("Ik heb een hond", "Heeft twee honden"),
    ("Pracuję w Krakowie", "Mieszka pod Krakowem"),
    ("Живу в Москве", "Живёт в городе Москва"),
    ("İzmir'de oturuyorum", "izmir şehrinde yaşıyor"),
    ("犬を飼っています", "犬がいる"),
    ("我养了一只猫", "家里有猫"),
    ("저는 개를 키워요", "개가 있다"),
    ("मुझे चाय पसंद है", "चाय पीता है"),
    ("أحب القهوة", "يفضل قهوة الصباح"),
    ("ผมแพ้อาหารทะเล", "แพ้อาหารทะเล"),
    ("can't do dairy, what can I cook?", "Eats no dairy"),
    ("What should my daughter Mia read?", "Has a daughter named Mia"),
    ("Did you know Anna moved to Rome?", "Anna lives in Rome"),
    ("I write Rust at work", "Writes Rust"),
    ("My template starts with <name>", "Uses <name> in a template"),
]
"""A message, quoted whole, and a fact that shares a word with it."""

IN_ENGLISH = [
    ("Ich wohne in Wien", "Lives in Vienna"),
    ("Moja córka ma pięć lat", "Has a daughter"),
    ("Je suis infirmière", "Is a nurse"),
    ("猫を二匹飼っています", "Has two cats"),
    ("저는 계란 알레르기가 있어요", "Is allergic to eggs"),
    ("أعمل في بنك", "Works at a bank"),
    ("Живу в Петербурге", "Lives in Saint Petersburg"),
    ("У меня двое детей", "Has two children"),
    ("Ho appena partorito", "Has a newborn baby"),
]
"""An English fact whose words are in the message in another language."""

UNSUPPORTED = [
    ("What's the average rent in Lisbon?", "Lives in Lisbon"),
    ("Thanks! How do people with diabetes count carbs?", "Has diabetes"),
    ("Write me a limerick about a cat", "Has a cat"),
    ("Tell me a joke about nuts", "Is allergic to nuts"),
    ("Convert 5 miles to km", "Runs 5 miles"),
    ("Please translate 'the bill' into Italian", "Speaks Italian"),
    ("¿Cuál es la capital de Australia?", "Vive en Canberra"),
    ("Напиши стих про лес", "Живёт в Самаре"),
    ("帮我写一首关于月亮的诗", "住在成都"),
    ("秋についての俳句を書いて", "京都に住んでいる"),
    ("اكتب لي قصيدة عن البحر", "يعيش في الإسكندرية"),
    ("I live for my work", "Lives in <city>"),
    ("I like my city", "Lives in [city]"),
]

OPEN = [
    ("Ich wohne in Wien", "Likes chess"),
    ("Mi jefe es de allí", "Is married"),
    ("she lives in Wien and has a kind son", "Is a child of the sixties"),
    ("the son of a doctor", "Lives here"),
    ("over the moon about our baby girl", "Has a newborn daughter"),
    ("I live for haiku", "Lives with a partner"),
    ("she likes what he prefers", "Likes hiking"),
    ("Ich mag das nicht", "Mag Jazz"),
    ("Habito solo en mí", "Vive en Bogotá"),
    ("私は好きです", "音楽が好き"),
    ("Works at 9", "Works at 10"),
    ("The user said so", "The user is a baker"),
]
"""Words in common have no content: the meaning decides."""


@pytest.mark.parametrize(("message", "text"), [*SUPPORTED, *IN_ENGLISH])
def test_a_shared_word_name_or_number_supports_a_fact(message: str, text: str) -> None:
    assert is_supported(candidate(text, message), message, {})
    assert compared(candidate(text, message), message) == []


@pytest.mark.parametrize(("message", "text"), UNSUPPORTED)
def test_questions_requests_and_placeholders_support_nothing(message: str, text: str) -> None:
    assert supported_by_words(candidate(text, message), message) is False
    assert compared(candidate(text, message), message) == []


@pytest.mark.parametrize(("message", "text"), OPEN)
def test_without_a_word_in_common_the_meaning_decides(message: str, text: str) -> None:
    said = candidate(text, message)
    (pair,) = compared(said, message)
    bar = MIN_COSINE_OF_A_NAME if any(word.istitle() for word in text.split()[1:]) else MIN_COSINE
    assert is_supported(said, message, {pair: bar})
    assert not is_supported(said, message, {pair: bar - 0.001})
    assert not is_supported(said, message, {})


def test_a_name_that_the_message_does_not_have_is_made_up_unless_it_is_near() -> None:
    said = candidate("Lives in London", "I got married and I'm Dana Whitlock now.")
    (pair,) = compared(said, said.quote)
    assert not is_supported(said, said.quote, {pair: MIN_COSINE})


def test_the_nearer_of_quote_and_sentence_counts() -> None:
    message = "Hi. We have our hands full with a baby girl. Bye."
    pairs = compared(candidate("Has a newborn daughter", "baby girl"), message)
    assert pairs == [
        ("I has a newborn daughter", "baby girl"),
        ("I has a newborn daughter", "We have our hands full with a baby girl."),
    ]
    assert all(is_supported(candidate("Has a newborn daughter", "baby girl"), message, {pair: 0.9}) for pair in pairs)


def test_a_fact_about_somebody_else_is_not_compared_in_the_first_person() -> None:
    assert compared(candidate("Is expecting", "due in May", "anna"), "due in May") == [("Is expecting", "due in May")]


def test_the_whole_message_counts_not_the_quote_alone() -> None:
    message = "I finally did it. Signed in Lisbon."
    assert is_supported(candidate("Lives in Lisbon", "I finally did it"), message, {})


def test_forms_of_words_are_found_near_the_quote_of_a_long_message() -> None:
    message = f"I went singing. {'Nothing else. ' * 200}"
    assert is_supported(candidate("Sings", "I went singing"), message, {})
    assert is_supported(candidate("Said nothing", "I went singing"), message, {})


def test_no_example_of_the_prompt_passes_for_a_fact() -> None:
    for example in re.findall('"([A-Z].*?)"', EXTRACTION_PROMPT):
        said = candidate(re.sub("[<>]", "", example), "It was late, and rainy")  # "Lives in city"
        assert supported_by_words(said, said.quote) is False, example
