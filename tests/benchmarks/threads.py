"""What a turn of a long thread costs, up to the thousandth, and whether concurrent chats delay each other's saves."""

import asyncio
import os
import statistics
import time
import uuid
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.messages.utils import convert_to_messages, count_tokens_approximately
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, StateGraph

from agent.agent_graph import Graph
from agent.persistence import open_store
from agent.state import Input
from agent.terminal.files import replacing
from graphs.chat import builder
from memory.embedded.connect import embedded_servers
from memory.items.store import FactStore
from memory.ledger.pool import Pool, open_pool
from memory.threads.saver import ThreadSaver
from memory.threads.summary import SUMMARY_PROMPT, SUMMARY_TOKENS
from tests.benchmarks.distance import far_away
from tests.benchmarks.place import WORDS, Bench, cpu_seconds
from tests.conversation import config_of, say
from tests.openai_server import Answer, Request, ScriptedOpenAI, Text
from tests.processes import server_pid

PICTURE = Path("thread.png")
EARLY = slice(14, 34)
"""Turns 15 to 34: two whole folding periods (about ten turns each) around the twentieth turn."""
CHATS = 8


@dataclass
class Cost:
    """What one turn cost."""

    rows: float
    """Rows written for the thread."""
    bytes: float
    """Bytes saved in these rows."""
    cpu: float
    """CPU milliseconds of this process, which includes the scripted model, and of Postgres."""
    prompt: float
    """Tokens in the prompt for the reply, by the approximate counter."""


async def run(bench: Bench) -> None:
    with bench.environment("threads") as data, ScriptedOpenAI() as model:
        model.defaults["reply"] = answer
        os.environ["OPENAI_BASE_URL"] = model.url
        async with open_store() as store:
            await long_thread(bench, model, store, server_pid(data, "postgres"))
        await eight_chats(bench, data)


# --- a long thread -------------------------------------------------------------------------------------------


async def long_thread(bench: Bench, model: ScriptedOpenAI, store: FactStore, postgres: int) -> None:
    turns = bench.times(1_000)
    bench.note(f"threads: one thread of {turns:,} turns")
    graph: Graph = builder.compile(checkpointer=ThreadSaver(store.pool), store=store)
    thread, costs = str(uuid.uuid4()), list[Cost]()
    rows = size = 0
    for number in range(turns):
        model.requests.clear()
        started = time.process_time() + cpu_seconds(postgres)
        await say(graph, "ada", sentence(number, 50), thread)
        cpu = time.process_time() + cpu_seconds(postgres) - started
        prompt = next(request for request in model.requests if request.kind == "reply")
        tokens = count_tokens_approximately(convert_to_messages(dict(m) for m in prompt.messages))
        before, (rows, size) = (rows, size), await saved(store.pool, thread)
        costs.append(Cost(rows - before[0], size - before[1], cpu * 1e3, tokens))
    early, late = costs[EARLY], costs[-20:]
    for what in fields(Cost):
        first, last = (statistics.mean(getattr(cost, what.name) for cost in some) for some in (early, late))
        remark = f"{last / first:.2f} x; means of turns 15-34 and {turns - 19:,}-{turns:,}"
        bench.add(f"cost of a turn: {UNITS[what.name]}, at turn 20 / {turns:,}", f"{first:,.0f} / {last:,.0f}", remark)
    bench.note(f"threads: {await asyncio.to_thread(draw, costs)} shows each turn")


UNITS = {
    "rows": "rows",
    "bytes": "bytes",
    "cpu": "CPU, ms",
    "prompt": "prompt, tokens",
}


def sentence(number: int, tokens: int) -> str:
    """A text of about this many tokens that is unique to the turn."""
    words = (WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(tokens))
    return f"{number}: {' '.join(words)}"[: tokens * 4]


def answer(request: Request) -> Answer:
    if request.messages[0]["content"] == SUMMARY_PROMPT:
        return Text(sentence(request.number, SUMMARY_TOKENS))
    return Text(sentence(request.number, 150))


async def saved(pool: Pool, thread: str) -> tuple[int, int]:
    """The number of rows of the thread, and of bytes in them."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """
            select count(*) as rows, sum(size)::bigint as bytes from (
                select octet_length(checkpoint::text) + octet_length(metadata::text) as size
                from checkpoints where thread_id = %(id)s
                union all select octet_length(blob) from checkpoint_blobs where thread_id = %(id)s
                union all select octet_length(blob) from checkpoint_writes where thread_id = %(id)s
            ) saved
            """,
            {"id": thread},
        )
        row = await cursor.fetchone()
        assert row
        return row["rows"], row["bytes"]


def draw(costs: list[Cost]) -> Path:
    """Draw what each turn cost. Returns the path of the picture."""
    from matplotlib.figure import Figure  # takes a second, which other benchmarks do not need

    figure = Figure(figsize=(8, 10), layout="constrained")
    for axes, what in zip(figure.subplots(len(UNITS), sharex=True), UNITS, strict=True):
        axes.plot(range(1, len(costs) + 1), [getattr(cost, what) for cost in costs], linewidth=0.7)
        axes.set_ylabel(UNITS[what])
        axes.set_ylim(bottom=0)
    axes.set_xlabel("turn")
    with replacing(PICTURE) as out:
        figure.savefig(out, format="png")
    return PICTURE.resolve()


# --- concurrent chats ----------------------------------------------------------------------------------------


async def eight_chats(bench: Bench, data: Path) -> None:
    """Measure turns that only save: with a model in them, the model would take most of the time.

    With a local Postgres on an idle machine, Python's CPU time is the limit. Saving in memory shows how close it is.
    """
    async with embedded_servers(data, frozenset({"postgres"})) as at, far_away(at.postgres or "") as far:
        for where, url, chats, turns in (
            ("local", at.postgres or "", CHATS, 50),
            ("local", at.postgres or "", 1, 100),
            ("1 ms away", far, CHATS, 20),
        ):
            bench.note(f"threads: {chats} concurrent chats, Postgres {where}")
            async with open_pool(url) as pool:
                savers = AsyncPostgresSaver(pool), ThreadSaver(pool), InMemorySaver()
                rounds = [[await pace(saver, chats, bench.times(turns)) for saver in savers] for _ in range(5)]
            plain, ours, memory = (statistics.median(paces) for paces in zip(*rounds, strict=True))
            times = statistics.median(ours / plain for plain, ours, _ in rounds)
            what = f"concurrent chats: {chats}, Postgres {where}, turns saved/s: LangGraph's saver / ours"
            bench.add(what, f"{plain:,.0f} / {ours:,.0f}", f"{times:.1f} x; in memory {memory:,.0f}")


async def pace(saver: BaseCheckpointSaver[Any], chats: int, turns: int) -> float:
    """Turns per second of all chats together. Each has its own thread, with as many messages as fit in a window."""
    graph = saving.compile(checkpointer=saver)

    async def chat() -> None:
        thread = config_of(str(uuid.uuid4()))
        window: list[AnyMessage] = [HumanMessage(sentence(number, 100), id=str(number)) for number in range(40)]
        await graph.ainvoke(Input(messages=window), thread, durability="sync")
        for number in range(turns):
            await graph.ainvoke(Input(messages=[HumanMessage(f"{number}", id="0")]), thread, durability="sync")

    started = time.perf_counter()
    await asyncio.gather(*(chat() for _ in range(chats)))
    return chats * turns / (time.perf_counter() - started)


async def nothing(state: Input) -> None:
    """A step that is only saved. It is async because LangGraph would run a synchronous one in a thread."""


async def replied(state: Input) -> Input:
    return Input(messages=[AIMessage(sentence(len(state["messages"]), 150), id="reply")])


saving = StateGraph(Input)
saving.add_sequence([("recall", nothing), ("respond", replied), ("extract_memories", nothing), ("reconcile", nothing)])
saving.add_edge(START, "recall")
