"""Plain texts kept verbatim as facts, without a model."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from psycopg.rows import DictRow

from memory.errors import BadInput
from memory.facts.fact import Fact, Source, utc_now
from memory.items.store import FactStore
from memory.learn.verbatim import Memory
from memory.ledger.cipher import Cipher
from memory.ledger.rows import facts_of
from memory.user_memory import UserMemory


async def test_hundreds_of_texts_are_found_by_the_messages_before_them(store: FactStore, user: str) -> None:
    memory = UserMemory(store, user)
    at = datetime(2023, 5, 7, tzinfo=UTC)
    texts = [Memory(f"Move {n} was good", at, "Ana", Source(thread_id="s1", message_id=str(n))) for n in range(300)]
    answer = Source(thread_id="s2", message_id="x", previous=("How long have you played the violin?",))
    assert await memory.remember_all([*texts, Memory("Since I was nine.", at, "Ben", answer)]) == 301
    assert await memory.remember("Since I was nine.", at=at, subject="Ben", source=answer) == 0
    hit = (await memory.search("violin"))[0]
    assert (hit.fact.text, hit.fact.subject, hit.fact.observed_at) == ("Since I was nine.", "ben", at)
    assert "violin" not in (await memory.recall("Who plays the violin?")).block(1_000)
    assert (await memory.all())[-1].source == answer


async def test_a_common_subject_does_not_dominate_similarity(store: FactStore, user: str) -> None:
    memory = UserMemory(store, user)
    await memory.remember_all(
        [Memory(text, subject=who) for text in ("I paint boats.", "I sing.") for who in ("Ana", "Ben")]
    )
    asked, without, about_both = [
        {hit.fact.id: hit.similarity for hit in await memory.search(question)}
        for question in ("What does Ana paint?", "What does paint?", "What do Ana and Carla paint?")
    ]
    assert asked == without
    assert about_both != without


async def test_remembering_one_text_reads_no_other(
    store: FactStore, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = UserMemory(store, user)
    await memory.remember_all([Memory(f"Move {number} was good") for number in range(50)])
    read: list[int] = []

    async def count(rows: Sequence[DictRow], cipher: Cipher) -> list[Fact]:
        read.append(len(rows))
        return await facts_of(rows, cipher)

    monkeypatch.setattr("memory.ledger.transaction.facts_of", count)
    assert await memory.remember("Move 50 was good") == 1
    assert read == [0]


async def test_one_text_that_cannot_be_kept_rejects_all_and_is_named(store: FactStore, user: str) -> None:
    memory = UserMemory(store, user)
    never = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
    bad = [Memory(text) for text in ("", " \n", "a\0b", "a\ud800b", "x" * 1_001, "My password is hunter2!")]
    bad += [Memory("Likes rum", at=datetime(2026, 1, 1)), Memory("Likes rum", at=never)]  # noqa: DTZ001 - naive
    bad += [Memory("Likes rum", subject=""), Memory("Likes rum", source=Source(previous=("\ud800",)))]
    for one in bad:
        with pytest.raises(BadInput, match=r"^Text 2: "):
            await memory.remember_all([Memory("Likes tea"), one])
        with pytest.raises(BadInput, match=r"^(?!Text )"):
            await memory.remember_all([one])
    assert await memory.all() == []


async def test_a_repeat_in_the_same_words_is_not_recalled_as_past(store: FactStore, user: str) -> None:
    memory = UserMemory(store, user)
    for days, thread in ((300, "a"), (3, "b"), (30, "c")):
        at, source = utc_now() - timedelta(days=days), Source(thread_id=thread)
        await memory.remember("I love hiking.", at=at, subject="Ana", source=source)
    recalled = await memory.recall("What did Ana love before?")
    assert [hit.fact.source.thread_id for hit in recalled.hits] == ["b"]
    assert recalled.past == ()
