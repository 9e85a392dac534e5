"""Group commit: the rows that concurrent calls of the checkpointer save go to Postgres in one statement."""

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from psycopg_pool import PoolTimeout

from memory.errors import cause_of
from memory.ledger.pool import Pool

log = logging.getLogger(__name__)
GROUP_TIMEOUT = 1.0  # seconds; then each call saves its own rows, and only one whose row is locked waits
MAX_GROUPED_BYTES = 250_000  # a call that saves more than this saves its own rows, so that the others do not wait
Run = tuple[str | None, str, str | None]  # whose it is, its thread as memory.forgotten names it, and when it began
Row = Sequence[Any]  # a Run, then JSON values in the order of STATEMENT's columns, and last the blob, if there is one

FORGOTTEN = "memory.is_forgotten(r->0->>0, r->0->>1, (r->0->>2)::timestamptz)"  # since the run began
# One statement is one transaction and one round trip; psycopg takes six times as long to send rows as arrays.
STATEMENT = f"""
with blobs as (
    insert into checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    select r->>1, r->>2, r->>3, r->>4, r->>5, decode(r->>6, 'base64') from jsonb_array_elements(%(blobs)s) r
    where not {FORGOTTEN} on conflict do nothing
), writes as (
    insert into checkpoint_writes
        (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
    select r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::int, r->>7, r->>8, decode(r->>9, 'base64')
    from jsonb_array_elements(%(writes)s) r where not {FORGOTTEN} on conflict do nothing
)
insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
select r->>1, r->>2, r->>3, r->>4, r->5, r->6 from jsonb_array_elements(%(checkpoints)s) r where not {FORGOTTEN}
on conflict (thread_id, checkpoint_ns, checkpoint_id) do update
set checkpoint = excluded.checkpoint, metadata = excluded.metadata
"""


class GroupCommitter:
    """Commits the rows of concurrent calls of one event loop together; `slots` limits their connections."""

    def __init__(self, pool: Pool, slots: asyncio.Semaphore) -> None:
        self._pool, self._slots = pool, slots
        self._calls: list[dict[str, Sequence[Row]]] = []
        self._write_task: asyncio.Task[bool] | None = None  # of `_calls`, until it has a connection

    async def commit(self, run: Run, **rows: Sequence[Sequence[Any]]) -> bool:
        """Commit rows of `checkpoints`, `blobs` and `writes`, unless the run's thread was forgotten since it began.
        Returns False if the call has to save them itself."""
        if sum(len(row[-1]) for table in ("blobs", "writes") for row in rows.get(table, ())) > MAX_GROUPED_BYTES:
            return False
        if self._write_task is None or self._write_task.done():
            self._calls = []
            self._write_task = asyncio.create_task(self._write(self._calls))
        self._calls.append({table: [(run, *row) for row in of_table] for table, of_table in rows.items()})
        return await asyncio.shield(self._write_task)  # cancelling this call does not cancel the others

    async def _write(self, calls: list[dict[str, Sequence[Row]]]) -> bool:
        def encoded(table: str) -> str:
            # Sorted by thread, so that two processes that lock the same rows cannot deadlock.
            rows = sorted((row for call in calls for row in call.get(table, ())), key=lambda row: row[1])
            return json.dumps(rows, default=lambda blob: b64encode(blob).decode())

        try:
            async with self._slots, self._pool.connection() as connection:
                self._write_task = None
                parameters = {table: encoded(table) for table in ("checkpoints", "blobs", "writes")}
                async with asyncio.timeout(GROUP_TIMEOUT):
                    await connection.execute(STATEMENT, parameters)
        except Exception as error:
            if isinstance(error.__cause__, PoolTimeout):
                raise  # on its own, each call would wait just as long for a connection
            log.warning("group commit failed, saving one by one calls=%d cause=%s", len(calls), cause_of(error))
            return False
        return True
