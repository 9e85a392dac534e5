"""An index in Redis: what it survives, what it says when it cannot work, and what it leaves in Redis."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from redis.exceptions import WatchError

from agent.persistence import open_store
from memory import maintenance
from memory.embedded.connect import Addresses
from memory.errors import BadInput, Unavailable
from memory.facts.fact import owner_key
from memory.index.protocol import Damaged, FactKey, unit
from memory.index.redis import RedisIndex, open_redis
from memory.user_memory import UserMemory
from tests.facts import make_fact
from tests.index import CITIES, found, keys, remember, settings_of_its_own, until_clean
from tests.openai_server import ScriptedOpenAI
from tests.redis_server import RedisProcess

pytestmark = pytest.mark.redis

ADA, BOB = owner_key("ada"), owner_key("bob")
SKY, SEA = unit(np.eye(3, dtype=np.float32))[:2]
FACT = make_fact("The sky")
PASSWORD = "pä:s@s/word"  # noqa: S105 - of a server that only this test uses
NAME = "facts-words-3-1f6a9c02"
ALLOWED = (
    "+@read", "+@write", "+@transaction", "+@connection", "+info",
    "+ft._list", "+ft.create", "+ft.dropindex", "+ft.info", "+ft.search",
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path_factory.mktemp("redis"), password=PASSWORD) as server:
        yield server


@pytest.fixture
async def admin(shared: RedisProcess) -> AsyncIterator[Redis]:
    """A client of the shared server, which is emptied and gets its usual settings back."""
    async with Redis.from_url(shared.url, decode_responses=True) as client:
        await client.flushall()
        yield client
        await client.config_set("maxmemory", 0)
        await client.config_set("maxmemory-policy", "noeviction")
        await client.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]


@asynccontextmanager
async def opened(server: RedisProcess, url: str = "") -> AsyncIterator[RedisIndex]:
    async with open_redis(url or server.url) as place:
        yield place.index(NAME, 3, 1)


@pytest.fixture
async def index(shared: RedisProcess, admin: Redis) -> AsyncIterator[RedisIndex]:
    """An index with one fact of Ada's."""
    async with opened(shared) as index:
        await index.start_over()
        await index.put([ADA], [FACT], SKY[None])
        yield index


async def message_of(error: type[Exception], server: RedisProcess, url: str = "") -> str:
    """What the start of a process says that uses this server."""
    with pytest.raises(error) as raised:
        async with open_redis(url or server.url) as place:
            await place.check()
    assert PASSWORD not in str(raised.value)
    assert "p%C3%A4" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("persistence", ["saved", "empty"])
async def test_an_index_is_rebuilt_while_processes_use_it_once_redis_was_restarted(
    servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path, user: str, persistence: str,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """What Redis saved may be older than what it had: here, a fact was forgotten and another one learned since."""
    monkeypatch.setattr(maintenance, "RETRY_PAUSE", 0.3)
    settings = settings_of_its_own(servers, openai, tmp_path)
    async with AsyncExitStack() as stack:
        server = stack.enter_context(RedisProcess(tmp_path))
        own = {"index": "redis", "redis_url": server.url, "cached_facts": 2}
        store = await stack.enter_async_context(open_store(settings.model_copy(update=own)))
        admin = await stack.enter_async_context(Redis.from_url(server.url))
        await remember(store, user, *CITIES[:-1])
        if persistence == "saved":
            await admin.save()
        await remember(store, user, CITIES[-1])
        await UserMemory(store, user).forget(fact=(await keys(store, user))[CITIES[0]].fact_id)
        server.kill()
        assert len(await found(store, user, "lived")) == len(CITIES) - 1
        server.start()
        assert len(await found(store, user, "lived")) == len(CITIES) - 1
        await until_clean(store)
        assert await store.index.count() == len(CITIES) - 1
        assert caplog.text.count("Rebuilding it from the ledger: 6 facts.") == 1


async def test_an_index_moves_to_redis(
    shared: RedisProcess, servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    own = {"index": "pgvector", "redis_url": shared.url, "cached_facts": 2}
    settings = settings_of_its_own(servers, openai, tmp_path).model_copy(update=own)
    async with open_store(settings) as store:
        await remember(store, user, *CITIES)
        await maintenance.reindex(store, store.embedder, backend="redis", shards=1)
        assert len(await found(store, user, "lived")) == len(CITIES)
        assert (store.index.backend, await store.index.count()) == ("redis", len(CITIES))
    async with open_store(settings.model_copy(update={"index": "redis"})) as store:
        assert (await maintenance.doctor(store)).clean


async def test_only_ids_labels_and_vectors_are_kept_and_no_text(index: RedisIndex, shared: RedisProcess) -> None:
    async with Redis.from_url(shared.url) as client:
        assert sorted(await client.keys()) == [NAME.encode(), f"{NAME}:{ADA}:{FACT.id}".encode()]
        fields = await client.hgetall(f"{NAME}:{ADA}:{FACT.id}")
    assert fields == {b"label": f"current:{ADA}".encode(), b"vector": SKY.tobytes()}


async def test_a_dropped_index_leaves_nothing_also_without_its_definition(index: RedisIndex, admin: Redis) -> None:
    await admin.hset(f"{NAME}:{BOB}:1", mapping={"label": f"current:{BOB}", "vector": b"no vector"})
    await admin.set(f"{NAME}x:1", "of another index")
    await admin.execute_command("FT.DROPINDEX", NAME)  # type: ignore[no-untyped-call]
    with pytest.raises(Damaged, match="is gone"):
        await index.search(ADA, SKY, 1)
    await index.drop()
    assert await admin.keys() == [f"{NAME}x:1"]


async def test_a_write_does_not_outlive_an_index_that_is_dropped_meanwhile(index: RedisIndex, admin: Redis) -> None:
    with pytest.raises(WatchError):  # noqa: PT012 - the end of the block raises it
        async with index._transaction() as pipeline:
            pipeline.hset(f"{NAME}:{ADA}:late", mapping={"label": "x"})
            await index.drop()
    assert await admin.keys() == []


async def test_an_error_does_not_repeat_the_command(index: RedisIndex, admin: Redis) -> None:
    await admin.set(f"{NAME}:{BOB}:{FACT.id}", "no hash")
    with pytest.raises(Unavailable, match=r"failed: ResponseError \('WRONGTYPE [\w ]+',\)$"):
        await index.put([BOB], [FACT], SEA[None])


async def test_a_vector_that_cannot_be_read_is_damage(index: RedisIndex, admin: Redis) -> None:
    await admin.hset(f"{NAME}:{ADA}:{FACT.id}", mapping={"vector": b"short"})
    with pytest.raises(Damaged, match="a vector of 5 bytes"):
        [page async for page in index.scan()]


async def test_owners_with_separators_and_signs_of_queries_are_kept_apart(index: RedisIndex) -> None:
    owners = [*"aAü*\\`", "%61", "a.b", "a,b", "a b", " a", "a ", "a\tb", "a\nb", "{a}", "a|b", "a:b"]
    facts = [make_fact(f"Fact {number}") for number in range(len(owners))]
    await index.put(owners, facts, np.tile(SEA, (len(owners), 1)))
    for owner, fact in zip(owners, facts, strict=True):
        assert await index.search(owner, SEA, 50) == {fact.id: pytest.approx(1)}
    assert {entry.key.owner for page in [page async for page in index.scan()] for entry in page} == {ADA, *owners}
    await index.remove([FactKey(owner, fact.id) for owner, fact in zip(owners, facts, strict=True)])
    assert await index.count() == 1


async def test_calls_that_are_cut_off_do_not_mix_up_the_answers_of_later_ones(index: RedisIndex) -> None:
    await index.put([BOB], [FACT], SEA[None])
    for number in range(100):
        for call in (index.put([BOB], [FACT], SEA[None]), index.search(ADA, SKY, 1)):
            with_time = asyncio.wait_for(call, number * 2e-5)
            await asyncio.gather(with_time, return_exceptions=True)
        assert await index.search(BOB, SEA, 1) == {FACT.id: pytest.approx(1)}
    assert await index.count() == 2


async def test_a_redis_without_memory_says_so_and_loses_nothing(index: RedisIndex, admin: Redis) -> None:
    await admin.config_set("maxmemory", 1)
    with pytest.raises(Unavailable, match="has no memory left: raise its maxmemory"):
        await index.put([BOB], [FACT], SEA[None])
    await admin.config_set("maxmemory", 0)
    assert await index.count() == 1


async def test_a_replica_is_read_and_not_written(index: RedisIndex, admin: Redis) -> None:
    await admin.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
    with pytest.raises(Unavailable, match="is a replica, which cannot be written: set REDIS_URL to the primary"):
        await index.put([BOB], [FACT], SEA[None])
    assert [*await index.search(ADA, SKY, 1)] == [FACT.id]


async def test_a_user_with_the_documented_permissions_can_do_everything(shared: RedisProcess, admin: Redis) -> None:
    create = ("ACL", "SETUSER", "agent", "reset", "on", ">sesame", "~facts-*", *ALLOWED)
    await admin.execute_command(*create)  # type: ignore[no-untyped-call]
    url = f"redis://agent:sesame@127.0.0.1:{shared.port}"
    async with opened(shared, url) as index:
        await index._server.check()
        await index.start_over()
        await index.put([ADA], [FACT], SKY[None])
        assert [*await index.search(ADA, SKY, 1)] == [FACT.id]
        assert [len(page) async for page in index.scan()] == [await index.count()] == [1]
        await index.remove([FactKey(ADA, FACT.id)])
        await index.drop()
        await admin.execute_command("ACL", "SETUSER", "agent", "-ft.search", "-info")  # type: ignore[no-untyped-call]
        with pytest.raises(Unavailable, match="refused a command: give the user of REDIS_URL the permissions"):
            await index.count()


async def test_a_redis_that_would_delete_facts_is_refused(shared: RedisProcess, admin: Redis) -> None:
    await admin.config_set("maxmemory-policy", "allkeys-lru")
    await admin.config_set("maxmemory", "1gb")
    assert "deletes keys when its memory is full (allkeys-lru): set it to noev" in await message_of(Unavailable, shared)


async def test_a_wrong_password_is_named_and_not_shown(shared: RedisProcess) -> None:
    wrong = f"redis://:p%C3%A4rs@127.0.0.1:{shared.port}"
    assert await message_of(Unavailable, shared, wrong) == (
        f"Redis at redis://127.0.0.1:{shared.port} refused the user or the password: check REDIS_URL."
    )
    missing = f"redis://127.0.0.1:{shared.port}"
    assert "refused the user or the password" in await message_of(Unavailable, shared, missing)


async def test_a_redis_without_search_and_one_that_is_stopped_say_what_to_do(tmp_path: Path) -> None:
    with RedisProcess(tmp_path, search=False) as server:
        assert "has no vector search: the index needs Redis 8 or Redis Stack" in await message_of(Unavailable, server)
    assert "does not answer (ConnectionError Error 111 connecting to" in await message_of(Unavailable, server)


async def test_a_redis_that_is_loading_says_so(tmp_path: Path) -> None:
    slowly = ("--key-load-delay", "50", "--loading-process-events-interval-bytes", "1024")  # microseconds a key
    async with AsyncExitStack() as stack:
        server = stack.enter_context(RedisProcess(tmp_path, *slowly))
        admin = await stack.enter_async_context(Redis.from_url(server.url))
        await admin.mset({f"key {number}": "value" for number in range(20_000)})
        await admin.save()
        server.kill()
        server.start(wait=False)
        said = ""
        while "loading" not in said:
            said = await message_of(Unavailable, server)
    assert "is loading its data: wait until it has" in said


async def test_a_redis_that_hangs_costs_its_timeout_once(index: RedisIndex, shared: RedisProcess) -> None:
    os.kill(shared.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(index.search(ADA, SKY, 1), 1.6)
        started = time.monotonic()
        with pytest.raises(Unavailable, match="it is called again in"):
            await index.search(ADA, SKY, 1)
        assert time.monotonic() - started < 0.5
    finally:
        os.kill(shared.process.pid, signal.SIGCONT)


async def test_index_redis_needs_an_address() -> None:
    with pytest.raises(BadInput, match="INDEX=redis needs REDIS_URL, such as redis://"):
        async with open_redis(""):
            pass
