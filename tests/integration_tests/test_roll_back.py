"""A roll-back in the ledger, the index and the caches, its commands, and what a reply says of hard limits."""

from pathlib import Path

import pytest

from agent.agent_graph import Graph
from memory.errors import BadInput
from memory.facts.fact import owner_key, utc_now
from memory.facts.portable import load
from memory.facts.roll_back import Taught
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.learn import writes
from memory.user_memory import UserMemory
from tests.commands import Run
from tests.conversation import INTRODUCTION, SHELLFISH, candidate, found, say
from tests.memories import day, put, remembering, texts
from tests.openai_server import ScriptedOpenAI
from tests.screen import terminal

LIMA = candidate("Lives in Lima", "I live in Lima", "home city", category="location")
AUSTIN = candidate("Lives in Austin", "I moved to Austin", "home city", category="location")
TEA = candidate("Likes tea", "I like tea", "likes", category="preference")
FISH = "I'm no longer allergic to shellfish."


@pytest.fixture
async def memory(store: FactStore, user: str, openai: ScriptedOpenAI) -> UserMemory:
    """Lives in Lima and likes tea; then the thread "a bad one" says Austin, and tea again."""
    openai.extraction(found(LIMA, TEA), found(AUSTIN, TEA))
    memory = remembering(store, user)
    await memory.observe("I live in Lima. I like tea.", at=day("2020-01-01"), thread_id="good")
    await memory.observe("I moved to Austin. I like tea.", at=day("2020-02-01"), thread_id="a bad one")
    return memory


async def current(memory: UserMemory) -> set[str]:
    return {*texts(await memory.current())}


async def test_a_roll_back_of_a_thread_reaches_recall_history_and_export(memory: UserMemory, store: FactStore) -> None:
    assert await current(memory) == {"Lives in Austin", "Likes tea"}
    question = "Where do I live?"
    await memory.search(question)  # fills the cache
    before = await memory.all()
    plan = await memory.roll_back(thread="a bad one", dry_run=True)
    assert await memory.all() == before

    done = await memory.roll_back(thread="a bad one")
    assert [texts(done.undone), texts(done.restored)] == [texts(plan.undone), texts(plan.restored)]
    assert (texts(done.restored), [said.fact.text for said in done.repeats]) == (["Lives in Lima"], ["Likes tea"])
    assert await current(memory) == {"Lives in Lima", "Likes tea"}
    assert [hit.fact.id for hit in await memory.search(question, 1)] == [done.restored[0].id]
    assert not [hit for hit in await memory.search("Where did I live before?", past=True) if hit.fact.exclusive]
    assert {fact.id for fact in before} < {fact.id for fact in await memory.all()}
    assert [version.fact.text for version in await memory.history(("user", "home city"))] == [
        "Lives in Austin", "Lives in Lima", "Lives in Lima",
    ]  # fmt: skip
    (tea,) = [fact for fact in await memory.current() if fact.text == "Likes tea"]
    assert tea.last_said_at == day("2020-01-01")
    assert await store.queue.waiting(owner_key(memory.user_id)) == []
    lines = [line async for line in memory.export()]
    other = remembering(store, memory.user_id + "-other")
    await other.import_(lines)
    assert load([line async for line in other.export()]) == load(lines)
    assert not await memory.roll_back(thread="a bad one")


async def test_a_rolled_back_thread_can_teach_again(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    await memory.roll_back(thread="a bad one")
    openai.extraction(found(AUSTIN))
    await memory.observe("I moved to Austin.", thread_id="a bad one")
    assert await current(memory) == {"Lives in Austin", "Likes tea"}


async def test_a_roll_back_since_a_moment_undoes_puts_and_deletes(memory: UserMemory, store: FactStore) -> None:
    moment, user = utc_now(), memory.user_id
    (tea,) = [fact for fact in await memory.current() if fact.text == "Likes tea"]
    await put(store, user, "car", "Car is red")
    await store.adelete(facts_namespace(user), tea.key)
    assert await current(memory) == {"Lives in Austin", "Car is red"}
    await memory.roll_back(since=moment)
    assert await current(memory) == {"Lives in Austin", "Likes tea"}
    restored = await store.aget(facts_namespace(user), tea.key)
    assert restored
    assert restored.value["text"] == "Likes tea"


async def test_a_restored_fact_has_its_vector_and_was_said_as_often(memory: UserMemory, store: FactStore) -> None:
    (tea,) = [fact for fact in await memory.current() if fact.text == "Likes tea"]
    moment = utc_now()
    await store.adelete(facts_namespace(memory.user_id), tea.key)
    await store.update_index(memory.user_id)
    change = await writes.roll_back(store.ledger, memory.user_id, Taught(since=moment), utc_now())
    (restored,) = change.restored
    assert await store.ledger.vectors(memory.user_id, [restored.id], store.embedder.name)  # no index was updated yet
    assert restored in await memory.current()
    assert restored.last_said_at == day("2020-02-01")


async def test_forgetting_reaches_what_was_restored(memory: UserMemory) -> None:
    await memory.roll_back(thread="a bad one")
    old, new = [fact for fact in await memory.all() if fact.text == "Lives in Lima"]
    assert await memory.forget(fact=old.id) == 2
    assert new.id not in {fact.id for fact in await memory.all()}


async def test_forgetting_a_thread_leaves_no_mention_of_it(memory: UserMemory) -> None:
    await memory.forget(thread="a bad one")
    assert not any("a bad one" in fact.model_dump_json() for fact in await memory.all())


async def test_a_roll_back_of_nothing_or_of_both_is_refused(store: FactStore, user: str) -> None:
    memory = UserMemory(store, user)
    assert not await memory.roll_back(thread="unknown")
    for arguments in ({}, {"thread": "t", "since": utc_now()}):
        with pytest.raises(BadInput, match="one of thread and since"):
            await memory.roll_back(**arguments)  # type: ignore[arg-type]  # both kinds in one dictionary


# --- commands ------------------------------------------------------------------------------------------------


def test_rollback_shows_what_it_does_and_asks(ada: Run) -> None:
    (austin,) = [fact for fact in ada("memories", "--json").json if fact["text"] == "Lives in Austin"]
    since = ("rollback", "--since", austin["recorded_at"])
    refused = ada(*since)
    assert (refused.code, "confirm it with --yes" in refused.err) == (2, True)
    planned = ada(*since, "--dry-run")
    assert [[row[0], row[-1]] for row in planned.rows] == [["undo", "Lives in Austin"], ["restore", "Lives in Lima"]]
    assert "Lives in Austin" in ada("memories").out
    done = ada(*since, "--yes", "--json").json
    assert [fact["text"] for fact in done["undone"]] == ["Lives in Austin"]
    assert (done["restored"][0]["text"], done["repeats"]) == ("Lives in Lima", [])
    assert "Lives in Lima" in ada("memories").out
    states = [row[4].split(" 20")[0] for row in ada("history", "--slot", "user/home city").rows]
    assert states == ["rolled back", "current", "until"]
    nothing = ada(*since, "--yes")
    assert (nothing.code, nothing.out) == (0, "")

    shown = ada("sources", done["restored"][0]["id"]).rows
    assert [[row[0], row[4]] for row in shown][:2] == [["said", "I live in Lima."], ["retired", ""]]
    assert [row["what"] for row in ada("sources", austin["id"], "--json").json] == ["said", "rolled back"]


def test_rollback_undoes_only_what_a_person_confirms(
    ada: Run, offline: dict[str, str], tmp_path: Path, user: str
) -> None:
    (austin,) = [fact for fact in ada("memories", "--json").json if fact["text"] == "Lives in Austin"]
    rollback = ("rollback", "--since", austin["recorded_at"], "--user", user)
    for typed, said, code, home in (("n", "nothing was undone", 1, "Austin"), ("y", "1 fact undone", 0, "Lima")):
        with terminal(offline, tmp_path, *rollback) as screen:
            screen.wait_for("Undo this? [y/N]")
            screen.type(f"{typed}\r")
            screen.wait_for(said)
            assert screen.program.wait(60) == code
        assert f"Lives in {home}" in ada("memories").out


# --- hard limits ---------------------------------------------------------------------------------------------


async def test_a_reply_says_which_hard_limit_its_message_has_retired(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    openai.extraction(found(SHELLFISH), found(retracted=[(1, "I'm no longer allergic to shellfish")]))
    assert (await say(graph, user, INTRODUCTION)).notice is None
    turn = await say(graph, user, FISH)
    assert turn.notice == (
        "No longer kept in mind as a hard limit: Is allergic to shellfish. If that is wrong, say it again."
    )
    assert (await say(graph, user, "Hello")).notice is None


async def test_the_next_reply_says_what_was_retired_in_between(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    openai.extraction(found(SHELLFISH), found(retracted=[(1, "I'm no longer allergic to shellfish")]))
    memory = remembering(store, user)
    await memory.observe(INTRODUCTION, at=day("2020-01-01"))
    await memory.observe(FISH, at=day("2020-02-01"))
    turn = await say(graph, user, "Hello")
    assert "Is allergic to shellfish" in str(turn.notice)
    assert "shellfish" not in caplog.text
