"""UserMemory with real servers and a scripted model: the facts learned from messages of different times and orders."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from memory.errors import BadInput
from memory.extraction.extract import ExtractionFailed
from memory.extraction.utterances import EXTRACTION_MESSAGES, SAID_AT
from memory.items.store import FactStore
from memory.recall.render import count_tokens
from memory.user_memory import UserMemory
from tests.conversation import candidate, found
from tests.memories import day, remembering, store_of_its_own, texts
from tests.openai_server import Json, Request, ScriptedOpenAI, Status


@pytest.fixture
def memory(store: FactStore, user: str) -> UserMemory:
    return remembering(store, user)


def home(city: str, **values: Any) -> dict[str, Any]:
    """A candidate from the message "I live in <city>"."""
    return candidate(f"Lives in {city}", f"I live in {city}", "home city", category="location", **values)


async def live_in(memory: UserMemory, openai: ScriptedOpenAI, city: str, at: str, **values: Any) -> None:
    openai.extraction(found(home(city, **values)))
    await memory.observe(f"I live in {city}.", at=day(at))


async def known(memory: UserMemory) -> list[str]:
    return texts(await memory.current())


async def versions(memory: UserMemory) -> list[tuple[int, str, str | None]]:
    """The history of the home city: (number, city, reason), newest first."""
    history = await memory.history(("user", "home city"))
    return [(v.number, v.fact.text.removeprefix("Lives in "), v.fact.retired_reason) for v in history]


# --- time ----------------------------------------------------------------------------------------------------


async def test_an_older_message_that_arrives_late_enters_the_history(
    memory: UserMemory, openai: ScriptedOpenAI
) -> None:
    await live_in(memory, openai, "Oslo", "2018-01-01")
    await live_in(memory, openai, "Austin", "2026-01-01")
    await live_in(memory, openai, "Lima", "2020-01-01")
    assert await known(memory) == ["Lives in Austin"]
    assert await versions(memory) == [(3, "Austin", None), (2, "Lima", "superseded"), (1, "Oslo", "superseded")]
    assert texts((await memory.as_of(day("2019-01-01"))).held) == ["Lives in Oslo"]
    assert texts((await memory.as_of(day("2021-01-01"))).held) == ["Lives in Lima"]


async def test_of_facts_said_at_the_same_time_the_last_to_arrive_wins(
    memory: UserMemory, openai: ScriptedOpenAI
) -> None:
    for city in ("Oslo", "Lima", "Rome"):
        await live_in(memory, openai, city, "2026-01-01")
    assert await known(memory) == ["Lives in Rome"]
    assert await versions(memory) == [(3, "Rome", None), (2, "Lima", "superseded"), (1, "Oslo", "superseded")]


async def test_a_fact_that_returns_is_a_new_version(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    for city, at in (("Lisbon", "2020-01-01"), ("Rome", "2021-01-01"), ("Lisbon", "2022-01-01")):
        await live_in(memory, openai, city, at)
    assert await known(memory) == ["Lives in Lisbon"]
    assert await versions(memory) == [(3, "Lisbon", None), (2, "Rome", "superseded"), (1, "Lisbon", "superseded")]
    (last, middle, first) = await memory.history(("user", "home city"))
    assert (first.fact.successor, middle.fact.successor) == (middle.fact.id, last.fact.id)
    assert await memory.history(first.fact.id) == [last, middle, first]


async def test_a_correction_of_a_correction_holds(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    names = {"My name is Ana.": "Ana", "No, Anna with two n.": "Anna", "Sorry, it was right: Ana.": "Ana"}
    for minute, (said, name) in enumerate(names.items()):
        openai.extraction(found(candidate(f"Name is {name}", said, "name", category="identity")))
        await memory.observe(said, at=day(f"2026-01-01T12:0{minute}"))
    assert await known(memory) == ["Name is Ana"]
    assert (await memory.profile()).name == "Ana"
    assert [version.number for version in await memory.history(("user", "name"))] == [3, 2, 1]


async def test_a_fact_expires_on_read_and_is_new_when_it_is_said_again(
    memory: UserMemory, openai: ScriptedOpenAI
) -> None:
    trip = candidate("Is in Paris", "in Paris this week", "note", valid_until="2020-01-08")
    openai.extraction(found(trip))
    await memory.observe("I'm in Paris this week.", at=day("2020-01-01"))
    assert await known(memory) == []
    assert await memory.search("Paris") == []
    assert await memory.context("Am I in Paris?") == ""
    assert (await memory.profile()).facts == []
    assert texts((await memory.as_of(day("2020-01-07"))).held) == ["Is in Paris"]
    assert texts((await memory.as_of(day("2020-01-09"))).held) == []

    openai.extraction(found(trip | {"valid_until": None}))
    await memory.observe("I'm in Paris this week. And for good.", at=day("2021-01-01"))
    assert await known(memory) == ["Is in Paris"]


async def test_a_plan_replaces_nothing_until_it_begins(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    await live_in(memory, openai, "Rome", "2019-01-01")
    await live_in(memory, openai, "Berlin", "2019-11-01", valid_from="2099-01-01")
    assert await known(memory) == ["Lives in Rome", "Lives in Berlin"]
    assert texts((await memory.as_of(day("2098-12-31"))).held) == ["Lives in Rome"]
    assert texts((await memory.as_of(day("2099-01-01"))).held) == ["Lives in Berlin"]
    await live_in(memory, openai, "Lima", "2019-12-01", valid_from="2020-01-01")  # this date is in the past
    assert await known(memory) == ["Lives in Berlin", "Lives in Lima"]  # the other plan is still to come


async def test_a_repeated_plan_replaces_the_plan_and_the_earlier_fact(
    memory: UserMemory, openai: ScriptedOpenAI
) -> None:
    await live_in(memory, openai, "Rome", "2019-01-01")
    await live_in(memory, openai, "Berlin", "2019-11-01", valid_from="2020-01-01")
    await live_in(memory, openai, "Berlin", "2020-01-15", valid_from="2020-01-01")
    assert await known(memory) == ["Lives in Berlin"]
    assert [(city, reason) for _, city, reason in await versions(memory)] == [
        ("Berlin", None),
        ("Berlin", "superseded"),
        ("Rome", "superseded"),
    ]


async def test_a_fact_that_was_over_when_said_is_history_from_the_start(
    memory: UserMemory, openai: ScriptedOpenAI
) -> None:
    await live_in(memory, openai, "Rome", "2020-01-01")
    openai.extraction(found(candidate("Lived in Lima", "lived in Lima", "home city", valid_until="2019-06-01")))
    await memory.observe("I lived in Lima until 2019.", at=day("2020-02-01"))
    assert await known(memory) == ["Lives in Rome"]
    assert texts((await memory.as_of(day("2019-01-01"))).held) == ["Lived in Lima"]
    assert texts((await memory.as_of(day("2019-12-01"))).held) == []


async def test_as_of_distinguishes_valid_time_from_recorded_time(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    start = datetime.now(UTC)
    await live_in(memory, openai, "Lima", "2020-03-01")
    between = datetime.now(UTC)
    await live_in(memory, openai, "Austin", "2020-06-15", valid_from="2020-05-01")
    table = {
        day("2020-01-01"): ([], []),
        day("2020-03-01"): (["Lives in Lima"], []),
        day("2020-04-30"): (["Lives in Lima"], []),
        day("2020-05-01"): (["Lives in Austin"], []),  # not believed before June, when it was said
        start: (["Lives in Austin"], []),
        between: (["Lives in Austin"], ["Lives in Lima"]),
        datetime.now(UTC): (["Lives in Austin"], ["Lives in Austin"]),
    }
    for when, expected in table.items():
        then = await memory.as_of(when)
        assert (texts(then.held), texts(then.believed)) == expected, when


@pytest.mark.parametrize("call", ["observe", "as_of"])
async def test_a_time_without_a_time_zone_is_refused(memory: UserMemory, call: str) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - a naive time is tested
    with pytest.raises(BadInput, match="no time zone"):
        await (memory.as_of(naive) if call == "as_of" else memory.observe("Hello", at=naive))


# --- observe -------------------------------------------------------------------------------------------------


async def test_observing_a_message_twice_is_one_write_and_one_model_call(
    memory: UserMemory, store: FactStore, openai: ScriptedOpenAI
) -> None:
    await live_in(memory, openai, "Lima", "2020-03-01")
    version = await store.ledger.version(memory.user_id)
    await live_in(memory, openai, "Lima", "2020-03-01")
    assert openai.calls("extraction") == 1
    assert await store.ledger.version(memory.user_id) == version
    assert texts(await memory.all()) == ["Lives in Lima"]


async def test_only_human_messages_count_each_at_its_own_time(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    openai.extraction(found(home("Lima"), home("Rome", message=2)))
    await memory.observe(
        [
            SystemMessage("I live in Prompt."),
            HumanMessage("I live in Lima.", additional_kwargs={SAID_AT: "2020-01-01T00:00:00+00:00"}),
            AIMessage("I live in a computer."),
            {"role": "user", "content": "I live in Rome."},
            HumanMessage("Say hello.", additional_kwargs={SAID_AT: "the other day"}),
        ],
        at=day("2021-01-01"),
    )
    asked = json.loads(str(openai.requests[-1].messages[-1]["content"]))
    assert [(said["text"], said["said_at"].split()[1]) for said in asked["messages"]] == [
        ("I live in Lima.", "2020-01-01"),
        ("I live in Rome.", "2021-01-01"),
        ("Say hello.", "2021-01-01"),
    ]
    assert [(f.text, f.observed_at) for f in await memory.all()] == [
        ("Lives in Lima", day("2020-01-01")),
        ("Lives in Rome", day("2021-01-01")),
    ]


async def test_a_failed_extraction_leaves_the_messages_to_be_observed_again(
    memory: UserMemory, openai: ScriptedOpenAI
) -> None:
    openai.extraction(*[Status(503, retry_after=0.01)] * 3)
    with pytest.raises(ExtractionFailed, match="extraction model"):
        await memory.observe("I live in Lima.", at=day("2020-01-01"))
    await live_in(memory, openai, "Lima", "2020-01-01")
    assert await known(memory) == ["Lives in Lima"]


LANGUAGES = {
    "German": ("Wohnort", "Wohnt in Köln", "Ich wohne in Köln", "Wohnt in Graz", "Ich bin nach Graz gezogen"),
    "Spanish": ("ciudad", "Vive en León", "Vivo en León", "Vive en Cádiz", "Me mudé a Cádiz"),
    "Japanese": ("居住地", "大阪に住んでいる", "大阪に住んでいます", "京都に住んでいる", "京都に引っ越しました"),
}
QUESTIONS = {"German": "Wohne ich in Graz?", "Spanish": "¿Vivo en Cádiz?", "Japanese": "京都に住んでいる"}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_facts_are_kept_replaced_found_and_shown_in_the_users_language(
    memory: UserMemory, openai: ScriptedOpenAI, language: str
) -> None:
    (slot, old, said, new, moved), question = LANGUAGES[language], QUESTIONS[language]
    openai.extraction(
        found(candidate(old, said, slot, exclusive=True)), found(candidate(new, moved, slot, exclusive=True))
    )
    await memory.observe(said, at=day("2020-01-01"))
    await memory.observe(moved, at=day("2021-01-01"))
    assert await known(memory) == [new]
    assert [version.fact.text for version in await memory.history(("user", slot))] == [new, old]
    assert [hit.fact.text for hit in await memory.search(question)] == [new]
    assert f"- {new} (said 2021-01-01)" in await memory.context(question)
    asked = json.loads(str(openai.requests[-1].messages[-1]["content"]))
    assert [fact["text"] for fact in asked["known"]] == [old]


def retract(text: str) -> Any:
    """The answer of a model that retracts the known fact with this text."""

    def answer(request: Request) -> Json:
        asked = json.loads(str(request.messages[-1]["content"]))
        (number,) = (fact["number"] for fact in asked["known"] if fact["text"] == text)
        return found(retracted=[(number, asked["messages"][0]["text"])])

    return answer


async def test_a_request_to_forget_retracts_that_fact_only(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    openai.extraction(found(candidate("Likes jazz", "I like jazz", "likes"), home("Lima")), retract("Likes jazz"))
    await memory.observe("I like jazz. I live in Lima.", at=day("2020-01-01"))
    changes = await memory.observe("Forget that I like jazz.", at=day("2020-02-01"))
    assert [(fact.text, fact.retired_reason) for fact in changes.retired] == [("Likes jazz", "retracted")]
    assert await known(memory) == ["Lives in Lima"]
    assert texts((await memory.as_of(day("2020-01-15"))).held) == ["Likes jazz", "Lives in Lima"]


async def test_the_extraction_is_the_only_model_call_with_and_without_neighbours(
    memory: UserMemory, openai: ScriptedOpenAI
) -> None:
    for city, at in (("Lima", "2020-01-01"), ("Rome", "2021-01-01"), ("Rome", "2022-01-01")):
        await live_in(memory, openai, city, at)
        await memory.context("Where do I live?")
    assert [request.kind for request in openai.requests] == ["extraction"] * 3


async def test_many_messages_take_few_calls_and_one_transaction_for_each(
    environment: dict[str, str], openai: ScriptedOpenAI, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    said = [f"I like thing {n}." for n in range(2 * EXTRACTION_MESSAGES)]
    likes = [candidate(f"Likes thing {n}", f"thing {n}", "likes") for n in range(len(said))]
    for part in (likes[:EXTRACTION_MESSAGES], likes[EXTRACTION_MESSAGES:]):
        openai.extraction(found(*(fact | {"message": number} for number, fact in enumerate(part, 1))))
    async with store_of_its_own(monkeypatch, user, EMBEDDER="openai:scripted") as store:
        memory, before = remembering(store, user), openai.calls("embedding")
        await memory.observe([HumanMessage(text) for text in said], at=day("2020-01-01"))
        assert openai.calls("extraction") == 2
        assert openai.calls("embedding") - before == 2 * 2  # messages, to find similar facts; facts, for the index
        assert await transactions(store) == 2
        assert len(await memory.current()) == len(said)


async def transactions(store: FactStore) -> int:
    """The number of transactions that wrote the facts."""
    async with store.pool.connection() as connection:
        cursor = await connection.execute("select count(distinct xmin::text) as writers from memory.facts")
        row = await cursor.fetchone()
        return int(row["writers"]) if row else 0


# --- output --------------------------------------------------------------------------------------------------


async def test_the_context_always_stays_within_its_budget(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    likes = [candidate(f"Likes tea number {n} " + "very much " * n, "I like tea", "likes") for n in range(15)]
    openai.extraction(found(candidate("Name is Ada", "I am Ada", "name", category="identity"), *likes))
    await memory.observe("I am Ada. I like tea.", at=day("2020-01-01"))
    for budget in (0, 30, 60, 200, 1_500):
        block = await memory.context("Which tea do I like?", budget)
        assert count_tokens(block) <= budget
    assert "Name is Ada" in await memory.context("Which tea do I like?", 60)


async def test_the_profile_groups_the_known_facts_by_kind(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    said = "I am Ada, vegan, I like dark mode, we chose Postgres, I work at Acme."
    openai.extraction(
        found(
            candidate("Name is Ada", "I am Ada", "name", category="identity"),
            candidate("Is vegan", "vegan", "diet", category="constraint"),
            candidate("Likes dark mode", "I like dark mode", "likes", category="preference"),
            candidate("Chose Postgres", "we chose Postgres", "decision", category="decision"),
            candidate("Works at Acme", "I work at Acme", "employer", category="work"),
        )
    )
    await memory.observe(said, at=day("2020-01-01"))
    profile = await memory.profile()
    assert (profile.name, profile.preferences, profile.constraints) == ("Ada", ["Likes dark mode"], ["Is vegan"])
    assert (profile.facts, profile.decisions) == (["Works at Acme"], ["Chose Postgres"])
    assert profile.recent_topics == ["employer", "decision", "likes", "diet", "name"]


async def test_an_unknown_fact_and_an_unknown_slot_have_no_history(memory: UserMemory) -> None:
    assert await memory.history("f" * 32) == []
    assert await memory.history(("user", "home city")) == []
