"""A memory belongs to its user: it can be exported completely, and what is forgotten is deleted everywhere."""

import uuid
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from agent.agent_graph import Graph
from memory.errors import BadInput
from memory.facts.fact import owner_key, utc_now
from memory.items.item import facts_namespace, items_namespace
from memory.items.store import FactStore
from memory.ledger.pool import Pool
from memory.ledger.run_counts import count_run
from memory.threads.threads import list_threads
from memory.user_memory import UserMemory
from tests.conversation import candidate, config_of, found, say
from tests.memories import day, remembering, store_of_its_own, texts
from tests.openai_server import ScriptedOpenAI


@pytest.fixture
def memory(store: FactStore, user: str) -> UserMemory:
    return remembering(store, user)


@pytest.fixture
def city() -> str:
    """A city that no other test uses."""
    return f"Zanzibar{uuid.uuid4().hex[:8]}"


def home(city: str, **values: Any) -> dict[str, Any]:
    return candidate(f"Lives in {city}", f"I live in {city}", "home city", category="location", **values)


def likes(what: str) -> dict[str, Any]:
    return candidate(f"Likes {what}", f"I like {what}", "likes", category="preference")


async def exported(memory: UserMemory) -> list[str]:
    return [line async for line in memory.export()]


async def fill_memory(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    """Add facts with history, a plan, an end, a reinforcement, odd characters, and one from a put."""
    jazz = likes("jazz") | {"valid_until": "2035-05-01"}
    messages = {
        "I live in Lima. I like \u2028tea\x85 👩\u200d🚀.": (home("Lima"), likes("\u2028tea\x85 👩\u200d🚀")),
        "I live in Rome. I like jazz until May.": (home("Rome"), jazz),
        "I live in Oslo from January on. I like jazz until May.": (home("Oslo", valid_from="2036-01-01"), jazz),
        "Nothing to remember.": (),
    }
    for number, (said, facts) in enumerate(messages.items()):
        openai.extraction(found(*facts))
        await memory.observe(said, at=day(f"2020-01-0{number + 1}"), thread_id="t.1")
    await cast(FactStore, memory._parts).aput(facts_namespace(memory.user_id), "by hand", {"text": "Car is red"})


# --- export and import ---------------------------------------------------------------------------------------


async def test_an_imported_export_is_exported_again_identically(
    memory: UserMemory, store: FactStore, openai: ScriptedOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill_memory(memory, openai)
    lines = await exported(memory)
    assert len(lines) == 1 + 6 + 4
    assert lines == "\n".join(lines).splitlines()

    other = remembering(store, memory.user_id + "-other")
    assert await other.import_(lines) == 6
    assert await exported(other) == lines
    assert await exported(memory) == lines
    question = "Where do I live?"
    assert [hit.fact for hit in await other.search(question)] == [hit.fact for hit in await memory.search(question)]
    assert await other.history(("user", "home city")) == await memory.history(("user", "home city"))

    async with store_of_its_own(monkeypatch, memory.user_id) as elsewhere:
        there = remembering(elsewhere, "ada")
        await there.import_(f"{line}\r\n" for line in lines)
        assert await exported(there) == lines
        assert await there.import_(lines) == 0
        assert await exported(there) == lines


async def test_messages_of_imported_facts_are_not_extracted_again(
    memory: UserMemory, store: FactStore, openai: ScriptedOpenAI
) -> None:
    await fill_memory(memory, openai)
    other = remembering(store, memory.user_id + "-other")
    await other.import_(await exported(memory))
    calls = openai.calls()
    await other.observe("Nothing to remember.", at=day("2020-01-04"), thread_id="t.1")
    assert openai.calls() == calls


async def test_an_import_merges_facts_the_later_wins_and_none_is_lost(
    memory: UserMemory, store: FactStore, openai: ScriptedOpenAI
) -> None:
    other = remembering(store, memory.user_id + "-other")
    openai.extraction(found(home("Lima"), likes("tea")), found(home("Rome"), likes("tea"), likes("jazz")))
    await memory.observe("I live in Lima. I like tea.", at=day("2020-01-01"))
    await other.observe("I live in Rome. I like tea. I like jazz.", at=day("2021-01-01"))
    for who, colour in ((memory, "red"), (other, "blue")):
        await store.aput(facts_namespace(who.user_id), "car", {"text": f"Car is {colour}"})

    assert await memory.import_(await exported(other)) == 4
    current = ["Lives in Rome", "Likes tea", "Likes jazz", "Car is blue"]
    assert texts(await memory.current()) == current
    assert sorted(texts(await memory.all())) == sorted([*current, "Lives in Lima", "Likes tea", "Car is red"])
    assert {hit.fact.text for hit in await memory.search("tea, jazz, car, where I live")} <= set(current)

    assert await other.import_(await exported(memory)) == 3  # import in the other direction, so that both are the same
    assert set(texts(await other.current())) == set(current)
    assert sorted(texts(await other.all())) == sorted(texts(await memory.all()))
    await memory.import_(await exported(other))
    assert texts(await memory.current()) == current


async def test_an_imported_retraction_retires_the_known_fact(
    memory: UserMemory, store: FactStore, openai: ScriptedOpenAI
) -> None:
    await store.aput(facts_namespace(memory.user_id), "car", {"text": "Car is red"})
    backup = await exported(memory)
    other = remembering(store, memory.user_id + "-other")
    await other.import_(backup)
    await store.adelete(facts_namespace(memory.user_id), "car")
    await other.import_(await exported(memory))
    assert await other.current() == []
    await other.import_(backup)  # an old backup does not revive retired facts
    assert await other.current() == []


async def test_a_broken_line_is_named_and_changes_nothing(
    memory: UserMemory, store: FactStore, openai: ScriptedOpenAI
) -> None:
    await fill_memory(memory, openai)
    lines = await exported(memory)
    other = remembering(store, memory.user_id + "-other")
    for broken in ("{", lines[3].replace("Lives in Rome", "Lives\\u0000")):
        with pytest.raises(BadInput, match="Line 4 "):
            await other.import_([*lines[:3], broken, *lines[4:]])
    assert await other.all() == []
    assert (await store.ledger.version(other.user_id)).number == 0


# --- forgetting ----------------------------------------------------------------------------------------------


async def places(pool: Pool, word: str) -> set[str]:
    """The tables that have a row with the word."""
    found_in = set()
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables "
            "where schemaname in ('public', 'memory')"
        )
        for table in [row["name"] for row in await cursor.fetchall()]:
            # A row as text shows bytes as hexadecimal digits, and JSON unchanged.
            cursor = await connection.execute(
                f"select 1 from {table} t where t::text like %s or t::text like %s limit 1",  # noqa: S608 - table names
                (f"%{word}%", f"%{word.encode().hex()}%"),
            )
            if await cursor.fetchone():
                found_in.add(table)
    return found_in


async def indexed(store: FactStore, user: str) -> set[str]:
    """Ids of the user's facts in the collection, retired ones included."""
    pages: AsyncIterator[Any] = store.index.scan()
    return {entry.key.fact_id async for page in pages for entry in page if entry.key.owner == owner_key(user)}


async def test_a_forgotten_fact_is_gone_everywhere_and_its_predecessor_stays(
    city: str, memory: UserMemory, store: FactStore, openai: ScriptedOpenAI
) -> None:
    openai.extraction(found(home("Lima"), likes("tea")), found(home(city)), found(home(city)))
    await memory.observe("I live in Lima. I like tea.", at=day("2020-01-01"))
    await memory.observe(f"I live in {city}.", at=day("2021-01-01"))
    await memory.observe(f"I live in {city}!", at=day("2022-01-01"))
    (_, _, gone) = await memory.all()
    assert await places(store.pool, city) == {"memory.facts"}
    assert gone.id in await indexed(store, memory.user_id)

    assert await memory.forget(fact=gone.id) == 1
    assert await places(store.pool, city) == set()
    assert await places(store.pool, gone.id) == set()
    assert texts(await memory.current()) == ["Likes tea"]
    assert texts(hit.fact for hit in await memory.search(f"Where is {city}?")) in ([], ["Likes tea"])
    assert await indexed(store, memory.user_id) == {fact.id for fact in await memory.all()}
    (lima,) = await memory.history(("user", "home city"))
    assert (lima.fact.retired_reason, lima.fact.successor) == ("superseded", None)

    calls = openai.calls()
    for said, at in ((f"I live in {city}.", "2021-01-01"), (f"I live in {city}!", "2022-01-01")):
        await memory.observe(said, at=day(at))  # the same messages are not extracted again
    assert openai.calls() == calls
    assert await memory.import_(await exported(memory)) == 0


async def test_forgetting_a_category_deletes_its_history_but_no_other_users(
    memory: UserMemory, store: FactStore, openai: ScriptedOpenAI
) -> None:
    other = remembering(store, memory.user_id + "-other")
    for who in (memory, other):
        openai.extraction(found(home("Lima"), likes("tea")), found(home("Rome")))
        await who.observe("I live in Lima. I like tea.", at=day("2020-01-01"))
        await who.observe("I live in Rome.", at=day("2021-01-01"))
    assert await memory.forget(category="location") == 2
    assert texts(await memory.all()) == ["Likes tea"]
    assert await memory.forget(category="location") == 0
    assert texts(await other.all()) == ["Lives in Lima", "Likes tea", "Lives in Rome"]
    assert len(await indexed(store, other.user_id)) == 3


async def test_forgetting_a_thread_deletes_its_messages_and_facts_only(
    city: str, graph: Graph, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    memory, other = remembering(store, user), remembering(store, user + "-other")
    openai.extraction(found(likes("tea")), found(home(city), likes("tea")), found(home("Lima")))
    await say(graph, user, "I like tea.", f"{user}/1")
    await say(graph, user, f"I live in {city}. I like tea.", f"{user}/2")
    await say(graph, other.user_id, "I live in Lima.", f"{user}/3")
    openai.extraction(found(likes("milk")))
    await other.observe("I like milk.", at=day("2020-01-01"), thread_id=f"{user}/2")
    assert len(await places(store.pool, city)) >= 3

    assert await memory.forget(thread=f"{user}/3") == 0  # another user's thread
    assert await memory.forget(thread=f"{user}/2") == 1
    assert await places(store.pool, city) == set()
    assert texts(await memory.all()) == ["Likes tea"]
    assert await store.ledger.reinforcements(user) == {}
    assert [thread.id for thread in await list_threads(store.pool, user)] == [f"{user}/1"]
    assert set(texts(await other.all())) == {"Lives in Lima", "Likes milk"}
    assert (await graph.aget_state(config_of(f"{user}/3"))).values["messages"]
    assert (await graph.aget_state(config_of(f"{user}/2"))).values == {}


async def test_forgetting_everything_leaves_no_trace_and_allows_a_new_start(
    city: str, graph: Graph, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    memory, other = remembering(store, user), remembering(store, user + "-other")
    openai.extraction(found(home(city), likes("tea")), found(home("Rome")), found(home("Lima")))
    await say(graph, user, f"I live in {city}. I like tea.", f"{user}/1")
    await say(graph, user, "I live in Rome.", f"{user}/2")
    await say(graph, other.user_id, "I live in Lima.", f"{user}/3")
    assert await count_run(store.pool, user, utc_now()) == 1  # as a server does
    for who in (user, other.user_id):
        await store.aput((who, "notes"), "a", {"text": city})

    assert await memory.forget_everything() == 3
    pool = store.pool
    assert [await places(pool, word) for word in (f"{user}/1", f"{user}/2")] == [set(), set()]
    assert await places(pool, city) == {"public.store"}  # the other user's
    # Extractions that are still running have to see when it was forgotten.
    assert await places(pool, owner_key(user)) == {"memory.forgotten", "memory.receipts"}
    assert await indexed(store, user) == set()
    assert await memory.search(city) == []
    assert await list_threads(pool, user) == []
    assert texts(await other.current()) == ["Lives in Lima"]
    assert len(await list_threads(pool, other.user_id)) == 1

    assert await memory.forget_everything() == 0
    (receipt,) = await memory.receipts()
    assert receipt[1:] == ("everything", "", {"facts": 3, "threads": 2, "items": 1})
    assert await store.aget((other.user_id, "notes"), "a")
    openai.extraction(found(home("Oslo")))
    await say(graph, user, "I live in Oslo.", f"{user}/1")
    assert texts(await memory.all()) == ["Lives in Oslo"]


async def test_forgetting_everything_leaves_the_ordinary_items_of_others(store: FactStore, user: str) -> None:
    other = f"{user}@example.com"  # whose id is escaped in a label
    await remembering(store, other).remember("Likes tea")
    kept = [items_namespace(other), (*items_namespace(other), user), ("team", items_namespace(other)[1], user)]
    gone = [items_namespace(user), (*items_namespace(user), "notes"), ("notes", user)]
    for namespace in (*gone, *kept):
        await store.aput(namespace, "a", {"text": "Tea"})
    for who in (user, "users"):
        await remembering(store, who).forget_everything()
    assert [namespace for namespace in (*gone, *kept) if await store.aget(namespace, "a")] == kept


async def test_another_users_thread_can_be_neither_read_nor_forgotten(
    graph: Graph, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    await say(graph, user, "My thread.", f"{user}/1")
    with pytest.raises(BadInput, match="belongs to another user"):
        await say(graph, user + "-other", "What was said here?", f"{user}/1")
    assert openai.calls("reply") == 1
    await remembering(store, user + "-other").forget_everything()
    assert (await graph.aget_state(config_of(f"{user}/1"))).values["messages"]


@pytest.mark.parametrize("what", [{}, {"fact": "a", "thread": "b"}, {"category": "work", "thread": ""}])
async def test_forget_accepts_only_one_selection_at_a_time(memory: UserMemory, what: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="one of fact, category and thread"):
        await memory.forget(**what)


@pytest.mark.parametrize("identifier", ["", "f" * 32, "%", "a\x00b", "\ud800"])
async def test_forgetting_something_unknown_changes_nothing(
    memory: UserMemory, openai: ScriptedOpenAI, identifier: str
) -> None:
    openai.extraction(found(likes("tea")))
    await memory.observe("I like tea.", at=day("2020-01-01"), thread_id="t")
    assert await memory.forget(fact=identifier) == 0
    assert await memory.forget(thread=identifier) == 0
    assert texts(await memory.current()) == ["Likes tea"]
