"""Embedders: their vectors, and answers that are errors."""

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from memory.errors import Unavailable
from memory.facts.fact import Source
from memory.index.embeddings import Embedder
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
