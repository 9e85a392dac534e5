"""Helpers that send messages to the compiled graph and script a model's answers."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from agent.agent_graph import Graph
from agent.context import Context
from agent.state import MemoryChanges
from tests.openai_server import Json

NODES = ("recall", "respond", "tools", "extract_memories", "extract_later", "reconcile", "summarize")


@dataclass
class Turn:
    """What a client saw of one turn."""

    events: list[tuple[str, str]] = field(default_factory=list)
    """(node, text of a token) and (node, "done"), in order of arrival."""
    changes: MemoryChanges | None = None
    notice: str | None = None

    @property
    def reply(self) -> str:
        return "".join(text for node, text in self.events if node == "respond" and text != "done")

    @property
    def nodes(self) -> list[str]:
        """The nodes that ran, in order, without nodes that a project made from this template has added."""
        return [node for node, text in self.events if text == "done" and node in NODES]


async def say(graph: Graph, user: str, text: str, thread: str | None = None, **context: Any) -> Turn:
    """Send a message as `user` and follow the stream to its end."""
    turn = Turn()
    stream = graph.astream(
        {"messages": [HumanMessage(text)]},
        config_of(thread or str(uuid.uuid4())),
        context=Context(user_id=user, **context),
        stream_mode=["messages", "updates"],
        durability="sync",
    )
    async for mode, payload in stream:
        if mode == "messages":
            message, metadata = cast(tuple[Any, Mapping[str, Any]], payload)
            if isinstance(message, AIMessage) and message.text:
                turn.events.append((str(metadata["langgraph_node"]), str(message.text)))
        else:
            for node, update in cast(Mapping[str, Any], payload).items():
                turn.events.append((node, "done"))
                if isinstance(update, dict):  # the updates of several tools arrive as a list
                    turn.changes = update.get("changes") or turn.changes
                    turn.notice = update.get("notice") or turn.notice
    return turn


def config_of(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}}


def candidate(text: str, quote: str, attribute: str, **values: Any) -> dict[str, Any]:
    """A candidate as a model would write it."""
    return {
        "text": text,
        "quote": quote,
        "message": 1,
        "subject": "user",
        "attribute": attribute,
        "exclusive": False,
        "category": "fact",
        "importance": 0.5,
        "valid_from": None,
        "valid_until": None,
        "relations": [],
    } | values


def found(*facts: dict[str, Any], retracted: Sequence[tuple[int, str]] = ()) -> Json:
    """The answer of an extraction; `retracted` are numbers of known facts and the words that retract them."""
    taken = [{"known": known, "message": 1, "quote": quote} for known, quote in retracted]
    return Json({"facts": list(facts), "retracted": taken})


INTRODUCTION = "I live in San Francisco and I'm allergic to shellfish."
HOME = candidate("Lives in San Francisco", "I live in San Francisco", "home city", category="location")
SHELLFISH = candidate("Is allergic to shellfish", "I'm allergic to shellfish", "allergy", category="constraint")
"""A user's first message, and the facts to extract from it."""
