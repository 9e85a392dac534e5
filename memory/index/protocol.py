"""What recall searches: facts by their vectors. One small protocol; the ledger decides what is true.

An index may lag behind the ledger, may break, and is rebuilt from it at any moment (memory/maintenance.py).
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from memory.errors import Unavailable
from memory.facts.fact import Fact

Vectors = NDArray[np.float32]
"""Unit vectors, one a row: shape (texts, dimension)."""


def unit(vectors: NDArray[np.float32]) -> Vectors:
    """Rows scaled to length 1, so that a dot product is a cosine."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def bytes_of(vector: Vectors) -> bytes:
    """A vector as the ledger keeps it."""
    return vector.astype("<f4").tobytes()


def vectors_of(rows: Sequence[bytes | None], dimension: int = 0) -> Vectors:
    """The vectors again, one a row; for one that is not known, `dimension` zeros, which are like nothing."""
    unknown = bytes(4 * dimension)
    return np.frombuffer(b"".join(row or unknown for row in rows), dtype="<f4").reshape(len(rows), -1)


class Damaged(Unavailable):
    """What the index has stored is gone or broken: it has to be rebuilt from the ledger."""


class FactKey(NamedTuple):
    """A fact's name among those of all users."""

    owner: str
    """`owner_key` of the user."""
    fact_id: str


class Entry(NamedTuple):
    """What an index has of a fact, besides its text and vector."""

    key: FactKey
    live: bool | None
    """Whether searches find it: only while it is current. None where the entry says neither."""


class Index(Protocol):
    """A place that finds a user's facts by vector. Every method raises Unavailable, or Damaged, which is one."""

    name: str
    """What it is called where it is stored, and in the ledger's queue; it holds vectors of one embedder alone."""
    shards: int
    """Into how many parts it is split, by users."""

    async def put(self, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors) -> None:
        """Bring these facts, each of the owner beside it, up to date; doing it twice changes nothing."""
        ...

    async def remove(self, keys: Sequence[FactKey]) -> None:
        """Delete these facts; those that are not there count as deleted."""
        ...

    async def search(self, owner: str, vector: Vectors, limit: int, *, past: bool = False) -> dict[str, float]:
        """Ids of up to `limit` current facts of the user nearest to `vector` (shape (dimension,)) -> cosine.

        With `past`, of those that held until they were retired.
        """
        ...

    async def count(self) -> int:
        """How many facts it has, retired ones included."""
        ...

    async def has(self, keys: Sequence[FactKey]) -> bool:
        """Whether all of these are there. Raises Damaged where their vectors cannot be read or searched for."""
        ...

    def scan(self) -> AsyncIterator[list[Entry]]:
        """Everything it has, in pages, each vector having been read. Raises Damaged where one cannot be."""
        ...

    async def start_over(self) -> None:
        """Be there, and be empty."""
        ...

    async def drop(self) -> None:
        """Delete it with all it has; that it is not there is no error."""
        ...

    def sibling(self, name: str, shards: int) -> "Index":
        """Another index in the same place."""
        ...
