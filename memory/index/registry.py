"""The table of indexes: which one is active, which one a reindex is building, and which are to be deleted."""

import re
import secrets
from typing import Literal, NamedTuple

from memory.index.embeddings import Embedder
from memory.index.protocol import Index
from memory.index.queue import queue_facts
from memory.ledger.locks import locked_transaction
from memory.ledger.pool import Connection, Pool

State = Literal["active", "building", "dropped"]
TIMEOUT = 60  # seconds to wait for another process that changes the table


class Registered(NamedTuple):
    """An index: its name, that of the embedder whose vectors it holds, and the number of its shards."""

    name: str
    embedder: str
    shards: int


async def building_index(pool: Pool, embedder: Embedder, shards: int) -> Registered:
    """The index being built with these settings, or a new one with all facts queued."""
    return await active_index(pool, embedder, shards, "building")


async def active_index(pool: Pool, embedder: Embedder, shards: int, state: State = "active") -> Registered:
    """The active index; before the first fact, one with this embedder and shards. Raises Unavailable."""
    async with locked_transaction(pool, "indexes", timeout=TIMEOUT) as connection:
        has_facts = (await connection.execute("select from memory.facts limit 1")).rowcount
        for found in await _in_state(connection, state):
            if found[1:] == (embedder.name, shards) or (state == "active" and has_facts):
                return found
        vectors = await embedder.embed(["How many dimensions has this?"])
        added = Registered(index_name(embedder.name, vectors.shape[1]), embedder.name, shards)
        await _drop(connection, state)
        query = "insert into memory.indexes (name, embedder, shards, state) values (%s, %s, %s, %s)"
        await connection.execute(query, (*added, state))
        await queue_facts(connection, added.name)
        return added


async def activate(pool: Pool, name: str) -> None:
    """Make the index that was built the active one, unless it is already."""
    async with locked_transaction(pool, "indexes", timeout=TIMEOUT) as connection:
        if name in [building.name for building in await _in_state(connection, "building")]:
            await _drop(connection, "active")
            await connection.execute("update memory.indexes set state = 'active' where name = %s", (name,))


async def delete_dropped(pool: Pool, index: Index) -> None:
    """Delete the indexes that were replaced, which are in the same place as `index`, and vectors that none needs."""
    async with pool.connection() as connection:
        dropped = await _in_state(connection, "dropped")
    for name, embedder, shards in dropped:
        await index.sibling(name, shards).drop()
        async with pool.connection() as connection, connection.transaction():
            await connection.execute("delete from memory.indexes where name = %s and state = 'dropped'", (name,))
            await connection.execute(
                "delete from memory.vectors where embedder = %s "
                "and embedder not in (select embedder from memory.indexes)",
                (embedder,),
            )


def index_name(embedder: str, dimension: int) -> str:
    """A new name that Chroma accepts, also if other ledgers use the same server: "facts-local-384-1f6a9c02"."""
    slug = re.sub(r"[^a-z0-9]+", "-", embedder.lower()).strip("-")
    return f"facts-{slug}-{dimension}-{secrets.token_hex(4)}"


async def _in_state(connection: Connection, state: State) -> list[Registered]:
    cursor = await connection.execute("select name, embedder, shards from memory.indexes where state = %s", (state,))
    return [Registered(**row) for row in await cursor.fetchall()]


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
