"""The local embedding model: a text's vector does not depend on the other texts, nor memory on how many there are."""

import numpy as np
import pytest

from memory.index.local_model import LocalEmbeddings
from memory.index.protocol import Vectors

TEXTS = [f"{number}{' river' * length}" for number, length in enumerate([1, 60, 7] * 4)]


class RecordsBatches(LocalEmbeddings):
    """The local model, which records the lengths of the texts of each batch, in characters."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[int]] = []

    def _vectors(self, texts: list[str]) -> Vectors:
        self.batches.append([*map(len, texts)])
        return super()._vectors(texts)


def test_texts_are_embedded_in_small_batches_of_similar_length() -> None:
    model = RecordsBatches()
    together = np.array(model.embed_documents(TEXTS))
    padded = sum(len(batch) * max(batch) for batch in model.batches)
    assert padded < 1.2 * sum(map(len, TEXTS))
    assert max(map(len, model.batches)) <= 8
    alone = np.array([*map(model.embed_query, TEXTS)])
    assert np.vecdot(together, alone) == pytest.approx(1, abs=1e-5)
    assert np.vecdot(together[:-1], alone[1:]).max() < 0.999
