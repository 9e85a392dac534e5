"""The protocols of an index, which finds facts by their vectors and can be rebuilt from the ledger at any time, and of
the place where indexes are kept."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from memory.errors import Unavailable
from memory.facts.fact import Fact

if TYPE_CHECKING:
    from memory.ledger.pool import Connection

Backend = Literal["chroma", "pgvector", "redis"]
"""The kinds of places, as INDEX names them."""
Period = Literal["current", "past", "gone"]
"""Which search finds a fact: the usual one, or with `past` those that held until they were retired; or none."""
Vectors = NDArray[np.float32]  # unit vectors, one per row: shape (texts, dimension)


def unit(vectors: NDArray[np.float32]) -> Vectors:
    """Rows scaled to length 1, so that a dot product is a cosine."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def period_of(fact: Fact) -> Period:
    return "current" if fact.retired_at is None else "past" if fact.was_true else "gone"


def is_current(label: object, of_period: Callable[[Period], str]) -> bool | None:
    """Whether an entry with this label is marked as current; None if it is none of the labels that a fact can have."""
    return {of_period(period): period == "current" for period in get_args(Period)}.get(str(label))


def bytes_of(vector: Vectors) -> bytes:
    """A vector as the ledger keeps it."""
    return vector.astype("<f4").tobytes()


def vectors_of(rows: Sequence[bytes]) -> Vectors:
    """Vectors from the ledger, one per row."""
    return np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1)


class Damaged(Unavailable):
    """The stored index is gone or broken: it has to be rebuilt from the ledger."""


class FactKey(NamedTuple):
    """A fact among those of all users; `owner` is the user's `owner_key`."""

    owner: str
    fact_id: str


class Entry(NamedTuple):
    """What an index has of a fact, besides its vector."""

    key: FactKey
    live: bool | None
    """Whether it is marked as current; None if the mark cannot be read."""


class Index(Protocol):
    """Finds a user's facts by vector. Every method raises Unavailable, or its subclass Damaged."""

    name: str
    """Its name in its place, and in the ledger's queue. It holds vectors of a single embedder."""
    backend: Backend
    shards: int
    """The number of parts it is split into, by users; 1 where it is not split."""

    def using(self, connection: "Connection") -> "Index":
        """The same index. If it is kept in the ledger's database, it does its work on this connection, in whose
        transaction the caller is: a second one might never come, since all may be in such transactions."""

    async def put(self, owners: Sequence[str], facts: Sequence[Fact], vectors: Vectors) -> None:
        """Insert these facts, each of the owner at the same position, or update them."""

    async def remove(self, keys: Sequence[FactKey]) -> None:
        """Delete these facts; a missing one is no error."""

    async def search(self, owner: str, vector: Vectors, limit: int, *, past: bool = False) -> dict[str, float]:
        """Fact id -> cosine, for up to `limit` facts of the user nearest to `vector` (shape (dimension,)): current
        ones or, with `past`, those that held until they were retired."""

    async def count(self) -> int:
        """The number of facts, retired ones included."""

    def scan(self) -> AsyncIterator[list[Entry]]:
        """All entries, in pages. Raises Damaged if a vector cannot be read."""

    async def start_over(self) -> None:
        """Create it, empty, in place of what is there."""

    async def drop(self) -> None:
        """Delete it with all it has; a missing one is no error."""


class Place(Protocol):
    """Where indexes are kept, such as a Chroma server."""

    async def check(self) -> None:
        """Raise Unavailable, which says what to do, if no index can be kept there. Cheap: commands begin with it."""

    def index(self, name: str, dimension: int, shards: int) -> Index:
        """The index of this name, whether it exists or not; `dimension` is that of its vectors."""
