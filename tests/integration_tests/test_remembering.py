"""Every human message is extracted once, with the time at which it was said: inline, in batches, in the background."""

import asyncio
import json
import os
import signal
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.context import Context
from agent.graph import Graph
from agent.persistence import open_store
from agent.remembering import handed_over, remember_thread
from agent.settings import read_settings
from graphs.chat import builder
from graphs.remember import builder as remember_builder
from memory.errors import BadInput
from memory.extract import EXTRACTION_MESSAGES, ExtractionFailed, utterances_of
from memory.fact import Fact, utc_now
from memory.render import count_tokens
from memory.store import FactStore
from memory.threads import background_thread, list_threads
from memory.user_memory import UserMemory
from tests.conversation import config_of, say
from tests.memories import remembering
from tests.openai_server import After, Answer, Malformed, Request, ScriptedOpenAI, Status, Text
from tests.processes import chat
from tests.screen import terminal
from tests.torture import script
from tests.torture.script import items

Setting = Callable[..., None]


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Settings for the rest of the test: setting(REMEMBER="batched")."""

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        read_settings.cache_clear()

    return put


@pytest.fixture
def graph(saver: AsyncPostgresSaver, store: FactStore, openai: ScriptedOpenAI) -> Graph:
    """The chat, with a model that takes every fact there is from what it is shown."""
    openai.defaults["extraction"] = script.extraction
    return builder.compile(checkpointer=saver, store=store)


def asked(openai: ScriptedOpenAI) -> list[list[str]]:
    """The texts of the messages that each extraction was shown."""
    shown = [json.loads(str(r.messages[-1]["content"])) for r in openai.requests if r.kind == "extraction"]
    return [[message["text"] for message in request["messages"]] for request in shown]


async def known(store: FactStore, user: str) -> list[str]:
    return [fact.text for fact in await UserMemory(store, user).all()]


async def times(graph: Graph, thread: str) -> dict[str, datetime]:
    """Text of a human message -> when it was said."""
    messages = (await graph.aget_state(config_of(thread))).values["messages"]
    return {
        str(m.text): datetime.fromisoformat(m.additional_kwargs["said_at"])
        for m in messages
        if isinstance(m, HumanMessage)
    }


def collects(*names: str) -> list[str]:
    return [f"Collects {name}" for name in names]


async def test_a_turn_costs_one_call_before_the_first_token_and_one_after_the_reply_and_thanks_costs_none(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    thread = str(uuid.uuid4())
    openai.defaults["reply"] = Text("Noted, in several words.", delay=0.01)
    await say(graph, user, items("stamps"), thread)
    reply, extraction = openai.requests
    assert (reply.kind, extraction.kind) == ("reply", "extraction")
    assert extraction.at > (reply.finished or 0)
    await say(graph, user, "thanks!", thread)
    assert [request.kind for request in openai.requests[2:]] == ["reply"]
    await say(graph, user, items("coins"), thread)
    assert asked(openai) == [[items("stamps")], [items("coins")]]


@pytest.mark.parametrize("failure", [Status(401), Malformed()], ids=repr)
async def test_a_turn_whose_extraction_fails_costs_two_calls_at_most(
    graph: Graph, openai: ScriptedOpenAI, user: str, failure: Answer
) -> None:
    thread = str(uuid.uuid4())
    openai.defaults["extraction"] = failure
    for number in range(5):
        await say(graph, user, items(f"stamps{number}"), thread)
        assert number + 1 < openai.calls() <= 2 * (number + 1)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_an_extraction_next_to_ten_known_facts_costs_1500_tokens_at_most(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting, method: str
) -> None:
    """What of the request a model is given: the messages, and the schema or the tool."""
    setting(STRUCTURED_OUTPUT=method)
    for number in range(12):
        await UserMemory(store, user).remember(f"Prefers an aisle seat in row {number} on long flights to the coast.")
    await say(graph, user, "I moved to Austin last month, and on Monday I start at Initech as a backend engineer.")
    body = openai.requests[-1].body
    assert len(json.loads(body["messages"][-1]["content"])["known"]) == 10
    sent = [body[part] for part in ("messages", "response_format", "tools") if part in body]
    assert sum(count_tokens(json.dumps(part, ensure_ascii=False)) for part in sent) <= 1_500


async def test_a_batch_waits_for_its_messages_and_takes_them_all_at_once_each_with_its_time(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(REMEMBER="batched", REMEMBER_EVERY="3")
    thread = str(uuid.uuid4())
    for name in ("stamps", "coins"):
        turn = await say(graph, user, items(name), thread)
        assert turn.nodes == ["recall", "respond"]
    await say(graph, user, "Thanks!", thread)
    assert openai.calls("extraction") == 0
    turn = await say(graph, user, items("shells"), thread)
    assert turn.changes is not None
    assert turn.changes["remembered"] == collects("stamps", "coins", "shells")
    assert asked(openai) == [[items("stamps"), items("coins"), items("shells")]]
    await assert_own_times(graph, store, user, thread)
    assert (await say(graph, user, items("cups"), thread)).nodes == ["recall", "respond"]


async def test_what_is_left_of_a_batch_is_taken_once_and_by_whoever_asks_for_it(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, saver: AsyncPostgresSaver, user: str, setting: Setting
) -> None:
    setting(REMEMBER="batched")
    thread = str(uuid.uuid4())
    await say(graph, user, items("stamps"), thread)
    memory = remembering(store, user)
    changes = await remember_thread(store, saver, memory, thread)
    assert [fact.text for fact in changes.added] == collects("stamps")
    assert not (await remember_thread(store, saver, memory, thread)).added
    assert not (await remember_thread(store, saver, memory, "no such thread")).added
    await assert_own_times(graph, store, user, thread)
    assert openai.calls("extraction") == 1


def test_the_terminal_takes_what_is_left_when_it_ends_and_the_command_what_was_left_by_a_failure(
    environment: dict[str, str], openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    unreachable = {"shells", "coins"}

    def answer(request: Request) -> Answer:
        told = str(request.messages[-1]["content"])
        return Status(401) if any(name in told for name in unreachable) else script.extraction(request)

    openai.defaults["extraction"] = answer
    variables = {**environment, "REMEMBER": "batched"}
    lines = f"{items('stamps')}\nThanks!\n/new\n{items('shells')}\n/new\n{items('coins')}\n"
    talked = chat(lines, variables, tmp_path, "--user", user)
    assert talked.stdout.splitlines()[-1] == "remembered: collects stamps"
    assert talked.stderr.count("`python -m agent remember` tries again") == 2
    assert talked.returncode == 1

    unreachable.remove("shells")
    some = chat("", variables, tmp_path, "remember", "--user", user)
    assert (some.returncode, some.stdout) == (1, "1 added, 0 reinforced, 0 retired\n")
    assert "1 of 3 threads are left" in some.stderr

    unreachable.clear()
    rest = chat("", variables, tmp_path, "remember", "--user", user, "--json")
    assert json.loads(rest.stdout) == {"threads": 3, "failed": 0, "added": 1, "reinforced": 0, "retired": 0}
    assert rest.returncode == 0


async def test_ten_quick_messages_make_one_extraction_in_the_background_and_are_known_once_it_has_run(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(REMEMBER="background", REMEMBER_AFTER="3600")
    thread, names = str(uuid.uuid4()), [f"stamps{number}" for number in range(10)]
    for name in names:
        turn = await say(graph, user, items(name), thread)
        assert turn.nodes == ["recall", "respond", "remember_later"]
    assert openai.calls("extraction") == 0
    await store.later.finish()
    assert asked(openai) == [[items(name) for name in names]]
    await assert_own_times(graph, store, user, thread)
    await say(graph, user, "What do I collect?", str(uuid.uuid4()))
    assert "Collects stamps3" in str([r for r in openai.requests if r.kind == "reply"][-1].messages[0]["content"])

    await say(graph, user, items("coins"), thread)  # the watermark follows what the ledger has
    state = (await graph.aget_state(config_of(thread))).values
    assert state["extracted_until"] == state["messages"][-4].id
    await store.later.finish()
    assert sorted(asked(openai)[1:]) == sorted([["What do I collect?"], [items("coins")]])


async def test_no_token_of_a_background_extraction_reaches_a_stream_that_is_open(
    graph: Graph, openai: ScriptedOpenAI, user: str, setting: Setting
) -> None:
    setting(REMEMBER="background", REMEMBER_AFTER="0")
    thread = str(uuid.uuid4())
    await say(graph, user, items("stamps"), thread)
    openai.reply(Text("A long reply. " * 20, delay=0.01))
    turn = await say(graph, user, items("coins"), thread)
    assert turn.reply == "A long reply. " * 20
    assert {node for node, text in turn.events if text != "done"} == {"respond"}


async def test_a_store_that_closes_finishes_what_waits_in_the_background(
    graph: Graph, saver: AsyncPostgresSaver, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(REMEMBER="background", REMEMBER_AFTER="3600")
    async with open_store() as closing:
        await say(builder.compile(checkpointer=saver, store=closing), user, items("stamps"))
    assert await known(store, user) == collects("stamps")


async def test_the_terminal_finishes_the_background_before_it_ends_unless_that_is_broken_off(
    environment: dict[str, str], openai: ScriptedOpenAI, store: FactStore, saver: AsyncPostgresSaver,
    tmp_path: Path, user: str,
) -> None:  # fmt: skip
    """At Ctrl-D it stays until all is remembered; Ctrl-C leaves the rest for the command, or for another turn."""
    variables = {**environment, "REMEMBER": "background", "REMEMBER_AFTER": "3600"}
    for name, interrupts in (("stamps", False), ("coins", True)):
        go = threading.Event()
        openai.extraction(After(go, script.extraction))
        with terminal(variables, tmp_path, "--user", user) as screen:
            await asyncio.to_thread(screen.wait_for, "/help lists the commands")
            screen.type(f"{items(name)}\r")
            await asyncio.to_thread(screen.wait_for, "OK.")
            await asyncio.to_thread(screen.wait_for, ">")
            screen.type("\x04")
            await asyncio.to_thread(screen.wait_for, "remembering what was said")
            await becomes(lambda: bool(asked(openai)) and asked(openai)[-1] == [items(name)])  # noqa: B023 - in time
            assert screen.program.poll() is None
            if interrupts:
                os.kill(screen.program.pid, signal.SIGINT)
            else:
                go.set()
            assert await asyncio.to_thread(screen.program.wait, 60) == (130 if interrupts else 0)
        go.set()
    assert await known(store, user) == collects("stamps")
    openai.defaults["extraction"] = script.extraction
    for thread in await list_threads(store.ledger.pool, user):
        await remember_thread(store, saver, remembering(store, user), thread.id)
    assert await known(store, user) == collects("stamps", "coins")


async def becomes(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process makes true."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_the_background_did_not_get_to_is_picked_up_by_the_threads_next_turn(
    graph: Graph, saver: AsyncPostgresSaver, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(REMEMBER="background", REMEMBER_AFTER="3600")
    thread = str(uuid.uuid4())
    openai.extraction(Status(401))
    await say(graph, user, items("stamps"), thread)
    await store.later.finish()
    assert await known(store, user) == []
    await say(graph, user, items("coins"), thread)
    await store.later.finish()
    assert sorted(await known(store, user)) == collects("coins", "stamps")
    await assert_own_times(graph, store, user, thread)


async def test_what_is_forgotten_before_the_background_gets_to_it_is_not_learnt(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(REMEMBER="background", REMEMBER_AFTER="3600")
    thread = str(uuid.uuid4())
    await say(graph, user, items("stamps"), thread)
    await UserMemory(store, user).forget(thread=thread)
    await store.later.finish()
    assert await known(store, user) == []


async def test_a_model_that_fails_for_many_turns_is_told_everything_once_it_answers_in_bounded_parts(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, saver: AsyncPostgresSaver, user: str
) -> None:
    thread, names = str(uuid.uuid4()), [f"stamps{number:02}" for number in range(24)]
    openai.defaults["extraction"] = Status(401)
    for name in names:
        await say(graph, user, items(name), thread)
    assert await known(store, user) == []
    openai.defaults["extraction"] = script.extraction
    before = len(asked(openai))
    await say(graph, user, items("coins"), thread)
    await say(graph, user, "Thanks!", thread)
    await remember_thread(store, saver, remembering(store, user), thread)
    parts = asked(openai)[before:]
    assert [len(part) for part in parts] == [EXTRACTION_MESSAGES, EXTRACTION_MESSAGES, 5]
    assert [text for part in parts for text in part] == [items(name) for name in (*names, "coins")]
    assert sorted(await known(store, user)) == sorted(collects(*names, "coins"))
    await assert_own_times(graph, store, user, thread)


async def test_a_message_no_model_can_read_is_tried_alone_and_given_up_whoever_asks_and_the_rest_is_learnt(
    store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    def answer(request: Request) -> Answer:
        return Malformed() if "unreadable" in str(request.messages[-1]["content"]) else script.extraction(request)

    openai.defaults["extraction"] = answer
    memory, thread = remembering(store, user), str(uuid.uuid4())
    told = [HumanMessage(text, id=text) for text in (items("stamps"), "Something unreadable.", items("coins"))]
    for _ in range(10):
        try:
            await memory.observe(told, thread_id=thread)
            break
        except ExtractionFailed:
            continue
    assert await known(store, user) == collects("stamps", "coins")
    alone = [part for part in asked(openai) if "Something unreadable." in part]
    assert [len(part) for part in alone] == [3, 1, 1]
    assert await memory.unextracted(thread, [str(message.id) for message in told]) == {}


async def test_a_client_that_leaves_in_the_middle_of_the_extraction_loses_nothing(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    thread, never = str(uuid.uuid4()), threading.Event()
    openai.extraction(After(never, Text("")))
    turn = asyncio.ensure_future(say(graph, user, items("stamps"), thread))
    await becomes(lambda: openai.calls("extraction") == 1)
    turn.cancel()
    await asyncio.wait([turn])
    await say(graph, user, items("coins"), thread)
    assert await known(store, user) == collects("stamps", "coins")
    await assert_own_times(graph, store, user, thread)


async def test_the_graph_remember_learns_all_it_is_handed_and_its_thread_belongs_to_the_conversation(
    saver: AsyncPostgresSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    graph = remember_builder.compile(checkpointer=saver, store=store)
    thread, names = str(uuid.uuid4()), [f"stamps{number:02}" for number in range(23)]
    utterances = utterances_of([HumanMessage(items(name), id=name) for name in names], utc_now(), thread)
    config, pool = config_of(background_thread(user, thread)), store.ledger.pool
    given: Any = handed_over(thread, utterances)
    await graph.ainvoke(given, config, context=Context(user_id=user))
    assert [len(part) for part in asked(openai)] == [EXTRACTION_MESSAGES, EXTRACTION_MESSAGES, 3]
    assert await known(store, user) == collects(*names)
    await graph.ainvoke(given, config, context=Context(user_id=user))
    assert openai.calls("extraction") == 3

    with pytest.raises(BadInput, match="belongs to another user"):
        await graph.ainvoke(given, config, context=Context(user_id=user + "-mallory"))
    assert await list_threads(pool, user) == []
    assert [saved async for saved in saver.alist(config)] != []
    await UserMemory(store, user).forget(thread=thread)
    assert [saved async for saved in saver.alist(config)] == []
    assert await known(store, user) == []


async def test_forgetting_everything_takes_the_threads_of_the_background_with_it_and_no_saved_one_quotes_a_user(
    saver: AsyncPostgresSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    graph = remember_builder.compile(checkpointer=saver, store=store)
    thread = str(uuid.uuid4())
    config = config_of(background_thread(user, thread))
    given: Any = handed_over(thread, utterances_of("Zanzibar it is.", utc_now(), thread))
    await graph.ainvoke(given, config, context=Context(user_id=user), durability="exit")
    saved = [saved async for saved in saver.alist(config)]
    assert len(saved) == 1
    assert "Zanzibar" not in repr(saved)
    await UserMemory(store, user).forget_everything()
    assert [saved async for saved in saver.alist(config)] == []


async def assert_own_times(graph: Graph, store: FactStore, user: str, thread: str) -> None:
    """Each fact was said when its message was, and comes from it."""
    said = await times(graph, thread)
    facts = [fact for fact in await UserMemory(store, user).all() if fact.source.thread_id == thread]
    assert facts
    for fact in facts:
        assert fact.observed_at == said[message_of(fact)]


def message_of(fact: Fact) -> str:
    return items(fact.text.removeprefix("Collects "))


@pytest.mark.parametrize("when", ["batched", "background"])
async def test_what_waits_is_not_folded_into_the_summary_of_a_long_thread(
    graph: Graph, store: FactStore, user: str, setting: Setting, when: str
) -> None:
    setting(REMEMBER=when, REMEMBER_AFTER="3600", REMEMBER_EVERY="100", WINDOW_TOKENS="100")
    thread, names = str(uuid.uuid4()), [f"{'very-' * 20}large-stamps{number}" for number in range(6)]
    for name in names:
        await say(graph, user, items(name), thread)
    messages = (await graph.aget_state(config_of(thread))).values["messages"]
    assert [m.text for m in messages if isinstance(m, HumanMessage)] == [items(name) for name in names]
    if when == "background":
        await store.later.finish()
        assert sorted(await known(store, user)) == sorted(collects(*names))
        await say(graph, user, "Tell me a story.", thread)
        await say(graph, user, "Tell me another one.", thread)
        state = (await graph.aget_state(config_of(thread))).values
        assert len(state["messages"]) < 2 * len(names)
        assert state["summary"]


async def test_the_graph_remember_takes_nothing_for_said_in_the_future(
    saver: AsyncPostgresSaver, store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = script.extraction
    graph = remember_builder.compile(checkpointer=saver, store=store)
    thread = str(uuid.uuid4())
    given: Any = handed_over(thread, utterances_of([HumanMessage(items("stamps"), id="1")], utc_now(), thread))
    given["waiting"][0]["said_at"] = given["begun"] = "2999-01-01T00:00:00Z"
    await graph.ainvoke(given, config_of(background_thread(user, thread)), context=Context(user_id=user))
    (fact,) = await UserMemory(store, user).current()
    assert fact.observed_at <= utc_now()
