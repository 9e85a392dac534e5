"""Which messages are small talk and not extracted, and which are not small talk."""

import pytest

from memory.extraction.small_talk import MAX_SMALL_TALK, is_small_talk


@pytest.mark.parametrize(
    "text",
    ["Thanks!", "thank you so much 🙏", "Hi", "Hello there!", "Good morning :)", "OK.",
     "ok, got it, thanks", "Yes", "no", "👍", "❤️", "👍🏽👍🏽", "...", "?!", "Why?", "how come?",
     "Really??", "How’s it going?", "What's up", "HELLO", "Never mind.", "Danke schön!",
     "Merci beaucoup", "¡Hola! ¿Qué tal?", "Grazie mille", "Olá, bom dia", "Спасибо", "谢谢！",
     "ありがとう。", "안녕하세요", "  thanks  ", "Hi!\nThanks.", ""],
)  # fmt: skip
def test_greetings_thanks_assent_and_bare_questions_are_small_talk(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    ["I", "my", "Hi, I'm Ada", "Hello Anna", "thanks, Bob", "Thanks, I love it", "ok 5", "5",
     "1️⃣", "+1", "yes, vegan", "vegan", "no sugar", "Austin", "tea", "Why do I live here?",
     "what about mine", "I'm good", "my name", "call me May", "forget it", "forget that",
     "Ja, ich bin Vegetarier", "Oui, j'habite Lyon", "Sí, soy Ana", "me", "we", "not anymore",
     "no longer", "yes and no", "thanks for the tea", "是的，我住在北京", "ok " * MAX_SMALL_TALK,
     "https://example.org", "a@b.c"],
)  # fmt: skip
def test_a_message_with_any_other_word_is_not_small_talk(text: str) -> None:
    assert not is_small_talk(text)
