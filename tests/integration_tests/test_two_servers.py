"""Two `langgraph dev` on one Postgres and one Chroma, as two processes of a LangGraph server are."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.collecting import asked
from tests.conftest import variables_for
from tests.machines import (
    Machines,
    a_turn_that_was_cut_off_is_learned_by_the_other,
    both_servers_remember_at_once,
    databases,
    names,
    nothing_is_lost_when_the_databases_restart,
)
from tests.processes import dev_server
from tests.torture.script import items


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    directory = tmp_path_factory.mktemp("machines")
    with databases(directory) as machines, ExitStack() as stack:
        variables = variables_for(machines.addresses, machines.openai, directory) | {"MODEL_TIMEOUT": "60"}
        for name in ("first", "second"):
            (directory / name).mkdir()
            machines.servers.append(stack.enter_context(dev_server(directory / name, variables)))
        for server in machines.servers:
            server.ready()
        yield machines


async def test_both_servers_remember_at_once(machines: Machines, user: str) -> None:
    await both_servers_remember_at_once(machines, user)


async def test_nothing_is_lost_when_the_databases_restart(machines: Machines, user: str) -> None:
    await nothing_is_lost_when_the_databases_restart(machines, user, restarts=2)


async def test_a_turn_that_was_cut_off_is_learned_by_the_other(machines: Machines, user: str) -> None:
    await a_turn_that_was_cut_off_is_learned_by_the_other(machines, user)


async def test_a_stopped_server_does_not_say_a_message_again(machines: Machines, user: str) -> None:
    """It writes down its runs when it stops, and begins them again when it starts."""
    thread, (name,) = str(uuid.uuid4()), names(1)
    machines.slow, machines.go = name, threading.Event()
    await machines.begin(1, user, items(name), thread)
    await asyncio.to_thread(machines.servers[1].stop)
    machines.go.set()
    directory = machines.servers[1].log.parent
    with dev_server(directory, variables_for(machines.addresses, machines.openai, directory)) as server:
        await asyncio.to_thread(server.ready)
        machines.servers[1] = server
        async with machines.client(1, user) as client:
            (run,) = await client.runs.list(thread)
            await client.runs.join(thread, run["run_id"])
            state: Any = await client.threads.get_state(thread)
    assert [message["type"] for message in state["values"]["messages"]] == ["human", "ai"]
    assert state["values"]["extracted_until"] == state["values"]["messages"][0]["id"]
    assert asked(machines.openai)[-2:] == [[items(name)]] * 2
