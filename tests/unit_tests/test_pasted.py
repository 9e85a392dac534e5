"""The user's own words in a message, and what was pasted into it."""

import pytest

from memory.evidence.pasted import is_pasted, own_and_pasted

MAIL = "Can you answer this?\n\nFrom: Anna\nSubject: Oslo\n\nI moved to Oslo."


@pytest.mark.parametrize(
    ("message", "own"),
    [
        (MAIL, "Can you answer this?"),
        ("I ski.\n> I moved to Oslo.\nI swim.", "I ski. I swim."),
        ("I use this:\n```\nmake test\n```\nand Vim.", "I use this: and Vim."),
        ("Assistant: You live in Quito.\nUser: I ski.", "User: I ski."),
        ('She wrote "I moved to Oslo last week". Nice!', "She wrote . Nice!"),
        ('I wrote "I moved to Oslo last week". Nice!', 'I wrote "I moved to Oslo last week". Nice!'),
        ("Translate this: I moved to Oslo.", "Translate this:"),
        ("Improve my bio: I am a nurse.", "Improve my bio: I am a nurse."),
        ('My favourite book is "The Name of the Rose".', 'My favourite book is "The Name of the Rose".'),
        ("To: do list person, I love lists.", "To: do list person, I love lists."),
        ("Here is my bio: I am a nurse.", "Here is my bio: I am a nurse."),
        ("Explain: I have diabetes. Why?", "Explain: I have diabetes. Why?"),
        ("Explain this text: I have diabetes.", "Explain this text:"),
        ("Translate this: I ski. By the way, I moved to Oslo.", "Translate this: By the way, I moved to Oslo."),
        ("Hi,\n\nI moved to Oslo.\n\nTom", "Hi, I moved to Oslo. Tom"),
        ("What is it about?\n\nHi Tom,\nI moved to Oslo.\nJill", "What is it about?"),
        ('You said earlier: "You live in Quito." I ski.', "You said earlier: I ski."),
        ("2025-03-01 10:00:01 INFO ann: I moved to Oslo\nI ski.", "I ski."),
        ("[10:31] Kim: I moved to Oslo\nI ski.", "I ski."),
    ],
)
def test_what_was_pasted_is_not_the_users_own(message: str, own: str) -> None:
    assert " ".join(own_and_pasted(message).own.split()) == own


@pytest.mark.parametrize(
    ("quote", "pasted"),
    [
        ("I moved to Oslo", True),
        ('My mum always says "I love Oslo" and lives in Rome', False),
        (MAIL, True),
    ],
)
def test_a_quote_counts_if_the_users_own_words_in_it_say_the_same(quote: str, pasted: bool) -> None:
    text = "Mum lives in Rome" if "mum" in quote else "Lives in Oslo"
    assert is_pasted(text, quote, quote if "mum" in quote else MAIL) == pasted


def test_what_the_user_says_as_well_is_not_pasted() -> None:
    assert not is_pasted("Lives in Oslo", "I moved to Oslo", f"I moved to Oslo, too. {MAIL}")
