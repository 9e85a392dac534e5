"""The queue between ledger and index: the facts whose state an index does not have yet, and how it gets it. A trigger
queues whatever is written to the ledger, for each index that is active or being built. An entry is deleted once the
index has the fact's state, and only if the fact was not written again meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager

from psycopg.rows import DictRow

from memory.errors import Unavailable
from memory.index.embeddings import Embedder
from memory.index.protocol import FactKey, Index, bytes_of, vectors_of
from memory.ledger.locks import busy_message, lock_key, take_locks
from memory.ledger.pool import Connection, Pool
from memory.ledger.rows import COLUMNS, fact_of_row, vector_of_row
from memory.progress import Progress, quiet

PAGE = 300  # facts embedded and sent to the index at a time; the most that Chroma Cloud accepts
AT_ONCE = {"embed": 2, "index": 4}  # pages in one process that hold a connection while embedder or index work
WITHOUT_LOCK = 32  # facts that are embedded at once; more are embedded by one process at a time, which saves work
LOCK_TIMEOUT = 10  # seconds to wait for another process that does the same for one of the users

SIZE = "select count(*) as queued from memory.index_queue where index_name = %(index)s"
WAITING = (
    "select array_agg(q.fact_id) filter (where q.fact_id is not null) as ids from memory.indexes i "
    "left join memory.index_queue q on q.index_name = i.name and q.owner = %(owner)s "
    "where i.name = %(index)s and i.state <> 'dropped' group by i.name"
)
NEXT = (
    "select owner, fact_id from memory.index_queue where index_name = %(index)s "
    "and (owner, fact_id) > (%(after_owner)s, %(after_id)s) {chosen} order by owner, fact_id limit %(limit)s"
)
LACKING = (
    f"select owner, {', '.join(COLUMNS)} from memory.facts f "
    "where (owner, id) in (select * from unnest(%(owners)s::text[], %(ids)s::text[])) and not exists "
    "(select from memory.vectors v where (v.owner, v.embedder, v.fact_id) = (f.owner, %(embedder)s, f.id))"
)
QUEUED = (
    "select q.owner, q.fact_id, q.change, v.vector, v.key_id as vector_key, "
    f"{', '.join(f'f.{column}' for column in COLUMNS)} "
    "from unnest(%(owners)s::text[], %(ids)s::text[]) as page (owner, fact_id) "
    "join memory.index_queue q on q.index_name = %(index)s and (q.owner, q.fact_id) = (page.owner, page.fact_id) "
    "left join memory.facts f on (f.owner, f.id) = (q.owner, q.fact_id) "
    "left join memory.vectors v on (v.owner, v.embedder, v.fact_id) = (f.owner, %(embedder)s, f.id)"
)
# Rows that a writer has locked are being deleted or queued again: to wait for them could be a deadlock.
STORE_VECTOR = (
    "insert into memory.vectors select owner, %s, id, %s, %s from memory.facts where (owner, id) = (%s, %s) "
    "for key share skip locked on conflict do nothing"
)
INDEXED = (
    "delete from memory.index_queue where ctid = any(array(select q.ctid "
    "from unnest(%(owners)s::text[], %(ids)s::text[], %(changes)s::bigint[]) as done (owner, fact_id, change) "
    "join memory.index_queue q on q.index_name = %(index)s "
    "and (q.owner, q.fact_id, q.change) = (done.owner, done.fact_id, done.change) for update of q skip locked))"
)


class IndexQueue:
    """The queue of one index, and the embedder whose vectors it holds."""

    def __init__(self, pool: Pool, index: Index, embedder: Embedder) -> None:
        self.pool, self.index, self.embedder = pool, index, embedder
        self._slots = {what: asyncio.Semaphore(pages) for what, pages in AT_ONCE.items()}

    async def rows(self, query: str, **parameters: object) -> list[DictRow]:
        """What a query finds, which may name the parameters `index` and `embedder`, too."""
        return await self.pool.fetch(query, index=self.index.name, embedder=self.embedder.name, **parameters)

    async def start_over(self) -> None:
        """Create an empty index, and queue all facts for it."""
        await self._queue_all()  # before it is empty, so that searches know at any time what it lacks
        await self.index.start_over()
        await self._queue_all()  # and what another process has written to the old one meanwhile

    async def _queue_all(self) -> None:
        async with self.pool.connection() as connection:
            await queue_facts(connection, self.index.name)

    async def size(self) -> int:
        return int((await self.rows(SIZE))[0]["queued"])

    async def waiting(self, owner: str) -> list[str]:
        """Ids of this user's queued facts. Raises Unavailable if another index has replaced this one."""
        if rows := await self.rows(WAITING, owner=owner):
            return list(rows[0]["ids"] or ())
        raise Unavailable(f"The index {self.index.name!r} was replaced by a reindex: restart to use the new one.")

    async def drain(
        self, owner: str | None = None, progress: Progress = quiet, *, ids: Sequence[str] | None = None
    ) -> None:
        """Bring the index up to date, for all users, for one, or for these facts of one, in one pass through the queue.
        Raises Unavailable; the entries that it has not finished stay queued."""
        total, done = 0 if owner else await self.size(), 0
        conditions = {"and owner = %(owner)s": owner, "and fact_id = any(%(ids)s)": ids}
        chosen = " ".join(condition for condition, value in conditions.items() if value is not None)
        after, query = FactKey(owner or "", ""), NEXT.format(chosen=chosen)
        wanted = {"owner": owner, "ids": ids, "limit": PAGE}
        while True:
            rows = await self.rows(query, after_owner=after.owner, after_id=after.fact_id, **wanted)
            if page := [FactKey(**row) for row in rows]:
                await self._embed(page)
                await self._update(page)
                done, after = done + len(page), page[-1]
                progress(done, max(done, total))
            if len(page) < PAGE:
                return

    async def _embed(self, page: Sequence[FactKey]) -> None:
        """Store the vectors that facts of the page lack. No write and no search waits for it."""
        keys = {"owners": [key.owner for key in page], "ids": [key.fact_id for key in page]}
        lacking = await self.rows(LACKING, **keys)
        if len(lacking) > WITHOUT_LOCK:
            async with self._locked("embed", {row["owner"] for row in lacking}) as connection:
                cursor = await connection.execute(LACKING, {"embedder": self.embedder.name, **keys})
                await connection.cursor().executemany(STORE_VECTOR, await self._embedded(await cursor.fetchall()))
        elif lacking:
            embedded = await self._embedded(lacking)
            async with self.pool.connection() as connection:
                await connection.cursor().executemany(STORE_VECTOR, embedded)

    async def _embedded(self, lacking: Sequence[DictRow]) -> list[tuple[str | bytes | None, ...]]:
        """The parameters of STORE_VECTOR for each of these facts."""
        cipher, name = self.pool.cipher, self.embedder.name
        vectors = await self.embedder.embed_facts([fact_of_row(row, cipher) for row in lacking])
        keys = [(row["owner"], row["id"]) for row in lacking]
        encrypted = [cipher.encrypt(key[0], bytes_of(vector)) for key, vector in zip(keys, vectors, strict=True)]
        return [(name, vector, cipher.key_id, *key) for key, vector in zip(keys, encrypted, strict=True)]

    async def _update(self, page: Sequence[FactKey]) -> None:
        """Bring the index up to date on these facts; those that are not in the ledger any more are removed."""
        # One at a time per user, so that an older state is never written over a newer one.
        async with self._locked("index", {key.owner for key in page}) as connection:
            keys = {"owners": [key.owner for key in page], "ids": [key.fact_id for key in page]}
            cursor = connection.cursor(binary=True)
            await cursor.execute(QUEUED, {"index": self.index.name, "embedder": self.embedder.name, **keys})
            rows = [row for row in await cursor.fetchall() if row["vector"] or not row["id"]]
            await self._write(self.index.using(connection), rows)
            columns = {"owners": "owner", "ids": "fact_id", "changes": "change"}
            indexed = {parameter: [row[column] for row in rows] for parameter, column in columns.items()}
            await connection.execute(INDEXED, {"index": self.index.name, **indexed})

    async def _write(self, index: Index, rows: Sequence[DictRow]) -> None:
        if known := [row for row in rows if row["id"]]:
            cipher = self.pool.cipher
            vectors = vectors_of([vector_of_row(row, cipher) for row in known])
            await index.put([row["owner"] for row in known], [fact_of_row(row, cipher) for row in known], vectors)
        if gone := [FactKey(row["owner"], row["fact_id"]) for row in rows if not row["id"]]:
            await index.remove(gone)

    @asynccontextmanager
    async def _locked(self, what: str, owners: Set[str]) -> AsyncIterator[Connection]:
        """A transaction that holds a lock for each of these users. Raises Unavailable after LOCK_TIMEOUT seconds."""
        async with self._slots[what], self.pool.connection() as connection, connection.transaction():
            locks = {lock_key(what, self.index.name, owner) for owner in owners}
            await take_locks(connection, locks, timeout=LOCK_TIMEOUT, busy=busy_message(LOCK_TIMEOUT))
            yield connection


async def queue_facts(connection: Connection, index: str, facts: str = "select owner, id from memory.facts") -> None:
    """Queue every fact for the index of this name, or those that the query `facts` selects."""
    columns = "index_name, owner, fact_id"
    query = f"insert into memory.index_queue ({columns}) select %s, facts.* from ({facts}) as facts"
    await connection.execute(f"{query} on conflict ({columns}) do update set change = default", (index,))
