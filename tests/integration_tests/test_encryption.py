"""Facts that are encrypted in Postgres: search is the same, no text is in the tables, and a key can be changed."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from agent.persistence import open_checkpointer, open_services, open_store
from agent.settings import Settings
from agent.terminal.threads import UNREADABLE, titled_threads
from graphs.chat import builder
from memory.embedded.connect import Addresses
from memory.errors import BadInput
from memory.facts.changes import Held
from memory.facts.fact import Source, owner_key, utc_now
from memory.facts.portable import dump
from memory.index.embeddings import Embedder
from memory.index.queue import IndexQueue
from memory.items.store import FactStore
from memory.language.text import hashes
from memory.learn.verbatim import Memory, fact_of_text
from memory.ledger import encrypt
from memory.ledger.cipher import Cipher
from memory.maintenance import doctor, reindex
from memory.progress import quiet
from memory.threads.saver import ThreadSaver
from memory.user_memory import UserMemory
from tests.benchmarks.place import HashedWords, facts
from tests.commands import Run
from tests.conversation import config_of, say
from tests.documents import ROOT, blocks
from tests.erasure.scan import in_files, in_tables, new_token
from tests.index import settings_of_its_own
from tests.memories import put, texts
from tests.openai_server import ScriptedOpenAI, Text

KEY, NEW_KEY = SecretStr("0123456789abcdef0123456789abcdef"), SecretStr("fedcba9876543210")
QUESTIONS = ("Where do I live?", "Where did I live before?", "What should I not eat?", "What is next to the harbor?")


@pytest.fixture
def plain(servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path) -> Settings:
    return settings_of_its_own(servers, openai, tmp_path)


@pytest.fixture
def encrypted(plain: Settings) -> Settings:
    return with_key(plain)


def with_key(settings: Settings, key: SecretStr | None = KEY, **changes: object) -> Settings:
    return settings.model_copy(update={"langgraph_aes_key": key, **changes})


async def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(settings.postgres_url, autocommit=True) as connection:
        cursor = await connection.execute(query.encode())
        return await cursor.fetchall() if cursor.description else []


async def key_ids(settings: Settings) -> list[tuple[Any, ...]]:
    """The keys of facts, then of vectors, each once."""
    query = "select distinct key_id from memory.{} order by 1"
    return [row for table in ("facts", "vectors") for row in await rows(settings, query.format(table))]


def use_hashed_words(store: FactStore) -> None:
    """Embed with what takes almost no time."""
    store.use_index(IndexQueue(store.pool, store.queue.index, Embedder("local", HashedWords)))


async def hold(store: FactStore, user: str, text: str) -> None:
    """Hold a fact back."""
    fact = fact_of_text(user, Memory(text, source=Source(thread_id="t", message_id="h")), utc_now())
    async with store.ledger.transaction(user) as transaction:
        await transaction.hold([Held(fact=fact, reason="not certain", quote=text, held_at=utc_now())], days=1)


async def answers(store: FactStore, user: str) -> list[object]:
    """What recall and search find, with scores: first of cached facts, then by stems in the ledger and the index."""
    memory, found = UserMemory(store, user), list[object]()
    for store.cache.max_facts in (100, 0):
        store.cache.forget(user)
        for question in QUESTIONS:
            recalled = await memory.recall(question)
            found.append((texts(recalled.profile), shown(recalled.hits), shown(recalled.past)))
            found.append(shown(await memory.search(question, past=True)))
        found.append(texts(await store.searcher(user).near(QUESTIONS)))
    return found


def shown(hits: Any) -> list[tuple[str, float, float]]:
    return [(hit.fact.text, round(hit.score, 4), round(hit.similarity, 4)) for hit in hits]


async def test_search_finds_the_same_with_and_without_a_key(
    plain: Settings, servers: Addresses, openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    encrypted = with_key(settings_of_its_own(servers, openai, tmp_path))
    async with open_store(plain) as store:
        memory = UserMemory(store, user)
        use_hashed_words(store)
        await memory.import_(dump(facts(user, 40), {}, []))
        for city in ("Lima", "Austin"):
            await put(store, user, "home", f"Lives in {city}", attribute="home city", exclusive=True)
        await put(store, user, "nuts", "Is allergic to nuts", category="constraint")
        await put(store, user, "anna", "Anna speaks Łódź dialect 🙂", subject="Anna")
        lines, expected = [line async for line in memory.export()], await answers(store, user)
    async with open_store(encrypted) as store:
        use_hashed_words(store)
        memory = UserMemory(store, user)
        assert await memory.import_(lines) == 44
        assert [line async for line in memory.export()] == lines
        assert await answers(store, user) == expected
        assert (await doctor(store)).clean
        before = await rows(encrypted, "select vector from memory.vectors order by fact_id")
        await reindex(store, store.embedder)
        assert await rows(encrypted, "select vector from memory.vectors order by fact_id") == before  # none made anew
        since = utc_now()
        await put(store, user, "home", "Lives in Rome", attribute="home city", exclusive=True)
        change = await memory.roll_back(since=since)
        (austin,), (restored,) = change.replaced, change.restored
        vectors = await store.ledger.vectors(user, [austin.id, restored.id], store.embedder.name)
        assert vectors[austin.id] == vectors[restored.id]


async def test_no_text_and_no_vector_is_in_the_tables_or_their_files(encrypted: Settings, user: str) -> None:
    text, quote, previous, held, item, forgotten = (new_token() for _ in range(6))
    async with open_store(encrypted) as store:
        memory = UserMemory(store, user)
        source = Source(thread_id="t", message_id="m", previous=(f"Do you collect {previous}?",))
        await memory.remember_all([Memory(f"Likes {text}", None, "user", source), Memory(f"Likes {forgotten}")])
        await put(store, user, "home", "Lives there", quote=f"It is {quote}")
        await store.aput(("users", user), "note", {"text": item})
        await hold(store, user, f"Likes {held}")
        first = next(fact for fact in await memory.all() if text in fact.text)
        for stems, digest, fact_id in await rows(encrypted, "select stems, digest, id from memory.facts"):
            assert hashes([text]).tobytes() not in stems
            assert digest not in Cipher().digests(owner_key(user), first.text)  # which can be made for a guess
            assert fact_id != fact_of_text(user, Memory(first.text, source=source), utc_now()).id
        await memory.forget(fact=next(fact.id for fact in await memory.all() if forgotten in fact.text))
        stored = await store.ledger.vectors(user, [first.id], store.embedder.name)
        directory = (await rows(encrypted, "show data_directory"))[0][0]
        database = (await rows(encrypted, "select oid from pg_database where datname = current_database()"))[0][0]
    vectors = {text: np.frombuffer(stored[first.id], "<f4")[:6]}
    found = await asyncio.to_thread(in_tables, encrypted.postgres_url)
    found += await asyncio.to_thread(in_files, Path(directory, "base", str(database)), vectors)
    assert {find.token for find in found} == {item}  # ordinary items are in the clear
    assert {find.place for find in found} == {"rows of public.store", "other files"}


async def test_facts_in_the_clear_are_known_beside_encrypted_ones(plain: Settings, user: str) -> None:
    async with open_store(plain) as store:
        memory = UserMemory(store, user)
        await memory.remember_all([Memory("Likes green tea"), Memory("Likes plums")])
        (plums,) = [fact for fact in await memory.current() if "plums" in fact.text]
    async with open_store(with_key(plain, cached_facts=0)) as store:
        memory = UserMemory(store, user)
        await memory.remember_all([Memory("likes green tea."), Memory("Likes rye bread")])  # the first is a repeat
        assert texts(await memory.current()) == ["Likes plums", "likes green tea.", "Likes rye bread"]
        assert [hit.fact.text for hit in await memory.search("rye plums", 2)] == ["Likes plums", "Likes rye bread"]
        before = utc_now()
        await hold(store, user, "Likes plums")
        assert texts(item.fact for item in await memory.held()) == ["Likes plums"]
        await memory.forget(fact=plums.id)  # and what is held back in the same words
        assert await memory.held() == []
        async with store.ledger.transaction(user) as transaction:
            assert transaction.names_of(plums) & await transaction.forgotten_since(before)


@pytest.mark.parametrize(("key", "says"), [(None, "is empty"), (NEW_KEY, "is another one")])
async def test_a_missing_or_another_key_is_refused_and_loses_nothing(
    encrypted: Settings, user: str, key: SecretStr | None, says: str
) -> None:
    other = with_key(encrypted, key)
    async with open_store(other) as earlier, open_store(encrypted) as store:
        await UserMemory(store, user).remember("Likes green tea")
        undo = "delete from memory.migrations where number = (select max(number) from memory.migrations)"
        await rows(encrypted, undo)  # the migration would run again, and fail, if the key were checked later
        with pytest.raises(BadInput, match=f"LANGGRAPH_AES_KEY {says}: set the key that they were saved with"):
            async with open_services(other):
                pass
        with pytest.raises(BadInput, match=f"LANGGRAPH_AES_KEY {says}"):  # it was started before the first fact
            await UserMemory(earlier, user).all()
        assert texts(await UserMemory(store, user).all()) == ["Likes green tea"]


async def test_after_a_key_was_lost_its_rows_can_be_deleted(
    plain: Settings, encrypted: Settings, openai: ScriptedOpenAI, user: str
) -> None:
    for settings, fact, thread in ((plain, "Likes plums", "clear"), (encrypted, "Likes green tea", "lost")):
        openai.reply(Text("Noted."))
        async with open_store(settings) as store, open_checkpointer(settings) as saver:
            await UserMemory(store, user).remember(fact)
            await say(builder.compile(checkpointer=saver, store=store), user, f"Good morning, {thread}", thread)
    (deletes,) = blocks(ROOT / "docs" / "privacy.md", "sql")
    facts, *others = deletes.text.splitlines()
    await rows(encrypted, facts)
    other = with_key(plain, NEW_KEY)
    async with open_services(other) as services:
        listed = [title for _, title in await titled_threads(services.saver, user)]
        assert listed == [UNREADABLE, "Good morning, clear"]
    await rows(encrypted, "\n".join(others))
    async with open_services(other) as services:
        assert [title for _, title in await titled_threads(services.saver, user)] == ["Good morning, clear"]
        await services.encrypt(quiet)  # stumbles over nothing that cannot be decrypted
    async with open_store(other) as store:
        assert texts(await UserMemory(store, user).all()) == ["Likes plums"]


async def test_the_command_sets_changes_and_removes_the_key(
    plain: Settings,
    environment: dict[str, str],
    openai: ScriptedOpenAI,
    user: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES_URL", plain.postgres_url)
    openai.reply(Text("Noted."))
    async with open_store(plain) as store, open_checkpointer(plain) as saver:
        await UserMemory(store, user).remember_all([Memory("Likes green tea"), Memory("Likes plums")])
        await say(builder.compile(checkpointer=saver, store=store), user, "Good morning", "t1")
        expected, queued = [line async for line in UserMemory(store, user).export()], await store.queue.size()
    assert (await asyncio.to_thread(run, "encrypt")).code == 2
    for key, old in ((KEY, None), (NEW_KEY, KEY), (None, NEW_KEY)):
        settings = with_key(plain, key)
        variables = {"LANGGRAPH_AES_KEY": value(key), "OLD": value(old)}
        changing = partial(asyncio.to_thread, run, "encrypt", *(["--old-key-from", "OLD"] if old else []), **variables)
        if old:
            refused = await asyncio.to_thread(run, "doctor", LANGGRAPH_AES_KEY=value(key))
            assert (refused.code, "--old-key-from" in refused.err) == (2, True)
        assert (await changing()).code == 0
        assert await key_ids(settings) == [(Cipher(key).key_id,)] * 2
        async with open_store(settings) as store, open_checkpointer(settings) as saver:
            assert [line async for line in UserMemory(store, user).export()] == expected
            assert await store.queue.size() == queued  # an index has no text
            state = await builder.compile(checkpointer=saver, store=store).aget_state(config_of("t1"))
            assert [message.text for message in state.values["messages"]] == ["Good morning", "Noted."]
            ((thread, title),) = await titled_threads(ThreadSaver(saver.pool, old), user)  # as after the key was lost
            assert (thread.id, title) == ("t1", UNREADABLE if key else "Good morning")
        assert (await changing()).err.splitlines()[-1].startswith("0 rows changed")
    assert (await asyncio.to_thread(run, "encrypt", "--old-key-from", "NONE")).code == 2


async def test_an_interrupted_change_of_the_key_continues(
    encrypted: Settings, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypt, "PAGE", 2)
    new, shown = with_key(encrypted, NEW_KEY), list[int]()
    async with open_store(encrypted) as store:
        await UserMemory(store, user).remember_all([Memory(f"Likes tea number {n}") for n in range(5)])
        await hold(store, user, "Likes plums")
        expected = [line async for line in UserMemory(store, user).export()]

    def interrupt(done: int, total: int) -> None:
        shown.append(done)
        if len(shown) == 5:  # after all vectors, held items and the first two facts
            raise KeyboardInterrupt

    async with open_services(new, old_keys=[KEY]) as services:
        with pytest.raises(KeyboardInterrupt):
            await encrypt.encrypt_facts(services.pool, interrupt)
        assert shown == [2, 4, 5, 1, 2]
    with pytest.raises(BadInput, match="is another one"):
        async with open_services(new):
            pass
    async with open_services(new, old_keys=[KEY]) as services:
        assert await services.encrypt(quiet) == 3
    async with open_store(new) as store:
        assert [line async for line in UserMemory(store, user).export()] == expected
        with pytest.raises(psycopg.Error, match="may not be edited"):
            await rows(new, "update memory.facts set key_id = 'x', category = 'work'")


def value(key: SecretStr | None) -> str:
    return key.get_secret_value() if key else ""
