"""What an operator asks a server: whether its parts answer, and what it counts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic

import httpx
import pytest
from langgraph_sdk import Auth
from psycopg.conninfo import conninfo_to_dict
from starlette.applications import Starlette

from agent.agent_graph import Graph
from agent.identity import AgentStore
from agent.persistence import open_services
from agent.server import health
from agent.server.quotas import check_rate
from memory.ledger.run_counts import count_run
from tests.conversation import HOME, candidate, found, say
from tests.gate import Gate, Mode
from tests.openai_server import ScriptedOpenAI, Status, Text

ALL_UP = {"status": "ready", "postgres": "up", "index": "up", "index_kind": "chroma"}
NO_INDEX = {**ALL_UP, "status": "degraded", "index": "down"}
NO_POSTGRES = {**ALL_UP, "status": "not ready", "postgres": "down"}
AUSTIN = candidate("Lives in Austin", "I moved to Austin", "home city", category="location")


@asynccontextmanager
async def routes() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes, in this process."""
    app = Starlette(routes=health.ROUTES)
    transport = httpx.ASGITransport(app)
    async with health.lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client


async def test_ready_names_the_part_that_does_not_answer_in_time(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = conninfo_to_dict(environment["POSTGRES_URL"])
    socket = f"{address['host']}/.s.PGSQL.{address['port']}"
    url = f"postgresql://{address['user']}@host/{address['dbname']}?sslmode=disable&gssencmode=disable"
    async with Gate(url, socket) as postgres, Gate(environment["CHROMA_URL"]) as chroma:
        monkeypatch.setattr(health, "READY_TIMEOUT", 1)
        monkeypatch.setenv("POSTGRES_URL", postgres.url)
        monkeypatch.setenv("CHROMA_URL", chroma.url)
        cases: list[tuple[Gate, Mode, int, dict[str, str]]] = [
            (chroma, "refuses", 200, NO_INDEX),
            (chroma, "hangs", 200, NO_INDEX),
            (postgres, "refuses", 503, NO_POSTGRES),
            (postgres, "stops", 503, NO_POSTGRES),
        ]
        async with routes() as client:
            for gate, mode, status, expected in cases:
                await gate.set(mode)
                started = monotonic()
                answer = await client.get("/ready")
                assert monotonic() - started < 5
                assert (answer.status_code, answer.json()) == (status, expected)
                assert (await client.get("/health")).json() == {"status": "ok"}
                await gate.set("open")
                async with asyncio.timeout(60):
                    while (await client.get("/ready")).json() != ALL_UP:
                        pass  # until the pool has a connection again


async def counted(client: httpx.AsyncClient) -> dict[str, float]:
    """What `/metrics` shows, by the name and the labels of the series."""
    lines = [line for line in (await client.get("/metrics")).text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_turns_facts_and_failures_are_counted(graph: Graph, openai: ScriptedOpenAI, user: str) -> None:
    openai.reply(Text("Noted."), Text("Noted."), Text("Hello."))
    openai.extraction(found(HOME, candidate("Likes tea", "never said", "drink")), found(AUSTIN), Status(401))
    async with routes() as client:
        before = await counted(client)
        for text in ("I live in San Francisco.", "I moved to Austin", "My sister lives in Lima."):
            await say(graph, user, text)
        after = await counted(client)
        page = (await client.get("/metrics")).text
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert grown['agent_turns_total{outcome="replied"}'] == 3
    assert grown["memory_recall_seconds_count"] == 3
    assert grown["memory_facts_added_total"] == 2
    assert grown['memory_facts_retired_total{reason="superseded"}'] == 1
    assert grown['memory_facts_dropped_total{reason="quote not found"}'] == 1
    assert grown['memory_failures_total{step="extraction"}'] == 1
    assert grown["memory_extraction_lag_seconds_count"] == 2
    assert grown['memory_extraction_lag_seconds_bucket{le="60.0"}'] == 2
    assert grown['memory_cache_lookups_total{result="miss"}'] >= 1
    assert after['memory_postgres_connections{state="idle"}'] >= 1
    assert after["memory_postgres_connections_limit"] >= 10
    assert after["memory_cache_bytes"] > 0
    assert user not in page
    assert "Austin" not in page


async def test_the_runs_of_a_user_are_counted_by_all_servers_together(store: AgentStore, user: str) -> None:
    now = datetime(2026, 11, 28, 12, 0, 40, tzinfo=UTC)
    for limit in (0, 1):  # without a limit it is not counted
        await check_rate(user, limit, now)
    async with open_services() as another_server:
        assert await count_run(another_server.pool, user, now.replace(second=0)) == 2
    with pytest.raises(Auth.exceptions.HTTPException) as refused:
        await check_rate(user, 2, now)
    assert (refused.value.status_code, refused.value.headers) == (429, {"retry-after": "20"})
    await check_rate(f"{user}-2", 2, now)
    await check_rate(user, 2, now + timedelta(seconds=20))
