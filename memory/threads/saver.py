"""The checkpointer: LangGraph's for Postgres, with many threads at once, a key, and all that a server asks for."""

import asyncio
from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import CipherProtocol, SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from memory.errors import BadInput
from memory.ledger.pool import Pool
from memory.threads.group_commit import Committer, Rows

SPARED = 2
"""Connections of the pool that are left to others: the locks of runs, and the ledger."""

SIMPLE = (str, int, float, bool, NoneType)
"""Values that are saved within a checkpoint; each other one is in a row of its own, once for all that have it."""


class ThreadSaver(AsyncPostgresSaver):
    """A saver over a pool; with a key, what is said, summed up and done in a thread is encrypted (AES-EAX).

    What it saves and reads is what LangGraph's own does, row for row. Its time goes into messages to the database and
    the waking of threads: so what calls save at the same moment goes out together, and no thread is woken.

    In the clear stay names: ids of threads, messages, runs and users, and what a run's context and config hold.
    """

    def __init__(self, pool: Pool, key: SecretStr | None = None) -> None:
        super().__init__(pool, serde=serializer(key))
        self.pool = pool
        # The lock of the base keeps two calls from one connection. Here each call has its own, so many may go on at
        # once; the others wait here, where waiting has no time limit, rather than in the pool, where it has one.
        slots = asyncio.Semaphore(max(pool.max_size - SPARED, 1))
        self.lock = cast(asyncio.Lock, slots)
        self._committer = Committer(pool, slots)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As LangGraph's own, but in one statement with what others save at the same moment."""
        told, values = config["configurable"], checkpoint["channel_values"]
        thread_id, namespace = told["thread_id"], told["checkpoint_ns"]
        simple = {name: value for name, value in values.items() if isinstance(value, SIMPLE)}
        others = {name: value for name, value in values.items() if name not in simple}
        snapshots = {name: True for name, value in others.items() if isinstance(value, _DeltaSnapshot)}
        changed = {name: version for name, version in new_versions.items() if name in others}
        row = (
            thread_id,
            namespace,
            checkpoint["id"],
            told.get("checkpoint_id"),
            {**checkpoint, "channel_values": simple | snapshots},
            get_serializable_checkpoint_metadata(config, metadata),
        )
        blobs = self._dump_blobs(thread_id, namespace, others, changed)
        if not await self._committer.commit(Rows(checkpoints=[row], blobs=blobs)):
            return await super().aput(config, checkpoint, metadata, new_versions)
        return {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint["id"]}}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As LangGraph's own, but in one statement with what others save at the same moment."""
        told = config["configurable"]
        place = told["thread_id"], told["checkpoint_ns"], told["checkpoint_id"]
        replacing = all(channel in WRITES_IDX_MAP for channel, _ in writes)  # rare, and another statement
        if replacing or not await self._committer.commit(
            Rows(writes=self._dump_writes(*place, task_id, task_path, writes))
        ):
            await super().aput_writes(config, writes, task_id, task_path)

    async def _load_checkpoint_tuple(self, value: DictRow) -> CheckpointTuple:
        """As LangGraph's own, which has a thread read the pending writes: to wake it takes longer than they do."""
        place = {"thread_id": value["thread_id"], "checkpoint_ns": value["checkpoint_ns"]}
        saved, parent = value["checkpoint"], value["parent_checkpoint_id"]
        saved["channel_values"] = (saved.get("channel_values") or {}) | self._load_blobs(value["channel_values"])
        return CheckpointTuple(
            config={"configurable": {**place, "checkpoint_id": value["checkpoint_id"]}},
            checkpoint=saved,
            metadata=value["metadata"],
            parent_config={"configurable": {**place, "checkpoint_id": parent}} if parent else None,
            pending_writes=self._load_writes(value["pending_writes"]),
        )

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
