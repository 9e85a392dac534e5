"""Two `langgraph dev` on one Postgres and one Chroma, as two processes of a LangGraph server are."""

from collections.abc import Iterator

import pytest

from tests.machines import (
    Machines,
    a_turn_that_was_cut_off_is_learned_by_the_other,
    both_servers_remember_at_once,
    dev_servers,
    nothing_is_lost_when_the_databases_restart,
)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with dev_servers(tmp_path_factory.mktemp("machines"), 2) as machines:
        yield machines


async def test_both_servers_remember_at_once(machines: Machines, user: str) -> None:
    await both_servers_remember_at_once(machines, user)


async def test_nothing_is_lost_when_the_databases_restart(machines: Machines, user: str) -> None:
    await nothing_is_lost_when_the_databases_restart(machines, user, restarts=2)


async def test_a_turn_that_was_cut_off_is_learned_by_the_other(machines: Machines, user: str) -> None:
    await a_turn_that_was_cut_off_is_learned_by_the_other(machines, user)
