"""Two users of one server that authenticates: whatever method the one calls, what belongs to the other stays closed."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from memory.embedded.connect import Addresses
from memory.facts.changes import Held
from memory.facts.fact import owner_key, utc_now
from memory.items.item import facts_namespace
from memory.ledger.ledger import Ledger
from memory.ledger.pool import open_pool
from memory.threads.saver import ThreadSaver
from tests.attacks import ASKED, NEVER, WORD, Call, Own, Victim, attacks, claims
from tests.collecting import wait_until
from tests.conftest import variables_for
from tests.facts import make_fact
from tests.openai_server import ScriptedOpenAI
from tests.processes import dev_server, ready
from tests.torture import script
from tests.users import SERVICE_KEY, SIGNED, bearer, client_of, refused

HELLO: Any = {"messages": [{"role": "user", "content": "Hello"}]}
MESSAGE = {"kind": "message", "role": "user", "messageId": "1", "parts": [{"kind": "text", "text": "Hello"}]}
BOTH = {"accept": "application/json, text/event-stream"}  # as /mcp demands
EVERY_SECOND = "* * * * * *"  # of a cron; the server looks every 5 s


@dataclass
class Server:
    url: str
    openai: ScriptedOpenAI
    log: Path


@pytest.fixture(scope="module")
def server(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with ScriptedOpenAI() as openai:
        openai.defaults |= {"extraction": script.extraction}
        with ready(dev_server(directory, variables_for(servers, openai, directory) | SIGNED)) as url:
            yield Server(url, openai, directory / "server.log")


@pytest.fixture(scope="module")
def ana(server: Server, servers: Addresses) -> Victim:
    """Settles once; each test has a client of its own, since each has an event loop of its own."""
    name = f"ana-{uuid.uuid4()}"
    victim = Victim(name, client_of(server.url, name), unknown_thread=str(uuid.uuid4()))

    async def settle() -> None:
        await victim.settle()
        async with open_pool(servers.postgres or "") as pool:
            await save_thread(ThreadSaver(pool), victim)

    asyncio.run(settle())
    return victim


async def save_thread(saver: ThreadSaver, victim: Victim) -> None:
    """Save the thread that only Postgres knows."""
    versions: dict[str, str | int | float] = {"owner": "1", "messages": "1"}
    values = {"owner": owner_key(victim.name), "messages": [HumanMessage(WORD)]}
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"], checkpoint["channel_versions"] = values, versions
    config: RunnableConfig = {"configurable": {"thread_id": victim.unknown_thread, "checkpoint_ns": ""}}
    await saver.aput(config, checkpoint, {}, versions)


@pytest.fixture
async def victim(server: Server, ana: Victim) -> AsyncIterator[Victim]:
    ana.client = client_of(server.url, ana.name)
    yield ana
    await ana.client.aclose()


METHODS = {
    f"{resource}.{name}"
    for resource in ("assistants", "threads", "runs", "crons", "store")
    for name in dir(getattr(get_client(url="http://client", api_key=None), resource))
    if not name.startswith("_") and name not in ("http", "client")
}


def collect(name: str) -> Any:
    return {"messages": [{"role": "user", "content": script.items(name)}]}


def rpc(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}


async def request(server: Server, method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        return await client.request(method, path, **options)


FIRST = ("create", "get", "search", "list", "count", "join")
"""How methods begin that destroy nothing: what they make may open a way, and what they find is still there."""


async def own(client: LangGraphClient) -> Own:
    """What an attacker has."""
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, "chat", input=HELLO)
    cron: Any = await client.crons.create("chat", schedule=NEVER, input=HELLO)
    assistant = (await client.assistants.create("chat"))["assistant_id"]
    return Own(thread, (await client.runs.list(thread))[0]["run_id"], assistant, cron["cron_id"])


async def outcome(client: LangGraphClient, method: str, call: Call) -> str:
    """All that the call returns, or its error. One that waits has found a run to wait for."""
    resource, name = method.split(".")
    try:
        async with asyncio.timeout(10):
            result = getattr(getattr(client, resource), name)(*call.arguments, **call.options)
            if method == "threads.stream":
                async with result as stream:
                    return repr(await stream.run.start(input=HELLO))
            if hasattr(result, "__aiter__"):
                return repr([part async for part in result])
            return repr(await result)
    except TimeoutError:
        return WORD
    except Exception as error:  # the client has several kinds, and also raises this one
        return repr(error)


async def test_no_method_reaches_what_belongs_to_another_user(server: Server, victim: Victim) -> None:
    mallory = f"mallory-{uuid.uuid4()}"
    async with client_of(server.url, mallory) as client:
        tries = attacks(victim, await own(client))
        assert {*tries} == METHODS, "Each method of LangGraph's client needs its attacks."
        before, asked = await victim.belongings(), len(server.openai.requests)
        assert all(WORD in repr(seen) for seen in before.values())
        for number, claim in enumerate(claims(victim)):
            await client.crons.create("chat", schedule=EVERY_SECOND, input=collect(f"mice{number}"), **claim)
        ordered = sorted(tries, key=lambda method: not method.split(".")[1].startswith(FIRST))
        leaks = [
            (method, call)
            for method in ordered
            for call in tries[method]
            if WORD in await outcome(client, method, call)
        ]
        assert leaks == []
        await wait_for_facts(client, mallory, {f"Collects mice{number}" for number in range(len(claims(victim)))})
        prompts = [request.messages for request in server.openai.requests[asked:] if request.kind == "reply"]
        assert prompts
        assert WORD not in repr(prompts)
        assert await victim.belongings() == before


async def wait_for_facts(client: LangGraphClient, user: str, expected: set[str]) -> None:
    """Wait until runs that the server starts have learned them."""

    async def are_known() -> bool:
        return expected <= {*await facts(client, user)}

    await wait_until(are_known)


async def facts(client: LangGraphClient, user: str) -> list[str]:
    found = await client.store.search_items(facts_namespace(user), limit=100)
    return [item["value"]["text"] for item in found["items"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/a2a/{shipped}", rpc("message/send", message=MESSAGE | {"contextId": "{thread}"}), 200),
        ("POST", "/a2a/{shipped}", rpc("tasks/get", id="{run}", contextId="{thread}"), 200),
        ("POST", "/mcp", rpc("tools/call", name="remembering_agent", arguments=ASKED), 200),
        ("POST", "/threads/{thread}/stream/events", {"channels": ["values", "messages"], "since": 0}, 200),
        ("POST", "/threads/{thread}/commands", {"id": 1, "method": "agent.getTree", "params": {}}, 200),
        ("GET", "/threads/{thread}/stream", None, 200),
        ("GET", "/threads/{thread}/runs/{run}/stream", None, 200),
        ("GET", "/threads/{thread}/state/1", None, 404),
        ("POST", "/threads/{thread}/state/checkpoint", {"checkpoint": {"thread_id": "{thread}"}}, 404),
        ("GET", "/store/items?namespace=facts&key={key}", None, 403),
        ("POST", "/internal/truncate", {}, 403),
        ("GET", "/internal/debug/thread/{thread}", None, 403),
        ("GET", "/deploy", None, 403),
        ("GET", "/ui/chat", None, 404),
        ("POST", "/runs/wait", {"assistant_id": "chat", "input": HELLO, "webhook": "https://10.0.0.1/"}, 422),
    ],
)
async def test_no_other_route_does(
    server: Server, victim: Victim, method: str, path: str, body: Any, status: int
) -> None:
    """Routes that LangGraph's client does not use. Some report an error in a body with status 200."""
    ids = {"thread": victim.thread, "run": victim.run, "key": victim.keys[0], "shipped": victim.shipped}
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
        body = json.loads(json.dumps(body).replace(f"{{{name}}}", value))
    answer = await request(server, method, path, json=body, headers=bearer("mallory") | BOTH)
    assert answer.status_code == status
    assert WORD not in answer.text.lower()
    assert WORD in repr(await victim.client.threads.get_state(victim.thread))


async def test_no_route_answers_without_a_token(server: Server) -> None:
    paths = json.loads((await request(server, "GET", "/openapi.json")).text)["paths"]
    assert len(paths) > 30
    open_to_all = {"/", "/ok", "/health", "/ready", "/info", "/metrics", "/docs", "/openapi.json"}  # about the server
    filled = {path: re.sub(r"{\w+}", str(uuid.uuid4()), path) for path in paths if path not in open_to_all}
    async with httpx.AsyncClient(base_url=server.url) as client:
        for path, url in filled.items():
            for method in {*paths[path]} & {"get", "post", "put", "patch", "delete"}:
                refused = 403 if path.startswith(("/internal/", "/deploy")) else 401
                assert (await client.request(method, url, json={})).status_code == refused, (method, path)


async def test_what_is_held_back_is_shown_to_its_user_and_to_nobody_else(server: Server, servers: Addresses) -> None:
    user, other = f"ada-{uuid.uuid4()}", bearer("mallory")
    facts = [make_fact(f"Wants {answers} answers", message_id=answers) for answers in ("short", "long")]
    items = [Held(fact=f, reason="reads like an instruction", quote=f.quote, held_at=utc_now()) for f in facts]
    async with open_pool(servers.postgres or "") as pool, Ledger(pool).transaction(user) as transaction:
        await transaction.hold(items, days=30)
    assert (await request(server, "GET", f"/held?user_id={user}")).status_code == 401
    assert (await request(server, "GET", f"/held?user_id={user}", headers=other)).json() == []
    shown = (await request(server, "GET", "/held", headers=bearer(user))).json()
    assert {item["text"] for item in shown} == {fact.text for fact in facts}
    for headers, status in (({}, 401), (other, 400)):
        for decision in ("keep", "drop"):
            path = f"/held/{facts[0].id}/{decision}"
            assert (await request(server, "POST", path, headers=headers)).status_code == status
    kept = await request(server, "POST", f"/held/{facts[0].id}/keep", headers=bearer(user))
    assert kept.json()["added"] == [facts[0].text]
    assert (await request(server, "POST", f"/held/{facts[1].id}/drop", headers=bearer(user))).status_code == 200
    assert (await request(server, "GET", "/held", headers=bearer(user))).json() == []
    found = await client_of(server.url, user).store.search_items(facts_namespace(user))
    assert [item["value"]["text"] for item in found["items"]] == [facts[0].text]
    again = await request(server, "POST", f"/held/{facts[0].id}/keep", headers=bearer(user))
    assert (again.status_code, "kept or dropped before" in again.text) == (400, True)


async def test_wrong_tokens_are_refused_at_once_and_not_logged(server: Server) -> None:
    tokens, before = refused(), len(server.log.read_text())
    for name, token in tokens.items():
        began = time.monotonic()
        answer = await request(
            server, "GET", "/threads", headers={"authorization": f"Bearer {token}".rstrip().encode()}
        )
        assert (answer.status_code, time.monotonic() - began < 5) == (401, True), name
        assert len(answer.text) < 200
    for headers in ({"authorization": "Basic YW5hOmFuYQ=="}, {"x-api-key": "wrong"}, {"x-api-key": "é".encode()}):
        assert (await request(server, "GET", "/threads", headers=headers)).status_code == 401
    log = server.log.read_text()[before:]
    assert not [name for name, token in tokens.items() if token and token[-30:] in log]
    assert "Traceback" not in log


async def test_a_service_has_a_key_and_threads_of_its_own(server: Server, victim: Victim) -> None:
    client = get_client(url=server.url, api_key=SERVICE_KEY)
    thread = await client.threads.create()
    assert thread["metadata"] == {"owner": "reports"}
    assert [found["thread_id"] for found in await client.threads.search()] == [thread["thread_id"]]
    assert SERVICE_KEY not in server.log.read_text()


async def test_studio_and_pages_of_other_origins_are_refused(server: Server) -> None:
    mine = bearer("mallory")
    for headers, status in (
        (mine | {"origin": "https://smith.langchain.com"}, 200),
        (mine | {"origin": "https://evil.example"}, 403),
        (mine | {"origin": "null"}, 403),
        (mine | {"content-type": "text/plain"}, 415),
        ({"x-auth-scheme": "langsmith"}, 403),
    ):
        answer = await request(server, "POST", "/threads/search", content=b"{}", headers=headers)
        assert answer.status_code == status, headers
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed == (headers.get("origin") if status == 200 else None)
