"""A message that arrives during an extraction on a server, with each multitask strategy; a client that disconnects."""

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.schema import MultitaskStrategy

from memory.embedded.connect import Addresses
from memory.items.store import FactStore
from tests.collecting import known
from tests.conftest import variables_for
from tests.openai_server import After, Answer, Request, ScriptedOpenAI
from tests.processes import dev_server, ready
from tests.torture import script
from tests.torture.script import items


@dataclass
class Server:
    """The server of this module. The first extraction that contains `slow` waits until `go` is set."""

    url: str
    openai: ScriptedOpenAI
    slow: str = ""
    go: threading.Event = field(default_factory=threading.Event)

    def client(self) -> LangGraphClient:
        """A new client, because each test has its own event loop."""
        return get_client(url=self.url, api_key=None)

    def extraction(self, request: Request) -> Answer:
        held = self.slow and self.slow in str(request.messages[-1]["content"])
        self.slow = "" if held else self.slow
        return After(self.go, script.extraction(request)) if held else script.extraction(request)

    def asked(self, *names: str) -> list[list[str]]:
        """The messages of each extraction request that contains one of the names."""
        prompts = [str(r.messages[-1]["content"]) for r in self.openai.requests if r.kind == "extraction"]
        return [
            [message["text"] for message in json.loads(text)["messages"]]
            for text in prompts
            if any(name in text for name in names)
        ]

    async def is_extracting(self, name: str) -> None:
        async with asyncio.timeout(60):
            while not self.asked(name):  # noqa: ASYNC110 - another process asks
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def server(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with ScriptedOpenAI() as openai:
        variables = variables_for(servers, openai, directory) | {"MODEL_TIMEOUT": "60"}
        with ready(dev_server(directory, variables)) as url:
            server = Server(url, openai)
            openai.defaults["extraction"] = server.extraction
            yield server


@pytest.fixture
def names(server: Server) -> tuple[str, str]:
    """Two things that no other test uses. The extraction of the first one is delayed."""
    server.slow, other = f"x{uuid.uuid4().hex}", f"x{uuid.uuid4().hex}"
    server.go = threading.Event()
    return server.slow, other


def said(text: str) -> Any:
    return {"messages": [{"role": "user", "content": text}]}


async def human_messages(server: Server, thread: str) -> list[str]:
    """The human messages in the thread. Fails unless each message has its reply."""
    state: Any = (await server.client().threads.get_state(thread))["values"]
    assert [message["type"] for message in state["messages"]] == ["human", "ai"] * (len(state["messages"]) // 2)
    return [message["content"] for message in state["messages"] if message["type"] == "human"]


@pytest.mark.parametrize(
    ("strategy", "first_stands", "extractions"),
    [
        # The second message waits for the first: each has its own extraction.
        ("enqueue", True, ["first", "second"]),
        # The first reply is kept and its extraction dropped: the second extraction takes both messages.
        ("interrupt", True, ["first", "first second"]),
        # The first message is rolled back.
        ("rollback", False, ["first", "second"]),
    ],
)
async def test_facts_of_every_kept_message_are_known_once(
    server: Server,
    store: FactStore,
    user: str,
    names: tuple[str, str],
    strategy: MultitaskStrategy,
    first_stands: bool,
    extractions: list[str],
) -> None:
    first, second = names
    client, context = server.client(), {"user_id": user}
    thread = (await client.threads.create())["thread_id"]
    await client.runs.create(thread, "chat", input=said(items(first)), context=context)
    await server.is_extracting(first)
    run = await client.runs.create(
        thread, "chat", input=said(items(second)), context=context, multitask_strategy=strategy
    )
    if strategy == "enqueue":
        server.go.set()
    await client.runs.join(thread, run["run_id"])
    server.go.set()
    stand = [first, second] if first_stands else [second]
    assert await human_messages(server, thread) == [items(name) for name in stand]
    assert await known(store, user) == [f"Collects {name}" for name in stand]
    texts = {"first": items(first), "second": items(second)}
    assert server.asked(*names) == [[texts[name] for name in asked.split()] for asked in extractions]


async def test_a_client_that_disconnects_during_extraction_loses_nothing(
    server: Server, store: FactStore, user: str, names: tuple[str, str]
) -> None:
    first, second = names
    client, context = server.client(), {"user_id": user}
    thread = (await client.threads.create())["thread_id"]
    leaving = asyncio.ensure_future(
        client.runs.wait(thread, "chat", input=said(items(first)), context=context, on_disconnect="cancel")
    )
    await server.is_extracting(first)
    leaving.cancel()
    await asyncio.wait([leaving])
    await client.runs.wait(thread, "chat", input=said(items(second)), context=context, multitask_strategy="interrupt")
    server.go.set()
    assert await human_messages(server, thread) == [items(first), items(second)]
    assert await known(store, user) == [f"Collects {name}" for name in names]
