"""How long after the end of the reply a search finds the new fact: the time for extraction and indexing."""

import statistics
import time
import uuid
from typing import Any, cast

from langchain_core.messages import HumanMessage

from agent.agent_graph import Graph
from agent.context import Context
from agent.persistence import open_checkpointer, open_store
from graphs.chat import builder
from memory.user_memory import UserMemory
from tests.benchmarks.place import Bench
from tests.conversation import config_of
from tests.torture.script import items


async def run(bench: Bench) -> None:
    with bench.environment("freshness"):
        async with open_checkpointer() as saver, open_store() as store:
            graph = builder.compile(checkpointer=saver, store=store)
            turns = bench.times(100)
            bench.note(f"freshness: {turns} turns")
            user, thread = "ada", uuid.uuid4().hex
            await seconds_until_known(graph, UserMemory(store, user), thread, "warmth")
            waits = [
                await seconds_until_known(graph, UserMemory(store, user), thread, f"thing{number}")
                for number in range(turns)
            ]
    median, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
    remark = "plus the time of the extraction model, which is none here"
    bench.add(
        "end of reply until a fact can be recalled, median / p95", f"{median * 1e3:,.0f} / {p95 * 1e3:,.0f} ms", remark
    )


async def seconds_until_known(graph: Graph, memory: UserMemory, thread: str, thing: str) -> float:
    """Seconds from the end of the reply until a search finds the fact of the message."""
    replied = 0.0
    stream = graph.astream(
        {"messages": [HumanMessage(items(thing))]},
        config_of(thread),
        context=Context(user_id=memory.user_id),
        stream_mode="updates",
        durability="sync",
    )
    async for update in stream:
        nodes = cast(dict[str, Any], update)
        if "respond" in nodes:
            replied = time.perf_counter()
        if "reconcile" in nodes:
            known = time.perf_counter()
            hits = await memory.search(f"Collects {thing}", limit=1)
            if [hit.fact.text for hit in hits] != [f"Collects {thing}"]:
                raise AssertionError(f"A search does not find the fact of {thing!r} after reconcile.")
    return known - replied
