"""The queue between ledger and index: the facts whose state an index does not have yet, and how it gets it. A trigger
queues whatever is written to the ledger, for each index that is active or being built. An entry is deleted once the
index has the fact's state, and only if the fact was not written again meanwhile."""

import asyncio
from collections.abc import Callable, Sequence

from psycopg.rows import DictRow

from memory.errors import Unavailable
from memory.facts.fact import Fact
from memory.index.embeddings import Embedder
from memory.index.protocol import FactKey, Index, Vectors, bytes_of, vectors_of
from memory.ledger.locks import busy_message, lock_key, take_locks
from memory.ledger.pool import Connection, Pool
from memory.ledger.rows import COLUMNS, fact_of_row

PAGE = 500  # facts embedded and sent to the index at a time; Chroma accepts at most 5,461
PAGES_AT_ONCE = 4  # in one process: each page holds a connection while embedder and index work
LOCK_TIMEOUT = 10  # seconds to wait for another process that updates the index on the same user's facts

SIZE = "select count(*) as queued from memory.index_queue where index_name = %(index)s"
WAITING = (
    "select array_agg(q.fact_id) filter (where q.fact_id is not null) as ids from memory.indexes i "
    "left join memory.index_queue q on q.index_name = i.name and q.owner = %(owner)s "
    "where i.name = %(index)s and i.state <> 'dropped' group by i.name"
)
NEXT = (
    "select owner, fact_id from memory.index_queue where index_name = %(index)s "
    "and (owner, fact_id) > (%(after_owner)s, %(after_id)s) {of_owner} order by owner, fact_id limit %(limit)s"
)
QUEUED = (
    f"select q.owner, q.fact_id, q.change, v.vector, {', '.join(f'f.{column}' for column in COLUMNS)} "
    "from unnest(%(owners)s::text[], %(ids)s::text[]) as page (owner, fact_id) "
    "join memory.index_queue q on q.index_name = %(index)s and (q.owner, q.fact_id) = (page.owner, page.fact_id) "
    "left join memory.facts f on (f.owner, f.id) = (q.owner, q.fact_id) "
    "left join memory.vectors v on (v.owner, v.embedder, v.fact_id) = (f.owner, %(embedder)s, f.id)"
)
# Rows that a writer has locked are being deleted or queued again: to wait for them could be a deadlock.
STORE_VECTOR = (
    "insert into memory.vectors select owner, %s, id, %s from memory.facts where (owner, id) = (%s, %s) "
    "for key share skip locked on conflict do nothing"
)
INDEXED = (
    "delete from memory.index_queue where ctid = any(array(select q.ctid "
    "from unnest(%(owners)s::text[], %(ids)s::text[], %(changes)s::bigint[]) as done (owner, fact_id, change) "
    "join memory.index_queue q on q.index_name = %(index)s "
    "and (q.owner, q.fact_id, q.change) = (done.owner, done.fact_id, done.change) for update of q skip locked))"
)

Progress = Callable[[int, int], None]  # called with (done, total), in facts


def quiet(done: int, total: int) -> None:
    """The default progress: it shows nothing."""


class IndexQueue:
    """The queue of one index, and the embedder whose vectors it holds."""

    def __init__(self, pool: Pool, index: Index, embedder: Embedder) -> None:
        self.pool, self.index, self.embedder = pool, index, embedder
        self._slots = asyncio.Semaphore(PAGES_AT_ONCE)

    async def rows(self, query: str, **parameters: object) -> list[DictRow]:
        """What a query finds, which may name the parameters `index` and `embedder`, too."""
        names = {"index": self.index.name, "embedder": self.embedder.name}
        async with self.pool.connection() as connection:
            return await (await connection.execute(query, names | parameters)).fetchall()

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

    async def drain(self, owner: str | None = None, progress: Progress = quiet) -> None:
        """Bring the index up to date, for one user or for all, in one pass through the queue. Raises Unavailable;
        the entries that it has not finished stay queued."""
        total, done = 0 if owner else await self.size(), 0
        after, query = FactKey(owner or "", ""), NEXT.format(of_owner="and owner = %(owner)s" if owner else "")
        while rows := await self.rows(query, owner=owner, after_owner=after.owner, after_id=after.fact_id, limit=PAGE):
            page = [FactKey(**row) for row in rows]
            await self._update(page)
            done, after = done + len(page), page[-1]
            progress(done, max(done, total))

    async def _update(self, page: Sequence[FactKey]) -> None:
        """Bring the index up to date on these facts; those that are not in the ledger any more are removed."""
        name, failure = self.index.name, None
        async with self._slots, self.pool.connection() as connection, connection.transaction():
            # One at a time per user, so that an older state is never written over a newer one.
            locks = {lock_key("index", name, key.owner) for key in page}
            await take_locks(connection, locks, timeout=LOCK_TIMEOUT, busy=busy_message(LOCK_TIMEOUT))
            keys = {"owners": [key.owner for key in page], "ids": [key.fact_id for key in page]}
            cursor = connection.cursor(binary=True)
            await cursor.execute(QUEUED, {"index": name, "embedder": self.embedder.name, **keys})
            rows = await cursor.fetchall()
            known = [row for row in rows if row["id"]]
            owners, stored = [row["owner"] for row in known], [row.pop("vector") for row in known]
            facts = [fact_of_row(row) for row in known]
            vectors = await self._vectors(connection, owners, facts, stored) if known else None
            gone = [FactKey(row["owner"], row["fact_id"]) for row in rows if not row["id"]]
            try:
                await self._write(self.index.using(connection), owners, facts, vectors, gone)
            except Unavailable as error:  # the new vectors are stored all the same: recall in memory needs them
                failure = error
            else:
                columns = {"owners": "owner", "ids": "fact_id", "changes": "change"}
                indexed = {parameter: [row[column] for row in rows] for parameter, column in columns.items()}
                await connection.execute(INDEXED, {"index": name, **indexed})
        if failure:
            raise failure

    async def _write(
        self,
        index: Index,
        owners: Sequence[str],
        facts: Sequence[Fact],
        vectors: Vectors | None,
        gone: Sequence[FactKey],
    ) -> None:
        if vectors is not None:
            await index.put(owners, facts, vectors)
        if gone:
            await index.remove(gone)

    async def _vectors(
        self, connection: Connection, owners: Sequence[str], facts: Sequence[Fact], stored: Sequence[bytes | None]
    ) -> Vectors:
        """The facts' vectors: the stored ones, and the others, which are embedded and stored."""
        missing = [at for at, vector in enumerate(stored) if vector is None]
        embedded = await self.embedder.embed_facts([facts[at] for at in missing])
        made = dict(zip(missing, map(bytes_of, embedded), strict=True))
        rows = [(self.embedder.name, vector, owners[at], facts[at].id) for at, vector in made.items()]
        await connection.cursor().executemany(STORE_VECTOR, rows)
        return vectors_of([vector or made[at] for at, vector in enumerate(stored)])


async def queue_facts(connection: Connection, index: str, facts: str = "select owner, id from memory.facts") -> None:
    """Queue every fact for the index of this name, or those that the query `facts` selects."""
    columns = "index_name, owner, fact_id"
    query = f"insert into memory.index_queue ({columns}) select %s, facts.* from ({facts}) as facts"
    await connection.execute(f"{query} on conflict ({columns}) do update set change = default", (index,))
