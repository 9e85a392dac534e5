"""Index maintenance: check it at a start, compare it with the ledger, repair it, rebuild it. All functions
but `bring_up` raise Unavailable if Postgres, the index or the embedder does not answer; called again, they continue."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from psycopg import errors

from memory.errors import Unavailable, cause_of
from memory.facts.fact import utc_now
from memory.index.breaker import PAUSE
from memory.index.embeddings import Embedder
from memory.index.protocol import Backend, Damaged, vectors_of
from memory.index.queue import PAGE, IndexQueue, queue_facts
from memory.index.registry import Kind, activate, building_index, delete_dropped, dimension_of
from memory.ledger.cipher import OVERHEAD
from memory.ledger.locks import locked_transaction
from memory.ledger.pool import Connection
from memory.ledger.rows import vector_of_row
from memory.parts import Parts
from memory.progress import Progress, quiet

log = logging.getLogger(__name__)

SHOWN_IDS = 20
SAMPLE_SIZE = 20  # facts that a start searches the index for
SAMPLE_LIMIT = 50  # facts that each of these searches asks for: another fact may have the same vector
TIMEOUT = 60  # seconds that a start waits for another one that checks the same index
FORGOTTEN_POLL = 0.5  # seconds between two looks at what other processes have forgotten; none while the cache is empty
RETRY_PAUSE = PAUSE + 1  # seconds until an index that failed is brought up to date, and between two attempts

CREATE_INDEXED = """
    create temporary table indexed (owner text, fact_id text, live boolean, primary key (owner, fact_id)) on commit drop
"""
ADD_INDEXED = "insert into indexed select * from unnest(%s::text[], %s::text[], %s::boolean[]) on conflict do nothing"
DIFFERENCES = """
    create temporary table differences on commit drop as select * from (
        select case when i.fact_id is null then 'missing' else 'stale' end as kind, f.owner, f.id as fact_id
        from memory.facts f left join indexed i on (i.owner, i.fact_id) = (f.owner, f.id)
        where (i.fact_id is null or i.live is distinct from (f.retired_at is null))
            and coalesce(f.retired_at, f.recorded_at) < %(started)s
        union all select 'orphans', i.owner, i.fact_id
        from indexed i left join memory.facts f on (f.owner, f.id) = (i.owner, i.fact_id) where f.id is null
    ) as difference
    where not exists (select from memory.index_queue q where q.index_name = %(index)s
        and (q.owner, q.fact_id) = (difference.owner, difference.fact_id))
"""
DELETE_OTHER_VECTORS = """delete from memory.vectors where embedder = %s
    and octet_length(vector) - case when key_id is null then 0 else %s end <> %s"""
OF_KIND = "select fact_id from differences where kind = %s"
BROKEN_CHAINS = (
    "from memory.facts f where successor is not null and not exists "
    "(select from memory.facts s where (s.owner, s.id) = (f.owner, f.successor))"
)
UNCHAIN = f"update memory.facts set successor = null where (owner, id) in (select owner, id {BROKEN_CHAINS})"
SAMPLE = """
    select f.owner, id, vector, v.key_id as vector_key
    from memory.facts f join memory.vectors v on (v.owner, v.embedder, v.fact_id) = (f.owner, %(embedder)s, f.id)
    where mod(number, %(step)s) = 0 and retired_at is null and not exists (select from memory.index_queue q
        where q.index_name = %(index)s and (q.owner, q.fact_id) = (f.owner, f.id)) limit %(limit)s
"""
COUNTS = """
    select (select count(*) from memory.facts) as facts,
        (select count(*) from memory.failed_extractions where given_up_at is not null) as given_up,
        count(f.id) as queued, count(*) - count(f.id) as leaving
    from memory.index_queue q left join memory.facts f on (f.owner, f.id) = (q.owner, q.fact_id)
    where q.index_name = %(index)s
"""


@dataclass(frozen=True)
class Finding:
    """One kind of difference."""

    count: int = 0
    fact_ids: tuple[str, ...] = ()  # the first SHOWN_IDS

    def __str__(self) -> str:
        return f"{self.count} ({' '.join(id_[:8] for id_ in self.fact_ids)})" if self.count else "0"


@dataclass(frozen=True)
class Report:
    """What `doctor` found: counts and ids, never texts."""

    index: str
    backend: str
    embedder: str  # whose vectors the index holds, which may not be the one that EMBEDDER names
    facts: int  # in the ledger, retired ones included
    queued: int
    indexed: int = 0  # facts in the index
    damage: str = ""  # why the index cannot be read; the next three findings are empty then
    missing: Finding = Finding()  # in the ledger, neither in the index nor queued
    stale: Finding = Finding()  # retired in one and current in the other, and not queued
    orphans: Finding = Finding()  # in the index, unknown to the ledger, and not queued
    broken_chains: Finding = Finding()  # replaced by a fact that does not exist
    given_up: int = 0  # messages that no facts could be taken from; no difference, so `repair` leaves them

    @property
    def clean(self) -> bool:
        found = (self.missing, self.stale, self.orphans, self.broken_chains)
        return not (self.damage or self.queued or any(finding.count for finding in found))


async def doctor(parts: Parts, progress: Progress = quiet) -> Report:
    """Compare ledger and index, fact by fact; changes nothing."""
    queue, counts = parts.queue, await _counts(parts.queue)
    queued = counts.queued + counts.leaving
    async with queue.pool.connection() as connection:
        broken = await _finding(connection, f"select id as fact_id {BROKEN_CHAINS}")
    names = queue.index.name, queue.index.backend, queue.embedder.name
    report = Report(*names, counts.facts, queued, broken_chains=broken, given_up=counts.given_up)
    try:
        await _finds_sample(queue, counts.facts)
        async with _differences(queue, progress) as connection:
            missing, stale, orphans = [await _finding(connection, OF_KIND, k) for k in ("missing", "stale", "orphans")]
            indexed = await queue.index.count()
            return replace(report, missing=missing, stale=stale, orphans=orphans, indexed=indexed)
    except Damaged as error:  # before the first fact there is no index
        return replace(report, damage=str(error) if counts.facts else "")


async def repair(parts: Parts, report: Report, progress: Progress = quiet) -> None:
    """Repair what `doctor` reported, and bring the index up to date; another `doctor` then finds nothing."""
    queue = parts.queue
    if report.damage:
        await queue.start_over()
    elif report.missing.count or report.stale.count or report.orphans.count:
        await _queue_differences(queue)
    if report.broken_chains.count:
        async with queue.pool.connection() as connection:  # their ends stay retired: by which fact is not known
            await connection.execute(UNCHAIN)
    await _update(queue, progress, log.warning)
    await delete_dropped(queue.pool, parts.open_index)


async def reindex(
    parts: Parts,
    embedder: Embedder,
    progress: Progress = quiet,
    *,
    backend: Backend | None = None,
    shards: int | None = None,
) -> None:
    """Embed every fact with `embedder` into a new index, of the same backend and shards unless others are given. The
    old one stays in use until the new one is complete; other processes use the new one from their next start. If it
    fails or is killed, the next reindex continues."""
    pool, kind = parts.pool, Kind(backend or parts.index.backend, embedder.name, shards or parts.index.shards)
    dimension = await dimension_of(embedder)
    async with pool.connection() as connection:  # the model behind its name may be another one now
        await connection.execute(DELETE_OTHER_VECTORS, (embedder.name, OVERHEAD, 4 * dimension))
    building = await building_index(pool, kind, dimension)
    queue = IndexQueue(pool, await parts.open_index(building), embedder)
    try:
        await queue.index.count()
    except Damaged:  # not there yet, or broken
        await queue.start_over()
    counts = await _counts(queue)
    before = counts.facts - counts.queued
    progress(before, counts.facts)
    while await queue.size():  # what is written meanwhile is queued again
        await queue.drain(progress=lambda done, _: progress(min(before + done, counts.facts), counts.facts))
    await activate(pool, building.name)
    parts.use_index(queue)
    await queue.drain()  # what was written between the last look and the switch
    log.info("reindexed index=%s backend=%s embedder=%s facts=%d", building.name, *kind[:2], counts.facts)
    await delete_dropped(queue.pool, parts.open_index)


async def bring_up(parts: Parts, say: Callable[[str], None]) -> None:
    """At a start: rebuild the index if it is broken, and bring it up to date. `say` gets what is wrong, in words.
    If index or embedder does not answer, it says so and returns: recall goes by words until the index has caught up."""
    queue = parts.queue

    def progress(done: int, total: int) -> None:  # about ten times, if there is much to do
        if total > 2 * PAGE and done * 10 // total > (done - PAGE) * 10 // total:
            say(f"Indexed {done:,} of {total:,} facts.")

    try:
        async with locked_transaction(queue.pool, "bring up", queue.index.name, timeout=TIMEOUT):
            await queue.waiting("")  # is it still the active one?
            await _check(queue, say)
        await _update(queue, progress, say)
        await delete_dropped(queue.pool, parts.open_index)
        parts.index_damaged = False
    except Unavailable as error:
        parts.report(error)
        say(f"The index is behind the ledger, so recall goes by words until it has caught up: {error}")
    except errors.ForeignKeyViolation:
        say("A reindex has just replaced the index: recall goes by words until the next start.")


async def keep_up(parts: Parts, say: Callable[[str], None]) -> None:
    """While a process runs: whenever a write or a search reports that the index failed, bring it up to date once it
    answers again, and rebuild it if it is lost or damaged. Ends when it is cancelled. `say` as for `bring_up`."""
    last = ""

    def say_once(text: str) -> None:
        nonlocal last
        if text != last:
            say(text)
        last = text

    while True:
        await parts.index_failed.wait()
        await asyncio.sleep(RETRY_PAUSE)
        parts.index_failed.clear()
        try:
            await _mend(parts, say_once)
        except Exception as error:  # also of Postgres
            log.info("index still behind cause=%s", cause_of(error))
            parts.report(error)


async def drop_forgotten(parts: Parts) -> None:
    """While a process runs: drop what its cache holds of users who forget something in another process, within a
    second. Ends when it is cancelled."""
    while True:
        await asyncio.sleep(FORGOTTEN_POLL)
        if owners := parts.cache.owners:
            with suppress(Unavailable, errors.LockNotAvailable):  # a role may have a lock_timeout; a purge locks tables
                parts.cache.drop_outdated(await parts.ledger.versions_where_forgotten(owners))


async def _mend(parts: Parts, say: Callable[[str], None]) -> None:
    if not parts.index_damaged:
        with suppress(Damaged):
            await parts.index.count()  # it may be gone when its server is back
            await parts.queue.drain()
            return
    await bring_up(parts, say)


async def _check(queue: IndexQueue, say: Callable[[str], None]) -> None:
    """Queue what the index lacks; this is fast if it lacks nothing."""
    try:
        indexed = await queue.index.count()
        counts = await _counts(queue)
        plausible = counts.facts - counts.queued <= indexed <= counts.facts + counts.leaving
        if plausible and await _finds_sample(queue, counts.facts):
            return
        say(f"The index {queue.index.name!r} holds {indexed:,} of {counts.facts:,} facts: comparing them.")
        await _queue_differences(queue)
    except Damaged as error:
        await _rebuild(queue, error, say)


async def _finds_sample(queue: IndexQueue, facts: int) -> bool:
    """Whether searches find some of what should be in the index. Raises Damaged if one fails or finds nothing."""
    sample = await queue.rows(SAMPLE, step=max(facts // SAMPLE_SIZE, 1), limit=SAMPLE_SIZE)
    vectors = vectors_of([vector_of_row(row, queue.pool.cipher) for row in sample]) if sample else ()
    searches = (
        queue.index.search(row["owner"], vector, SAMPLE_LIMIT) for row, vector in zip(sample, vectors, strict=True)
    )
    found = await asyncio.gather(*searches)
    if not all(found):  # as after a full disk
        raise Damaged(f"The index {queue.index.name!r} does not find what it holds.")
    return all(row["id"] in near for row, near in zip(sample, found, strict=True))


async def _update(queue: IndexQueue, progress: Progress, say: Callable[[str], None]) -> None:
    """Bring the index up to date; rebuild it if it can be read, but not written."""
    try:
        await queue.drain(progress=progress)
    except Damaged as error:
        await _rebuild(queue, error, say)
        await queue.drain(progress=progress)


async def _rebuild(queue: IndexQueue, error: Damaged, say: Callable[[str], None]) -> None:
    if facts := (await _counts(queue)).facts:  # before the first fact it is no error that there is no index
        say(f"{error} Rebuilding it from the ledger: {facts:,} facts.")
    await queue.start_over()


async def _queue_differences(queue: IndexQueue) -> None:
    async with _differences(queue, quiet) as connection:
        await queue_facts(connection, queue.index.name, "select distinct owner, fact_id from differences")


@asynccontextmanager
async def _differences(queue: IndexQueue, progress: Progress) -> AsyncIterator[Connection]:
    """A connection with a temporary table `differences` (kind, owner, fact_id), without facts written meanwhile."""
    started, done, total = utc_now(), 0, await queue.index.count()
    async with queue.pool.connection() as connection, connection.transaction():
        await connection.execute(CREATE_INDEXED)
        async for page in queue.index.scan():
            columns = [e.key.owner for e in page], [e.key.fact_id for e in page], [e.live for e in page]
            await connection.execute(ADD_INDEXED, columns)
            done += len(page)
            progress(done, max(done, total))
        await connection.execute("analyze indexed")
        await connection.execute(DIFFERENCES, {"index": queue.index.name, "started": started})
        yield connection


class _Counts(NamedTuple):
    facts: int  # in the ledger
    queued: int  # of them
    leaving: int  # queued, to be removed from the index
    given_up: int  # messages


async def _counts(queue: IndexQueue) -> _Counts:
    return _Counts(**(await queue.rows(COUNTS))[0])


async def _finding(connection: Connection, query: str, *parameters: str) -> Finding:
    ids = f"(array_agg(fact_id order by fact_id))[:{SHOWN_IDS}]"
    cursor = await connection.execute(f"select count(*) as count, {ids} as ids from ({query}) as found", parameters)
    (row,) = await cursor.fetchall()
    return Finding(row["count"], tuple(row["ids"] or ()))
