"""Every human message is extracted once, with the time it was said: inline, in batches or in the background."""

import asyncio
import json
import threading
import uuid

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.agent_graph import Graph
from agent.context import Context
from agent.identity import AgentStore
from agent.persistence import open_store
from agent.turn.extraction_schedule import catch_up_thread
from graphs.chat import builder
from memory.extraction.extract import ExtractionFailed
from memory.extraction.utterances import EXTRACTION_MESSAGES
from memory.items.store import FactStore
from memory.recall.render import count_tokens
from memory.user_memory import UserMemory
from tests.collecting import COLLECTED, MAX_CHARS, asked, assert_own_times, collects, known, tell_in_forks, wait_until
from tests.conftest import Setting
from tests.conversation import config_of, say
from tests.memories import remembering
from tests.openai_server import After, Answer, Malformed, Request, ScriptedOpenAI, Status, Text
from tests.torture import script
from tests.torture.script import items


@pytest.fixture
def graph(graph: Graph, openai: ScriptedOpenAI) -> Graph:
    """The chat, with a model that extracts every fact from the messages it is shown."""
    openai.defaults["extraction"] = script.extraction
    return graph


async def test_a_turn_costs_two_model_calls_and_small_talk_one(graph: Graph, openai: ScriptedOpenAI, user: str) -> None:
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
    """The messages and the schema or tool of the request count."""
    setting(structured_output=method)
    for number in range(12):
        await UserMemory(store, user).remember(f"Prefers an aisle seat in row {number} on long flights to the coast.")
    await say(graph, user, "I moved to Austin last month, and on Monday I start at Initech as a backend engineer.")
    body = openai.requests[-1].body
    assert len(json.loads(body["messages"][-1]["content"])["known"]) == 10
    sent = [body[part] for part in ("messages", "response_format", "tools") if part in body]
    assert sum(count_tokens(json.dumps(part, ensure_ascii=False)) for part in sent) <= 1_500


async def test_a_batch_is_extracted_in_one_call_with_each_messages_time(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(extract="batched", extract_every=3)
    thread = str(uuid.uuid4())
    for name in ("stamps", "coins"):
        turn = await say(graph, user, items(name), thread)
        assert turn.nodes == ["recall", "respond"]
    await say(graph, user, "Thanks!", thread)
    assert openai.calls("extraction") == 0
    turn = await say(graph, user, items("shells"), thread)
    assert turn.changes is not None
    assert turn.changes["added"] == collects("stamps", "coins", "shells")
    assert asked(openai) == [[items("stamps"), items("coins"), items("shells")]]
    await assert_own_times(graph, store, user, thread)
    assert (await say(graph, user, items("cups"), thread)).nodes == ["recall", "respond"]


async def test_two_graphs_in_one_process_may_have_different_settings(
    graph: Graph, saver: AsyncPostgresSaver, openai: ScriptedOpenAI, store: AgentStore, user: str
) -> None:
    settings = store.settings.model_copy(update={"extract": "batched", "chat_model": "openai:other"})
    async with open_store(settings) as other:
        batched = builder.compile(checkpointer=saver, store=other)
        assert (await say(batched, user, items("stamps"))).nodes == ["recall", "respond"]
        assert "extract_memories" in (await say(graph, user, items("coins"))).nodes
    models = [request.body["model"] for request in openai.requests if request.kind == "reply"]
    assert models == ["other", "scripted"]


async def test_ten_quick_messages_cause_one_background_extraction(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(extract="background", extract_after=3600)
    thread, names = str(uuid.uuid4()), [f"stamps{number}" for number in range(10)]
    for name in names:
        turn = await say(graph, user, items(name), thread)
        assert turn.nodes == ["recall", "respond", "extract_later"]
    assert openai.calls("extraction") == 0
    await store.debouncer.flush()
    assert asked(openai) == [[items(name) for name in names]]
    await assert_own_times(graph, store, user, thread)
    await say(graph, user, "What do I collect?", str(uuid.uuid4()))
    assert "Collects stamps3" in str([r for r in openai.requests if r.kind == "reply"][-1].messages[0]["content"])

    await say(graph, user, items("coins"), thread)  # the watermark is updated from the ledger
    state = (await graph.aget_state(config_of(thread))).values
    assert state["extracted_until"] == state["messages"][-4].id
    await store.debouncer.flush()
    assert sorted(asked(openai)[1:]) == sorted([["What do I collect?"], [items("coins")]])


async def test_no_token_of_a_background_extraction_reaches_an_open_stream(
    graph: Graph, openai: ScriptedOpenAI, user: str, setting: Setting
) -> None:
    setting(extract="background", extract_after=0)
    thread = str(uuid.uuid4())
    await say(graph, user, items("stamps"), thread)
    openai.reply(Text("A long reply. " * 20, delay=0.01))
    turn = await say(graph, user, items("coins"), thread)
    assert turn.reply == "A long reply. " * 20
    assert {node for node, text in turn.events if text != "done"} == {"respond"}


async def test_closing_the_store_finishes_background_extractions(
    graph: Graph, saver: AsyncPostgresSaver, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(extract="background", extract_after=3600)
    async with open_store() as closing:
        await say(builder.compile(checkpointer=saver, store=closing), user, items("stamps"))
    assert await known(store, user) == collects("stamps")


async def test_a_failed_background_extraction_is_repeated_by_the_next_turn(
    graph: Graph, saver: AsyncPostgresSaver, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(extract="background", extract_after=3600)
    thread = str(uuid.uuid4())
    openai.extraction(Status(401))
    await say(graph, user, items("stamps"), thread)
    await store.debouncer.flush()
    assert await known(store, user) == []
    await say(graph, user, items("coins"), thread)
    await store.debouncer.flush()
    assert sorted(await known(store, user)) == collects("coins", "stamps")
    await assert_own_times(graph, store, user, thread)


async def test_a_thread_forgotten_before_its_extraction_is_not_learned(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(extract="background", extract_after=3600)
    thread = str(uuid.uuid4())
    await say(graph, user, items("stamps"), thread)
    await UserMemory(store, user).forget(thread=thread)
    await store.debouncer.flush()
    assert await known(store, user) == []


async def test_a_backlog_is_extracted_in_bounded_parts_once_the_model_answers(
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
    await catch_up_thread(store, saver, remembering(store, user), thread, MAX_CHARS)
    parts = asked(openai)[before:]
    assert [len(part) for part in parts] == [EXTRACTION_MESSAGES, EXTRACTION_MESSAGES, 5]
    assert [text for part in parts for text in part] == [items(name) for name in (*names, "coins")]
    assert sorted(await known(store, user)) == sorted(collects(*names, "coins"))
    await assert_own_times(graph, store, user, thread)


async def test_an_unreadable_message_is_retried_alone_and_given_up(
    store: FactStore, openai: ScriptedOpenAI, user: str
) -> None:
    def answer(request: Request) -> Answer:
        return Malformed() if "unreadable" in str(request.messages[-1]["content"]) else script.extraction(request)

    openai.defaults["extraction"] = answer
    memory, thread = remembering(store, user), str(uuid.uuid4())
    messages = [HumanMessage(text, id=text) for text in (items("stamps"), "Something unreadable.", items("coins"))]
    for _ in range(10):
        try:
            await memory.observe(messages, thread_id=thread)
            break
        except ExtractionFailed:
            continue
    assert await known(store, user) == collects("stamps", "coins")
    alone = [part for part in asked(openai) if "Something unreadable." in part]
    assert [len(part) for part in alone] == [3, 1, 1]
    assert await memory.learner.unextracted(thread, [str(message.id) for message in messages]) == {}


async def test_a_client_that_disconnects_during_extraction_loses_nothing(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    thread, never = str(uuid.uuid4()), threading.Event()
    openai.extraction(After(never, Text("")))
    turn = asyncio.ensure_future(say(graph, user, items("stamps"), thread))
    await wait_until(lambda: openai.calls("extraction") == 1)
    turn.cancel()
    await asyncio.wait([turn])
    await say(graph, user, items("coins"), thread)
    assert await known(store, user) == collects("stamps", "coins")
    await assert_own_times(graph, store, user, thread)


@pytest.mark.parametrize("when", ["batched", "background"])
async def test_messages_not_yet_extracted_are_never_summarized(
    graph: Graph, store: FactStore, user: str, setting: Setting, when: str
) -> None:
    setting(extract=when, extract_after=3600, extract_every=100, window_tokens=100)
    thread, names = str(uuid.uuid4()), [f"{'very-' * 20}large-stamps{number}" for number in range(6)]
    for name in names:
        await say(graph, user, items(name), thread)
    messages = (await graph.aget_state(config_of(thread))).values["messages"]
    assert [m.text for m in messages if isinstance(m, HumanMessage)] == [items(name) for name in names]
    if when == "background":
        await store.debouncer.flush()
        assert sorted(await known(store, user)) == sorted(collects(*names))
        await say(graph, user, "Tell me a story.", thread)
        await say(graph, user, "Tell me another one.", thread)
        state = (await graph.aget_state(config_of(thread))).values
        assert len(state["messages"]) < 2 * len(names)
        assert state["summary"]


async def test_a_message_rewritten_before_the_watermark_is_extracted_again(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    """With an id from the client, and any number of times. Facts learned from the first text stay."""
    config, context = config_of(str(uuid.uuid4())), Context(user_id=user)
    for name, text in (("1", "stamps"), ("2", "coins")):
        await graph.ainvoke({"messages": [HumanMessage(items(text), id=name)]}, config, context=context)
    first = (await graph.aget_state(config)).values["messages"][0]
    for rewritten in (first.model_copy(update={"content": items("shells")}), HumanMessage(items("cups"), id="1")):
        await graph.aupdate_state(config, {"messages": [rewritten]})
        await graph.ainvoke({"messages": [HumanMessage("Thanks!")]}, config, context=context)
    await graph.ainvoke({"messages": [HumanMessage(items("cups"), id="1")]}, config, context=context)
    assert asked(openai) == [[items(name)] for name in ("stamps", "coins", "shells", "cups")]
    assert await known(store, user) == collects("stamps", "coins", "shells", "cups")
    messages = (await graph.aget_state(config)).values["messages"]
    assert [m.text for m in messages if isinstance(m, HumanMessage)] == [
        items("cups"), items("coins"), "Thanks!", "Thanks!"
    ]  # fmt: skip


async def test_both_forks_of_a_thread_are_extracted_in_the_background(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(extract="background", extract_after=3600)
    await tell_in_forks(graph, user)
    await store.debouncer.flush()
    assert sorted(await known(store, user)) == sorted(collects(*COLLECTED))
    assert sorted(text for part in asked(openai) for text in part) == sorted(map(items, COLLECTED))
