"""Concurrency: sessions of one user in two processes, several users, and starts on an empty database."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from urllib.parse import urlsplit

import psycopg
import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.persistence import open_checkpointer, open_store
from graphs.chat import builder
from memory.embedded.connect import Addresses
from memory.errors import BadInput, Unavailable
from memory.extraction.answer import Extraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.fact import Fact, Source, owner_key, utc_now
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.ledger.ledger import Ledger
from memory.ledger.locks import lock_key
from memory.ledger.migrate import migrations
from memory.user_memory import UserMemory
from tests.conversation import candidate, say
from tests.openai_server import ScriptedOpenAI
from tests.processes import ROOT
from tests.processes import environment as environment_of
from tests.torture import script
from tests.torture.judge import home_faults
from tests.torture.victim import rows_of

CHILD = """
import asyncio, importlib, json, sys
function = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(asyncio.run(function(*sys.argv[3:]))), flush=True)
"""


@contextmanager
def child(variables: Mapping[str, str], function: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that imports everything, waits for `go`, runs a function of this file and prints its result."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, __name__, function, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment_of(variables),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def go(*children: "subprocess.Popen[str]") -> None:
    """Start the functions together when all processes are ready."""
    for process in children:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in children:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()


async def result(process: "subprocess.Popen[str]") -> object:
    """The result of the function."""
    assert process.stdout
    return json.loads(await asyncio.to_thread(process.stdout.readline))


async def move(user: str, *cities: str) -> list[bool]:
    """Move to each city in a concurrent session. Returns whether each of them was learned."""
    async with open_checkpointer() as saver, open_store() as store:
        graph = builder.compile(checkpointer=saver, store=store)
        turns = await asyncio.gather(*(say(graph, user, script.home(city)) for city in cities))
        return [turn.changes is not None for turn in turns]


async def open_everything(times: str) -> int:
    """Open and use the checkpointer and the store this many times concurrently. Returns how many worked."""
    async with AsyncExitStack() as stack:
        savers = [stack.enter_async_context(open_checkpointer()) for _ in range(int(times))]
        stores = [stack.enter_async_context(open_store()) for _ in range(int(times))]
        opened = await asyncio.gather(*savers, *stores)
        for resource in opened:
            match resource:
                case AsyncPostgresSaver():
                    assert await resource.aget({"configurable": {"thread_id": "none"}}) is None
                case FactStore():
                    assert await resource.ledger.users() == []
        return len(opened)


async def test_twenty_sessions_on_one_slot_leave_one_current_fact_and_a_chain(
    environment: dict[str, str], openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    openai.defaults |= {"extraction": script.extraction, "reply": script.reply}
    cities = [f"city{number}" for number in range(20)]
    with child(environment, move.__name__, user, *cities[10:]) as other:
        go(other)
        assert await move(user, *cities[:10]) == [True] * 10
        assert await result(other) == [True] * 10
    memory = UserMemory(store, user)
    facts, current = await memory.all(), await memory.current()
    assert sorted(fact.text for fact in facts) == sorted(f"Lives in {city}" for city in cities)
    assert list(home_faults(rows_of(facts, current))) == []
    assert [hit.fact for hit in await memory.search("Where does she live?")] == current


async def test_sessions_that_change_the_same_slots_do_not_deadlock(store: FactStore, user: str) -> None:
    """Each session retires facts that others add, while both are sent to the index."""
    slots = [f"favorite {thing}" for thing in ("tea", "book", "city", "song")]

    async def session(number: int) -> None:
        order = [slots[(number + step) % len(slots)] for step in range(len(slots))]
        await learn(store, user, [(slot, f"{slot.capitalize()} is number {number}") for slot in order])

    await asyncio.gather(*(session(number) for number in range(20)))
    facts = await UserMemory(store, user).all()
    assert len({fact.text for fact in facts}) == len(facts) == 20 * len(slots)
    current = await UserMemory(store, user).current()
    assert sorted(fact.attribute for fact in current) == sorted(slots)
    (vector,) = await store.embedder.embed(["tea"])
    assert set(await store.index.search(owner_key(user), vector, 100)) == {fact.id for fact in current}


async def test_a_write_to_one_users_memory_does_not_delay_another_user(
    store: FactStore, servers: Addresses, user: str
) -> None:
    other = user + "-other"
    async with await psycopg.AsyncConnection.connect(servers.postgres or "") as connection:
        await connection.execute("select pg_advisory_xact_lock(%s)", (lock_key("user", owner_key(user)),))
        waiting = asyncio.create_task(learn(store, user, [("home city", "Lives in Lima")]))
        await learn(store, other, [("home city", "Lives in Oslo")])
        assert [fact.text for fact in await UserMemory(store, other).current()] == ["Lives in Oslo"]
        assert not waiting.done()
        await connection.commit()
        await waiting
    assert [fact.text for fact in await UserMemory(store, user).current()] == ["Lives in Lima"]


async def test_hundreds_of_puts_at_once_are_written_together(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, updates = store.update_index, list[int]()

    async def count(user_id: str, changed: Sequence[str]) -> None:
        updates.append(len(changed))
        await update(user_id, changed)

    monkeypatch.setattr(store, "update_index", count)
    space = facts_namespace(user)
    puts = [store.aput(space, f"thing {number}", {"text": f"Owns thing {number}"}) for number in range(240)]
    assert await asyncio.gather(*puts) == [None] * 240
    assert sum(updates) == 240
    assert len(updates) <= 2
    texts = ("Likes tea", "My password is hunter2!", "Likes rum")
    puts = [store.aput(space, text, {"text": text}) for text in texts]
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), BadInput, type(None)]
    assert len(await UserMemory(store, user).current()) == 242
    assert await store.queue.waiting(owner_key(user)) == []


async def test_thousands_of_gets_at_once_are_read_together(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    current, reads = store.ledger.current, list[int]()

    async def count(user_id: str, now: datetime, *, key: list[str]) -> list[Fact]:
        reads.append(len(key))
        return await current(user_id, now, key=key)

    space = facts_namespace(user)
    await store.aput(space, "tea", {"text": "Likes tea"})
    monkeypatch.setattr(store.ledger, "current", count)
    keys = ["tea", "rum"] * 1_000
    items = await asyncio.gather(*(store.aget(space, key) for key in keys))
    assert [(item.key, item.value["text"]) if item else None for item in items] == [("tea", "Likes tea"), None] * 1_000
    assert len(reads) <= 10
    assert len({id(item.value) for item in items if item}) == 1_000


async def test_an_item_that_cannot_be_stored_fails_alone(store: FactStore, user: str) -> None:
    space = ("notes", user)
    good = [store.aput(space, f"{number}", {"number": number}) for number in range(20)]
    *results, refused = await asyncio.gather(*good, store.aput(space, "bad", {"text": "\0"}), return_exceptions=True)
    assert results == [None] * 20
    assert isinstance(refused, Exception)
    found = await asyncio.gather(*(store.aget(space, f"{number}") for number in range(20)))
    assert [item.value["number"] for item in found if item] == [*range(20)]


async def test_a_writer_that_waits_too_long_fails_and_nothing_is_written(
    store: FactStore, servers: Addresses, user: str
) -> None:
    store.ledger = Ledger(store.pool, lock_timeout=0.2)
    async with await psycopg.AsyncConnection.connect(servers.postgres or "") as connection:
        await connection.execute("select pg_advisory_xact_lock(%s)", (lock_key("user", owner_key(user)),))
        with pytest.raises(Unavailable, match=r"writing the same user's memory for 0.2 s: try again"):
            await learn(store, user, [("home city", "Lives in Lima")])
    assert await UserMemory(store, user).all() == []


async def test_processes_that_start_at_once_set_up_an_empty_database_once(
    environment: dict[str, str], servers: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"empty_{uuid.uuid4().hex}"
    url = urlsplit(servers.postgres or "")._replace(path=f"/{name}").geturl()
    with psycopg.connect(servers.postgres or "", autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    variables = {**environment, "POSTGRES_URL": url}
    monkeypatch.setenv("POSTGRES_URL", url)
    arguments = (variables, open_everything.__name__, "2")
    with child(*arguments) as first, child(*arguments) as second:
        go(first, second)
        assert await open_everything("2") == 4
        assert [await result(first), await result(second)] == [4, 4]
    with psycopg.connect(url) as connection:
        numbers = connection.execute("select number from memory.migrations order by number").fetchall()
        assert numbers == [(number,) for number in range(1, len(await migrations()) + 1)]
        assert connection.execute("select count(*) from memory.indexes").fetchone() == (1,)


async def learn(store: FactStore, user: str, said: Sequence[tuple[str, str]]) -> None:
    """Learn facts from one message: (attribute, text), each in an exclusive slot."""
    text = ". ".join(text for _, text in said)
    source = Source(thread_id=uuid.uuid4().hex, message_id=uuid.uuid4().hex)
    candidates = [
        candidate(fact, fact, attribute, exclusive=True) for attribute, fact in said
    ]  # fmt: skip
    extraction = Extraction.model_validate({"facts": candidates, "retracted": []})
    utterance = Utterance(text=text, said_at=utc_now(), source=source)
    await UserMemory(store, user).learner.learn(Extracted([utterance], [], extraction, utc_now()))
