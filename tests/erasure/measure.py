"""Seeds, forgets, purges and scans: what is left of each channel, and where."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from redis.asyncio import Redis

from agent.identity import AgentStore
from agent.persistence import agent_store, open_services
from agent.settings import Settings
from graphs.chat import builder
from memory.embedded.connect import ServerName, discard_chroma, embedded_servers
from memory.maintenance import bring_up
from memory.progress import quiet
from memory.purge import LEFT_IN_INDEX
from memory.user_memory import UserMemory
from tests.erasure.scan import Find, in_files, in_tables
from tests.erasure.seed import ENCRYPTED, Seeded, extraction, forget, forget_on_server, reply, seed, seed_server
from tests.openai_server import ScriptedOpenAI
from tests.processes import dev_server, ready
from tests.redis_server import RedisProcess

IndexIn = Literal["chroma", "external", "pgvector", "redis"]
"""Where the index is: the embedded Chroma, a Chroma that is not the project's own, Postgres, or a Redis."""
FLUSHED = 25  # seconds until `langgraph dev` has written its files: it does so every 10 s


@dataclass(frozen=True)
class Row:
    """One canary, and in how many places it was found: before, after it was forgotten, and after the purge."""

    way: str
    channel: str
    goes: bool
    hidden: bool  # encrypted, so that it is found nowhere
    before: int
    after: int
    live: int  # of `after`, those in rows of tables, not of statistics
    purged: int
    places: dict[str, int]  # in which it was found after the purge, with their forms

    @property
    def as_promised(self) -> bool:
        if self.hidden:
            return self.before == self.after == self.purged == 0
        return self.purged == 0 and self.live == 0 if self.goes else self.purged > 0


async def measure(root: Path, ways: Sequence[str], *, index: IndexIn = "chroma", sample: bool = False) -> list[Row]:
    """A row for each way and channel, and for the vectors of facts. `root` is an empty directory, which gets the data
    of new servers. A `sample` looks into the files only at the end, and has no LangGraph server."""
    async with AsyncExitStack() as stack:
        openai = stack.enter_context(ScriptedOpenAI())
        openai.defaults |= {"extraction": extraction, "reply": reply}
        needed: frozenset[ServerName] = frozenset({"chroma"} if index == "external" else ())
        other = await stack.enter_async_context(embedded_servers(root / "external", needed))
        redis_url = ""
        if index == "redis":
            (root / "redis").mkdir()
            redis_url = stack.enter_context(RedisProcess(root / "redis", "--appendonly", "yes")).url
        given = {
            "DATA_DIR": str(root / ".data"),
            "OPENAI_API_KEY": "test",
            "OPENAI_BASE_URL": openai.url,
            "CHAT_MODEL": "openai:scripted",
            "INDEX": "chroma" if index == "external" else index,
            "CHROMA_URL": other.chroma or "",
            "REDIS_URL": redis_url,
            "AFTER_REPLY_TIMEOUT": "60",
            "EMBEDDED_IDLE_TIMEOUT": "0",
            "LOG_LEVEL": "WARNING",  # at INFO, the server's log has the ids of users
        }
        settings = Settings.model_validate({name.lower(): value for name, value in given.items()})
        services = await stack.enter_async_context(open_services(settings))
        store = await stack.enter_async_context(agent_store(services))
        await bring_up(store, print)
        graph, url = builder.compile(checkpointer=services.saver, store=store), str(services.pool.conninfo)
        seeded = [await seed(way, graph, store) for way in ways]
        server = ""
        if not sample:
            server = await asyncio.to_thread(stack.enter_context, ready(dev_server(root, given)))
            for user in seeded:
                await seed_server(user, server)
            await asyncio.sleep(FLUSHED)
        before = await _scan(root, url, seeded, files=not sample)
        for user in seeded:
            await forget(user, UserMemory(store, user.user), services.saver)
            if server:
                await forget_on_server(user, server)
        after = await _scan(root, url, seeded, files=not sample)
        left = LEFT_IN_INDEX["chroma" if index == "external" else index] if index in ("external", "redis") else ""
        assert await services.purge(store, quiet, "") == [*filter(None, [left])]
        await _as_operator(index, root, redis_url, store)
        if server:
            await asyncio.sleep(FLUSHED)
        purged = await _scan(root, url, seeded, files=True)
    hidden = ENCRYPTED if settings.langgraph_aes_key else frozenset[str]()
    return [row for user in seeded for row in _rows(user, before, after, purged, hidden, with_server=not sample)]


async def _as_operator(index: IndexIn, root: Path, redis_url: str, store: AgentStore) -> None:
    """Do what docs/privacy.md tells the operator of the index's server to do after a purge."""
    if index == "external":
        await discard_chroma(root / "external")
        await bring_up(store, print)
    elif index == "redis":
        async with Redis.from_url(redis_url) as redis:
            await redis.bgrewriteaof()
            while (await redis.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def _scan(root: Path, url: str, seeded: Sequence[Seeded], *, files: bool) -> Counter[Find]:
    vectors = {token: vector for user in seeded for token, vector in user.vectors.items()}
    rows = await asyncio.to_thread(in_tables, url)
    return rows + await asyncio.to_thread(in_files, root, vectors) if files else rows


def _rows(
    user: Seeded,
    before: Counter[Find],
    after: Counter[Find],
    purged: Counter[Find],
    hidden: frozenset[str],
    *,
    with_server: bool,
) -> list[Row]:
    def row(channel: str, token: str, *, vectors: bool) -> Row:
        def of(scanned: Counter[Find]) -> dict[Find, int]:
            return {f: n for f, n in scanned.items() if f.token == token and (f.form == "vector") == vectors}

        live = sum(n for f, n in of(after).items() if f.place.startswith("rows of ") and "pg_catalog" not in f.place)
        places = {f"{find.place} ({find.form})": n for find, n in sorted(of(purged).items())}
        counts = (sum(of(before).values()), sum(of(after).values()))
        name = f"vector of {channel}" if vectors else channel
        is_hidden = channel in hidden and not vectors
        return Row(user.way, name, user.goes(channel), is_hidden, *counts, live, sum(places.values()), places)

    tokens = {channel: token for channel, token in user.tokens.items() if with_server or "server" not in channel}
    rows = [row(channel, token, vectors=False) for channel, token in tokens.items()]
    return rows + [row(c, token, vectors=True) for c, token in tokens.items() if token in user.vectors]


def document(rows: Sequence[Row]) -> list[dict[str, object]]:
    return [asdict(row) | {"as_promised": row.as_promised} for row in rows]
