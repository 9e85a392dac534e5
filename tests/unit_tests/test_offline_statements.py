"""The facts that the offline model extracts from plain statements, as a table. It can read any text."""

from datetime import UTC, datetime, timedelta
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.offline.answers import reply
from agent.offline.model import extract_by_rules
from agent.offline.statements import read
from memory.extraction.answer import Extraction
from memory.extraction.extract import extraction_input
from memory.extraction.utterances import Utterance
from memory.facts.fact import Fact, Source
from memory.facts.slots import is_exclusive

SAID_AT = datetime(2026, 11, 22, 9, 48, tzinfo=UTC)

FACTS = [
    # names
    ("My name is Ada.", ["name: Name is Ada"]),
    ("Hello! My name is Zoë", ["name: Name is Zoë"]),
    ("Hi, my name is Jean-Luc.", ["name: Name is Jean-Luc"]),
    ("My name is Charlotte", ["name: Name is Charlotte"]),
    ("I'm Bob.", ["name: Name is Bob"]),
    ("Hi there! I live in Rome.", ["home city: Lives in Rome"]),
    # home
    ("I live in San Francisco", ["home city: Lives in San Francisco"]),
    ("i live in austin", ["home city: Lives in Austin"]),
    ("I now live in Rome", ["home city: Lives in Rome"]),
    ("I moved to Austin last month.", ["home city: Lives in Austin"]),
    ("I just moved to Lisbon", ["home city: Lives in Lisbon"]),
    ("I've moved to Oslo", ["home city: Lives in Oslo"]),
    # who the user is
    ("I'm 34", ["age: Is 34 years old"]),
    ("I am 34 years old.", ["age: Is 34 years old"]),
    ("I'm a nurse", ["profession: Is a nurse"]),
    ("I'm an accountant.", ["profession: Is an accountant"]),
    ("I work at Acme", ["workplace: Works at Acme"]),
    ("I work as a backend engineer", ["profession: Is a backend engineer"]),
    ("I work for the BBC", ["workplace: Works for the BBC"]),
    ("I work at a hospital", ["workplace: Works at a hospital"]),
    ("I also work at Globex", ["workplace: Works at Globex"]),
    ("I speak French and German", ["spoken language: Speaks French", "spoken language: Speaks German"]),
    # constraints, which must never be missed
    ("I'm allergic to shellfish", ["allergy: Is allergic to shellfish"]),
    ("I’m allergic to peanuts, milk and eggs", [f"allergy: Is allergic to {a}" for a in ("peanuts", "milk", "eggs")]),
    ("i'm severely allergic to bee stings", ["allergy: Is allergic to bee stings"]),
    ("I'm lactose intolerant", ["diet: Is lactose intolerant"]),
    ("I'm vegan.", ["diet: Is vegan"]),
    ("I am a vegetarian", ["diet: Is vegetarian"]),
    ("I don't eat pork", ["diet: Does not eat pork"]),
    # tastes, tools, projects
    ("I like tea.", ["likes: Likes tea"]),
    ("I love fish and chips", ["likes: Likes fish and chips"]),
    ("I really like Italian food", ["likes: Likes Italian food"]),
    ("I enjoy hiking, sailing and chess", ["likes: Likes hiking", "likes: Likes sailing", "likes: Likes chess"]),
    ("I hate olives", ["dislikes: Dislikes olives"]),
    ("I don't like coriander", ["dislikes: Dislikes coriander"]),
    ("I prefer tea", ["preference: Prefers tea"]),
    ("I prefer dark mode in all my apps", ["preference: Prefers dark mode in all apps"]),
    ("I use vim", ["tool: Uses vim"]),
    ("i use python and Go", ["tool: Uses Python", "tool: Uses Go"]),
    (
        "I'm building a FastAPI backend with PostgreSQL",
        ["project: Is building a FastAPI backend with PostgreSQL"],
    ),
    # family and pets
    ("My sister is called Anna", ["family: Has a sister called Anna"]),
    ("my dog's name is Rex", ["family: Has a dog called Rex"]),
    # several
    (
        "I live in San Francisco and I'm allergic to shellfish.",
        ["home city: Lives in San Francisco", "allergy: Is allergic to shellfish"],
    ),
    (
        "Hi! My name is Ada. I like tea; I hate olives.",
        ["name: Name is Ada", "likes: Likes tea", "dislikes: Dislikes olives"],
    ),
    ("I live in Austin, and I work for Dell", ["home city: Lives in Austin", "workplace: Works for Dell"]),
    ("I like tea.\n\nI like milk.\r\n", ["likes: Likes tea", "likes: Likes milk"]),
]

ROME, TEA = "home city: Lives in Rome", "likes: Likes tea"


def facts_of(message: str) -> list[str]:
    return [f"{said.attribute}: {said.text}" for said in read(message).statements]


@pytest.mark.parametrize(("message", "facts"), FACTS)
def test_a_plain_statement_gives_its_facts_with_verbatim_quotes(message: str, facts: list[str]) -> None:
    assert facts_of(message) == facts
    assert all(said.quote and said.quote in message and not said.retracts for said in read(message).statements)


def extraction_of(message: str, *known: str) -> tuple[Extraction, list[Utterance], list[Fact]]:
    """The model's answer to a message, given known facts such as "home city: Lives in Rome"."""
    before = SAID_AT - timedelta(days=9)
    facts = [
        Fact(
            id=text, key=text, text=text, attribute=attribute, exclusive=is_exclusive(attribute, None),
            observed_at=before, recorded_at=before,
        )
        for attribute, text in (fact.split(": ") for fact in known)
    ]  # fmt: skip
    said = [Utterance(text=message, said_at=SAID_AT, source=Source(thread_id="t", message_id="m"))]
    return extract_by_rules(extraction_input(said, facts)), said, facts


def test_candidates_have_category_importance_and_no_dates() -> None:
    message = "My name is Ada. I live in Rome and I'm allergic to nuts, and I like tea."
    facts = extraction_of(message)[0].facts
    assert [(fact.category, fact.importance, fact.exclusive) for fact in facts] == [
        ("identity", 0.8, True),
        ("location", 0.8, True),
        ("constraint", 0.9, False),
        ("preference", 0.5, False),
    ]
    assert {(fact.valid_from, fact.valid_until, fact.message, fact.subject) for fact in facts} == {
        (None, None, 1, "user")
    }


PIECES = [
    "I live in ", "Rome", "my name is ", "Ada", " and ", ", ", ". ", "? ", "I'm ", "I’m ", "nuts", "forget that ", "\n",
    "I no longer ", "like ", "tea", "i ", "My sister is called ", "\x00", "\ud800", "🙂", " any more",
    "'", '"', "’s", "İ",
]  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
@example("İ live in Rome and I like tea")
@example("I like tea\u2028and I like jazz")
def test_any_text_can_be_read_and_contains_every_quote(text: str) -> None:
    reading = read(text)
    assert all(said.quote in text and said.quote.strip() for said in reading.statements)
    extraction = extraction_of(text, ROME, TEA)[0]
    quotes = [fact.quote for fact in extraction.facts] + [taken.quote for taken in extraction.retracted]
    assert all(quote in text for quote in quotes)
    assert reply("", text)


HOSTILE = [
    "a ", "I ", "I live in ", "I like tea, ", "I like tea. ", "so, ", "my sister ", "'a ", '"', "> ", ". x", "....",
    "1 ", "remember that ", "forget that I ", "from a to b to ", " and", "\n", "if ", "x:", "hi, ",
    "book a trip to ", "who is ",
]  # fmt: skip


@pytest.mark.parametrize("length", [999, 32_000])
@pytest.mark.parametrize("unit", HOSTILE)
def test_no_message_takes_long_to_read_and_to_answer(unit: str, length: int) -> None:
    started = process_time()
    for ending in ("", "?", "x"):
        extraction_of((unit * length)[:length] + ending, ROME)
        reply("<memory>\n- Lives in Rome\n</memory>", (unit * length)[:length] + ending)
    assert process_time() - started < 2
