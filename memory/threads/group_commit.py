"""Group commit: what many calls have to save at the same moment goes to Postgres in one statement."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from psycopg_pool import PoolTimeout

from memory.errors import cause_of
from memory.ledger.pool import Pool

log = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds that a group may take: after them each call is made by itself, and who waits for a locked row waits alone."""

LARGE = 250_000
"""Bytes of values with which a call is made alone from the start, so that others do not wait for them."""

Row = tuple[Any, ...]
"""What STATEMENT puts into a table's columns, in its order: values that JSON has, and a blob, if there is one, last."""


@dataclass(frozen=True)
class Rows:
    """What one call saves."""

    checkpoints: Sequence[Row] = ()
    blobs: Sequence[Row] = ()
    writes: Sequence[Row] = ()


class Committer:
    """Writes what several calls, all of one event loop, have to save at the same moment."""

    def __init__(self, pool: Pool, slots: asyncio.Semaphore) -> None:
        """`slots` are the connections of the pool that these calls, and others, may have at once."""
        self._pool, self._slots = pool, slots
        self._group: list[Rows] = []
        self._writing: asyncio.Task[bool] | None = None
        """Will write the group, for as long as calls can still join it."""

    async def commit(self, rows: Rows) -> bool:
        """Whether the rows are committed now. Where they are not, the call is to be made by itself: what is wrong with
        one is no other's trouble."""
        if sum(len(row[-1]) for row in (*rows.blobs, *rows.writes)) > LARGE:
            return False
        if self._writing is None or self._writing.done():
            self._group = []
            self._writing = asyncio.create_task(self._write(self._group))
        self._group.append(rows)
        return await asyncio.shield(self._writing)  # a call that is cancelled leaves the others theirs

    async def _write(self, group: list[Rows]) -> bool:
        """Write a group, which grows for as long as there is no connection for it."""
        try:
            async with self._slots, self._pool.connection() as connection:
                self._writing = None
                async with asyncio.timeout(PATIENCE):
                    await connection.execute(STATEMENT, parameters(group))
        except PoolTimeout:
            raise  # each by itself would wait for a connection as long again
        except Exception as error:
            log.warning("saved one by one calls=%d cause=%s", len(group), cause_of(error))
            return False
        return True


STATEMENT = """
with blobs as (
    insert into checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    select r->>0, r->>1, r->>2, r->>3, r->>4, substring(%(values)s from (r->>5)::int for (r->>6)::int)
    from jsonb_array_elements(%(blobs)s) r
    on conflict do nothing
), writes as (
    insert into checkpoint_writes
        (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
    select r->>0, r->>1, r->>2, r->>3, r->>4, (r->>5)::int, r->>6, r->>7,
        substring(%(values)s from (r->>8)::int for (r->>9)::int)
    from jsonb_array_elements(%(writes)s) r
    on conflict do nothing
)
insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
select r->>0, r->>1, r->>2, r->>3, r->4, r->5 from jsonb_array_elements(%(checkpoints)s) r
on conflict (thread_id, checkpoint_ns, checkpoint_id) do update
set checkpoint = excluded.checkpoint, metadata = excluded.metadata
"""
"""One statement is one transaction and one message each way. As arrays the rows would take this process six times as
long to write."""


def parameters(group: Sequence[Rows]) -> dict[str, str | bytearray]:
    """What STATEMENT is given: rows as JSON, and all blobs as one, with the place and the length of each in its row.

    Rows are in the order of their threads, so that two processes never wait for each other in a circle.
    """
    values = bytearray()

    def placed(row: Row) -> Row:
        *columns, value = row
        values.extend(value)
        return *columns, len(values) - len(value) + 1, len(value)

    checkpoints = sorted((row for rows in group for row in rows.checkpoints), key=itemgetter(0))
    blobs = sorted((row for rows in group for row in rows.blobs), key=itemgetter(0))
    writes = sorted((row for rows in group for row in rows.writes), key=itemgetter(0))
    return {
        "checkpoints": json.dumps(checkpoints),
        "blobs": json.dumps([placed(row) for row in blobs]),
        "writes": json.dumps([placed(row) for row in writes]),
        "values": values,
    }
