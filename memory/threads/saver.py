"""The checkpointer: LangGraph's for Postgres, with group commit, encryption, and what a LangGraph server asks for.

It uses private parts of LangGraph's: pyproject.toml pins the minor version, and test_private_parts.py names each.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint import base
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from memory.errors import BadInput
from memory.ledger.encrypt import rewrite
from memory.ledger.locks import ANSWER_TIMEOUT, answered
from memory.ledger.pool import Pool
from memory.ledger.rows import forgotten_thread
from memory.progress import Progress
from memory.threads.group_commit import GroupCommitter, Run
from memory.threads.threads import BEGUN_AT, BEGUN_BY, is_forgotten

T = TypeVar("T")

AFTER_REPLY = "__pregel_after_reply"  # key in a run's `configurable`: its AfterReply; LangGraph shows no such key
LAST_CALL = 0.5  # seconds that each call has, even after the end of what follows a reply
RESERVED_CONNECTIONS = 2  # of the pool, which the saver leaves to the run locks and the ledger
ENCRYPTED = "aes"  # what LangGraph's cipher calls itself
# A blob stays while a checkpoint that is not deleted refers to it: an earlier one, or a fork of it.
DELETE_FOR_RUNS = """
with deleted as (
    delete from checkpoints where metadata ? 'run_id' and metadata->>'run_id' = any(%(runs)s)
    returning thread_id, checkpoint_ns, checkpoint_id, checkpoint->'channel_versions' as versions
), writes as (
    delete from checkpoint_writes w using deleted d
    where w.thread_id = d.thread_id and w.checkpoint_ns = d.checkpoint_ns and w.checkpoint_id = d.checkpoint_id
)
delete from checkpoint_blobs b using deleted d, jsonb_each_text(d.versions) v
where b.thread_id = d.thread_id and b.checkpoint_ns = d.checkpoint_ns and b.channel = v.key and b.version = v.value
and not exists (
    select from checkpoints c where c.thread_id = b.thread_id and c.checkpoint_ns = b.checkpoint_ns
    and c.checkpoint->'channel_versions'->>b.channel = b.version
    and (metadata->>'run_id' = any(%(runs)s)) is not true
)
"""


@dataclass
class AfterReply:
    """When what follows the reply of a run is to end, by the event loop's clock; None as long as there is no reply."""

    ends_at: float | None = None


class ThreadSaver(AsyncPostgresSaver):
    """Saves and reads what LangGraph's own saver does, row for row.

    With group commit eight chats save twice as many turns a second, and five times as many where Postgres is 1 ms away.
    With a key, messages, summaries and tasks are encrypted (AES-EAX), but not ids, nor a run's context and config.
    """

    serde: "ThreadSerializer"

    def __init__(self, pool: Pool, key: SecretStr | None = None, *old_keys: SecretStr) -> None:
        """Saves with `key`; what was saved with an old one can be read."""
        super().__init__(pool, serde=ThreadSerializer(key, *old_keys))
        self.pool = pool
        # In place of LangGraph's lock: each call has a connection of its own, and may wait for it without a time limit.
        slots = asyncio.Semaphore(max(pool.max_size - RESERVED_CONNECTIONS, 1))
        self.lock = cast(asyncio.Lock, slots)
        self._committer = GroupCommitter(pool, slots)

    @classmethod
    def from_conn_string(cls, conn_string: str, **options: object) -> NoReturn:  # noqa: ARG003
        """Raises BadInput: a saver without the key that the settings name would save threads unencrypted."""
        fix = "use agent.persistence.open_checkpointer(), which reads POSTGRES_URL and LANGGRAPH_AES_KEY."
        raise BadInput(f"A {cls.__name__} is not opened with a connection string: {fix}")

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: base.Checkpoint,
        metadata: base.CheckpointMetadata,
        new_versions: base.ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint. Plain values are part of its row; each other value has a row, saved when it changes."""
        configurable, values = config["configurable"], checkpoint["channel_values"]
        thread_id, namespace = configurable["thread_id"], configurable["checkpoint_ns"]
        plain = {name: value for name, value in values.items() if isinstance(value, str | int | float | None)}
        blobs = {name: value for name, value in values.items() if name not in plain}
        snapshots = {name: True for name, value in blobs.items() if isinstance(value, _DeltaSnapshot)}
        changed = {name: version for name, version in new_versions.items() if name in blobs}
        ids = thread_id, namespace, checkpoint["id"], configurable.get("checkpoint_id")
        saved = {**checkpoint, "channel_values": plain | snapshots}
        row = (*ids, saved, base.get_serializable_checkpoint_metadata(config, metadata))
        blob_rows = self._dump_blobs(thread_id, namespace, blobs, changed)
        run, put = _run_of(config), super().aput

        async def save() -> None:
            if await self._committer.commit(run, checkpoints=[row], blobs=blob_rows):
                return
            if not await is_forgotten(self.pool, *run):
                await put(config, checkpoint, metadata, new_versions)

        await _in_time(config, save())
        return {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint["id"]}}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Save the writes of a task. Those to special channels replace earlier ones, and are left to LangGraph."""
        configurable = config["configurable"]
        ids = configurable["thread_id"], configurable["checkpoint_ns"], configurable["checkpoint_id"]
        replaces = all(channel in base.WRITES_IDX_MAP for channel, _ in writes)
        run, put = _run_of(config), super().aput_writes

        async def save() -> None:
            rows = [] if replaces else self._dump_writes(*ids, task_id, task_path, writes)
            if not replaces and await self._committer.commit(run, writes=rows):
                return
            if not await is_forgotten(self.pool, *run):
                await put(config, writes, task_id, task_path)

        await _in_time(config, save())

    async def aget_tuple(self, config: RunnableConfig) -> base.CheckpointTuple | None:
        """The checkpoint that the config names, or the thread's latest."""
        return await _in_time(config, super().aget_tuple(config))

    async def adelete_for_runs(self, run_ids: Iterable[str]) -> None:
        """Delete what these runs saved, as a server's `rollback` does: each thread is as it was before them."""
        async with self.pool.connection() as connection:
            await connection.execute(DELETE_FOR_RUNS, {"runs": [str(run_id) for run_id in run_ids]})

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with its history, as a server's `copy` does."""
        async with self.pool.connection() as connection, connection.transaction():
            changed = Jsonb({"thread_id": target_thread_id})
            for table in ("checkpoint_blobs", "checkpoint_writes", "checkpoints"):
                copies = f"select copy.* from {table} t, jsonb_populate_record(t, %s) copy where t.thread_id = %s"
                await connection.execute(f"insert into {table} {copies}", (changed, source_thread_id))


def _run_of(config: RunnableConfig) -> Run:
    begun = config.get("metadata") or {}
    return begun.get(BEGUN_BY), forgotten_thread(str(config["configurable"]["thread_id"])), begun.get(BEGUN_AT)


async def _in_time(config: RunnableConfig, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises NoAnswer if the database does not answer in time for the run."""
    after, seconds = config["configurable"].get(AFTER_REPLY), ANSWER_TIMEOUT
    if isinstance(after, AfterReply) and after.ends_at is not None:
        seconds = max(min(seconds, after.ends_at - asyncio.get_running_loop().time()), LAST_CALL)
    return await answered(work, seconds)


class ThreadSerializer(JsonPlusSerializer):
    """LangGraph's serializer, which encrypts with a key. Values that were saved before there was one can be read, and
    those that were saved with an old one."""

    def __init__(self, key: SecretStr | None, *old: SecretStr) -> None:
        super().__init__()
        self._ciphers, self._encrypts = [_cipher(secret) for secret in (key, *old) if secret], key is not None

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        return self._encrypted(*super().dumps_typed(obj))

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        return super().loads_typed(self._decrypted(*data))

    def rewritten(self, row: DictRow) -> Mapping[str, object] | None:
        """The type and the blob of a saved value as they would be saved now; None if they are."""
        if row["blob"] is None or self._is_current(row["type"], row["blob"]):
            return None
        kind, blob = self._encrypted(*self._decrypted(row["type"], row["blob"]))
        return {"type": kind, "blob": blob}

    def _is_current(self, kind: str, value: bytes) -> bool:
        if "+" not in kind or not self._encrypts:
            return "+" not in kind and not self._encrypts
        try:
            self._ciphers[0].decrypt(ENCRYPTED, value)
        except ValueError:
            return False
        return True

    def _encrypted(self, kind: str, data: bytes) -> tuple[str, bytes]:
        if not self._encrypts:
            return kind, data
        cipher, data = self._ciphers[0].encrypt(data)
        return f"{kind}+{cipher}", data

    def _decrypted(self, kind: str, value: bytes) -> tuple[str, bytes]:
        kind, _, encrypted = kind.partition("+")
        if not encrypted:
            return kind, value
        for cipher in self._ciphers:
            with suppress(ValueError):
                return kind, cipher.decrypt(encrypted, value)
        problem = (
            "another key than LANGGRAPH_AES_KEY is now" if self._ciphers else "a key, and LANGGRAPH_AES_KEY is empty"
        )
        raise BadInput(f"The thread was saved with {problem}: set the key that it was saved with.")


def _cipher(key: SecretStr) -> CipherProtocol:
    return EncryptedSerializer.from_pycryptodome_aes(key=key.get_secret_value().encode()).cipher


async def encrypt_threads(saver: ThreadSaver, progress: Progress) -> int:
    """Encrypt what is saved of threads with the saver's key or, if it has none, decrypt it. Returns how many rows."""
    columns, change, place = ("type", "blob"), saver.serde.rewritten, ("thread_id", "checkpoint_ns")
    writes = (*place, "checkpoint_id", "task_id", "idx")
    changed = await rewrite(saver.pool, "checkpoint_writes", writes, columns, change, progress)
    blobs = (*place, "channel", "version")
    return changed + await rewrite(saver.pool, "checkpoint_blobs", blobs, columns, change, progress)
