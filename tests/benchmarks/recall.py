"""What a question costs: recall compared with other ways to store the same facts, without the embedding."""

import asyncio
import gc
import math
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from langgraph.store.memory import InMemoryStore

from agent.persistence import open_store
from memory.embedded.connect import ServerName
from memory.embedded.directory import State
from memory.facts.fact import owner_key
from memory.index.chroma import shard_of
from memory.index.embeddings import Embedder
from memory.index.local_model import DIMENSION
from memory.index.protocol import Backend, Index
from memory.index.queue import IndexQueue
from memory.index.registry import Kind, Registered, index_name
from memory.items.store import FactStore
from memory.recall.rank import Weights
from memory.recall.search import RecallOptions
from memory.user_memory import UserMemory
from tests.benchmarks.layouts import (
    PAGE,
    Ask,
    LangGraphStore,
    OneCollection,
    PrecomputedVectors,
    ReadOnce,
    exact,
    fill_index,
    fill_ledger,
    filling_postgres,
    index_of,
)
from tests.benchmarks.made_up import K, Person, Question, counts, people, question
from tests.benchmarks.place import Bench, Table, cpu_seconds, figure
from tests.processes import server_pid
from tests.redis_server import RedisProcess, installed, kept_running

AND = "one Chroma collection, `$and` filter"
INDEXES: dict[Backend, str] = {
    "chroma": "this project's index: Chroma, in shards",
    "pgvector": "this project's index: pgvector",
    "redis": "this project's index: Redis",
}
HOT, COLD = "hot recall", "cold recall"
VERSION, REMAINDER = "hot recall: the version check", "hot recall: everything else"
POSTGRES, IN_MEMORY = "LangGraph's AsyncPostgresStore (pgvector)", "LangGraph's InMemoryStore"
LIMIT = "numpy, the user's own vectors"

COLUMNS = ["CPU", "times cheaper", "client p50", "client p95", "server", "wall p50", "wall p95", f"recall@{K}"]
"""Mean CPU time in milliseconds, unless the name says otherwise; CPU is client and server together."""

SIMILARITY = Weights(1, 0, 0, 0, 0, 0, floor=0, general_floor=0).without_floor()

ABOUT_ONE = 1.25
"""A ratio below this counts as 1: two runs of the same measurement differ by less."""

STEADY = 10
"""The number of users who have the same facts at every size."""

MILLION = 1_000_000

LANGGRAPH_AT_MOST = 100_000
"""Facts in LangGraph's stores: InMemoryStore takes 12 KB per fact, and the index of the other takes long to build."""


@dataclass
class Cost:
    """What questions cost, in milliseconds."""

    client: list[float] = field(default_factory=list)
    """CPU time of this process, per question."""
    wall: list[float] = field(default_factory=list)
    server: float = 0.0
    """Mean CPU time of the server."""
    found: list[float] = field(default_factory=list)
    """The share of the right answers that was found, per question; empty if not measured."""

    @property
    def total(self) -> float:
        """Mean CPU time of client and server together."""
        return float(np.mean(self.client)) + self.server

    @property
    def recall(self) -> float | None:
        return float(np.mean(self.found)) if self.found else None


@dataclass
class Place:
    """The stores to compare, each with the same facts."""

    store: FactStore
    indexes: dict[Backend, Index]
    known: PrecomputedVectors
    one: OneCollection
    postgres: LangGraphStore
    in_memory: LangGraphStore
    redis: RedisProcess | None
    data: Path
    size: int
    users: int

    def server(self, name: ServerName) -> int:
        return server_pid(self.data, name)

    def index_server(self, backend: Backend) -> int:
        """The server that does the work of an index."""
        if backend == "redis" and self.redis:
            return self.redis.process.pid
        return self.server("chroma" if backend == "chroma" else "postgres")


async def run(bench: Bench) -> None:
    sizes = [*bench.sizes, *([MILLION] if bench.million else [])]
    costs: dict[str, Cost] = {}
    steady: list[Cost] = []
    for size in sizes:
        users = 10_000 if size > 100_000 else min(size // 10, 1_000)
        shards = "200" if size > 100_000 else "16"  # one per few thousand facts, as the settings recommend
        with (
            kept_running(bench.directory / f"redis {size}") if installed() else nullcontext() as redis,
            bench.environment(f"recall {size}", CHROMA_SHARDS=shards, REDIS_URL=redis.url if redis else "") as data,
        ):
            async with open_store() as store:
                known = PrecomputedVectors()
                store.queue = IndexQueue(store.pool, store.queue.index, embedding_with(store.embedder.name, known))
                one = await OneCollection.create(State.read(data / "chroma" / "state.json").url or "")
                in_memory = LangGraphStore(InMemoryStore(index=index_of(known)))
                async with filling_postgres(store, known) as postgres:
                    indexes = {
                        backend: await index_in(store, backend) for backend in INDEXES if backend != "redis" or redis
                    }
                    place = Place(store, indexes, known, one, postgres, in_memory, redis, data, size, users)
                    asked = await fill(bench, place, steady=sizes[0] // 50)
                bench.note(f"recall: asking about {size:,} facts")
                costs = await compare(place, asked[STEADY:])
                steady.append(await hot_recall_of_steady_users(place, asked[:STEADY]))
        bench.tables.append(table(place, costs))
    targets(bench, sizes, costs, steady)


async def index_in(store: FactStore, backend: Backend) -> Index:
    """The store's own index, or an empty one that is kept elsewhere."""
    if backend == store.index.backend:
        return store.index
    name, kind = index_name(store.embedder.name, DIMENSION), Kind(backend, store.embedder.name, 1)
    index = await store.open_index(Registered(name, kind, DIMENSION))
    await index.start_over()
    return index


async def fill(bench: Bench, place: Place, steady: int) -> list[Person]:
    """Write all facts to all stores. Returns the users to ask, first those with `steady` facts at every size."""
    size, shards = place.size, place.store.index.shards
    ids = [f"user {number}" for number in range(place.users - STEADY)]
    steady_ids = [f"steady {number}" for number in range(STEADY)]
    asking = {*steady_ids, *ids[: bench.times(200)]}
    ids.sort(key=lambda user_id: shard_of(owner_key(user_id), shards))  # so that a page goes to one or two shards
    others = dict(zip(ids, counts(size - STEADY * steady, len(ids), seed=size), strict=True))
    all_users = chain(people(dict.fromkeys(steady_ids, steady), seed=1), people(others, seed=size))
    asked: list[Person] = []
    done = 0
    for page in pages(all_users):
        place.known.learn(page)
        parts = [fill_ledger(place.store, page), *(fill_index(index, page) for index in place.indexes.values())]
        if size <= LANGGRAPH_AT_MOST:
            parts += [place.postgres.fill(page), place.in_memory.fill(page)]
        await asyncio.gather(*parts)
        await place.one.fill(page)  # separately: Chroma takes one write at a time, and the index has a timeout
        asked += [person for person in page if person.user_id in asking]
        done += sum(len(person.facts) for person in page)
        bench.note(f"recall: {done:,} of {size:,} facts written")
    return asked


def pages(all_users: Iterator[Person]) -> Iterator[list[Person]]:
    """The users in groups of at most PAGE facts; a user with more facts is a group alone."""
    page: list[Person] = []
    room = PAGE
    for person in all_users:
        if page and len(person.facts) > room:
            yield page
            page, room = [], PAGE
        page.append(person)
        room -= len(person.facts)
    yield page


async def compare(place: Place, asked: Sequence[Person]) -> dict[str, Cost]:
    """Ask every store the same questions, one store after the other."""
    store, chroma, postgres = place.store, place.server("chroma"), place.server("postgres")
    rng = np.random.default_rng(place.size)
    questions = await prepare(place, [question(person, rng) for person in asked if person.current])
    some = questions[: max(len(questions) // 4, 10)]

    def searching(index: Index) -> Ask:
        return lambda asking: index.search(owner_key(asking.user_id), asking.vector, K)

    async def version(asking: Question) -> Collection[str]:
        return [str(await store.ledger.version(asking.user_id))]

    gc.collect()
    gc.freeze()  # keep the benchmark's own objects out of the collections during a measurement
    costs = {
        AND: await measure(place.one.ask, some if place.size > 100_000 else questions, chroma),
        **{
            INDEXES[backend]: await measure(searching(index), questions, place.index_server(backend))
            for backend, index in place.indexes.items()
        },
        HOT: await measure(recalling(store), questions, postgres, rounds=5),
        VERSION: await measure(version, questions, postgres, rounds=5),
        REMAINDER: await measure(recalling(reading_once(store)), questions, rounds=5),
        COLD: await measure(recalling(store, hot=False), questions, postgres),
    }
    costs[VERSION].found = costs[REMAINDER].found = []
    costs[HOT].found = (await measure(finding(store), questions)).found
    costs[COLD].found = (await measure(finding(store, hot=False), questions)).found
    if place.size <= LANGGRAPH_AT_MOST:
        costs[POSTGRES] = await measure(place.postgres.ask, questions, postgres)
        costs[IN_MEMORY] = await measure(place.in_memory.ask, some)
    costs[LIMIT] = await measure(exact(asked), questions, rounds=5)
    return costs


async def hot_recall_of_steady_users(place: Place, asked: Sequence[Person]) -> Cost:
    """Hot recall for the users whose facts and questions are the same at every size."""
    rng = np.random.default_rng(1)
    questions = await prepare(place, [question(person, rng) for person in asked for _ in range(20)])
    return await measure(recalling(place.store), questions, place.server("postgres"), rounds=5)


async def prepare(place: Place, questions: list[Question]) -> list[Question]:
    """Embed all questions, so that they are in the embedder's cache."""
    place.known.vectors = {asking.text: asking.vector.tolist() for asking in questions}
    await place.store.embedder.embed([asking.text for asking in questions])
    return questions


def reading_once(store: FactStore) -> FactStore:
    """The same store, except that it reads each user's version only once."""
    return FactStore(ReadOnce(store.pool), store.queue, store.open_index, InMemoryStore(), store.options)


def recalling(store: FactStore, *, hot: bool = True) -> Ask:
    """What a turn does before its reply; if not `hot`, nothing of the user is cached."""

    async def ask(asking: Question) -> Collection[str]:
        if not hot:
            store.cache.forget(asking.user_id)
        recalled = await UserMemory(store, asking.user_id).recall(asking.text, K)
        return [hit.fact.id for hit in recalled.hits]

    return ask


def embedding_with(name: str, model: Embeddings) -> Embedder:
    return Embedder(name, lambda: model)


def finding(store: FactStore, *, hot: bool = True) -> Ask:
    """The same search by similarity only, to compare it with brute force."""
    alone = FactStore(store.ledger, store.queue, store.open_index, InMemoryStore(), RecallOptions(SIMILARITY))
    return recalling(alone, hot=hot)


async def measure(ask: Ask, questions: Sequence[Question], server: int | None = None, rounds: int = 1) -> Cost:
    """Ask each question once without measuring, then `rounds` times. `server` is the pid of the server, if any."""
    for asking in questions:
        await ask(asking)
    gc.collect()  # so that garbage of the previous measurement does not count
    cost = Cost()
    before = cpu_seconds(server) if server else 0.0
    for asking in chain.from_iterable([questions] * rounds):
        client, wall = time.process_time_ns(), time.perf_counter_ns()
        found = await ask(asking)
        cost.wall.append((time.perf_counter_ns() - wall) / 1e6)
        cost.client.append((time.process_time_ns() - client) / 1e6)
        cost.found.append(len(asking.answers.intersection(found)) / len(asking.answers))
    if server:  # the clock has a resolution of 10 ms, so that only the difference over many questions means something
        cost.server = (cpu_seconds(server) - before) * 1e3 / len(cost.client)
    return cost


def table(place: Place, costs: dict[str, Cost]) -> Table:
    """The results at one size."""
    shown = Table(f"{place.size:,} facts of {place.users:,} users, ms per question", COLUMNS)
    for name, cost in costs.items():
        client, wall = np.percentile(cost.client, [50, 95]), np.percentile(cost.wall, [50, 95])
        shown.rows[name] = [cost.total, costs[AND].total / cost.total, *client, cost.server, *wall, cost.recall]
    return shown


def targets(bench: Bench, sizes: Sequence[int], costs: dict[str, Cost], steady: Sequence[Cost]) -> None:
    """Check the targets: what recall costs at the largest size, and how much it finds."""

    def add(what: str, value: float, unit: str = "", *, least: float = 0.0, below: float = math.inf) -> None:
        bench.add(what, f"{figure(value)}{unit}", "holds" if least <= value < below else "DOES NOT HOLD")

    p95 = float(np.percentile(costs[REMAINDER].client, 95))
    add(f"{HOT}, CPU without the version check, p95: under 1 ms", p95, " ms", below=1)
    for name, least in ((HOT, 100), (COLD, 15)) if sizes[-1] >= 100_000 else ():
        what = f"{name}, cheaper in CPU than `$and` at {sizes[-1]:,}: at least {least} x"
        add(what, costs[AND].total / costs[name].total, " x", least=least)
    for name in (HOT, COLD):
        what = f"{name}, recall@{K} against brute force: at least 0.999"
        add(what, float(np.mean(costs[name].found)), least=0.999)
    # The median, because outliers say nothing about the effect of the size.
    first, last = (float(np.median(cost.client)) for cost in (steady[0], steady[-1]))
    what = f"{HOT} of the same users, CPU at {sizes[-1]:,} relative to {sizes[0]:,}: about 1 x"
    add(what, last / first, " x", below=ABOUT_ONE)
