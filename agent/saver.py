"""The checkpointer: LangGraph's for Postgres, with many threads at once, a key, and all that a server asks for."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import CipherProtocol, SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from memory.errors import BadInput
from memory.postgres import Pool

SPARED = 2
"""Connections of the pool that are left to others: the locks of runs, and the ledger."""


class ThreadSaver(AsyncPostgresSaver):
    """A saver over a pool; with a key, what is said, summed up and done in a thread is encrypted (AES-EAX).

    In the clear stay names: ids of threads, messages, runs and users, and what a run's context and config hold.
    """

    def __init__(self, pool: Pool, key: SecretStr | None = None) -> None:
        super().__init__(pool, serde=serializer(key))
        self.pool = pool
        # The lock of the base keeps two calls from one connection. Here each call has its own, so many may go on at
        # once; the others wait here, where waiting has no time limit, rather than in the pool, where it has one.
        self.lock = cast(asyncio.Lock, asyncio.Semaphore(max(pool.max_size - SPARED, 1)))

    async def adelete_for_runs(self, run_ids: Iterable[str]) -> None:
        """Delete what these runs saved, as the `rollback` of a server asks for; each thread is as it was before."""
        async with self.pool.connection() as connection, connection.transaction():
            cursor = await connection.execute(
                "delete from checkpoints where metadata ? 'run_id' and metadata->>'run_id' = any(%s) "
                "returning thread_id, checkpoint_ns, checkpoint_id, checkpoint->'channel_versions' as versions",
                ([str(run_id) for run_id in run_ids],),
            )
            for gone in await cursor.fetchall():
                await connection.execute(
                    "delete from checkpoint_writes "
                    "where thread_id = %(thread_id)s and checkpoint_ns = %(checkpoint_ns)s "
                    "and checkpoint_id = %(checkpoint_id)s",
                    gone,
                )
                # What a checkpoint before it, or one that forked from it, still refers to has to stay.
                await connection.execute(
                    "delete from checkpoint_blobs b "
                    "where thread_id = %(thread_id)s and checkpoint_ns = %(checkpoint_ns)s "
                    "and (channel, version) in (select key, value from jsonb_each_text(%(versions)s)) "
                    "and not exists (select from checkpoints c where c.thread_id = b.thread_id "
                    "and c.checkpoint_ns = b.checkpoint_ns "
                    "and c.checkpoint->'channel_versions'->>b.channel = b.version)",
                    {**gone, "versions": Jsonb(gone["versions"])},
                )

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with its history, as a server's copy of a thread asks for."""
        async with self.pool.connection() as connection, connection.transaction():
            for table, columns in COPIED.items():
                await connection.execute(
                    f"insert into {table} (thread_id, {columns}) "  # noqa: S608 - constants
                    f"select %(target)s, {columns} from {table} where thread_id = %(source)s",
                    {"source": source_thread_id, "target": target_thread_id},
                )


COPIED = {
    "checkpoint_blobs": "checkpoint_ns, channel, version, type, blob",
    "checkpoint_writes": "checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob",
    "checkpoints": "checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata",
}
"""The tables of a thread, and their columns besides its id."""


def serializer(key: SecretStr | None) -> SerializerProtocol:
    """How the values of a thread are saved: encrypted where there is a key. What was saved before is read, too."""
    if key is None:
        return Readable()
    encrypted = EncryptedSerializer.from_pycryptodome_aes(key=key.get_secret_value().encode())
    return EncryptedSerializer(OneKey(encrypted.cipher))


class Readable(JsonPlusSerializer):
    """LangGraph's own, which says what is missing where a key is."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        if "+" in data[0]:
            raise BadInput("The thread was saved encrypted, and LANGGRAPH_AES_KEY is empty: set the key of then.")
        return super().loads_typed(data)


class OneKey(CipherProtocol):
    """A cipher that says what is wrong where a value was encrypted with another key."""

    def __init__(self, cipher: CipherProtocol) -> None:
        self._cipher = cipher

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return self._cipher.encrypt(plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        try:
            return self._cipher.decrypt(ciphername, ciphertext)
        except ValueError as error:
            raise BadInput(
                "The thread was saved with another key than LANGGRAPH_AES_KEY is now: set the key of then."
            ) from error
