"""What is forgotten, and how: each way has a user of its own, with a canary in every channel."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from langchain_core.messages import HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph_sdk import get_client

from agent.agent_graph import Graph
from agent.chat_models.by_name import open_model
from agent.context import Context
from agent.identity import AgentStore
from agent.terminal.records import delete_records
from agent.terminal.threads import pruned
from memory.facts.fact import utc_now
from memory.threads.saver import ThreadSaver
from memory.threads.task import start_task
from memory.user_memory import UserMemory
from tests.conversation import candidate, found
from tests.erasure.scan import new_token
from tests.openai_server import Answer, Request, Text

FACTS = 6  # that each user has: of canaries
VECTOR_START = 6  # numbers of a vector that are looked for
IN_THREAD = frozenset(
    {"message", "reply", "summary", "task", "fact of thread", "quote of thread", "held of thread", "thread id"}
    | {"message id", "metadata"}
)
UNDONE = frozenset({"home undone", "undone thread id", "undone message id"})
LIMIT = frozenset({"allergy", "id of its end"})
IN_MEMORY = frozenset({"fact", "quote", "home", "earlier home", "held"}) | LIMIT
EVERYWHERE = IN_THREAD | IN_MEMORY | UNDONE | {"old message", "old thread id", "old metadata", "item", "item's key"}
EVERYWHERE |= {"user id", "message on server", "metadata on server"}
ENCRYPTED = frozenset({"message", "old message", "reply", "summary", "task", "fact of thread", "quote of thread"})
ENCRYPTED |= {"held of thread", "home undone", "allergy", "fact", "quote", "home", "earlier home", "held"}
"""The channels whose canaries are never in the clear with a key."""
GONE: Mapping[str, frozenset[str]] = {
    "fact": frozenset({"fact", "quote", "allergy"}),
    "category": frozenset({"home", "earlier home", "home undone"}),
    "thread": IN_THREAD | UNDONE,
    "prune": frozenset({"old message", "old metadata"}),
    "everything": EVERYWHERE,
    "nothing": frozenset(),
}
"""The way -> the channels whose canaries are gone afterwards; those of the others stay."""


@dataclass(frozen=True)
class Seeded:
    """One user's canaries."""

    way: str
    tokens: dict[str, str] = field(default_factory=lambda: {channel: new_token() for channel in sorted(EVERYWHERE)})
    vectors: dict[str, np.ndarray] = field(default_factory=dict)  # token of a fact -> the beginning of its vector

    @property
    def user(self) -> str:
        return self.tokens["user id"]

    def goes(self, channel: str) -> bool:
        return channel in GONE[self.way]


def extraction(request: Request) -> Answer:
    """The scripted model's answer: the facts that the messages of `seed` give."""
    facts, given = [], json.loads(request.messages[-1]["content"])
    over = re.findall(r"no longer allergic to (\S+)\.", given["messages"][-1]["text"])
    known = [number for number, fact in enumerate(given["known"], 1) if over and over[0] in fact["text"]]
    for said in given["messages"]:
        text, message = said["text"], {"message": said["number"]}
        for quote, name in re.findall(r"(I collect (\S+) beside \S+)\.", text):
            facts.append(candidate(f"Collects {name}", quote, "collection", **message))
        for quote, name in re.findall(r"(I want (\S+) answers)\.", text):
            facts.append(candidate(f"Wants {name} answers", quote, "preference", instruction=True, **message))
        for quote, name in re.findall(r"(I moved to (\S+))\.", text):
            home = {"exclusive": True, "category": "location"}
            facts.append(candidate(f"Lives in {name}", quote, "home city", **home, **message))
        for quote, name in re.findall(r"(I am allergic to (\S+))\.", text):
            facts.append(candidate(f"Is allergic to {name}", quote, "allergy", category="constraint", **message))
    return found(*facts, retracted=[(number, f"no longer allergic to {over[0]}") for number in known])


def reply(request: Request) -> Answer:
    """The scripted model's reply: the word in the user's message that begins with "say:"."""
    said = re.findall(r"say:(\S+)", str(request.messages[-1]["content"]))
    return Text(said[-1] if said else "OK.")


async def seed(way: str, graph: Graph, store: AgentStore) -> Seeded:
    """A new user, who has said and stored each canary of the channels."""
    seeded = Seeded(way)
    token, memory = seeded.tokens, UserMemory(store, seeded.user, open_model("openai:scripted", store.settings))
    await memory.observe(f"I moved to {token['earlier home']}.", at=datetime(2025, 1, 1, tzinfo=UTC))
    text = f"I moved to {token['home']}. I collect {token['fact']} beside {token['quote']}."
    text = f"{text} I want {token['held']} answers. I am allergic to {token['allergy']}."
    await memory.observe(text, at=datetime(2026, 1, 1, tzinfo=UTC))
    text = f"I moved to {token['home undone']}. I collect {token['fact']} beside it."
    undone = HumanMessage(text, id=token["undone message id"])
    await memory.observe([undone], thread_id=token["undone thread id"])
    change = await memory.roll_back(thread=token["undone thread id"])
    assert (len(change.undone), len(change.restored), len(change.repeats)) == (1, 1, 1)
    await store.aput((seeded.user, "notes"), token["item's key"], {"text": token["item"]})

    facts = f"I collect {token['fact of thread']} beside {token['quote of thread']}."
    facts = f"{facts} I want {token['held of thread']} answers."
    text = f"{facts} I say {token['message']}, you say:{token['reply']}"
    config = await _say(graph, seeded, "thread id", "metadata", HumanMessage(text, id=token["message id"]))
    task = start_task(None, "trip", {"to": token["task"]}, utc_now())
    summary = {"text": token["summary"], "begins_with": token["summary"]}
    await graph.aupdate_state(config, {"summary": summary, "task": task, "task_open_until": task["expires_at"]})

    old = HumanMessage(f"Hm {token['old message']}")
    config = await _say(graph, seeded, "old thread id", "old metadata", old)
    first = (await graph.aget_state(config)).values["messages"][0]
    await graph.aupdate_state(config, {"messages": [RemoveMessage(id=first.id)]})

    text = f"I am no longer allergic to {token['allergy']}."
    await memory.observe([HumanMessage(text, id=token["id of its end"])])
    assert len(await store.ledger.untold_limits(seeded.user)) == 1

    for fact in await memory.all():
        (name,) = [word for word in fact.text.split() if word in token.values()]
        stored = await store.ledger.vectors(seeded.user, [fact.id], store.embedder.name)
        seeded.vectors[name] = np.frombuffer(stored[fact.id], dtype="<f4")[:VECTOR_START]
    assert len(seeded.vectors) == FACTS
    return seeded


async def _say(graph: Graph, seeded: Seeded, thread: str, note: str, message: HumanMessage) -> RunnableConfig:
    said: Any = {"messages": [message]}
    config: RunnableConfig = {"configurable": {"thread_id": seeded.tokens[thread]}}
    marked: RunnableConfig = {**config, "metadata": {"note": seeded.tokens[note]}}
    await graph.ainvoke(said, marked, context=Context(user_id=seeded.user))
    return config


async def seed_server(seeded: Seeded, url: str) -> None:
    """Say the canaries of a LangGraph server's own records in a thread of it."""
    token, client = seeded.tokens, get_client(url=url, api_key=None)
    thread = (await client.threads.create(metadata={"note": token["metadata on server"]}))["thread_id"]
    said: Any = {"messages": [{"role": "user", "content": f"Hm {token['message on server']}"}]}
    await client.runs.wait(thread, "chat", input=said, context={"user_id": seeded.user})


async def forget_on_server(seeded: Seeded, url: str) -> None:
    if seeded.way == "everything":
        assert await delete_records(url, None, seeded.user, []) == 1


async def forget(seeded: Seeded, memory: UserMemory, saver: ThreadSaver) -> None:
    token = seeded.tokens
    match seeded.way:
        case "fact":
            for fact in await memory.all():
                if token["fact"] in fact.text or token["allergy"] in fact.text:
                    assert await memory.forget(fact=fact.id) == 1
        case "category":
            assert await memory.forget(category="location") == 4
        case "thread":
            assert await memory.forget(thread=token["thread id"]) == 1
            assert await memory.forget(thread=token["undone thread id"]) == 1
        case "prune":
            assert await pruned(saver, token["old thread id"])
        case "everything":
            assert await memory.forget_everything() == 7
