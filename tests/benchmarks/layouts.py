"""The ways to store facts that recall is compared with. Each is bulk-loaded with the same users' facts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import chromadb
import numpy as np
from chromadb.api.collection_configuration import CreateHNSWConfiguration
from chromadb.api.models.AsyncCollection import AsyncCollection
from chromadb.config import Settings
from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore, PutOp
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.store.postgres.base import PostgresIndexConfig

from memory.facts.changes import MemoryVersion
from memory.facts.fact import owner_key
from memory.index.chroma import SYNC_THRESHOLD
from memory.index.local_model import DIMENSION
from memory.index.protocol import Index, bytes_of
from memory.items.store import FactStore
from memory.ledger.ledger import Ledger
from memory.ledger.pool import Pool
from memory.ledger.transaction import Transaction
from tests.benchmarks.made_up import K, Person, Question, nearest

PAGE = 5_000  # facts written at a time; Chroma takes at most 5,461
INDEX_PAGE = 500

Ask = Callable[[Question], Awaitable[Collection[str]]]
"""A search: returns the ids of the facts that it finds for a question."""


class PrecomputedVectors(Embeddings):
    """An embedder whose vectors are computed in advance, so that embedding takes no time."""

    def __init__(self) -> None:
        self.vectors: dict[str, list[float]] = {}

    def learn(self, page: Iterable[Person]) -> None:
        """Replace all vectors with those of these users' facts."""
        self.vectors = {
            fact.text: vector
            for person in page
            for fact, vector in zip(person.facts, person.vectors.tolist(), strict=True)
        }

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vectors[text]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


class ReadOnce(Ledger):
    """A ledger that reads the version of a user's memory only once, to measure hot recall without that read."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._versions: dict[str, MemoryVersion] = {}

    async def version(self, user_id: str) -> MemoryVersion:
        if user_id not in self._versions:
            self._versions[user_id] = await super().version(user_id)
        return self._versions[user_id]


async def fill_ledger(store: FactStore, page: Sequence[Person]) -> None:
    """Write the facts and vectors of these users to the ledger, from which recall loads them."""
    async with store.pool.connection() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")  # no triggers: nothing is queued
        cursor, cipher = connection.cursor(), store.pool.cipher
        await cursor.executemany(
            "insert into memory.users (owner, user_id) values (%s, %s)",
            [(owner_key(person.user_id), person.user_id) for person in page],
        )
        for person in page:
            await Transaction(connection, owner_key(person.user_id), cipher).add(person.facts)
        async with cursor.copy(
            "copy memory.vectors (owner, embedder, fact_id, vector, key_id) from stdin (format binary)"
        ) as copy:
            copy.set_types(["text", "text", "text", "bytea", "text"])
            for person in page:
                owner = owner_key(person.user_id)
                for fact, vector in zip(person.facts, person.vectors, strict=True):
                    encrypted = cipher.encrypt(owner, bytes_of(vector))
                    await copy.write_row((owner, store.embedder.name, fact.id, encrypted, cipher.key_id))


async def fill_index(index: Index, page: Sequence[Person]) -> None:
    """Write the facts of these users to an index of the project, which finds facts that are not cached."""
    owners = [owner_key(person.user_id) for person in page for _ in person.facts]
    facts = [fact for person in page for fact in person.facts]
    vectors = np.concatenate([person.vectors for person in page])
    for start in range(0, len(facts), INDEX_PAGE):  # small enough for the timeout on a busy machine
        part = slice(start, start + INDEX_PAGE)
        await index.put(owners[part], facts[part], vectors[part])


class OneCollection:
    """The simplest layout: one Chroma collection of all users' facts, searched with two conditions."""

    def __init__(self, collection: AsyncCollection) -> None:
        self._collection = collection

    @classmethod
    async def create(cls, url: str) -> "OneCollection":
        parts = urlsplit(url)
        # It shares the connections of the store's own client, which closes them.
        client = await chromadb.AsyncHttpClient(
            host=str(parts.hostname), port=parts.port or 8000, settings=Settings(anonymized_telemetry=False)
        )
        hnsw: CreateHNSWConfiguration = {"space": "cosine", "ef_search": 100, "sync_threshold": SYNC_THRESHOLD}
        return cls(await client.create_collection("all_users", embedding_function=None, configuration={"hnsw": hnsw}))

    async def fill(self, page: Sequence[Person]) -> None:
        rows = [(person.user_id, fact) for person in page for fact in person.facts]
        await self._collection.upsert(
            ids=[fact.id for _, fact in rows],
            embeddings=np.concatenate([person.vectors for person in page]),
            documents=[fact.text for _, fact in rows],
            metadatas=[{"user_id": user_id, "current": fact.retired_at is None} for user_id, fact in rows],
        )

    async def ask(self, question: Question) -> Collection[str]:
        found = await self._collection.query(
            query_embeddings=question.vector[None],
            n_results=K,
            where={"$and": [{"user_id": question.user_id}, {"current": True}]},
            include=["distances"],
        )
        return found["ids"][0]


class LangGraphStore:
    """One of LangGraph's own stores. It holds only the current facts, because it has no retired ones."""

    def __init__(self, store: BaseStore) -> None:
        self._store = store

    async def fill(self, page: Sequence[Person]) -> None:
        """Write the current facts. The embedder must have their vectors."""
        puts = [
            PutOp(("memories", person.user_id), person.facts[at].id, {"text": person.facts[at].text})
            for person in page
            for at in person.current
        ]
        for start in range(0, len(puts), 1_000):
            await self._store.abatch(puts[start : start + 1_000])

    async def ask(self, question: Question) -> Collection[str]:
        found = await self._store.asearch(("memories", question.user_id), query=question.text, limit=K)
        return [item.key for item in found]


def index_of(known: PrecomputedVectors) -> PostgresIndexConfig:
    """The index configuration of LangGraph's stores; all other options keep their defaults."""
    return {"dims": DIMENSION, "embed": known, "fields": ["text"]}


@asynccontextmanager
async def filling_postgres(store: FactStore, known: PrecomputedVectors) -> AsyncIterator[LangGraphStore]:
    """LangGraph's store in the project's own Postgres. Its vector index is built when the block is left."""
    postgres = AsyncPostgresStore(store.pool, index=index_of(known))
    await postgres.setup()
    async with store.pool.connection() as connection:
        cursor = await connection.execute("select indexdef from pg_indexes where indexname like 'store_vectors_emb%'")
        row = await cursor.fetchone()
        assert row
        await connection.execute("drop index store_vectors_embedding_idx")
        yield LangGraphStore(postgres)
        await connection.execute("set maintenance_work_mem = '1GB'")
        await connection.execute(row["indexdef"])
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")  # so that none starts during a measurement
        await connection.execute("reset maintenance_work_mem")


def exact(people: Iterable[Person]) -> Ask:
    """The lower bound: the user's current vectors in memory, searched with one product and one sort."""
    held = {
        person.user_id: (person.vectors[current], [person.facts[position].id for position in current])
        for person in people
        if (current := person.current)
    }

    async def ask(question: Question) -> Collection[str]:
        vectors, ids = held[question.user_id]
        return [ids[position] for position in nearest(vectors, question.vector)]

    return ask
