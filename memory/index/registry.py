"""The table of indexes: which one is active, which one a reindex is building, and which are to be deleted."""

import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from memory.errors import Unavailable, cause_of
from memory.index.embeddings import Embedder
from memory.index.protocol import Backend, Index
from memory.index.queue import queue_facts
from memory.ledger.locks import locked_transaction
from memory.ledger.pool import Connection, Pool

log = logging.getLogger(__name__)

State = Literal["active", "building", "dropped"]
TIMEOUT = 60  # seconds to wait for another process that changes the table
SELECT = "select name, backend, embedder, shards, dimension from memory.indexes where state = %s"


class Kind(NamedTuple):
    """What the settings decide about an index."""

    backend: Backend
    embedder: str  # the name of the embedder whose vectors it holds
    shards: int


class Registered(NamedTuple):
    """An index that the table names."""

    name: str
    kind: Kind
    dimension: int


OpenIndex = Callable[[Registered], Awaitable[Index]]
"""Opens an index in the place of its kind. Raises BadInput or Unavailable."""


async def active_index(pool: Pool, embedder: Embedder, kind: Kind) -> Registered:
    """The active index; before the first fact, one of this kind, which `embedder` is of. Raises Unavailable."""
    async with locked_transaction(pool, "indexes", timeout=TIMEOUT) as connection:
        for found in await _in_state(connection, "active"):
            if found.kind == kind or await _has_facts(connection):
                return found
        return await _add(connection, kind, await dimension_of(embedder), "active")


async def building_index(pool: Pool, kind: Kind, dimension: int) -> Registered:
    """The index of this kind and dimension that is being built, or a new one with all facts queued."""
    async with locked_transaction(pool, "indexes", timeout=TIMEOUT) as connection:
        for found in await _in_state(connection, "building"):
            if (found.kind, found.dimension) == (kind, dimension):
                return found
        return await _add(connection, kind, dimension, "building")


async def active_backend(pool: Pool, default: Backend) -> Backend:
    """Where `active_index` finds or makes the index, if the settings say `default`."""
    async with pool.connection() as connection:
        active = await _in_state(connection, "active")
        return active[0].kind.backend if active and await _has_facts(connection) else default


async def dimension_of(embedder: Embedder) -> int:
    """The dimension of the vectors that the embedder gives. Raises Unavailable."""
    return int((await embedder.embed(["How many dimensions has this?"])).shape[1])


async def activate(pool: Pool, name: str) -> None:
    """Make the index that was built the active one, unless it is already."""
    async with locked_transaction(pool, "indexes", timeout=TIMEOUT) as connection:
        if name in [building.name for building in await _in_state(connection, "building")]:
            await _drop(connection, "active")
            await connection.execute("update memory.indexes set state = 'active' where name = %s", (name,))


async def delete_dropped(pool: Pool, open_index: OpenIndex) -> None:
    """Delete the indexes that were replaced, and vectors that none needs. Those that cannot be reached stay listed."""
    async with pool.connection() as connection:
        dropped = await _in_state(connection, "dropped")
    for index in dropped:
        try:
            await (await open_index(index)).drop()
        except Unavailable as error:
            log.warning(
                "index not deleted yet name=%s backend=%s cause=%s", index.name, index.kind.backend, cause_of(error)
            )
            continue
        async with pool.connection() as connection, connection.transaction():
            await connection.execute("delete from memory.indexes where name = %s and state = 'dropped'", (index.name,))
            await connection.execute(
                "delete from memory.vectors where embedder = %s "
                "and embedder not in (select embedder from memory.indexes)",
                (index.kind.embedder,),
            )


def index_name(embedder: str, dimension: int) -> str:
    """A new name that every backend accepts, also if other ledgers use the same server: "facts-local-384-1f6a9c02"."""
    slug = re.sub(r"[^a-z0-9]+", "-", embedder.lower()).strip("-")[:32]  # Postgres cuts names after 63 bytes
    return f"facts-{slug}-{dimension}-{secrets.token_hex(4)}"


async def _add(connection: Connection, kind: Kind, dimension: int, state: State) -> Registered:
    """A new index in this state, in place of the one there is, with all facts queued."""
    added = Registered(index_name(kind.embedder, dimension), kind, dimension)
    await _drop(connection, state)
    query = """insert into memory.indexes (name, backend, embedder, shards, dimension, state)
        values (%s, %s, %s, %s, %s, %s)"""
    await connection.execute(query, (added.name, *kind, dimension, state))
    await queue_facts(connection, added.name)
    return added


async def _has_facts(connection: Connection) -> bool:
    return bool((await connection.execute("select from memory.facts limit 1")).rowcount)


async def _in_state(connection: Connection, state: State) -> list[Registered]:
    rows = await (await connection.execute(SELECT, (state,))).fetchall()
    kinds = [Kind(row["backend"], row["embedder"], row["shards"]) for row in rows]
    return [Registered(row["name"], kind, row["dimension"]) for row, kind in zip(rows, kinds, strict=True)]


async def _drop(connection: Connection, state: State) -> None:
    """Mark the index in this state as to be deleted, and queue nothing more for it. First wait for the writes under
    way, and block others until the transaction ends: a fact is then either there when all are queued, or written by a
    transaction that sees the new index."""
    await connection.execute("lock table memory.facts in share mode")
    await connection.execute(
        "with dropped as (update memory.indexes set state = 'dropped' where state = %s returning name) "
        "delete from memory.index_queue where index_name in (select name from dropped)",
        (state,),
    )
