"""Messages that were not extracted in their turn: the end of a chat and `catch-up` extract them."""

import asyncio
import os
import signal
import threading
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agent.agent_graph import Graph
from agent.context import Context
from agent.turn.extraction_schedule import catch_up_thread
from memory.items.store import FactStore
from memory.threads.threads import list_threads
from memory.user_memory import UserMemory
from tests.collecting import COLLECTED, MAX_CHARS, asked, assert_own_times, collects, known, tell_in_forks, wait_until
from tests.commands import Run
from tests.conftest import Setting
from tests.conversation import config_of, say
from tests.memories import remembering
from tests.openai_server import After, Answer, Request, ScriptedOpenAI, Status
from tests.screen import terminal
from tests.torture import script
from tests.torture.script import items


@pytest.fixture
def graph(graph: Graph, openai: ScriptedOpenAI) -> Graph:
    """The chat, with a model that extracts every fact from the messages it is shown."""
    openai.defaults["extraction"] = script.extraction
    return graph


async def test_the_rest_of_a_batch_is_extracted_once_by_catch_up(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, saver: AsyncPostgresSaver, user: str, setting: Setting
) -> None:
    setting(extract="batched")
    thread = str(uuid.uuid4())
    await say(graph, user, items("stamps"), thread)
    memory = remembering(store, user)
    changes = await catch_up_thread(store, saver, memory, thread, MAX_CHARS)
    assert [fact.text for fact in changes.added] == collects("stamps")
    assert not (await catch_up_thread(store, saver, memory, thread, MAX_CHARS)).added
    assert not (await catch_up_thread(store, saver, memory, "no such thread", MAX_CHARS)).added
    await assert_own_times(graph, store, user, thread)
    assert openai.calls("extraction") == 1


def test_the_chat_catches_up_at_its_end_and_the_command_does_the_rest(
    openai: ScriptedOpenAI, run: Run, user: str
) -> None:
    unreachable = {"shells", "coins", "maps", "pens"}

    def answer(request: Request) -> Answer:
        prompt = str(request.messages[-1]["content"])
        return Status(401) if any(name in prompt for name in unreachable) else script.extraction(request)

    openai.defaults["extraction"] = answer
    lines = "\n/new\n".join([f"{items('stamps')}\nThanks!", *map(items, ("shells", "coins", "maps", "pens"))]) + "\n"
    talked = run(typed=lines, EXTRACT="batched")
    assert talked.out.splitlines()[-1] == "learned: collects stamps"
    assert talked.err.count("Nothing was learned yet from 1 message of thread") == 4
    assert f"`python -m agent catch-up --user {user}` tries again" in talked.err
    assert talked.code == 1

    unreachable.remove("shells")
    some = run("catch-up")
    assert (some.code, some.out) == (1, "learned: collects shells\n")
    assert "the model failed for 2 threads: 1 thread not tried" in some.err
    assert "2 of 5 threads still have messages waiting" in some.err

    unreachable.clear()
    rest = run("catch-up", "--json")
    counts = {"added": 3, "history": 0, "reinforced": 0, "retired": 0}
    assert rest.json == {"threads": 5, "failed": 0, "given_up": 0, **counts, "held": [], "dropped": []}
    assert rest.code == 0


async def test_the_chat_finishes_background_extractions_unless_interrupted(
    environment: dict[str, str], openai: ScriptedOpenAI, store: FactStore, saver: AsyncPostgresSaver,
    tmp_path: Path, user: str,
) -> None:  # fmt: skip
    """Ctrl-D waits until everything is extracted. Ctrl-C leaves the rest to the command or to another turn."""
    variables = {**environment, "EXTRACT": "background", "EXTRACT_AFTER": "3600"}
    for name, interrupts in (("stamps", False), ("coins", True)):
        go = threading.Event()
        openai.extraction(After(go, script.extraction))
        with terminal(variables, tmp_path, "--user", user) as screen:
            await asyncio.to_thread(screen.wait_for, "/help lists the commands")
            screen.type(f"{items(name)}\r")
            await asyncio.to_thread(screen.wait_for, "OK.")
            await asyncio.to_thread(screen.wait_for, ">")
            screen.type("\x04")
            await asyncio.to_thread(screen.wait_for, "learning from what was said")
            await wait_until(lambda: bool(asked(openai)) and asked(openai)[-1] == [items(name)])  # noqa: B023 - called in the same iteration
            assert screen.program.poll() is None
            if interrupts:
                os.kill(screen.program.pid, signal.SIGINT)
            else:
                go.set()
            assert await asyncio.to_thread(screen.program.wait, 60) == (130 if interrupts else 0)
        go.set()
    assert await known(store, user) == collects("stamps")
    openai.defaults["extraction"] = script.extraction
    for thread in await list_threads(store.pool, user):
        await catch_up_thread(store, saver, remembering(store, user), thread.id, MAX_CHARS)
    assert await known(store, user) == collects("stamps", "coins")


@pytest.mark.parametrize("when", ["inline", "batched", "background"])
def test_a_chat_reports_messages_that_were_not_learned_and_exits_with_1(
    openai: ScriptedOpenAI, run: Run, when: str
) -> None:
    openai.defaults["extraction"] = Status(404)
    lines = f"{items('stamps')}\nThanks!\n{items('coins')}\n"
    talked = run(typed=lines, EXTRACT=when, EXTRACTION_MODEL="openai:small")
    assert (talked.code, talked.out) == (1, "OK.\n" * 3)
    assert "error: Nothing was learned yet from 2 messages of thread" in talked.err
    reason = "it does not know 'openai:small': check EXTRACTION_MODEL and OPENAI_BASE_URL): `python"
    assert f"from the extraction model: the model's server answered 404: {reason}" in talked.err
    assert talked.err.count("error:") == 1
    openai.defaults["extraction"] = script.extraction
    rest = run("catch-up", "--json")
    assert (rest.code, rest.json["added"]) == (0, 2)


def test_a_chat_repeats_failed_extractions_at_its_end(openai: ScriptedOpenAI, run: Run) -> None:
    openai.extraction(Status(401), Status(401))
    openai.defaults["extraction"] = script.extraction
    talked = run(typed=f"{items('stamps')}\n{items('coins')}\n")
    assert talked.out.splitlines() == ["OK.", "OK.", "learned: collects stamps, collects coins"]
    assert talked.code == 0


@pytest.mark.parametrize("when", ["inline", "batched"])
async def test_catch_up_learns_from_abandoned_forks(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, saver: AsyncPostgresSaver, user: str,
    setting: Setting, when: str,
) -> None:  # fmt: skip
    setting(extract=when)
    openai.defaults["extraction"] = Status(401)
    thread = await tell_in_forks(graph, user)
    openai.defaults["extraction"] = script.extraction
    openai.requests.clear()
    for _ in range(2):
        await catch_up_thread(store, saver, remembering(store, user), thread, MAX_CHARS)
    assert asked(openai) == [[items(name) for name in COLLECTED]]
    assert await known(store, user) == collects(*COLLECTED)


async def test_a_first_run_that_died_early_can_be_learned_from_or_forgotten(
    graph: Graph, store: FactStore, saver: AsyncPostgresSaver, user: str
) -> None:
    lost = [str(uuid.uuid4()) for _ in range(2)]
    for thread in lost:
        said: Any = {"messages": [HumanMessage(items(thread))]}
        run = graph.astream(
            said, config_of(thread), context=Context(user_id=user), stream_mode="checkpoints", durability="sync"
        )
        async for saved in run:
            if "recall" in saved["next"]:
                break
        await cast(AsyncGenerator[Any, None], run).aclose()
        assert "owner" not in (await graph.aget_state(config_of(thread))).values
    assert {thread.id for thread in await list_threads(store.pool, user)} == set(lost)
    await catch_up_thread(store, saver, remembering(store, user), lost[0], MAX_CHARS)
    assert await known(store, user) == collects(lost[0])
    await UserMemory(store, user).forget_everything()
    assert await list_threads(store.pool, user) == []
    assert await saver.aget_tuple(config_of(lost[1])) is None
