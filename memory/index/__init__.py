"""What recall searches: facts by their vectors. One small protocol; the ledger decides what is true."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memory.fact import Fact

Vectors = NDArray[np.float32]
"""Unit vectors, one a row: shape (texts, dimension)."""


class Index(Protocol):
    """A place that finds a user's facts by vector. It may lag behind the ledger and may be rebuilt from it."""

    async def put(self, owner: str, facts: Sequence[Fact], vectors: Vectors) -> None:
        """Bring these facts of one user up to date, current and retired ones; doing it twice changes nothing."""
        ...

    async def search(self, owner: str, vector: Vectors, limit: int) -> dict[str, float]:
        """Ids of up to `limit` current facts of the user nearest to `vector` (shape (dimension,)) -> cosine."""
        ...
