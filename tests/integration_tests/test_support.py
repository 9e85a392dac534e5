"""Candidates whose words the message does not share are judged by meaning, with the real embedder and ledger."""

import asyncio
import logging
from collections import Counter
from typing import get_args

import pytest

from memory.errors import Unavailable
from memory.evidence.support import compared, is_supported
from memory.extraction.answer import Candidate
from memory.extraction.extract import ExtractionFailed
from memory.index.embeddings import Embedder, open_embedder
from memory.index.queue import IndexQueue
from memory.items.store import FactStore
from tests.conversation import candidate, found
from tests.evals.dataset import Split
from tests.evals.support_pairs import SupportPair, load_support_pairs
from tests.facts import NOON
from tests.index import WordVectors
from tests.memories import remembering, texts
from tests.openai_server import ScriptedOpenAI

DAUGHTER = candidate("Has a newborn daughter", "over the moon about our baby girl", "family")
LISBON = candidate("Lives in Lisbon", "moved to Lisbon", "home city")
MESSAGE = "We're over the moon about our baby girl! And we moved to Lisbon. I'd love a haiku about autumn."
INVENTED = [
    candidate("Lives in Austin", "I'd love a haiku about autumn", "home city"),
    candidate("Is allergic to shellfish", "I'd love a haiku about autumn", "allergy"),
    candidate("Works as a dentist", "a haiku", "occupation"),
]


def candidate_of(pair: SupportPair) -> Candidate:
    return Candidate(text=pair.text, quote=pair.quote, message=1, subject="user", attribute=pair.attribute)


@pytest.fixture(scope="module")
def kept() -> Counter[tuple[Split | None, bool]]:
    """(split, whether the message supports it) -> how many of the labelled candidates are kept. Those in English, whose
    message is not, have the split None."""
    in_english = load_support_pairs("support_pairs_in_english")

    async def measure() -> Counter[tuple[Split | None, bool]]:
        pairs, embedder = [*load_support_pairs(), *in_english], open_embedder("local")
        compare = [texts for pair in pairs for texts in compared(candidate_of(pair), pair.message)]
        ones, others = [await embedder.embed(side) for side in zip(*compare, strict=True)]
        cosines = dict(zip(compare, (ones * others).sum(axis=1).tolist(), strict=True))
        return Counter(
            (None if pair.kind == "in English" else pair.split, pair.supported)
            for pair in pairs
            if is_supported(candidate_of(pair), pair.message, cosines)
        )

    return asyncio.run(measure())


@pytest.mark.parametrize("split", get_args(Split))
def test_true_paraphrases_are_kept(kept: Counter[tuple[Split | None, bool]], split: Split) -> None:
    true = sum(pair.supported for pair in load_support_pairs() if pair.split == split)
    assert (true, true - kept[split, True] <= 1) == (80, True)


@pytest.mark.parametrize(("split", "dropped"), [("dev", 35), ("test", 23)])
def test_many_unsupported_candidates_are_dropped(
    kept: Counter[tuple[Split | None, bool]], split: Split, dropped: int
) -> None:
    untrue = sum(not pair.supported for pair in load_support_pairs() if pair.split == split)
    assert (untrue, untrue - kept[split, False] >= dropped) == (76, True)


def test_english_facts_from_messages_in_other_languages(kept: Counter[tuple[Split | None, bool]]) -> None:
    """Without the words of `language.translations`, 29 of the 60 true ones were kept, and as many untrue ones."""
    labels = Counter(pair.supported for pair in load_support_pairs("support_pairs_in_english"))
    assert (labels[True], labels[False]) == (60, 60)
    assert kept[None, True] >= 54
    assert kept[None, False] <= 4


async def test_only_what_the_message_supports_is_learnt(store: FactStore, user: str, openai: ScriptedOpenAI) -> None:
    memory = remembering(store, user)
    openai.extraction(found(DAUGHTER, LISBON, *INVENTED))
    assert texts((await memory.observe(MESSAGE)).added) == ["Has a newborn daughter", "Lives in Lisbon"]


async def test_a_curly_apostrophe_costs_neither_a_fact_nor_a_retraction(
    store: FactStore, user: str, openai: ScriptedOpenAI
) -> None:
    memory = remembering(store, user)
    nuts = candidate("Is allergic to nuts", "I'm allergic to nuts", "allergy")
    openai.extraction(found(nuts), found(retracted=[(1, "I'm not allergic")]))
    assert texts((await memory.observe("I’m allergic to nuts")).added) == ["Is allergic to nuts"]
    changes = await memory.observe("Good news — I’m not allergic after all…")
    assert [(fact.text, fact.retired_reason) for fact in changes.retired] == [("Is allergic to nuts", "retracted")]


class Probe(WordVectors):
    """Opens a transaction of the user before it answers about these candidates, which fails if one is open."""

    def __init__(self, store: FactStore, user: str) -> None:
        super().__init__()
        self.store, self.user = store, user

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        if any(text.startswith("I ") for text in texts):
            async with asyncio.timeout(60), self.store.ledger.transaction(self.user):
                return self.embed_documents(texts)
        return [[1.0] * 26 for _ in texts]


async def test_meaning_is_asked_for_once_and_outside_the_lock(
    store: FactStore, user: str, openai: ScriptedOpenAI
) -> None:
    probe = Probe(store, user)
    store.use_index(IndexQueue(store.pool, store.queue.index, Embedder("probe", lambda: probe)))
    memory = remembering(store, user)
    openai.extraction(found(LISBON), found(DAUGHTER, LISBON, INVENTED[-1]))
    await memory.observe("Just moved to Lisbon.")
    assert probe.calls == []
    await memory.observe(MESSAGE)
    assert [sum(text.startswith("I ") for text in call) for call in probe.calls] == [2]


async def test_without_an_embedder_what_words_leave_open_is_extracted_again(
    store: FactStore, user: str, openai: ScriptedOpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    broken, works = Embedder("broken", lambda: WordVectors(answers=0)), store.queue
    store.use_index(IndexQueue(store.pool, store.queue.index, broken))
    with pytest.raises(Unavailable):
        await broken.embed(["tea"])
    openai.extraction(found(LISBON), found(DAUGHTER, LISBON), found(DAUGHTER))
    memory = remembering(store, user)
    with caplog.at_level(logging.INFO):
        assert texts((await memory.observe("We moved to Lisbon.")).added) == ["Lives in Lisbon"]
        with pytest.raises(ExtractionFailed):
            await memory.observe(MESSAGE, at=NOON)
        store.use_index(works)
        assert texts((await memory.observe(MESSAGE, at=NOON)).added) == ["Has a newborn daughter"]
    assert any("texts not compared" in line and repr(user) in line for line in caplog.messages)
    assert not any("daughter" in line or "Lisbon" in line for line in caplog.messages)
