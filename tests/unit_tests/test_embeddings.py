"""Embedders: their vectors, and answers that are errors."""

import asyncio
import subprocess
import sys
import threading

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from memory.errors import Unavailable
from memory.facts.fact import Source
from memory.index import breaker, embeddings
from memory.index.embeddings import Embedder
from tests.documents import ROOT
from tests.facts import make_fact


class Answers(Embeddings):
    """An embedder that gives these answers and records its calls."""

    def __init__(self, *answer: list[float]) -> None:
        self.asked: list[list[str]] = []
        self._answer = answer

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked.append(texts)
        return [*self._answer]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


async def test_vectors_have_length_1_and_each_text_is_embedded_once() -> None:
    model = Answers([3.0, 4.0], [0.0, 2.0])
    embedder = Embedder("scripted", lambda: model)
    for _ in range(2):
        vectors = await embedder.embed(["tea", "rum", "tea"])
        assert vectors.tolist() == [pytest.approx([0.6, 0.8]), [0, 1], pytest.approx([0.6, 0.8])]
    assert model.asked == [["tea", "rum"]]


@pytest.mark.parametrize("answer", [[], [[1.0]], [[1.0], [1.0, 2.0]], [[1.0]] * 3], ids=str)
async def test_a_misshapen_answer_is_an_error(answer: list[list[float]]) -> None:
    with pytest.raises(Unavailable, match="'scripted' failed: it gave no vectors "):
        await Embedder("scripted", lambda: Answers(*answer)).embed(["tea", "rum"])


async def test_a_fact_vector_is_the_mean_with_and_without_the_previous_text() -> None:
    answer = make_fact("The second.", source=Source(previous=("Which one?",)))
    model = Answers([1.0, 0.0], [0.6, 0.8], [0.0, 1.0])
    vectors = await Embedder("scripted", lambda: model).embed_facts([answer, make_fact("Likes tea")])
    assert model.asked == [[answer.searchable, "note: Likes tea", answer.searchable_with_previous]]
    assert vectors == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [0.6, 0.8]]))


class Hangs(Answers):
    """An embedder that does not answer until it is released."""

    released = threading.Event()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked.append(texts)
        self.released.wait()
        return [[1.0]] * len(texts)


async def test_an_embedder_that_hangs_is_given_up_and_then_not_asked_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embeddings, "TIMEOUT", 0.0)
    monkeypatch.setattr(breaker, "MAX_LOST", 0.1)
    model = Hangs()
    embedder = Embedder("scripted", lambda: model)
    with pytest.raises(Unavailable, match="'scripted' failed: it gave no vectors "):
        await embedder.embed(["tea"])
    with pytest.raises(Unavailable, match="'scripted' has not answered"):
        await embedder.embed(["rum"])
    assert model.asked == [["tea"]]
    model.released.set()


async def test_a_load_goes_on_when_the_first_caller_gives_up_and_happens_once() -> None:
    loads, loaded = list[str](), threading.Event()

    def load() -> Embeddings:
        loads.append("load")
        loaded.wait()
        return Answers([1.0])

    embedder = Embedder("scripted", load)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await embedder.embed(["tea"])
    loaded.set()
    assert (await embedder.embed(["tea"])).tolist() == [[1.0]]
    assert loads == ["load"]


async def test_a_load_that_failed_is_repeated() -> None:
    failures = [OSError("disk")]

    def load() -> Embeddings:
        if failures:
            raise failures.pop()
        return Answers([1.0])

    embedder = Embedder("scripted", load)
    with pytest.raises(Unavailable):
        await embedder.embed(["tea"])
    assert (await embedder.embed(["tea"])).tolist() == [[1.0]]


HANGING = """
import asyncio, threading
from memory.index.daemon import start_in_thread

async def main():
    start_in_thread(threading.Event().wait)
    print("leaving")

asyncio.run(main())
"""


def test_a_thread_that_hangs_does_not_keep_the_process_from_ending() -> None:
    assert subprocess.check_output([sys.executable, "-c", HANGING], cwd=ROOT, timeout=60) == b"leaving\n"
