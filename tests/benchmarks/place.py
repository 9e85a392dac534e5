"""The environment of benchmarks: a separate data directory with embedded servers, and ways to fill it quickly."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from langchain_core.embeddings import Embeddings

from agent.persistence import open_store
from agent.settings import Settings
from memory.facts.fact import Fact, Source, fact_id, utc_now
from memory.facts.portable import dump
from memory.index.embeddings import Embedder
from memory.index.local_model import DIMENSION
from memory.index.queue import IndexQueue
from memory.items.store import FactStore
from memory.user_memory import UserMemory
from tests.openai_server import ScriptedOpenAI, hashed_words
from tests.processes import ROOT
from tests.torture import script

FACTS_PER_USER = 500

WORDS = [
    "river", "violin", "copper", "garden", "marathon", "chess", "harbour", "pottery", "desert", "espresso", "falcon",
    "granite", "honey", "island", "jacket", "kitchen", "lantern", "meadow", "novel", "orchard", "pepper", "quilt",
]  # fmt: skip


class HashedWords(Embeddings):
    """Vectors of hashed words with the local model's dimension: the same size, but almost no time."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [list(hashed_words(text, DIMENSION)) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@dataclass(frozen=True)
class Table:
    """A table of measurements."""

    title: str
    columns: list[str]
    rows: dict[str, list[float | None]] = field(default_factory=dict)
    """What was measured -> one figure per column; None if not measured."""

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [["", *self.columns], ["---", *["---:"] * len(self.columns)]]
        lines += [[name, *map(figure, row)] for name, row in self.rows.items()]
        return "\n".join([f"{self.title}:", "", *(f"| {' | '.join(line)} |" for line in lines)])


def figure(value: float | None) -> str:
    """A number with three significant digits, or four if it would be rounded to 1."""
    if value is None:
        return "-"
    short = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{value:.4g}" if short == "1" else short


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and its children, including those that have ended."""
    process = psutil.Process(pid)
    running = sum(sum(child.cpu_times()[:2]) for child in process.children())
    return sum(process.cpu_times()[:4]) + running


@dataclass
class Bench:
    """What a benchmark gets: a directory, the sizes to use, and the place for its results."""

    directory: Path
    quick: bool
    note: Callable[[str], None]
    """Prints progress."""
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    """(what was measured, the value with its unit, a remark)"""
    tables: list[Table] = field(default_factory=list)
    million: bool = False
    """Whether to measure recall with a million facts as well."""

    @property
    def sizes(self) -> list[int]:
        """How many facts to measure with, in ascending order."""
        return [500, 2_000] if self.quick else [10_000, 100_000]

    def times(self, full: int) -> int:
        """How often to repeat something that a full run repeats `full` times."""
        return max(10, full // 10) if self.quick else full

    def add(self, what: str, value: str, remark: str = "") -> None:
        self.rows.append((what, value, remark))

    @contextmanager
    def environment(self, name: str, **settings: str) -> Iterator[Path]:
        """Set variables for a data directory of this name and a scripted model; yields the directory."""
        data = self.directory / name
        with ScriptedOpenAI() as model:
            model.defaults |= {"extraction": script.extraction, "reply": script.reply}
            os.environ |= dict.fromkeys((field.upper() for field in Settings.model_fields), "") | {
                "DATA_DIR": str(data),
                "EMBEDDED_IDLE_TIMEOUT": "0",
                "OPENAI_API_KEY": "bench",
                "OPENAI_BASE_URL": model.url,
                "CHAT_MODEL": "openai:scripted",
                "LANGSMITH_TRACING": "false",
                **settings,
            }
            yield data


@asynccontextmanager
async def store_with_hashed_words() -> AsyncIterator[FactStore]:
    """The store with an embedder that takes almost no time."""
    async with open_store() as store:
        store.use_index(IndexQueue(store.pool, store.queue.index, Embedder("local", HashedWords)))
        yield store


async def fill(store: FactStore, size: int, already: int = 0) -> None:
    """Import facts until there are `size` of them, FACTS_PER_USER per user."""
    for start in range(already, size, FACTS_PER_USER):
        count = min(FACTS_PER_USER, size - start)
        await UserMemory(store, f"user {start}").import_(dump(facts(f"user {start}", count), {}, []))


def facts(user: str, count: int) -> list[Fact]:
    """Plausible facts of this user."""
    return [_fact(user, number) for number in range(count)]


def _fact(user: str, number: int) -> Fact:
    first, second, third = (WORDS[number // len(WORDS) ** power % len(WORDS)] for power in range(3))
    text = f"Keeps a {first} next to the {second} of the {third}, since spring {1900 + number % 120}"
    source = Source(thread_id=f"thread {number // 10}", message_id=f"message {number}")
    identifier = fact_id(user, source, text)
    return Fact(
        id=identifier,
        key=identifier,
        text=text,
        attribute=first,
        quote=f"I keep a {first} next to the {second} of the {third}, since spring {1900 + number % 120}",
        source=source,
        observed_at=utc_now(),
        recorded_at=utc_now(),
    )


START = """
import asyncio, json, time
begun = time.perf_counter()
from agent.persistence import open_store
imported = time.perf_counter()
async def main():
    async with open_store():
        print(json.dumps([imported - begun, time.perf_counter() - imported]), flush=True)
asyncio.run(main())
"""


async def start() -> tuple[float, float]:
    """Seconds that a new process takes for its imports, and then to open the store."""
    started = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", START], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    )
    importing, opening = json.loads(started.stdout)
    return importing, opening
