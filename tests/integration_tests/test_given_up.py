"""A message that the model cannot read is given up, listed and tried again; unless the model fails for everything."""

import asyncio
import uuid
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.agent_graph import Graph
from agent.turn.extraction_schedule import catch_up_thread, given_up_utterances
from memory.extraction.extract import ExtractionFailed
from memory.facts.fact import owner_key
from memory.items.store import FactStore
from memory.learn.learner import MAX_FAILURES
from memory.maintenance import doctor
from memory.user_memory import UserMemory
from tests.collecting import MAX_CHARS, asked, collects, known
from tests.commands import Outcome, Run
from tests.conftest import Setting
from tests.conversation import config_of, say
from tests.memories import remembering
from tests.openai_server import Answer, Malformed, Request, ScriptedOpenAI, Status
from tests.processes import chat
from tests.torture import script
from tests.torture.script import items

BAD = "I collect cursed-dolls."  # the model's answer about it is useless


def useless_about_bad(request: Request) -> Answer:
    return Malformed() if "cursed" in str(request.messages[-1]["content"]) else script.extraction(request)


@pytest.fixture
def graph(graph: Graph, openai: ScriptedOpenAI) -> Graph:
    """The chat, with a model that can read every message but BAD."""
    openai.defaults["extraction"] = useless_about_bad
    return graph


async def tell(graph: Graph, user: str, thread: str, *messages: str) -> None:
    for text in messages:
        await say(graph, user, text, thread)


async def test_a_message_is_given_up_after_three_useless_answers_alone(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In a chat: the others are learned meanwhile, each with one call a turn, and the watermark waits for it."""
    thread, names = str(uuid.uuid4()), [f"stamps{number}" for number in range(6)]
    await say(graph, user, BAD, thread)
    for name in names:
        if not await UserMemory(store, user).given_up():
            assert "extracted_until" not in (await graph.aget_state(config_of(thread))).values
        await say(graph, user, items(name), thread)
        assert openai.calls("extraction") <= openai.calls("reply")
    assert [part for part in asked(openai) if BAD in part] == [[BAD]] * MAX_FAILURES
    await say(graph, user, "Thanks!", thread)
    assert sorted(await known(store, user)) == sorted(collects(*names))
    (entry,) = await UserMemory(store, user).given_up()
    state = (await graph.aget_state(config_of(thread))).values
    assert entry[:2] == (thread, state["messages"][0].id)
    assert (entry.failures, entry.cause) == (MAX_FAILURES, "ValueError")
    assert state["extracted_until"] == state["messages"][-2].id
    assert "given up" in caplog.text
    assert "cursed" not in caplog.text


async def test_a_model_that_fails_for_everything_gives_nothing_up(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, saver: AsyncPostgresSaver, user: str
) -> None:
    thread, names = str(uuid.uuid4()), [f"stamps{number}" for number in range(5)]
    await say(graph, user, items("coins"), thread)  # it has worked before
    openai.defaults["extraction"] = Malformed()
    for name in names:
        await say(graph, user, items(name), thread)
        before = openai.calls("extraction")
        with pytest.raises(ExtractionFailed):
            await catch_up_thread(store, saver, remembering(store, user), thread, MAX_CHARS)
        assert openai.calls("extraction") - before <= MAX_FAILURES
    assert await UserMemory(store, user).given_up() == []
    openai.defaults["extraction"] = useless_about_bad
    changes = await catch_up_thread(store, saver, remembering(store, user), thread, MAX_CHARS)
    assert sorted(fact.text for fact in changes.added) == collects(*names)
    assert await UserMemory(store, user).given_up() == []


async def test_catch_up_learns_the_others_and_tells_what_it_learned_if_it_fails(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    memory, thread = remembering(store, user), str(uuid.uuid4())
    messages = [HumanMessage(text, id=text) for text in (items("stamps"), BAD, items("coins"))]
    openai.extraction(Malformed(), script.extraction, Malformed(), script.extraction, Status(401))
    with pytest.raises(ExtractionFailed) as failed:
        await memory.observe(messages, thread_id=thread)
    assert [len(part) for part in asked(openai)] == [3, 1, 1, 1, 1]
    assert [fact.text for fact in failed.value.learned.added] == collects("stamps", "coins")
    assert await memory.learner.unextracted(thread, [BAD])


async def test_a_background_run_learns_the_others_although_one_fails(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, setting: Setting
) -> None:
    setting(extract="background", extract_after=3600)
    thread = str(uuid.uuid4())
    await tell(graph, user, thread, items("stamps"), BAD, items("coins"))
    await store.debouncer.flush()
    assert await known(store, user) == collects("stamps", "coins")
    assert len(await UserMemory(store, user).given_up()) == 1


async def given_up_in(graph: Graph, store: FactStore, user: str, thread: str) -> None:
    """Say BAD in the thread until it is given up."""
    await say(graph, user, BAD, thread)
    for number in range(4):
        await say(graph, user, items(f"stamps{number}"), thread)
    assert len(await UserMemory(store, user).given_up()) == 1


async def test_the_commands_list_what_was_given_up_and_try_it_again(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, run: Run, user: str
) -> None:
    thread, before = str(uuid.uuid4()), (await doctor(store)).given_up
    await given_up_in(graph, store, user, thread)
    assert (await doctor(store)).given_up == before + 1

    async def command(*arguments: str) -> Outcome:
        return await asyncio.to_thread(run, *arguments)

    assert (await command("given-up")).rows[0][3:] == ["unreadable", BAD]
    (entry,) = (await command("given-up", "--json")).json
    assert (entry["thread_id"], entry["failures"], entry["begins_with"]) == (thread, 3, BAD)

    failed = await command("catch-up", "--given-up", "--json")
    assert (failed.code, failed.json["given_up"]) == (1, 1)
    assert f"of thread {thread}: The extraction model gave no usable answer" in failed.err
    openai.defaults["extraction"] = script.extraction
    untouched = await command("catch-up")  # without the option it stays given up
    assert (untouched.code, untouched.out) == (0, "")
    tried = await command("catch-up", "--given-up")
    assert (tried.code, tried.out) == (0, "learned: collects cursed-dolls\n")
    assert "Collects cursed-dolls" in await known(store, user)
    assert "no message was given up" in (await command("given-up")).err

    async with store.pool.connection() as connection:  # a message that is in no thread
        await connection.execute(
            "insert into memory.failed_extractions values (%s, 'gone', 'bad', 3, 'ValueError', now(), now(), now())",
            (owner_key(user),),
        )
    lost = await command("catch-up", "--given-up")
    assert (lost.code, "message bad of thread gone: the thread no longer has it" in lost.err) == (1, True)


async def test_the_chat_says_that_a_message_was_given_up(
    graph: Graph, store: FactStore, environment: dict[str, str], tmp_path: Path, user: str
) -> None:
    thread = str(uuid.uuid4())
    await given_up_in(graph, store, user, thread)
    lines = f"{items('coins')}\n"
    ended = await asyncio.to_thread(chat, lines, environment, tmp_path, "--thread", thread, "--user", user)
    assert "no facts could be taken from 1 message" in ended.stderr


async def test_a_summarized_message_that_was_given_up_is_found_in_the_history(
    graph: Graph, store: FactStore, saver: AsyncPostgresSaver, user: str, setting: Setting
) -> None:
    setting(window_tokens=60)
    thread = str(uuid.uuid4())
    await given_up_in(graph, store, user, thread)
    for _ in range(4):
        await say(graph, user, "Tell me a long story about nothing at all, please.", thread)
    assert BAD not in [m.text for m in (await graph.aget_state(config_of(thread))).values["messages"]]
    ((entry, said),) = (await given_up_utterances(store.ledger, saver, user)).items()
    assert said
    assert (said.text, said.source.thread_id, said.source.message_id) == (BAD, thread, entry.message_id)


@pytest.mark.parametrize("everything", [True, False])
async def test_forgetting_a_thread_or_everything_removes_what_was_given_up(
    graph: Graph, store: FactStore, user: str, everything: bool
) -> None:
    thread, memory = str(uuid.uuid4()), UserMemory(store, user)
    await given_up_in(graph, store, user, thread)
    await (memory.forget_everything() if everything else memory.forget(thread=thread))
    assert await memory.given_up() == []


async def test_a_failure_in_a_thread_forgotten_meanwhile_leaves_no_trace(
    openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    memory, thread = remembering(store, user), str(uuid.uuid4())
    loop = asyncio.get_running_loop()

    def forget_first(request: Request) -> Answer:
        asyncio.run_coroutine_threadsafe(UserMemory(store, user).forget(thread=thread), loop).result(60)
        return Malformed()

    openai.defaults["extraction"] = forget_first
    with pytest.raises(ExtractionFailed):
        await memory.observe([HumanMessage(BAD, id="bad")], thread_id=thread)
    assert (await memory.learner.unextracted(thread, ["bad"]))["bad"].useless == 0
