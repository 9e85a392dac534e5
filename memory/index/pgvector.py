"""An index in Postgres, by its extension pgvector: a table for each index, in the database of the ledger. It has each
fact's vector, whose it is and whether it holds, and no text. A search compares all of a user's vectors, so it is exact.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from psycopg import Error, errors
from psycopg.sql import SQL, Composed, Identifier

from memory.errors import Unavailable
from memory.facts.fact import Fact
from memory.index.breaker import Breaker
from memory.index.protocol import Backend, Damaged, Entry, FactKey, Vectors, period_of
from memory.ledger.locks import locked_transaction
from memory.ledger.pool import Connection, Pool

EXTENSION = "vector"
SCAN_PAGE = 1_000
TIMEOUT = 10  # seconds
NOT_INSTALLED = (errors.FeatureNotSupported, errors.UndefinedFile)
BROKEN = (errors.DataCorrupted, errors.IndexCorrupted, errors.UndefinedColumn, errors.UndefinedObject)

CREATE = """
    create table {table} (
        owner text not null, fact_id text not null, period text not null, vector vector({dimension}) not null,
        primary key (owner, fact_id)
    )
"""
PUT = """
    insert into {table} select owner, fact_id, period, vector::vector
    from unnest(%s::text[], %s::text[], %s::text[], %s::text[]) as fact (owner, fact_id, period, vector)
    on conflict (owner, fact_id) do update set period = excluded.period, vector = excluded.vector
"""
REMOVE = """
    delete from {table} where (owner, fact_id) in (select * from unnest(%s::text[], %s::text[]))
"""
# The product of unit vectors is their cosine. The question's vector is sent as text, since the type's number changes if
# the extension is created anew, and in a subquery, since it would otherwise be parsed for each row: ten times the CPU.
SEARCH = """
    select fact_id, vector <#> (select %s::text::vector) as distance from {table} where owner = %s and period = %s
    order by distance limit %s
"""
SCAN = """
    select owner, fact_id, period, vector_norm(vector) from {table} where (owner, fact_id) > (%s, %s)
    order by owner, fact_id limit %s
"""  # the norm only shows that the vector can be read


class Pgvector:
    """The ledger's database as a place of indexes."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.breaker = Breaker("The index in Postgres", answers=(Damaged,))

    async def check(self) -> None:
        """Create the extension if it is missing."""
        async with self.errors_named("The extension pgvector"):
            query = "select from pg_extension where extname = %s"
            async with self.pool.connection() as connection:
                found = await connection.execute(query, (EXTENSION,))
            if found.rowcount == 0:
                async with locked_transaction(self.pool, "create extension", timeout=TIMEOUT) as connection:
                    await _create_extension(connection)

    def index(self, name: str, dimension: int, shards: int) -> "PgvectorIndex":  # noqa: ARG002 - it has none
        return PgvectorIndex(self, name, dimension)

    def errors_named(self, what: str) -> AbstractAsyncContextManager[None]:
        """Raises Unavailable or Damaged, in time."""
        return self.breaker.errors_named(TIMEOUT, partial(_named, what))


class PgvectorIndex:
    """Facts in a table of the schema `memory`, which has the index's name."""

    backend: Backend = "pgvector"
    shards = 1

    def __init__(self, place: Pgvector, name: str, dimension: int, connection: Connection | None = None) -> None:
        self.name, self._place, self._dimension, self._own = name, place, dimension, connection

    def using(self, connection: Connection) -> "PgvectorIndex":
        return PgvectorIndex(self._place, self.name, self._dimension, connection)

    async def put(self, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors) -> None:
        ids, periods = [fact.id for fact in facts], [period_of(fact) for fact in facts]
        async with self._connection() as connection:
            await connection.execute(self._sql(PUT), ([*owners], ids, periods, [*map(_text, vectors)]))

    async def remove(self, keys: Sequence[FactKey]) -> None:
        async with self._connection() as connection:
            await connection.execute(self._sql(REMOVE), ([key.owner for key in keys], [key.fact_id for key in keys]))

    async def search(self, owner: str, vector: Vectors, limit: int, *, past: bool = False) -> dict[str, float]:
        async with self._connection() as connection:
            wanted = (_text(vector), owner, "past" if past else "current", limit)
            found = await connection.execute(self._sql(SEARCH), wanted)
            return {row["fact_id"]: -row["distance"] async for row in found}

    async def count(self) -> int:
        async with self._connection() as connection:
            found = await connection.execute(self._sql("select count(*) as facts from {table}"))
            return int((await found.fetchall())[0]["facts"])

    async def scan(self) -> AsyncIterator[list[Entry]]:
        after = FactKey("", "")
        while True:
            async with self._connection() as connection:
                rows = await (await connection.execute(self._sql(SCAN), (*after, SCAN_PAGE))).fetchall()
            if not rows:
                return
            yield [Entry(FactKey(row["owner"], row["fact_id"]), row["period"] == "current") for row in rows]
            after = FactKey(rows[-1]["owner"], rows[-1]["fact_id"])

    async def start_over(self) -> None:
        await self._place.check()
        async with (
            self._place.errors_named(self._title),
            locked_transaction(self._place.pool, "create index", timeout=TIMEOUT) as connection,
        ):
            await connection.execute(self._sql("drop table if exists {table}"))
            await connection.execute(self._sql(CREATE))

    async def drop(self) -> None:
        async with self._connection() as connection:
            await connection.execute(self._sql("drop table if exists {table}"))

    @property
    def _title(self) -> str:
        return f"The table memory.{self.name!r}"

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with self._place.errors_named(self._title):
            if self._own:
                async with self._own.transaction():  # a savepoint: what fails here undoes nothing else
                    yield self._own
            else:
                async with self._place.pool.connection() as connection:
                    yield connection

    def _sql(self, query: str) -> Composed:
        table = Identifier("memory", self.name)
        return SQL(query).format(table=table, dimension=self._dimension)


async def _create_extension(connection: Connection) -> None:
    name = connection.info.dbname
    try:
        await connection.execute(SQL("create extension if not exists {}").format(Identifier(EXTENSION)))
    except NOT_INSTALLED as error:
        fix = "install it on that server (https://github.com/pgvector/pgvector), or set INDEX=chroma"
        raise Unavailable(
            f"INDEX=pgvector needs the extension pgvector, which Postgres does not have: {fix}."
        ) from error
    except errors.InsufficientPrivilege as error:
        fix = f'run `create extension {EXTENSION}` in the database "{name}" as its owner or a superuser'
        raise Unavailable(
            f"INDEX=pgvector needs the extension pgvector, which this role may not create: {fix}."
        ) from error


def _named(what: str, error: Exception) -> Unavailable:
    # The kind of error and the first line of its text, which quotes no values.
    message = error.diag.message_primary if isinstance(error, Error) else ""
    reason = f"{type(error).__name__} {message or ''}".strip()[:200]
    if isinstance(error, errors.UndefinedTable):
        return Damaged(f"{what} is gone.")
    if isinstance(error, BROKEN):
        return Damaged(f"{what} is broken ({reason}).")
    return Unavailable(f"{what} did not answer: {reason}")


def _text(vector: Vectors) -> str:
    return str(vector.tolist())
