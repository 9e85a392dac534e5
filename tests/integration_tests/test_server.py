"""The graph as `langgraph dev` serves it to Studio and to SDK clients."""

import asyncio
import hmac
import json
import subprocess
import sys
import threading
import time
from ast import literal_eval
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from memory.embedded.connect import Addresses
from memory.items.item import facts_namespace
from tests.collecting import wait_until
from tests.commands import Run
from tests.conftest import variables_for
from tests.conversation import HOME, candidate, found
from tests.documents import ROOT, blocks
from tests.openai_server import After, ScriptedOpenAI, Status, Text
from tests.processes import chat as talk
from tests.processes import dev_server, free_port, ready


@dataclass
class Server:
    url: str
    openai: ScriptedOpenAI
    log: Path


RANGE = {"type": "integer", "minimum": 0, "maximum": 100_000}
JSON_LOGS = {"LOG_JSON": "true", "LOG_KEY": "salt"}
AUSTIN = candidate("Lives in Austin", "I moved to Austin", "home city", category="location")


async def events(client: LangGraphClient, thread_id: str, user: str, text: str) -> AsyncIterator[Any]:
    async for part in client.runs.stream(
        thread_id,
        "chat",
        input={"messages": [{"role": "user", "content": text}]},  # type: ignore[dict-item]  # JSON, as the docs show it
        context={"user_id": user},
        stream_mode=["messages-tuple", "updates"],
    ):
        yield part


async def reply(client: LangGraphClient, thread_id: str, user: str, text: str) -> str:
    """The joined tokens of the reply. Fails if another node streams tokens."""
    tokens = []
    async for part in events(client, thread_id, user, text):
        if part.event == "messages":
            message, metadata = part.data
            if message["type"] in ("ai", "AIMessageChunk"):
                assert metadata["langgraph_node"] == "respond"
                tokens.append(message["content"])
        assert part.event != "error", part.data
    return "".join(tokens)


async def test_replies_are_streamed_and_memory_outlives_the_server(
    environment: dict[str, str], openai: ScriptedOpenAI, user: str, tmp_path: Path
) -> None:
    """A run that is under way when the server stops is begun again by the next one, which says nothing twice."""
    stopped = threading.Event()
    openai.reply(Text("Hello, Ada of San Francisco.", delay=0.01), Text("Safe travels."))
    openai.extraction(found(HOME), found(AUSTIN), After(stopped, found()))
    with ready(dev_server(tmp_path, environment)) as url:
        client = get_client(url=url)
        first = (await client.threads.create())["thread_id"]
        assert await reply(client, first, user, "I live in San Francisco.") == "Hello, Ada of San Francisco."
        second = (await client.threads.create())["thread_id"]
        assert await reply(client, second, user, "I moved to Austin") == "Safe travels."
        values: Any = (await client.threads.get_state(first))["values"]
        assert [message["content"] for message in values["messages"]] == [
            "I live in San Francisco.",
            "Hello, Ada of San Francisco.",
        ]
        assert values["extracted_until"] == values["messages"][0]["id"]
        assert "recalled" not in values
        left: Any = {"messages": [{"role": "user", "content": "I like it here."}]}
        run = await client.runs.create(second, "chat", input=left, context={"user_id": user})
        await wait_until(lambda: openai.calls("extraction") == 3)
    stopped.set()
    dead = f"http://127.0.0.1:{free_port()}"  # a proxy that is down, in front of everything but loopback
    with ready(dev_server(tmp_path, {**environment, "HTTP_PROXY": dead, "ALL_PROXY": dead})) as url:
        client = get_client(url=url)
        await client.runs.join(second, run["run_id"])
        values = (await client.threads.get_state(second))["values"]
        assert [message["type"] for message in values["messages"]] == ["human", "ai"] * 2
        assert values["extracted_until"] == values["messages"][2]["id"]
        assert openai.calls("reply") == 3
        third = (await client.threads.create())["thread_id"]
        await reply(client, third, user, "Where do I live?")
        prompt = [r for r in openai.requests if r.kind == "reply"][-1].messages[0]["content"]
        assert "Lives in Austin" in prompt
        assert "San Francisco" not in prompt
        assert len((await client.threads.get_state(first))["values"]["messages"]) == 2  # type: ignore[call-overload]
        items = (await client.store.search_items(facts_namespace(user)))["items"]
        assert [item["value"]["text"] for item in items] == ["Lives in Austin"]


@pytest.fixture(scope="module")
def server(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for the tests that need no settings of their own."""
    directory = tmp_path_factory.mktemp("server")
    with (
        ScriptedOpenAI() as openai,
        ready(dev_server(directory, variables_for(servers, openai, directory) | JSON_LOGS)) as url,
    ):
        yield Server(url, openai, directory / "server.log")


async def test_the_client_in_the_docs_gets_a_reply(server: Server) -> None:
    (script,) = blocks(ROOT / "docs" / "deploying.md", "python")
    address = "http://127.0.0.1:2024"
    assert script.text.count(address) == 1
    server.openai.reply(Text("Nice city."))
    command = [sys.executable, "-c", script.text.replace(address, server.url)]
    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, "Nice city.\n"), ran.stderr
    (asked,) = [request for request in server.openai.requests if request.kind == "reply"]
    assert asked.messages[-1]["content"] == "I live in Austin."


async def test_studio_finds_a_form_and_model_failures_are_reported(server: Server) -> None:
    """A model that cannot be opened saves nothing. The answer of one that refuses is in no response and no log."""
    client = get_client(url=server.url)
    (assistant,) = await client.assistants.search(graph_id="chat")
    schemas: Any = await client.assistants.get_schemas(assistant["assistant_id"])
    assert list(schemas["input_schema"]["properties"]) == ["messages"]
    form = schemas["context_schema"]["properties"]
    assert set(form) == {"user_id", "model", "system_prompt", "memory_tokens", "timezone"}
    assert all(field["description"] for field in form.values())
    assert {name: form["memory_tokens"][name] for name in ("type", "minimum", "maximum")} == RANGE
    assert form["model"]["examples"]
    assert set(schemas["output_schema"]["properties"]) == {"messages", "notice", "changes"}
    (internal,) = await client.assistants.search(graph_id="background_extraction")
    schemas = await client.assistants.get_schemas(internal["assistant_id"])
    for graph, fields in (("chat", form), ("background_extraction", schemas["context_schema"]["properties"])):
        nodes = {node["id"] for node in (await client.assistants.get_graph(graph))["nodes"]}
        assert all({*field["langgraph_nodes"]} <= nodes for field in fields.values()), graph
    thread = (await client.threads.create())["thread_id"]
    said: Any = {"messages": [{"role": "user", "content": "Hello"}]}
    outcome: Any = await client.runs.wait(thread, "chat", input=said, context={"memory_tokens": -1}, raise_error=False)
    assert outcome["__error__"]["message"] == "The run's context: memory_tokens: must be at least 0."
    outcome = await client.runs.wait(thread, "chat", input=said, context={"model": "gpt"}, raise_error=False)
    assert "The model 'gpt' names no provider" in outcome["__error__"]["message"]
    assert not (await client.threads.get_state(thread))["values"]
    server.openai.reply(Status(401, "Zanzibar is no key."))
    outcome = await client.runs.wait(thread, "chat", input=said, raise_error=False)
    reason = "No reply: the model's server answered 401: it refused the key: check OPENAI_API_KEY."
    assert outcome["__error__"] == {"error": "NoReply", "message": reason}
    log = server.log.read_text()
    assert reason in log
    assert "Zanzibar" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    line, *_ = [line for line in lines if line["event"] == "anonymous run" and line["thread"] == hashed(thread)]
    assert line["user"] == hashed("default")
    assert thread not in log
    async with httpx.AsyncClient() as http:
        assert 'agent_turns_total{outcome="no reply"} 1.0' in (await http.get(f"{server.url}/metrics")).text


def hashed(name: str) -> str:
    return hmac.new(JSON_LOGS["LOG_KEY"].encode(), name.encode(), "sha256").hexdigest()[:16]


async def test_mcp_offers_the_chat_and_refuses_the_internal_graph(server: Server, user: str) -> None:
    server.openai.reply(Text("Nice city."))
    server.openai.extraction(found(HOME))

    async def ask(method: str, **params: object) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with httpx.AsyncClient(timeout=60) as client:
            sent = await client.post(f"{server.url}/mcp", json=message, headers={"accept": "application/json"})
        return sent.json()["result"]

    names = {tool["description"]: tool["name"] for tool in (await ask("tools/list"))["tools"]}
    graphs = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    chat, internal = (names[graphs[graph]["description"]] for graph in ("chat", "background_extraction"))
    arguments, context = {"messages": "I live in San Francisco."}, {"user_id": user}
    answer = await ask("tools/call", name=chat, arguments=arguments, context=context)
    (content,) = answer["content"]
    assert (answer.get("isError"), content["type"]) == (None, "text")
    said = literal_eval(content["text"])
    assert set(said) == {"messages", "notice", "changes"}
    assert said["messages"][-1]["content"] == "Nice city."
    assert said["changes"]["added"] == ["Lives in San Francisco"]
    answer = await ask("tools/call", name=internal, arguments={"conversation": "x"}, context=context)
    assert answer["isError"]


async def test_forget_deletes_the_servers_own_records_as_well(
    server: Server, environment: dict[str, str], run: Run, user: str
) -> None:
    """Also of a run under way, and of threads that are forgotten here already; not those of other users."""
    client, answered = get_client(url=server.url), threading.Event()
    ids = [(await client.threads.create())["thread_id"] for _ in range(4)]
    for thread, who in zip(ids[:3], (user, user, f"{user}-other"), strict=True):
        await reply(client, thread, who, "Hello")
    forget = partial(asyncio.to_thread, run, "forget", "--yes", SERVER_URL=server.url)
    assert (await forget("--thread", ids[2])).out == "0 facts deleted\n0 threads deleted from the server\n"
    assert (await forget("--thread", ids[0])).out == "0 facts deleted\n1 thread deleted from the server\n"
    server.openai.reply(After(answered, Text("OK.")))
    asked = server.openai.calls("reply")
    turn = asyncio.ensure_future(reply(client, ids[3], user, "Hello"))
    await wait_until(lambda: server.openai.calls("reply") > asked)
    await asyncio.to_thread(run, "forget", "--thread", ids[1], "--yes")  # not on the server, which knows its owner
    assert (await forget("--thread", ids[1])).out == "0 facts deleted\n1 thread deleted from the server\n"
    done = await forget("--everything")
    answered.set()
    await asyncio.wait([turn])
    turn.exception()
    assert (done.out, done.err) == ("0 facts deleted\n1 thread deleted from the server\n", "")
    left = {thread["thread_id"] for thread in await client.threads.search(ids=ids)}
    assert left == {ids[2]}
    assert {receipt["what"] for receipt in (await asyncio.to_thread(run, "receipts", "--json")).json} == {
        "thread", "server", "everything",
    }  # fmt: skip
    refused = await asyncio.to_thread(
        run, "forget", "--everything", "--yes", SERVER_URL=f"http://127.0.0.1:{free_port()}"
    )
    assert refused.code == 1
    assert "its own records of threads and runs are left" in refused.err


async def test_terminals_and_a_server_share_one_data_directory(
    environment: dict[str, str], tmp_path: Path, offline_model: None
) -> None:
    """Without an address or a key, as in a fresh clone, and in a path with characters special to a shell."""
    data = tmp_path / "it's 100% my data"
    fresh = {**environment, "POSTGRES_URL": "", "CHROMA_URL": "", "OPENAI_API_KEY": "", "CHAT_MODEL": ""}
    fresh |= {"OPENAI_BASE_URL": "", "DATA_DIR": str(data)}
    with ready(dev_server(tmp_path, fresh)) as url:
        client = get_client(url=url)
        first, second = await asyncio.gather(
            asyncio.to_thread(talk, "I live in Lima.\n", fresh, tmp_path, "--user", "ada"),
            asyncio.to_thread(talk, "I live in Rome.\n", fresh, tmp_path, "--user", "bob"),
        )
        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        for user, answer in (("ada", "You live in Lima."), ("bob", "You live in Rome.")):
            thread = (await client.threads.create())["thread_id"]
            assert await reply(client, thread, user, "Where do I live?") == answer
        with pytest.raises(AssertionError, match="belongs to another user"):
            await reply(client, thread, "ada", "What did he say?")
        assert running(data)
    assert await asyncio.to_thread(left_after, data, seconds=30) == []


def running(data: Path) -> list[str]:
    """The command lines of the processes that use a data directory."""
    listed = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(data) in line]


def left_after(data: Path, seconds: float) -> list[str]:
    """Wait until the processes have ended or the time is up. Returns those that still run."""
    deadline = time.monotonic() + seconds
    while (left := running(data)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
