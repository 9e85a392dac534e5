"""What many users at once get from one, two and four servers: `langgraph dev`, and Aegra where it is installed.

The users, the scripted model, the databases and the servers share this machine, so more servers than cores slow each
other down: the figures are for comparisons.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import quantiles

from tests.benchmarks.place import Bench, Table
from tests.embedded import postgres_query
from tests.machines import AEGRA_VENV, Machines, aegra_servers, dev_servers
from tests.torture.script import items

CONNECTIONS = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
Start = Callable[[Path, int], AbstractContextManager[Machines]]


async def run(bench: Bench) -> None:
    users, turns = (10, 2) if bench.quick else (50, 4)
    python = AEGRA_VENV / "bin" / "python"
    kinds: dict[str, Start] = {"langgraph dev": dev_servers}
    if python.exists():  # `make test-aegra` installs it
        kinds["Aegra"] = lambda directory, count: aegra_servers(directory, count, str(python))
    columns = ["turns/s", "reply p50, s", "reply p95, s", "turn p50, s", "turn p95, s", "connections"]
    table = Table(f"{users} users at once, {turns} turns each", columns)
    for kind, start in kinds.items():
        for workers in (1, 2, 4):
            bench.note(f"load: {workers} x {kind}")
            directory = bench.directory / f"load{len(table.rows)}"
            directory.mkdir()
            with start(directory, workers) as machines:
                table.rows[f"{workers} x {kind}"] = await measure(machines, users, turns)
    bench.tables.append(table)


async def measure(machines: Machines, users: int, turns: int) -> list[float | None]:
    """The figures of a row. The first turn to each server, which loads the embedding model, does not count."""
    for number in range(len(machines.servers)):
        await machines.say(number, "somebody", "I collect stamps.")
    times, connections, started = list[tuple[float, float]](), list[int](), time.perf_counter()
    talking = asyncio.gather(*(talk(machines, user, turns, times) for user in range(users)))
    while not talking.done():
        count = await asyncio.to_thread(postgres_query, machines.addresses.postgres, CONNECTIONS)
        connections.append(int(str(count)))
        await asyncio.wait([talking], timeout=0.5)
    await talking
    seconds = time.perf_counter() - started
    percentiles = [quantiles(column, n=20) for column in zip(*times, strict=True)]
    spread = [part[place] for part in percentiles for place in (9, 18)]
    return [users * turns / seconds, *spread, max(connections)]


async def talk(machines: Machines, user: int, turns: int, times: list[tuple[float, float]]) -> None:
    """The turns of a user in one thread, on one server. Adds the seconds until the reply, and until the turn's end."""
    thread, sent = str(uuid.uuid4()), machines.run_of(f"user {user}", "")
    async with machines.client(user % len(machines.servers), f"user {user}") as client:
        for turn in range(turns):
            started, replied = time.perf_counter(), 0.0
            sent["input"] = {"messages": [{"role": "user", "content": items(f"x{user}of{turn}")}]}
            async for part in client.runs.stream(thread, "chat", stream_mode="updates", **sent):
                assert part.event != "error", part.data
                if part.event == "updates" and "respond" in part.data:
                    replied = time.perf_counter() - started
            times.append((replied, time.perf_counter() - started))
