"""Which index answers, which one a reindex is building, and which are yet to be deleted: a table in Postgres.

Every process reads it when it opens the store. An index holds vectors of one embedder; its name tells which, their
dimension, and, by its last part, which ledger it belongs to, since several may share a Chroma server.
"""

import re
import secrets
from typing import NamedTuple

from memory.index.embeddings import Embedder
from memory.index.queue import queue_all
from memory.ledger.locks import locked_transaction
from memory.ledger.pool import Connection, Pool

TIMEOUT = 60
"""Seconds to wait for another process that is at the same."""


class Registered(NamedTuple):
    """An index, by what the ledger knows of it."""

    name: str
    embedder: str
    """Name of the embedder whose vectors it holds."""
    shards: int
    """Into how many collections it is split."""


async def active_index(pool: Pool, configured: Embedder, shards: int) -> Registered:
    """The index that answers. While there are no facts, that is one of the configured embedder and number of shards.

    Raises Unavailable where a first index is due and the embedder does not answer.
    """
    async with locked_transaction(pool, "indexes", timeout=TIMEOUT) as connection:
        active = await _one_in_state(connection, "active")
        if active and (active[1:] == (configured.name, shards) or await _has_facts(connection)):
            return active
        await _drop(connection, "active")
        return await _add(connection, configured, shards, "active")


async def building_index(pool: Pool, embedder: Embedder, shards: int) -> Registered:
    """The index that is being built with these: one that was begun already, or a new one, with all to learn."""
    async with locked_transaction(pool, "indexes", timeout=TIMEOUT) as connection:
        building = await _one_in_state(connection, "building")
        if building and building[1:] == (embedder.name, shards):
            return building
        await _drop(connection, "building")
        return await _add(connection, embedder, shards, "building")


async def activate(pool: Pool, name: str) -> None:
    """Let the index that was built be the one that answers; nothing changes where it is already."""
    async with locked_transaction(pool, "indexes", timeout=TIMEOUT) as connection:
        building = await _one_in_state(connection, "building")
        if building and building.name == name:
            await _drop(connection, "active")
            await connection.execute("update memory.indexes set state = 'active' where name = %s", (name,))


async def dropped_indexes(pool: Pool) -> list[Registered]:
    """The indexes that were replaced and are yet to be deleted."""
    async with pool.connection() as connection:
        return await _in_state(connection, "dropped")


async def forget_index(pool: Pool, dropped: Registered) -> None:
    """Forget an index that was deleted, and its embedder's vectors where no other one needs them."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("delete from memory.indexes where name = %s and state = 'dropped'", (dropped.name,))
        await connection.execute(
            "delete from memory.vectors where embedder = %(embedder)s "
            "and not exists (select from memory.indexes where embedder = %(embedder)s)",
            {"embedder": dropped.embedder},
        )


def index_name(embedder: str, dimension: int) -> str:
    """A new name that Chroma accepts: "facts-local-384-1f6a9c02"."""
    slug = re.sub(r"[^a-z0-9]+", "-", embedder.lower()).strip("-")
    return f"facts-{slug}-{dimension}-{secrets.token_hex(4)}"


async def _in_state(connection: Connection, state: str) -> list[Registered]:
    cursor = await connection.execute("select name, embedder, shards from memory.indexes where state = %s", (state,))
    return [Registered(**row) for row in await cursor.fetchall()]


async def _one_in_state(connection: Connection, state: str) -> Registered | None:
    return next(iter(await _in_state(connection, state)), None)


async def _has_facts(connection: Connection) -> bool:
    cursor = await connection.execute("select from memory.facts limit 1")
    return await cursor.fetchone() is not None


async def _add(connection: Connection, embedder: Embedder, shards: int, state: str) -> Registered:
    """A new index, with every fact queued for it."""
    vectors = await embedder.embed(["How many dimensions has this?"])
    added = Registered(index_name(embedder.name, vectors.shape[1]), embedder.name, shards)
    await _stop_writes(connection)
    await connection.execute(
        "insert into memory.indexes (name, embedder, shards, state) values (%s, %s, %s, %s)", (*added, state)
    )
    await queue_all(connection, added.name)
    return added


async def _drop(connection: Connection, state: str) -> None:
    """Note that the index in this state is to be deleted; nothing is queued for it any more."""
    await _stop_writes(connection)
    await connection.execute(
        "with dropped as (update memory.indexes set state = 'dropped' where state = %s returning name) "
        "delete from memory.index_queue where index_name in (select name from dropped)",
        (state,),
    )


async def _stop_writes(connection: Connection) -> None:
    """Wait for the writes under way, and let none begin until the end of the transaction.

    So a fact is either there when all are queued, or written by who knows of the new index.
    """
    await connection.execute("lock table memory.facts in share mode")
