"""How fast memory is written: one fact per turn, for one user and for several at once, and in bulk."""

import asyncio
import multiprocessing
import re
import resource
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, count, islice
from pathlib import Path

from agent.persistence import open_store
from memory.extraction.answer import Extraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.fact import Source, utc_now
from memory.items.store import FactStore
from memory.learn.verbatim import Memory
from memory.user_memory import UserMemory
from tests.benchmarks.place import FACTS_PER_USER, Bench, fill, store_with_hashed_words
from tests.evals.conversations import load, names
from tests.torture.script import candidates, items

AT_ONCE = 8
PREVIOUS = 3  # turns before each text that is remembered


async def run(bench: Bench) -> None:
    with bench.environment("writes"):
        async with open_store() as store:
            turns = bench.times(300)
            bench.note(f"writes: {turns} facts, one per turn")
            alone = await rate(store, turns, 1)
            together = await rate(store, turns, AT_ONCE)
            bench.add(
                "learn, one fact per turn, one user", f"{alone:,.0f} facts/s", "local embedder; ledger and collection"
            )
            bench.add(
                f"learn, one fact per turn, {AT_ONCE} users", f"{together:,.0f} facts/s", f"{together / alone:.1f} x"
            )
        texts = bench.times(500)
        bench.note(f"writes: {texts} texts, each with {PREVIOUS} turns before it")
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:  # for a peak of its own
            cpu, wall, loaded, peak = await asyncio.wrap_future(process.submit(remember_in_bulk, texts))
        remark = f"local embedder, {PREVIOUS} turns before each; {cpu / texts * 1e3:.0f} ms of CPU a text"
        bench.add("remember_all", f"{texts / wall:,.1f} texts/s", remark)
        bench.add("remember_all, peak memory", f"{peak:,.0f} MB", f"{loaded:,.0f} MB before the first text")
    for name, key in (("import, in bulk", ""), ("import, in bulk, encrypted", "0123456789abcdef")):
        with bench.environment(name, LANGGRAPH_AES_KEY=key):
            async with store_with_hashed_words() as store:
                size = bench.times(5_000) // FACTS_PER_USER * FACTS_PER_USER or FACTS_PER_USER
                bench.note(f"writes: {size:,} facts in bulk")
                started = time.perf_counter()
                await fill(store, size)
                bulk = size / (time.perf_counter() - started)
                remark = f"{bulk / alone:.1f} x; hashed words, {FACTS_PER_USER} per import"
                bench.add(name, f"{bulk:,.0f} facts/s", remark)


def remember_in_bulk(texts: int) -> tuple[float, float, float, float]:
    """Remember turns of conversations. Returns CPU and wall seconds, and the process's peak memory before and after,
    in MB."""
    turns = chain(*(load(name, PREVIOUS)[0].values() for name in names()))
    memories = [Memory(turn.text, turn.observed_at, turn.subject, turn.source) for turn in islice(turns, texts)]

    async def remember() -> tuple[float, float, float, float]:
        async with open_store() as store:
            await store.embedder.embed(["loaded before the clock starts"])
            loaded, cpu, wall = peak_memory(), time.process_time(), time.perf_counter()
            await UserMemory(store, "ada").remember_all(memories)
            return time.process_time() - cpu, time.perf_counter() - wall, loaded, peak_memory()

    return asyncio.run(remember())


def peak_memory() -> float:
    """The most memory that this process has held, in MB."""
    if sys.platform == "linux":  # where `getrusage` counts what the process was forked from, too
        return int(re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


async def rate(store: FactStore, turns: int, users: int) -> float:
    """Facts per second, each learned as the fact of one turn."""
    numbers = count()

    async def talk() -> None:
        memory, thread = UserMemory(store, uuid.uuid4().hex), uuid.uuid4().hex
        while (number := next(numbers)) < turns:
            text = items(f"thing{number}")
            said = Utterance(text=text, said_at=utc_now(), source=Source(thread_id=thread, message_id=f"m{number}"))
            extraction = Extraction.model_validate({"facts": [*candidates(text)], "retracted": []})
            await memory.learner.learn(Extracted([said], [], extraction, utc_now()))

    await store.embedder.embed(["loaded before the clock starts"])
    started = time.perf_counter()
    await asyncio.gather(*(talk() for _ in range(users)))
    return turns / (time.perf_counter() - started)
