"""Runs on a server: a second one in a thread, with each multitask strategy; runs that are broken off or refused."""

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.schema import MultitaskStrategy

from memory.embedded.connect import Addresses
from memory.items.store import FactStore
from memory.threads.saver import ThreadSaver
from tests.collecting import collects, known, wait_until
from tests.conftest import variables_for
from tests.leftovers import rows_with
from tests.openai_server import After, Answer, Hang, Request, ScriptedOpenAI, Text
from tests.processes import dev_server, ready
from tests.torture import script
from tests.torture.script import items


@dataclass
class Server:
    """The server of this module. The first extraction that contains `slow` waits until `go` is set."""

    url: str
    openai: ScriptedOpenAI
    log: Path
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
        await wait_until(lambda: self.asked(name))


@pytest.fixture(scope="module")
def server(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with ScriptedOpenAI() as openai:
        variables = variables_for(servers, openai, directory) | {"MODEL_TIMEOUT": "60", "ANONYMOUS_RUNS": "refuse"}
        with ready(dev_server(directory, variables)) as url:
            server = Server(url, openai, directory / "server.log")
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


async def test_a_run_can_be_rolled_back_and_a_thread_copied(server: Server, saver: ThreadSaver, user: str) -> None:
    client, context = server.client(), {"user_id": user}
    thread = (await client.threads.create())["thread_id"]
    server.openai.reply(Text("Fine."), Hang(), Text("Fine."))
    await client.runs.wait(thread, "chat", input=said("The word is goodmark."), context=context)
    await client.runs.create(thread, "chat", input=said("The word is badmark."), context=context)
    await wait_until(lambda: any("badmark" in str(request.body) for request in server.openai.requests))
    assert await rows_with(saver.pool, thread, "badmark")
    await client.runs.wait(thread, "chat", input=said("Go on."), context=context, multitask_strategy="rollback")
    assert await rows_with(saver.pool, thread, "badmark") == []
    copied: Any = await client.http.post(f"/threads/{thread}/copy", json=None)
    for name in (thread, copied["thread_id"]):
        assert await human_messages(server, name) == ["The word is goodmark.", "Go on."]


async def test_a_run_that_names_no_user_is_refused(server: Server, store: FactStore, user: str) -> None:
    client, given = server.client(), said(items("stamps"))
    thread = (await client.threads.create())["thread_id"]
    refused: list[tuple[Any, str | None, str]] = [
        ({}, thread, "The run names no user"),
        ({}, None, "The run names no user"),
        ({"context": {"model": ""}}, thread, "The run names no user"),
        ({"context": {"userId": user}}, thread, "'userId' is unknown: did you mean user_id?"),
        ({"config": {"configurable": {"userId": user}}}, thread, "'userId' is unknown: did you mean user_id?"),
        ({"context": {"user_id": 5}}, thread, "must be a string such as 'ana', not 5"),
    ]
    for options, where, problem in refused:
        outcome: Any = await client.runs.wait(where, "chat", input=given, raise_error=False, **options)
        assert problem in outcome["__error__"]["message"]
    assert not (await client.threads.get_state(thread))["values"]
    as_configurable: Any = {"configurable": {"user_id": user, "thread_id": thread}}
    await client.runs.wait(thread, "chat", input=given, config=as_configurable)
    outcome = await client.runs.wait(thread, "chat", input=given, raise_error=False)
    assert "The run names no user" in outcome["__error__"]["message"]  # and does not get that of the run before
    oslo: Any = {"user_id": user, "timezone": "Europe/Oslo"}
    await client.runs.wait(None, "chat", input=given, context=oslo)
    assistant = await client.assistants.create("chat", context={"user_id": user})
    await client.runs.wait(thread, assistant["assistant_id"], input=given)
    assert await known(store, user) == collects("stamps")
    assert "BlockingError" not in server.log.read_text()
