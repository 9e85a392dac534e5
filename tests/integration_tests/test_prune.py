"""`threads prune`: what it deletes and keeps. Each thread continues as before."""

import asyncio
import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from typer.testing import CliRunner, Result

from agent.__main__ import app
from agent.agent_graph import Graph
from agent.context import Context
from agent.providers import NoReply
from agent.terminal import threads
from memory.items.store import FactStore
from memory.threads.saver import ThreadSaver
from memory.threads.threads import thread_size
from tests.collecting import wait_until
from tests.conversation import config_of, say
from tests.openai_server import Hang, ScriptedOpenAI, Status, Text

Prune = Callable[..., Any]


@pytest.fixture
def thread() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def prune(environment: dict[str, str], user: str) -> Prune:
    """Run the command as this test's user and return its JSON output."""

    async def run(*arguments: str) -> Any:
        result = await asyncio.to_thread(invoke, *arguments, "--user", user, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["threads", "prune", *arguments])


@pytest.fixture
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every thread counts as idle."""
    monkeypatch.setattr(threads, "AT_REST", timedelta(0))


async def history(graph: Graph, thread: str) -> list[Any]:
    return [state async for state in graph.aget_state_history(config_of(thread))]


@pytest.mark.usefixtures("no_rest")
async def test_pruning_keeps_the_newest_checkpoint_and_all_messages(
    graph: Graph, saver: ThreadSaver, openai: ScriptedOpenAI, prune: Prune, user: str, thread: str
) -> None:
    for text in ("One", "Two", "Three"):
        await say(graph, user, text, thread)
    before, size = await graph.aget_state(config_of(thread)), await thread_size(saver.pool, thread)
    done = await prune("--older-than", "0")
    left = await thread_size(saver.pool, thread)
    assert done == {
        "threads": 1,
        "in_use": 0,
        "checkpoints": size.checkpoints - 1,
        "bytes": size.bytes - left.bytes,
    }
    assert left.checkpoints == 1
    assert left.bytes < size.bytes / 4
    after = await graph.aget_state(config_of(thread))
    assert (after.values, after.next, after.config) == (before.values, before.next, before.config)

    openai.reply(Text("Four it is."))
    assert (await say(graph, user, "Four", thread)).reply == "Four it is."
    asked = [request for request in openai.requests if request.kind == "reply"][-1].messages
    assert [m["content"] for m in asked if m["role"] == "user"] == ["One", "Two", "Three", "Four"]
    assert len((await graph.aget_state(config_of(thread))).values["messages"]) == 8
    extracted = [json.loads(str(r.messages[-1]["content"])) for r in openai.requests if r.kind == "extraction"]
    assert [m["text"] for e in extracted for m in e["messages"]] == ["One", "Two", "Three", "Four"]


async def test_only_old_idle_threads_of_the_given_user_are_pruned(
    graph: Graph, store: FactStore, prune: Prune, user: str, thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(graph, user, "Hello", thread)
    whole = len(await history(graph, thread))
    nothing = {"threads": 0, "in_use": 0, "checkpoints": 0, "bytes": 0}
    assert await prune() == nothing
    assert await prune("--older-than", "0") == nothing  # it was just used
    monkeypatch.setattr(threads, "AT_REST", timedelta(0))
    assert await prune("--older-than", "1") == nothing
    result = await asyncio.to_thread(invoke, "--older-than", "0", "--user", f"{user}2")
    assert (result.stdout, result.stderr.splitlines()[-1]) == ("", "nothing to delete")
    assert len(await history(graph, thread)) == whole
    async with store.run_locks.hold(thread):
        assert await prune("--older-than", "0") == nothing | {"in_use": 1}
    assert len(await history(graph, thread)) == whole
    assert (await prune("--older-than", "0"))["threads"] == 1
    assert await prune("--older-than", "0") == nothing


@pytest.mark.usefixtures("no_rest")
async def test_an_interrupted_run_can_be_resumed_after_pruning(
    graph: Graph, openai: ScriptedOpenAI, prune: Prune, user: str, thread: str
) -> None:
    await say(graph, user, "Hello", thread)
    openai.reply(*[Status(500, retry_after=0.01)] * 6)  # asked again by the client, and without tools
    with pytest.raises(NoReply, match="internal error"):
        await say(graph, user, "Are you there?", thread)
    before = await graph.aget_state(config_of(thread))
    assert before.next == ("respond",)
    await prune("--older-than", "0")
    after = await graph.aget_state(config_of(thread))
    assert (after.next, after.values) == (before.next, before.values)
    openai.reply(Text("Now I am."))
    await graph.ainvoke(None, config_of(thread), context=Context(user_id=user))
    assert (await graph.aget_state(config_of(thread))).values["messages"][-1].text == "Now I am."


@pytest.mark.usefixtures("no_rest")
async def test_pruning_a_thread_during_a_run_loses_nothing(
    graph: Graph, openai: ScriptedOpenAI, saver: ThreadSaver, user: str, thread: str
) -> None:
    await say(graph, user, "Hello", thread)
    openai.reply(Hang())
    broken = asyncio.ensure_future(say(graph, user, "First", thread))
    await wait_until(lambda: openai.calls("reply") == 2)
    await saver.aprune([thread])  # a server may prune without the thread's lock
    await broken  # the model is asked again after its time limit
    messages = (await graph.aget_state(config_of(thread))).values["messages"]
    assert [m.text for m in messages if isinstance(m, HumanMessage)] == ["Hello", "First"]
    assert messages[-1].text == "OK."


async def test_the_command_reports_how_much_was_deleted(
    graph: Graph, user: str, thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(graph, user, "Hello " * 5_000, thread)
    monkeypatch.setattr(threads, "AT_REST", timedelta(0))
    result = await asyncio.to_thread(invoke, "--older-than", "0", "--user", user)
    assert re.fullmatch(r"\d checkpoints \(\d\.\d MB\) deleted from 1 thread\n", result.stdout)


def test_options_before_the_subcommand_are_rejected(environment: dict[str, str]) -> None:
    result = CliRunner().invoke(app, ["threads", "--user", "ada", "prune"])
    assert result.exit_code == 2
    assert "after the command: python -m agent threads prune --user" in result.stderr
