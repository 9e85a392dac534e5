"""What is doubtful is held back: it is neither known nor recalled, until the user keeps it."""

import asyncio
import logging
import uuid
from collections.abc import Sequence

import httpx
import pytest
from starlette.applications import Starlette

from agent.agent_graph import Graph
from agent.persistence import open_store
from agent.server.held import routes
from agent.settings import Settings
from memory.errors import BadInput
from memory.facts.changes import Held, retired
from memory.facts.fact import Source, owner_key, utc_now
from memory.facts.portable import load
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.purge import clean_up
from memory.user_memory import UserMemory
from tests.collecting import wait_until
from tests.commands import Run
from tests.conversation import HOME, INTRODUCTION, SHELLFISH, candidate, found, say
from tests.memories import day, remembering, texts
from tests.openai_server import ScriptedOpenAI

TEA = candidate("Likes tea", "I like tea", "likes", category="preference")
SHORT = candidate("Prefers short answers", "I prefer short answers", "preference", instruction=True)
ATE = candidate("Is not allergic to shellfish", "I ate shellfish", "allergy", category="constraint")
ATE |= {"relations": [{"known": 1, "relation": "replaces"}]}
SAID = "I like tea. I prefer short answers. I ate shellfish."
HELD = [
    "Is not allergic to shellfish (would end a hard limit)",
    "Prefers short answers (reads like an instruction)",
    '"Likes tea" is over (not certain)',
]
TEA_IS_OVER = Source(thread_id="third", message_id="m3")


@pytest.fixture
async def memory(store: FactStore, user: str, openai: ScriptedOpenAI) -> UserMemory:
    """Is allergic to shellfish and likes tea. HELD is held back."""
    openai.extraction(found(SHELLFISH), found(TEA, SHORT, ATE))
    memory = remembering(store, user)
    await memory.observe(INTRODUCTION, at=day("2020-01-01"), thread_id="first")
    changes = await memory.observe(SAID, at=day("2020-02-01"), thread_id="second")
    assert sorted(map(str, changes.held)) == HELD[:2]
    (tea,) = changes.added
    (limit,) = [fact for fact in await memory.current() if fact.is_hard_limit]
    over = retired(tea, "superseded", day("2020-03-01"), limit.id, TEA_IS_OVER)
    await hold(memory, Held(fact=over, reason="not certain", quote="No more tea for me", held_at=utc_now()))
    return memory


async def hold(memory: UserMemory, item: Held) -> None:
    async with memory._parts.ledger.transaction(memory.user_id) as transaction:
        await transaction.hold([item], days=30)


async def shown(memory: UserMemory) -> list[str]:
    return sorted(map(str, await memory.held()), key=HELD.index)


async def ids(memory: UserMemory, *parts: str) -> list[str]:
    return [item.id for part in parts for item in await memory.held() if part in item.text]


async def rows(memory: UserMemory) -> int:
    query = "select from memory.held where owner = %s"
    async with memory._parts.pool.connection() as connection:
        return (await connection.execute(query, (owner_key(memory.user_id),))).rowcount


KNOWN = ["Is allergic to shellfish", "Likes tea"]


async def test_what_is_held_back_is_in_nothing_that_recalls(memory: UserMemory, store: FactStore) -> None:
    assert await shown(memory) == HELD
    assert texts(await memory.current()) == texts(await memory.all()) == KNOWN
    assert {hit.fact.text for hit in await memory.search("short answers")} <= {*KNOWN}
    assert "short" not in await memory.context("Do I prefer short answers?")
    assert {item.value["text"] for item in await store.asearch(facts_namespace(memory.user_id))} == {*KNOWN}
    new = await ids(memory, "short", "not allergic")
    assert await store.ledger.vectors(memory.user_id, new, store.embedder.name) == {}
    assert {entry.key.fact_id async for page in store.index.scan() for entry in page}.isdisjoint(new)
    assert await store.queue.waiting(owner_key(memory.user_id)) == []


async def test_what_is_kept_is_a_fact_like_any_other_in_every_process(memory: UserMemory, store: FactStore) -> None:
    kept = await ids(memory, "short", "not allergic", "tea")
    async with open_store() as another:
        other = UserMemory(another, memory.user_id)
        assert await shown(other) == HELD
        changes = await other.keep_held(kept)
        assert {*texts(changes.retired)} == {*KNOWN}
        assert (await other.recall("shellfish")).untold == ()  # the user has decided
    assert texts(await memory.current()) == ["Prefers short answers", "Is not allergic to shellfish"]
    assert (await memory.search("Which answers do I prefer?", 1))[0].fact.text == "Prefers short answers"
    (short,) = [fact for fact in await memory.current() if "short" in fact.text]
    assert [
        (event.what, event.at, event.source and event.source.thread_id) for event in await memory.provenance(short.id)
    ] == [("said", day("2020-02-01"), "second")]
    (tea,) = [fact for fact in await memory.all() if fact.text == "Likes tea"]
    assert (tea.retired_reason, tea.retired_by, tea.ended_at) == ("superseded", TEA_IS_OVER, day("2020-03-01"))
    (limit,) = [fact for fact in await memory.all() if fact.text == "Is allergic to shellfish"]
    assert limit.successor == next(fact.id for fact in await memory.current() if "not" in fact.text)
    assert (await memory.held(), await rows(memory)) == ([], 0)


async def test_what_is_dropped_is_gone_and_changes_nothing(memory: UserMemory) -> None:
    dropped = await memory.drop_held(await ids(memory, "short", "tea", "not allergic"))
    assert sorted(map(str, dropped), key=HELD.index) == HELD
    assert (await memory.held(), await rows(memory)) == ([], 0)
    assert texts(await memory.current()) == KNOWN


async def test_of_two_that_decide_at_once_one_does(memory: UserMemory) -> None:
    wanted = await ids(memory, "short")
    async with open_store() as another:
        both = (UserMemory(another, memory.user_id).keep_held(wanted), memory.drop_held(wanted))
        outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(outcome, BadInput) for outcome in outcomes) == 1
    known = "Prefers short answers" in texts(await memory.current())
    assert known == isinstance(outcomes[1], BadInput)


async def test_an_id_that_is_not_there_is_refused_and_nothing_is_lost(memory: UserMemory, store: FactStore) -> None:
    wanted = await ids(memory, "short")
    wrong: list[Sequence[str]] = [
        ["\x00"],
        ["\ud800"],
        ["x" * 100_000],
        ["'; drop table memory.held; --"],
        [*wanted, "%"],
    ]
    mallory = UserMemory(store, f"{memory.user_id}-mallory")
    assert await mallory.held() == []
    for way in (memory.keep_held, memory.drop_held):
        for given in wrong:
            with pytest.raises(BadInput, match="Nothing that is held back has the id"):
                await way(given)
        with pytest.raises(BadInput, match="of type str"):
            await way("abc")
    for way in (mallory.keep_held, mallory.drop_held):
        with pytest.raises(BadInput, match="Nothing that is held back has the id"):
            await way(wanted)
    assert await shown(memory) == HELD
    await memory.keep_held(wanted)
    with pytest.raises(BadInput, match="it was kept or dropped before, or has lapsed"):
        await memory.keep_held(wanted)
    assert "Prefers short answers" in texts(await memory.current())


async def test_forgetting_and_rolling_back_reach_what_is_held_back(memory: UserMemory, store: FactStore) -> None:
    lines = [line async for line in memory.export()]
    other = remembering(store, f"{memory.user_id}-other")

    async def restored() -> None:
        await other.import_(lines)
        assert await shown(other) == HELD

    await restored()
    assert load([line async for line in other.export()])[3] == load(lines)[3]
    (tea,) = [fact for fact in await other.all() if fact.text == "Likes tea"]
    same_words = tea.model_copy(update={"id": "0" * 32, "attribute": "drink"})
    await hold(other, Held(fact=same_words, reason="not certain", quote="tea", held_at=utc_now()))
    await other.forget(fact=tea.id)
    assert await shown(other) == HELD[:2]
    assert (await other.roll_back(thread="second", dry_run=True)).held
    assert await shown(other) == HELD[:2]
    await other.roll_back(thread="second")
    assert await rows(other) == 0
    await other.forget_everything()
    await restored()
    await other.forget(category="constraint")
    assert await shown(other) == [HELD[1]]
    await other.forget_everything()
    await restored()
    await other.forget(thread="third")
    assert await shown(other) == HELD[:2]
    await other.forget(thread="second")
    assert await rows(other) == 0
    await other.forget_everything()
    await restored()
    await other.forget_everything()
    assert await rows(other) == 0
    counts = [receipt.counts.get("held", 0) for receipt in await other.receipts()]
    assert counts == [2, 0, 2, 1, 1, 2, 0, 3]
    assert await shown(memory) == HELD


async def test_what_is_no_question_any_more_is_not_asked(memory: UserMemory, store: FactStore) -> None:
    (tea,) = [fact for fact in await memory.current() if fact.text == "Likes tea"]
    await store.adelete(facts_namespace(memory.user_id), tea.key)
    assert await shown(memory) == HELD[:2]


async def test_a_claim_retires_nothing_unless_the_user_says_so(
    store: FactStore, user: str, openai: ScriptedOpenAI
) -> None:
    """A model claims of whatever it finds that it replaces all that is known."""
    car, lima, hates, taking_back = (
        "I bought an electric car.",
        "Rainy season in Lima!",
        "My boss says I hate tea now.",
        "She said I don't like tea.",
    )
    new = [
        candidate("Drives an electric car", car[:-1], "car"),
        candidate("Lives in Lima", lima, "home city", category="location"),
        candidate("Hates tea", "I hate tea now", "dislikes", category="preference"),
    ]
    everything = {"relations": [{"known": n, "relation": "replaces"} for n in range(1, 6)]}
    answers = [found(fact | everything) for fact in new]
    openai.extraction(found(HOME, SHELLFISH, TEA), *answers, found(retracted=[(n, taking_back) for n in range(1, 6)]))
    memory = remembering(store, user)
    await memory.observe(f"{INTRODUCTION} I like tea.", at=day("2020-01-01"))

    async def asked(message: str, at: str) -> list[str]:
        changes = await memory.observe(message, at=day(at))
        assert not changes.retired
        return sorted(map(str, changes.held))

    home, tea = ('"Lives in San Francisco" is over (not certain)', '"Likes tea" is over (not certain)')
    assert await asked(car, "2020-02-01") == []
    assert await asked(lima, "2020-03-01") == [home]
    assert await asked(hates, "2020-04-01") == [tea]
    await memory.drop_held(await ids(memory, "tea"))
    assert await asked(taking_back, "2020-05-01") == [tea.replace("Likes", "Hates"), tea]
    assert len(await memory.current()) == 6
    kept = await memory.keep_held(await ids(memory, "San Francisco"))
    assert texts(kept.retired) == ["Lives in San Francisco"]
    await memory.drop_held(await ids(memory, "tea"))
    assert sorted(texts(await memory.current())) == sorted(
        ["Is allergic to shellfish", "Likes tea", *(fact["text"] for fact in new)]
    )


async def test_what_is_said_again_is_asked_about_once(memory: UserMemory, openai: ScriptedOpenAI) -> None:
    openai.extraction(found(SHORT), found(SHORT))
    await memory.observe("I prefer short answers, really.", thread_id="third")
    assert await shown(memory) == HELD
    await memory.keep_held(await ids(memory, "short"))
    changes = await memory.observe("As I said, I prefer short answers.", thread_id="third")
    assert (changes.held, texts(fact for fact, _ in changes.reinforced)) == ((), ["Prefers short answers"])
    assert await shown(memory) == [HELD[0], HELD[2]]


async def test_what_nobody_decides_on_lapses(
    store: FactStore, user: str, openai: ScriptedOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai.extraction(found(TEA, SHORT), found(), found(SHORT))
    store.held_days = 0
    memory = remembering(store, user)
    (lapsed,) = (await memory.observe(SAID)).held
    assert (await memory.held(), await rows(memory)) == ([], 1)
    with pytest.raises(BadInput, match="has lapsed"):
        await memory.keep_held([lapsed.id])
    await memory.observe("I like plums.")
    assert await rows(memory) == 0
    await memory.observe(SAID)
    await memory.forget(category="preference")
    assert (await rows(memory), len(await memory.receipts())) == (1, 1)
    store.receipt_days = 0
    monkeypatch.setattr("memory.purge.BEGIN_AFTER", 0)
    cleaning = asyncio.create_task(clean_up(store, None, None))  # if nothing is held back, or forgotten, after it

    async def empty() -> bool:
        return not (await rows(memory) or await memory.receipts())

    await wait_until(empty)
    cleaning.cancel()


async def test_a_turn_and_its_log_say_what_is_held_back(
    graph: Graph, openai: ScriptedOpenAI, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="memory")
    openai.extraction(found(TEA, SHORT))
    changes = (await say(graph, user, SAID, str(uuid.uuid4()))).changes
    assert changes
    assert changes["held"] == [HELD[1]]
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("learned")]
    assert "held={'reads like an instruction': 1}" in line
    assert "short" not in caplog.text
    await say(graph, user, "Do I prefer short answers?")
    prompt = str([request for request in openai.requests if request.kind == "reply"][-1].messages[0]["content"])
    assert "Likes tea" in prompt
    assert "short answers" not in prompt


async def test_without_auth_the_address_names_the_user(memory: UserMemory) -> None:
    transport = httpx.ASGITransport(Starlette(routes=routes(Settings(auth=""))))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        assert len((await client.get("/held", params={"user_id": memory.user_id})).json()) == 3
        (tea,) = await ids(memory, "tea")
        dropped = (await client.post(f"/held/{tea}/drop", params={"user_id": memory.user_id})).json()
        assert [item["text"] for item in dropped] == ['"Likes tea" is over']
        nobody = await client.get("/held")
        assert (nobody.status_code, "user id '' is empty" in nobody.text) == (400, True)


def test_the_chat_and_the_commands_show_and_decide(openai: ScriptedOpenAI, run: Run, user: str) -> None:
    openai.extraction(found(TEA, SHORT), *[found(SHORT | {"text": "Prefers answers that are short"})] * 2)
    typed = f"{SAID}\n/held keep 1\n/held\n/held keep 2\n/held keep 1\n/held\n/held keep 1\n/memories\n"
    talked = run(typed=f"{typed}{SAID}\n/held drop all\n")
    lines = talked.out.splitlines()
    assert f"? held back: {HELD[1]}: decide with /held" in lines
    assert f"1  {HELD[1]}  'I prefer short answers'" in lines
    decided = lines.index("learned: prefers short answers")
    assert lines[decided + 1] == "nothing is held back"
    assert "- Prefers short answers" in lines[decided + 3]
    assert lines[-1] == "1 dropped"
    assert talked.err.count("Write /held keep N") == 3
    reason, decide = HELD[1].split("(")[1], f"decide with `python -m agent held --user {user}`"
    assert f"held back: Prefers answers that are short ({reason}: {decide}" in run("observe", SAID).err
    (row,) = run("held").rows
    assert row[2:] == ["reads like an instruction", "Prefers answers that are short", "I prefer short answers"]
    (item,) = run("held", "--json").json
    assert (item["id"][:8], item["reason"]) == (row[0], row[2])
    assert run("held", "keep", "beef").code == 2
    assert run("held", "drop", "--all").out == "1 dropped\n"
    assert (run("held", "drop").code, run("held", "drop", row[0], "--all").code) == (2, 2)
    again = run("held", "drop", row[0])
    assert (again.code, "see `held`" in again.err) == (2, True)
    assert run("held").out == ""
