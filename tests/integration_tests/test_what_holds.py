"""What holds now, with real servers and a scripted model: tenses, partial dates, what is temporary, names of slots.

Each row is a conversation: what was said when, with the model's candidate, and what is known afterwards.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from langchain_core.messages import HumanMessage

from memory.evidence.timing import OPEN_END
from memory.extraction.utterances import SAID_AT
from memory.items.store import FactStore
from memory.user_memory import UserMemory
from tests.conversation import candidate, found
from tests.facts import make_fact
from tests.memories import day, put, remembering, texts
from tests.openai_server import ScriptedOpenAI


class Said(NamedTuple):
    """A message, the date when it was said, and the fact that the model takes from it."""

    message: str
    text: str
    attribute: str
    at: str = "2026-02-01"
    values: Mapping[str, Any] = MappingProxyType({})


LAST_MONTH, LAST_WEEK = (f"{datetime.now(UTC) - timedelta(days):%Y-%m-%d}" for days in (30, 7))
REPLACES = [{"known": 1, "relation": "replaces"}]
OSLO = Said("I live in Oslo.", "Lives in Oslo", "home city", "2026-01-01")
BOLT = Said("I work at Bolt.", "Works at Bolt", "employer", "2026-01-01")
LOVE = Said("I love coffee.", "Loves coffee", "likes", "2026-01-01")

PRESENT = [
    # what is over goes to the history alone, whatever its date looks like
    *(
        (
            [BOLT, Said(f"I worked at Acme until {end}", "Worked at Acme", "employer", values={"valid_until": end})],
            ["Works at Bolt"],
        )
        for end in ("2020", "2020-06", "2020-06-15", "summer 2019", "last spring", "early 2020")
    ),
    (
        [OSLO, Said("I used to live in Rome.", "Used to live in Rome", "home city", values={"tense": "past"})],
        ["Lives in Oslo"],
    ),
    (
        [
            OSLO,
            Said(
                "In Rome I lived once.", "Lives in Rome", "home city", values={"tense": "over", "relations": REPLACES}
            ),
        ],
        ["Lives in Oslo"],
    ),
    (
        [OSLO, Said("I used to live in Rome.", "Used to live in Rome", "home city", values={"relations": REPLACES})],
        ["Lives in Oslo"],
    ),
    # what cannot be read is kept beside, and so is what its words call over
    (
        [OSLO, Said("I used to live in Rome.", "Lives in Rome", "home city", values={"relations": REPLACES})],
        ["Lives in Oslo", "Lives in Rome"],
    ),
    (
        [OSLO, Said("I'm back home from Rome", "Is back home", "home city", values={"relations": REPLACES})],
        ["Lives in Oslo", "Is back home"],
    ),
    (
        [BOLT, Said("Acme, till the flood", "Works at Acme", "employer", LAST_WEEK, {"valid_until": "the flood"})],
        ["Works at Bolt", "Works at Acme"],
    ),
    (  # it lapses
        [BOLT, Said("Acme, until the flood", "Works at Acme", "employer", "2026-02-01", {"valid_until": "the flood"})],
        ["Works at Bolt"],
    ),
    (
        [BOLT, Said("Acme, since the flood", "Works at Acme", "employer", values={"valid_from": "the flood"})],
        ["Works at Bolt", "Works at Acme"],
    ),
    (
        [BOLT, Said("Acme one way or other", "Works at Acme", "employer", values={"tense": "gnomic"})],
        ["Works at Bolt", "Works at Acme"],
    ),
    # a plan replaces nothing yet, with a date or without
    (
        [
            OSLO,
            Said(
                "Moving to Rome in 2099",
                "Lives in Rome",
                "home city",
                values={"tense": "planned", "valid_from": "2099"},
            ),
        ],
        ["Lives in Oslo", "Lives in Rome"],
    ),
    (
        [
            OSLO,
            Said("Rome, some day!", "Lives in Rome", "home city", values={"tense": "planned", "relations": REPLACES}),
        ],
        ["Lives in Oslo", "Lives in Rome"],
    ),
    # what is temporary ends nothing
    (
        [
            OSLO,
            Said(
                "I'm in Madrid until the end of March",
                "Is in Madrid",
                "home city",
                values={"valid_until": "2026-03-31"},
            ),
        ],
        ["Lives in Oslo"],
    ),
    (
        [
            OSLO,
            Said(
                "I'm in Madrid until 2099",
                "Is in Madrid",
                "home city",
                values={"valid_until": "2099", "relations": REPLACES},
            ),
        ],
        ["Lives in Oslo", "Is in Madrid"],
    ),
    (
        [OSLO, Said("A week in Madrid", "Is in Madrid", "location", LAST_WEEK, {"tense": "temporary"})],
        ["Lives in Oslo", "Is in Madrid"],
    ),
    (
        [OSLO, Said("I'm visiting Madrid", "Is visiting Madrid", "city", LAST_WEEK)],
        ["Lives in Oslo", "Is visiting Madrid"],
    ),
    (
        [BOLT, Said("On parental leave until 2099", "Is on leave", "employer", values={"valid_until": "2099"})],
        ["Works at Bolt", "Is on leave"],
    ),
    (
        [
            BOLT,
            Said("I have a second job at a bar", "Has a second job at a bar", "employer", values={"exclusive": True}),
        ],
        ["Works at Bolt", "Has a second job at a bar"],
    ),
    (
        [
            BOLT,
            Said(
                "I bake for Crumb, too",
                "Works at Crumb",
                "employer",
                values={"exclusive": None, "relations": [{"known": 1, "relation": "beside"}]},
            ),
        ],
        ["Works at Bolt", "Works at Crumb"],
    ),
    (
        [
            OSLO,
            Said("In Madrid for now", "Is in Madrid", "city", LAST_MONTH, {"tense": "temporary"}),
            Said("In Porto for now", "Is in Porto", "residence", LAST_WEEK, {"tense": "temporary"}),
        ],
        ["Lives in Oslo", "Is in Porto"],
    ),
    (
        [
            OSLO,
            Said("In Madrid for now", "Is in Madrid", "city", LAST_MONTH, {"tense": "temporary"}),
            Said("I moved to Rome", "Lives in Rome", "home", LAST_WEEK),
        ],
        ["Lives in Rome"],
    ),
    # and lapses after 90 days, if its end is not known
    (
        [OSLO, Said("In Madrid for now", "Is in Madrid", "city", "2026-02-01", {"tense": "temporary"})],
        ["Lives in Oslo"],
    ),
    ([OSLO, Said("I'm visiting Madrid", "Is visiting Madrid", "city", "2026-02-01")], ["Lives in Oslo"]),
    # one slot under many names
    ([OSLO, Said("I live in Rome now", "Lives in Rome", "residence")], ["Lives in Rome"]),
    ([OSLO, Said("Rome is my home", "Lives in Rome", "City")], ["Lives in Rome"]),
    (
        [OSLO, Said("Rome it is, my home", "Lives in Rome", "home_city", values={"subject": "The user"})],
        ["Lives in Rome"],
    ),
    (
        [OSLO, Said("I went to Rome, for good", "Lives in Rome", "current location", values={"subject": "me"})],
        ["Lives in Rome"],
    ),
    (
        [
            Said(
                "Green is my colour", "Favourite colour is green", "favourite colour", "2026-01-01", {"exclusive": True}
            ),
            Said("Blue is my color", "Favorite color is blue", "favorite_color", values={"exclusive": True}),
        ],
        ["Favorite color is blue"],
    ),
    # what replaces, whatever the attributes are called
    ([LOVE, Said("I hate coffee now", "Hates coffee", "dislikes", values={"relations": REPLACES})], ["Hates coffee"]),
    (
        [
            Said("I'm married to Tom", "Is married to Tom", "spouse", "2026-01-01"),
            Said("Tom and I divorced", "Is divorced", "marital status", values={"relations": REPLACES}),
        ],
        ["Is divorced"],
    ),
    (
        [
            Said("We have a house in Rome", "Lives in Rome", "where the house is", "2026-01-01"),
            Said("We moved to Lima", "Lives in Lima", "home city", values={"relations": REPLACES}),
        ],
        ["Lives in Lima"],  # both texts tell a home
    ),
    # what a model is wrong to replace
    (
        [OSLO, Said("I'm allergic to nuts", "Is allergic to nuts", "allergy", values={"relations": REPLACES})],
        ["Lives in Oslo", "Is allergic to nuts"],
    ),
    (
        [OSLO, Said("I own a boat in Oslo", "Owns a boat in Oslo", "boat", values={"relations": REPLACES})],
        ["Lives in Oslo", "Owns a boat in Oslo"],
    ),
    (
        [
            OSLO,
            Said(
                "Anna lives in Rome",
                "Anna lives in Rome",
                "home city",
                values={"subject": "Anna", "relations": REPLACES},
            ),
        ],
        ["Lives in Oslo", "Anna lives in Rome"],
    ),
    ([LOVE, Said("I love tea", "Loves tea", "likes", values={"relations": REPLACES})], ["Loves coffee", "Loves tea"]),
]


@pytest.fixture
def memory(store: FactStore, user: str) -> UserMemory:
    return remembering(store, user)


async def hear(memory: UserMemory, openai: ScriptedOpenAI, *talk: Said) -> None:
    for said in talk:
        quote = said.message.rstrip(".")
        openai.extraction(found(candidate(said.text, quote, said.attribute, **{"exclusive": None, **said.values})))
        await memory.observe(said.message, at=day(said.at))


@pytest.mark.parametrize(
    ("talk", "known"), PRESENT, ids=lambda value: value[-1].message if isinstance(value[0], Said) else ""
)
async def test_the_present_is_not_destroyed_by_a_remark(
    memory: UserMemory, openai: ScriptedOpenAI, talk: list[Said], known: list[str]
) -> None:
    await hear(memory, openai, *talk)
    assert texts(await memory.current()) == known
    assert {fact.text for fact in await memory.all()} == {said.text for said in talk}


async def test_what_was_interrupted_holds_again_afterwards(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    madrid = Said(
        "I'm in Madrid until the end of March", "Is in Madrid", "home city", values={"valid_until": "2026-03"}
    )
    paris = Said("I'm in Paris this week", "Is in Paris", "home city", "2026-03-02", {"valid_until": "this week"})
    await hear(memory, openai, OSLO, madrid, paris)
    assert texts((await memory.as_of(day("2026-03-03"))).held) == ["Lives in Oslo", "Is in Madrid", "Is in Paris"]
    assert texts((await memory.as_of(day("2026-03-31T18:00"))).held) == ["Lives in Oslo", "Is in Madrid"]
    assert texts((await memory.as_of(day("2026-04-01"))).held) == ["Lives in Oslo"]
    assert "Is in Madrid" not in await memory.context("Where am I?")


async def test_recall_says_both_while_what_is_temporary_holds(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    await hear(memory, openai, OSLO, Said("I'm in Madrid for a while", "Is in Madrid", "city", LAST_WEEK))
    block = await memory.context("Where am I?")
    assert "- Lives in Oslo (said 2026-01-01)" in block
    lapses = day(LAST_WEEK) + OPEN_END
    assert f"- Is in Madrid (temporary; until {lapses:%Y-%m-%d}; said {LAST_WEEK})" in block


async def test_the_users_own_name_is_the_user_and_a_namesake_is_not(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    name = Said("My name is Anna Berg.", "Name is Anna Berg", "name", "2025-01-01")
    rome = Said("I live in Rome now.", "Anna lives in Rome", "home city", values={"subject": "Anna"})
    other = Said("My friend Anna lives in Lima.", "Anna lives in Lima", "home city", values={"subject": "Anna"})
    await hear(memory, openai, name, OSLO, rome, other)
    assert [fact.slot for fact in await memory.current()] == [
        ("user", "name"), ("user", "home city"), ("anna", "home city"),
    ]  # fmt: skip
    assert "Lives in Oslo" not in texts(await memory.current())


async def test_a_date_counts_in_the_zone_in_which_it_was_said(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    """An evening in Los Angeles is the next day in UTC, and a morning in Auckland the day before."""
    for city, said_at in (("Reno", "2026-02-03T20:15:00-08:00"), ("Napier", "2026-02-06T08:15:00+13:00")):
        openai.extraction(
            found(candidate(f"Lives in {city}", f"moved to {city} today", "city", valid_from=said_at[:10]))
        )
        message = HumanMessage(f"I moved to {city} today", additional_kwargs={SAID_AT: said_at})
        await memory.observe([message])
        assert said_at[:10] in openai.requests[-1].body["messages"][-1]["content"]
        assert texts(await memory.current()) == [f"Lives in {city}"]
    assert [fact.valid_from for fact in await memory.all()] == [
        datetime(2026, 2, 3, 8, tzinfo=UTC), datetime(2026, 2, 5, 11, tzinfo=UTC),
    ]  # fmt: skip


async def test_a_clock_that_was_ahead_does_not_freeze_a_slot(
    memory: UserMemory, openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    oslo = make_fact("Lives in Oslo", "home city", user_id=user, observed_at=ahead, recorded_at=ahead)
    gone = {"retired_reason": "superseded", "ended_at": ahead, "retired_at": ahead, "successor": oslo.id}
    rome = make_fact("Lives in Rome", "home city", user_id=user, message_id="m0").model_copy(update=gone)
    async with store.ledger.transaction(user) as transaction:
        await transaction.add([rome, oslo])
    for city in ("Rome", "Lima"):
        openai.extraction(found(candidate(f"Lives in {city}", f"I live in {city}", "home city")))
        await memory.observe(f"I live in {city}.")
        assert texts(await memory.current()) == [f"Lives in {city}"]
    await put(store, user, "home", "Lives in Bonn", attribute="home city")
    assert texts(await memory.current()) == ["Lives in Bonn"]
