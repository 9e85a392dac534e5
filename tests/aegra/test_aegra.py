"""Two Aegra servers on one Postgres, one Redis and one Chroma, as `make test-aegra` runs them."""

import asyncio
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import AuthenticationError

from tests.collecting import asked, wait_until
from tests.fresh.clone import find_python
from tests.machines import (
    AEGRA_VENV,
    Machines,
    a_turn_that_was_cut_off_is_learned_by_the_other,
    aegra_servers,
    both_servers_remember_at_once,
    names,
    nothing_is_lost_when_the_databases_restart,
)
from tests.processes import ROOT
from tests.torture.script import items


@pytest.fixture(scope="session")
def python() -> str:
    """The Python of a virtual environment with Aegra and this project, with the versions of requirements.lock."""
    python = AEGRA_VENV / "bin" / "python"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    if not python.exists():
        base = os.environ.get("AEGRA_PYTHON") or find_python("3.12")
        subprocess.run([*uv, "venv", "--python", base, str(AEGRA_VENV)], check=True)
    pins = AEGRA_VENV / "pins.txt"
    pins.write_text(
        "\n".join(re.findall(r"^[a-z0-9-]+==[^\\\n]+", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    )
    install = [
        "pip",
        "install",
        "--python",
        str(python),
        "--constraints",
        str(pins),
        "--group",
        "aegra",
        "--editable",
        ".",
    ]
    subprocess.run([*uv, *install], cwd=ROOT, check=True)
    return str(python)


@pytest.fixture(scope="module")
def machines(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with aegra_servers(tmp_path_factory.mktemp("aegra"), 2, python) as machines:
        yield machines


async def test_both_servers_remember_at_once(machines: Machines, user: str) -> None:
    await both_servers_remember_at_once(machines, user)


async def test_two_messages_of_a_thread_at_once_follow_each_other(machines: Machines, user: str) -> None:
    thread, said = str(uuid.uuid4()), names(4)
    await machines.say(0, user, items(said[0]), thread)
    await asyncio.gather(*(machines.say(n % 2, user, items(name), thread) for n, name in enumerate(said[1:])))
    values = await machines.say(0, user, "What do I collect?", thread)
    assert [message["type"] for message in values["messages"]] == ["human", "ai"] * 5


async def test_a_client_that_names_nobody_is_refused(machines: Machines) -> None:
    with pytest.raises(AuthenticationError, match="Who calls"):
        await get_client(url=machines.servers[0].url, api_key=None).threads.create()


async def test_the_run_of_a_killed_server_is_continued_by_the_other(machines: Machines, user: str) -> None:
    """Aegra gives it to another server once its lease has expired. What it had said is not said again."""
    thread, texts = await a_turn_that_was_cut_off_is_learned_by_the_other(machines, user)
    async with machines.client(1, user) as client:

        async def has_ended() -> bool:
            return not {run["status"] for run in await client.runs.list(thread)} & {"pending", "running"}

        await wait_until(has_ended)
        state: Any = await client.threads.get_state(thread)
    assert [m["content"] for m in state["values"]["messages"] if m["type"] == "human"] == texts
    assert "run continued" in machines.servers[1].log.read_text()
    assert [shown for shown in asked(machines.openai) if texts[0] in shown] == [texts[:1], texts]


async def test_nothing_is_lost_when_the_databases_restart(machines: Machines, user: str) -> None:
    """The server that is left. Aegra's own pool takes up to a minute to find the new Postgres."""
    await nothing_is_lost_when_the_databases_restart(machines, user, restarts=1)
