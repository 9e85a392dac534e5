"""Generated users to measure recall with: facts of plausible words, clustered vectors, and questions; deterministic."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import numpy as np
from numpy.typing import NDArray

from memory.facts.fact import Fact, Source, fact_id, utc_now
from memory.index.local_model import DIMENSION
from memory.index.protocol import Vectors, unit

SPREAD = 1.0
"""Standard deviation of the logarithm of a user's number of facts: one in a hundred has ten times the median."""
RETIRED = 0.15
TOPICS = 200
NEAR, APART = 0.6, 0.5
"""The distance of a text from its topic, and the length of the component that all texts share. The vectors of real
models share one, too: the cosine of two unrelated texts is about 0.25."""
K = 10

SYLLABLES = [a + b for a, b in product("bdfgklmnprstv", "aeiou")]
VOCABULARY = [first + second + third for first, second, third in product(SYLLABLES[::4], SYLLABLES[1::4], "nrlmt")]
COMMONNESS = 1 / (10 + np.arange(len(VOCABULARY)))
"""A few words occur in many texts, and most words in few, as in natural language."""


@dataclass(frozen=True)
class Person:
    """A user, with the facts in the order they were said."""

    user_id: str
    facts: list[Fact]
    vectors: Vectors  # one row per fact

    @property
    def current(self) -> list[int]:
        """Positions of the current facts."""
        return [position for position, fact in enumerate(self.facts) if fact.retired_at is None]


@dataclass(frozen=True)
class Question:
    """A user's question, and the ids of the right answers: the K current facts nearest to its vector."""

    user_id: str
    text: str
    vector: Vectors
    answers: frozenset[str]


def counts(size: int, users: int, seed: int) -> list[int]:
    """How many facts each user has: log-normal, `size` in total."""
    shares = np.random.default_rng(seed).lognormal(0, SPREAD, users)
    many = 1 + np.floor(shares / shares.sum() * (size - users)).astype(int)
    many[: size - many.sum()] += 1
    return [int(count) for count in many]


def people(how_many: Mapping[str, int], seed: int) -> Iterator[Person]:
    """Generate users with this many facts (by user id). The same arguments give the same users."""
    topics, rng, now = _topics(), np.random.default_rng(seed), utc_now()
    for user_id, count in how_many.items():
        about = topics[rng.integers(TOPICS, size=count)]
        noise = unit(rng.standard_normal((count, DIMENSION), dtype=np.float32))
        words = rng.choice(VOCABULARY, (count, 12), p=COMMONNESS / COMMONNESS.sum())
        retired = rng.random(count) < RETIRED
        days = np.sort(rng.random(count))[::-1] * 700
        facts = []
        for row in range(count):
            said = now - timedelta(days=float(days[row]))
            text, quote = " ".join(words[row, :8]).capitalize(), "I " + " ".join(words[row, 2:])
            source = Source(thread_id=f"thread {row // 10}", message_id=f"message {row}")
            identifier = fact_id(user_id, source, text)
            facts.append(
                Fact(
                    id=identifier,
                    key=identifier,
                    text=text,
                    attribute=str(words[row, 0]),
                    quote=quote,
                    source=source,
                    observed_at=said,
                    recorded_at=said,
                    retired_at=now if retired[row] else None,
                    retired_reason="superseded" if retired[row] else None,
                )
            )
        yield Person(user_id, facts, unit(about + NEAR * noise))


def question(person: Person, rng: np.random.Generator) -> Question:
    """A question about something that the user has said: a vector near it, three of its words and two others."""
    current = person.current
    about = current[rng.integers(len(current))]
    noise = unit(rng.standard_normal((1, DIMENSION), dtype=np.float32))[0]
    (vector,) = unit((person.vectors[about] + NEAR * noise)[None])
    words = [*rng.choice(person.facts[about].text.split(), 3), *rng.choice(VOCABULARY, 2)]
    answers = frozenset(person.facts[current[at]].id for at in nearest(person.vectors[current], vector))
    return Question(person.user_id, f"What did I say about {' '.join(words)}?", vector, answers)


def nearest(vectors: Vectors, vector: Vectors) -> NDArray[np.intp]:
    """Positions of the K rows nearest to `vector`, nearest first, by brute force."""
    cosines = np.vecdot(vectors, vector)  # single-threaded: BLAS's threads spin on a busy machine
    best = np.argpartition(cosines, -min(K, len(cosines)))[-K:]
    return np.asarray(best[np.argsort(-cosines[best])])


def _topics() -> Vectors:
    rng = np.random.default_rng(0)
    common, topics = (unit(rng.standard_normal((many, DIMENSION), dtype=np.float32)) for many in (1, TOPICS))
    return np.asarray(APART * common + NEAR * topics, dtype=np.float32)
