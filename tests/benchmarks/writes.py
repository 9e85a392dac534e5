"""How fast memory is written: one fact per turn, for one user and for several at once, and in bulk."""

import asyncio
import time
import uuid
from itertools import count

from agent.persistence import open_store
from memory.extraction.answer import Extraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.fact import Source, utc_now
from memory.store import FactStore
from memory.user_memory import UserMemory
from tests.benchmarks.place import FACTS_PER_USER, Bench, fill, store_with_hashed_words
from tests.torture.script import candidates, items

AT_ONCE = 8


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
        async with store_with_hashed_words() as store:
            size = bench.times(5_000) // FACTS_PER_USER * FACTS_PER_USER or FACTS_PER_USER
            bench.note(f"writes: {size:,} facts in bulk")
            started = time.perf_counter()
            await fill(store, size)
            bulk = size / (time.perf_counter() - started)
            remark = f"{bulk / alone:.1f} x; hashed words, {FACTS_PER_USER} per import"
            bench.add("import, in bulk", f"{bulk:,.0f} facts/s", remark)


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
