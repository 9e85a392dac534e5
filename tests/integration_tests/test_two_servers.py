"""Two `langgraph dev` on one Postgres and one Chroma, as two processes of a LangGraph server are."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import variables_for
from tests.machines import (
    Machines,
    a_turn_that_was_cut_off_is_learned_by_the_other,
    both_servers_remember_at_once,
    databases,
    nothing_is_lost_when_the_databases_restart,
)
from tests.processes import dev_server


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
