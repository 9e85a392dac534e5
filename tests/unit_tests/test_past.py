"""Which questions are about the past."""

import pytest

from memory.recall.words import asks_about_past


@pytest.mark.parametrize(
    "asked",
    [
        "Where did I live before?",
        "Which country before Italy?",
        "Where did I live?",
        "What was my previous job?",
        "Who was my dentist in 2019?",
        "Which editor did I use to use?",
        "What's my old phone?",
        "Where did we live back when I was a student?",
        "What do I no longer eat?",
        "What car did I have last year?",
        "Which city was home in June 2021?",
        "Which cities have I lived in?",
        "Have I ever been to Paris?",
        "Do I still have a dog?",
    ],
)
def test_a_question_about_the_past_is_recognised(asked: str) -> None:
    assert asks_about_past(asked)


@pytest.mark.parametrize(
    "asked",
    [
        "Where do I live?",
        "How old is Mia?",
        "What did I tell you about my car?",
        "Have I ever told you about my car?",
        "Have I got a car?",
        "What should I pack before I go to Rome?",
        "Recommend a restaurant",
        "When is my appointment?",
        "",
    ],
)
def test_a_question_about_the_present_is_not_about_the_past(asked: str) -> None:
    assert not asks_about_past(asked)
