"""Two servers on one Postgres and one Chroma, and what holds for a user whose turns go to both of them."""

import asyncio
import os
import random
import secrets
import signal
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import LangGraphError

from memory.embedded.connect import Addresses
from tests.collecting import asked, wait_until
from tests.conftest import variables_for
from tests.embedded import BOTH, Client
from tests.openai_server import After, Answer, Request, ScriptedOpenAI, Text
from tests.processes import ROOT, Server, dev_server, free_port, server_pid, serving
from tests.redis_server import RedisProcess
from tests.torture import script
from tests.torture.script import items

AEGRA_VENV = ROOT / ".venv" / "aegra"
AEGRA = {
    "AUTH": "jwt",
    "REDIS_BROKER_ENABLED": "true",
    "AEGRA_CONFIG": str(ROOT / "aegra.json"),
    "LANGGRAPH_MAX_POOL_SIZE": "10",
    "SQLALCHEMY_POOL_SIZE": "5",
    "SQLALCHEMY_MAX_OVERFLOW": "5",
    "LEASE_DURATION_SECONDS": "5",  # a killed server's runs begin again after that, 30 s by default
    "HEARTBEAT_INTERVAL_SECONDS": "1",
    "REAPER_INTERVAL_SECONDS": "1",
}


@dataclass
class Machines:
    """The servers, and their model, which answers the first extraction that contains `slow` once `go` is set."""

    openai: ScriptedOpenAI
    data_dir: Path
    addresses: Addresses
    servers: list[Server] = field(default_factory=list)
    slow: str = ""
    go: threading.Event = field(default_factory=threading.Event)
    secret: str = ""
    """What signs the users' tokens; "" where the context names the user."""

    def client(self, number: int, user: str) -> LangGraphClient:
        """A client of one of the servers."""
        claims = {"sub": user, "exp": datetime.now(UTC) + timedelta(hours=1)}
        token = jwt.encode(claims, self.secret, "HS256") if self.secret else ""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return get_client(url=self.servers[number].url, api_key=None, headers=headers)

    def run_of(self, user: str, text: str) -> Any:
        """The arguments of a run that sends a message."""
        given = {"messages": [{"role": "user", "content": text}]}
        return {"input": given, "context": {} if self.secret else {"user_id": user}, "if_not_exists": "create"}

    def extraction(self, request: Request) -> Answer:
        held = self.slow and self.slow in str(request.messages[-1]["content"])
        self.slow = "" if held else self.slow
        return After(self.go, script.extraction(request)) if held else script.extraction(request)

    async def say(self, number: int, user: str, text: str, thread: str = "") -> Any:
        """Send a message to one of the servers, in a new thread by default, and return what the run returns. Raises
        what the server says if the run fails."""
        values: Any = None
        async with self.client(number, user) as client:
            sent = self.run_of(user, text)
            async for part in client.runs.stream(thread or str(uuid.uuid4()), "chat", stream_mode="values", **sent):
                if part.event == "error":
                    raise RuntimeError(part.data)
                values = part.data if part.event == "values" else values
        return values

    async def begin(self, number: int, user: str, text: str, thread: str) -> None:
        """Send a message whose extraction is held, and return while it waits."""
        async with self.client(number, user) as client:
            await client.runs.create(thread, "chat", durability="sync", **self.run_of(user, text))
        await wait_until(lambda: any(text in texts for texts in asked(self.openai)))

    def recalled(self) -> list[str]:
        """The facts in the prompt of the last reply."""
        (prompt, *_) = [request for request in self.openai.requests if request.kind == "reply"][-1].messages
        lines = str(prompt["content"]).splitlines()
        return sorted(line.removeprefix("- ").partition(" (")[0] for line in lines if line.startswith("- Collects"))

    def restart_databases(self) -> None:
        """`kill -9` Postgres and Chroma. Their supervisors start them again."""
        for name in sorted(BOTH):
            os.kill(server_pid(self.data_dir, name), signal.SIGKILL)


@contextmanager
def databases(directory: Path) -> Iterator[Machines]:
    """The machines without their servers."""
    client = Client(directory / "data", BOTH, (), 0)
    try:
        with ScriptedOpenAI() as openai:
            machines = Machines(openai, directory / "data", client.addresses())
            openai.defaults |= {"extraction": machines.extraction, "reply": Text("Noted.")}
            yield machines
    finally:
        client.end()


@contextmanager
def dev_servers(directory: Path, count: int) -> Iterator[Machines]:
    """So many `langgraph dev`, each with threads of its own."""
    with databases(directory) as machines, ExitStack() as stack:
        variables = variables_for(machines.addresses, machines.openai, directory) | {"MODEL_TIMEOUT": "60"}
        for own in folders(directory, count):
            machines.servers.append(stack.enter_context(dev_server(own, variables)))
        for server in machines.servers:
            server.ready()
        yield machines


@contextmanager
def aegra_servers(directory: Path, count: int, python: str) -> Iterator[Machines]:
    """So many Aegra servers, run by this Python, with one Redis."""
    with databases(directory) as machines, RedisProcess(directory, search=False) as redis, ExitStack() as stack:
        variables = variables_for(machines.addresses, machines.openai, directory) | AEGRA
        variables |= {"MODEL_TIMEOUT": "60", "REDIS_URL": f"{redis.url}/0", "DATABASE_URL": variables["POSTGRES_URL"]}
        machines.secret = variables["JWT_SECRET"] = secrets.token_hex(32)
        for own in folders(directory, count):
            port = free_port()
            command = [python, "-m", "uvicorn", "aegra_api.main:app", "--port", str(port)]
            server = serving(command, own, variables | {"PORT": str(port)}, port, "/health")
            # One after the other: two that make their tables at the same time fail.
            machines.servers.append(stack.enter_context(server).ready())
        yield machines


def folders(directory: Path, count: int) -> Iterator[Path]:
    for number in range(count):
        (own := directory / f"server{number}").mkdir()
        yield own


def names(count: int) -> list[str]:
    return [f"x{uuid.uuid4().hex[:12]}" for _ in range(count)]


def known(said: Sequence[str]) -> list[str]:
    return sorted(f"Collects {name}" for name in said)


async def both_servers_remember_at_once(machines: Machines, user: str) -> None:
    """Turns to the servers in turn, then at random, in new threads and in one that they share."""
    choose, shared, said = random.Random(15), str(uuid.uuid4()), names(10)  # noqa: S311
    before = len(asked(machines.openai))
    for number, name in enumerate(said):
        server = number % 2 if number < 4 else choose.randrange(2)
        await machines.say(server, user, items(name), shared if number % 3 == 0 else "")
        assert machines.recalled() == known(said[:number]), f"turn {number}, to server {server}"
    assert asked(machines.openai)[before:] == [[items(name)] for name in said]
    for server in (0, 1):
        values = await machines.say(server, user, "What do I collect?", shared)
        assert machines.recalled() == known(said)
    assert [m["content"] for m in values["messages"] if m["type"] == "human"] == [
        *(items(name) for name in said[::3]), *["What do I collect?"] * 2,
    ]  # fmt: skip


async def a_turn_that_was_cut_off_is_learned_by_the_other(machines: Machines, user: str) -> tuple[str, list[str]]:
    """One server is killed while it extracts. Returns the thread, and what is in it."""
    thread, (first, second) = str(uuid.uuid4()), names(2)
    machines.slow, machines.go = first, threading.Event()
    await machines.begin(0, user, items(first), thread)
    machines.servers[0].kill()
    machines.go.set()
    values = await machines.say(1, user, items(second), thread)
    assert [message["type"] for message in values["messages"]] == ["human", "ai"] * 2
    assert asked(machines.openai)[-1] == [items(first), items(second)]
    await machines.say(1, user, "What do I collect?")
    assert machines.recalled() == known([first, second])
    return thread, [items(first), items(second)]


async def nothing_is_lost_when_the_databases_restart(machines: Machines, user: str, restarts: int) -> None:
    """Turns go on, or fail with an error and succeed when they are sent again."""
    said, errors = names(restarts), list[str]()
    for name in said:
        machines.restart_databases()
        async with asyncio.timeout(120):
            while True:
                try:
                    await machines.say(1, user, items(name))
                    break
                except (RuntimeError, LangGraphError, httpx.HTTPError) as error:
                    errors.append(str(error))
                    await asyncio.sleep(0.2)
    await machines.say(1, user, "What do I collect?")
    assert machines.recalled() == known(said), errors
