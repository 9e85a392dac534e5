"""What facts cost as their number grows: bytes in the ledger and the collection, and the time to open the store."""

import statistics
import time
from itertools import pairwise
from pathlib import Path

from memory.items.store import FactStore
from tests.benchmarks.place import Bench, fill, start, store_with_hashed_words


async def run(bench: Bench) -> None:
    measured: dict[str, list[float]] = {}
    importing: list[float] = []

    def record(what: str, value: float) -> None:
        measured.setdefault(what, []).append(value)

    with bench.environment("growth") as data:
        for before, size in pairwise([0, *bench.sizes]):
            bench.note(f"growth: {size:,} facts")
            async with store_with_hashed_words() as store:
                started = time.perf_counter()
                await fill(store, size, before)
                record("import, facts/s", (size - before) / (time.perf_counter() - started))
                record("ledger, bytes per fact", await ledger_bytes(store) / size)
                record("collection, bytes per fact", directory_bytes(data / "chroma" / "data") / size)
                record("open_store, servers running, ms", (await start())[1] * 1e3)
            imported, opened = await start()
            record("open_store, servers not running, ms", opened * 1e3)
            importing.append(imported)
    sizes = " / ".join(f"{size:,}" for size in bench.sizes)
    for what, values in measured.items():
        bench.add(f"{what}, at {sizes}", " / ".join(f"{v:,.0f}" for v in values), f"{values[-1] / values[0]:.2f} x")
    bench.add("imports before open_store, s", f"{statistics.mean(importing):.1f}")


async def ledger_bytes(store: FactStore) -> int:
    """The size of all of memory's tables and their indexes."""
    async with store.pool.connection() as connection:
        cursor = await connection.execute(
            "select sum(pg_total_relation_size(c.oid))::bigint as bytes from pg_class c "
            "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'memory' and c.relkind = 'r'"
        )
        row = await cursor.fetchone()
        return int(row["bytes"]) if row else 0


def directory_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
