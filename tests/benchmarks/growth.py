"""What facts cost as they become many: bytes in ledger and collection, and the time to start."""

import statistics
import time
from itertools import pairwise
from pathlib import Path

from memory.store import FactStore
from tests.benchmarks.place import Bench, fill, start, store_with_hashed_words


async def run(bench: Bench) -> None:
    measured: dict[str, list[float]] = {}
    importing: list[float] = []

    def note(what: str, value: float) -> None:
        measured.setdefault(what, []).append(value)

    with bench.environment("growth") as data:
        for before, size in pairwise([0, *bench.sizes]):
            bench.note(f"growing: {size:,} facts")
            async with store_with_hashed_words() as store:
                started = time.perf_counter()
                await fill(store, size, before)
                note("import, facts/s on the way there", (size - before) / (time.perf_counter() - started))
                note("ledger, bytes a fact", await ledger_bytes(store) / size)
                note("collection, bytes a fact", directory_bytes(data / "chroma" / "data") / size)
                note("open_store, servers running, ms", (await start())[1] * 1e3)
            imported, opened = await start()
            note("open_store, servers started too, ms", opened * 1e3)
            importing.append(imported)
    sizes = " / ".join(f"{size:,}" for size in bench.sizes)
    for what, values in measured.items():
        bench.add(f"{what}, at {sizes}", " / ".join(f"{v:,.0f}" for v in values), f"{values[-1] / values[0]:.2f} x")
    bench.add("Python's imports before open_store, s", f"{statistics.mean(importing):.1f}")


async def ledger_bytes(store: FactStore) -> int:
    """Of all of memory's tables, with their indexes."""
    async with store.pool.connection() as connection:
        cursor = await connection.execute(
            "select sum(pg_total_relation_size(c.oid))::bigint as bytes from pg_class c "
            "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'memory' and c.relkind = 'r'"
        )
        row = await cursor.fetchone()
        return int(row["bytes"]) if row else 0


def directory_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
