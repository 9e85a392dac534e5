"""Memory where a host runs the graph with a store of its own: opened from the settings once a process, and closed with
it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.store.base import BaseStore

from agent.identity import AgentStore
from agent.persistence import open_store
from memory.errors import AgentMemoryError, BadInput
from memory.threads.saver import ThreadSaver
from memory.threads.threads import BEGUN_BY, has_checkpoint, thread_owner

log = logging.getLogger(__name__)


class Opened(NamedTuple):
    store: asyncio.Future[AgentStore]
    keeper: asyncio.Task[None]  # keeps it open until the event loop ends, which cancels its tasks


opened = dict[asyncio.AbstractEventLoop, Opened]()
told = set[str]()  # what was logged, once a process


async def memory_beside(items: BaseStore | None, saver: object) -> AgentStore:
    """The memory of this process, with the host's store for ordinary items. Raises BadInput or Unavailable.

    `saver` is what keeps the threads: a checkpointer that is not ours does not encrypt them.
    """
    loop = asyncio.get_running_loop()
    if loop not in opened:
        store = loop.create_future()
        opened[loop] = Opened(store, loop.create_task(_keep_open(store)))
    memory = await asyncio.shield(opened[loop].store)
    if is_foreign(saver):
        _check_encryption(memory, type(saver).__name__)
    return memory if items is None else memory.beside(items)


def _check_encryption(memory: AgentStore, saver: str) -> None:
    if memory.settings.langgraph_aes_key:
        fix = "unset it, or serve the graph where checkpointer.path in langgraph.json is used."
        raise BadInput(f"LANGGRAPH_AES_KEY is set, and {saver} would save threads unencrypted: {fix}")


async def close() -> None:
    """Close the memory of this event loop, if it is open."""
    if memory := opened.get(asyncio.get_running_loop()):
        memory.keeper.cancel()
        await asyncio.wait([memory.keeper])


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[None]:
    """Open memory when Aegra starts, so that wrong settings end the start, and close it when Aegra ends."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(close)
        try:
            _check_encryption(await memory_beside(None, None), "Aegra")
        except AgentMemoryError as error:
            log.error("the server does not start: %s", error)  # the host itself only logs a traceback
            raise
        yield


async def _keep_open(ready: asyncio.Future[AgentStore]) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with open_store() as store:
            log.info("memory was opened from the settings: the host has a store of its own")
            ready.set_result(store)
            await loop.create_future()
    except Exception as error:
        if ready.done():
            raise
        ready.set_exception(error)
        ready.exception()  # a run that was cancelled meanwhile does not read it
    finally:
        opened.pop(loop)  # after an error the next run tries again
        ready.cancel()


def is_foreign(saver: object) -> bool:
    """Whether the threads are kept by a checkpointer that `agent.persistence` did not open."""
    return isinstance(saver, BaseCheckpointSaver) and not isinstance(saver, ThreadSaver)


async def owner_elsewhere(saver: object, thread_id: str) -> str | None:
    """`memory.threads.threads.thread_owner` of a thread that the host's checkpointer keeps in another place."""
    if not (saved := await _saved_elsewhere(saver, thread_id)):
        return None
    return str(saved.checkpoint["channel_values"].get("owner") or saved.metadata.get(BEGUN_BY, ""))


async def has_saved(store: AgentStore, saver: object, thread_id: str, checkpoint_id: str) -> bool:
    """Whether the thread has this checkpoint, in the database of the settings or in the host's checkpointer."""
    if await has_checkpoint(store.pool, thread_id, checkpoint_id):
        return True
    return await _saved_elsewhere(saver, thread_id, checkpoint_id=checkpoint_id) is not None


async def _saved_elsewhere(saver: object, thread_id: str, **checkpoint: str) -> CheckpointTuple | None:
    """A checkpoint of a host's checkpointer, by default the thread's last one."""
    if not isinstance(saver, BaseCheckpointSaver) or not is_foreign(saver):
        return None
    return await saver.aget_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": "", **checkpoint}})


async def check_threads(store: AgentStore, saver: object, thread_id: str) -> None:
    """Log, once a process, that what a run has just saved is not in the database of the settings."""
    if "threads" not in told and is_foreign(saver) and await thread_owner(store.pool, thread_id) is None:
        told.add("threads")
        missing = "the commands for threads, `catch-up`, `forget` and the guard against repeated runs do not see them"
        log.warning("%s keeps threads outside POSTGRES_URL: %s.", type(saver).__name__, missing)
