"""Helpers for tests of extraction: messages and facts of a user who collects things."""

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import datetime
from inspect import isawaitable
from typing import Any

from langchain_core.messages import HumanMessage

from agent.agent_graph import Graph
from agent.context import Context
from memory.facts.fact import Fact
from memory.items.store import FactStore
from memory.user_memory import UserMemory
from tests.conversation import config_of, say
from tests.openai_server import ScriptedOpenAI
from tests.torture.script import items


def asked(openai: ScriptedOpenAI) -> list[list[str]]:
    """The texts of the messages that each extraction was shown."""
    shown = [json.loads(str(r.messages[-1]["content"])) for r in openai.requests if r.kind == "extraction"]
    return [[message["text"] for message in request["messages"]] for request in shown]


async def known(store: FactStore, user: str) -> list[str]:
    return [fact.text for fact in await UserMemory(store, user).all()]


def collects(*names: str) -> list[str]:
    return [f"Collects {name}" for name in names]


async def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition, which may be async, is true. Another thread or process makes it true."""
    async with asyncio.timeout(60):
        while not (await found if isawaitable(found := condition()) else found):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


MAX_CHARS = 32_000  # the maximum length of a message

COLLECTED = ("stamps", "coins", "shells", "cups")


async def tell_in_forks(graph: Graph, user: str) -> str:
    """Say each of COLLECTED in a thread, the second and third in forks after the first. Returns the thread."""
    thread = str(uuid.uuid4())
    first, *forked, last = COLLECTED
    await say(graph, user, items(first), thread)
    begin = (await graph.aget_state(config_of(thread))).config
    for name in forked:
        said: Any = {"messages": [HumanMessage(items(name))]}
        await graph.ainvoke(said, begin, context=Context(user_id=user))
    await say(graph, user, items(last), thread)
    return thread


async def times(graph: Graph, thread: str) -> dict[str, datetime]:
    """Text of a human message -> when it was said."""
    messages = (await graph.aget_state(config_of(thread))).values["messages"]
    return {
        str(m.text): datetime.fromisoformat(m.additional_kwargs["said_at"])
        for m in messages
        if isinstance(m, HumanMessage)
    }


async def assert_own_times(graph: Graph, store: FactStore, user: str, thread: str) -> None:
    """Each fact comes from its message and has the time of that message."""
    said = await times(graph, thread)
    facts = [fact for fact in await UserMemory(store, user).all() if fact.source.thread_id == thread]
    assert facts
    for fact in facts:
        assert fact.observed_at == said[message_of(fact)]


def message_of(fact: Fact) -> str:
    return items(fact.text.removeprefix("Collects "))
