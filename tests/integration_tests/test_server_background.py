"""Background extraction on a server with authentication: one run after a pause, as the user who sent the messages."""

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage
from langgraph_sdk.client import LangGraphClient

from agent.turn.extraction_schedule import background_input
from memory.embedded.connect import Addresses
from memory.extraction.utterances import utterances_of
from memory.facts.fact import utc_now
from memory.items.store import FactStore
from memory.threads.threads import background_thread
from memory.user_memory import UserMemory
from tests.collecting import collects, wait_until
from tests.conftest import variables_for
from tests.leftovers import rows_of
from tests.openai_server import After, ScriptedOpenAI, Text
from tests.processes import dev_server, ready
from tests.torture import script
from tests.torture.script import items
from tests.users import SIGNED, client_of


@dataclass
class Server:
    """The server of this module and its model."""

    url: str
    openai: ScriptedOpenAI

    def client(self, user: str) -> LangGraphClient:
        """A client that is authenticated as this user."""
        return client_of(self.url, user)


@pytest.fixture(scope="module")
def server(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with ScriptedOpenAI() as openai:
        openai.defaults |= {"extraction": script.extraction}
        background = {"EXTRACT": "background", "EXTRACT_AFTER": "5"}
        with ready(dev_server(directory, variables_for(servers, openai, directory) | SIGNED | background)) as url:
            yield Server(url, openai)


async def tell(client: LangGraphClient, thread: str, text: str, **context: str) -> None:
    given: Any = {"messages": [{"role": "user", "content": text}]}
    await client.runs.wait(thread, "chat", input=given, context=context or None)


async def facts(store: FactStore, user: str) -> list[str]:
    return sorted(fact.text for fact in await UserMemory(store, user).all())


async def learned(store: FactStore, user: str, *names: str) -> None:
    """Wait until these things are what the user is known to collect."""

    async def are_known() -> bool:
        return await facts(store, user) == sorted(collects(*names))

    await wait_until(are_known)


def asked(server: Server, word: str) -> list[list[str]]:
    """The messages of each extraction request that contains this word."""
    prompts = [str(r.messages[-1]["content"]) for r in server.openai.requests if r.kind == "extraction"]
    return [[m["text"] for m in json.loads(text)["messages"]] for text in prompts if word in text]


async def test_ten_quick_messages_make_one_extraction_as_the_user_who_sent_them(
    server: Server, store: FactStore, user: str
) -> None:
    client, names = server.client(user), [f"x{uuid.uuid4().hex}" for _ in range(10)]
    thread = (await client.threads.create())["thread_id"]
    for name in names:
        await tell(client, thread, items(name), user_id="somebody-else")
    await learned(store, user, *names)
    assert asked(server, names[0]) == [[items(name) for name in names]]
    assert await facts(store, "somebody-else") == []
    said: Any = (await client.threads.get_state(thread))["values"]
    times = {message["content"]: message["additional_kwargs"].get("said_at") for message in said["messages"]}
    for fact in await UserMemory(store, user).all():
        assert fact.source.thread_id == thread
        assert fact.observed_at.isoformat() == times[items(fact.text.removeprefix("Collects "))]

    await tell(client, thread, items("y"))
    await learned(store, user, *names, "y")
    assert asked(server, '"I collect y."') == [[items("y")]]
    state: Any = (await client.threads.get_state(thread))["values"]
    assert state["extracted_until"] == [m for m in state["messages"] if m["type"] == "human"][-2]["id"]


async def test_facts_are_learned_from_both_of_two_forks(server: Server, store: FactStore, user: str) -> None:
    client, names = server.client(user), [f"x{uuid.uuid4().hex}" for _ in range(4)]
    thread = (await client.threads.create())["thread_id"]
    await tell(client, thread, items(names[0]))
    begin = (await client.threads.get_state(thread))["checkpoint"]
    for name in names[1:3]:
        given: Any = {"messages": [{"role": "user", "content": items(name)}]}
        await client.runs.wait(thread, "chat", input=given, checkpoint=begin)
    await tell(client, thread, items(names[3]))
    await learned(store, user, *names)
    taken = [text for name in names for part in asked(server, name) for text in part]
    assert set(taken) == {items(name) for name in names}


async def test_the_background_graph_gives_no_access_to_other_users(server: Server, store: FactStore, user: str) -> None:
    alice, mallory = user, user + "-mallory"
    hers = server.client(alice)
    thread = (await hers.threads.create())["thread_id"]
    await tell(hers, thread, items("stamps"))
    await learned(store, alice, "stamps")
    given: Any = background_input(
        thread, utterances_of([HumanMessage(items("lies"), id="lie")], utc_now(), thread), utc_now()
    )

    client = server.client(mallory)
    own = (await client.threads.create())["thread_id"]
    await tell(client, own, items("coins"), user_id=alice)
    said: Any = {"messages": [{"role": "user", "content": items("cups")}]}
    configured: Any = {"configurable": {"user_id": alice}}
    await client.runs.wait((await client.threads.create())["thread_id"], "chat", input=said, config=configured)
    await client.runs.wait(None, "background_extraction", input=given, context={"user_id": alice})
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await client.runs.wait(
            background_thread(alice, thread), "background_extraction", input=given, context={"user_id": alice}
        )
    await learned(store, mallory, "coins", "cups", "lies")
    assert await facts(store, alice) == ["Collects stamps"]


async def test_a_run_under_way_does_not_undo_a_forget(server: Server, store: FactStore, user: str) -> None:
    client, answered = server.client(user), threading.Event()
    threads = [(await client.threads.create())["thread_id"] for _ in range(2)]
    await tell(client, threads[0], items("stamps"))  # waits to be extracted
    server.openai.reply(After(answered, Text("OK.")))
    asked_before = server.openai.calls("reply")
    turn = asyncio.ensure_future(tell(client, threads[1], items("coins")))
    await wait_until(lambda: server.openai.calls("reply") > asked_before)
    await UserMemory(store, user).forget_everything()
    answered.set()
    await turn
    background = [background_thread(user, thread) for thread in threads]
    for thread in background:  # the pending runs end without a call of the model
        for run in await client.runs.list(thread):
            await client.runs.join(thread, run["run_id"])
    assert await rows_of(store.pool, user, *threads, *background) == {}
