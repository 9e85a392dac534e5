"""How long a turn waits for memory, in seconds: a reply for recall, and a client for what follows the reply."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from agent.settings import Settings

T = TypeVar("T")

RECALL_TIMEOUT = 4.0  # for the database, too: vectors and the index have less (RecallOptions.timeout)
TOOL_TIMEOUT = 4.0  # a search by the model
SCHEDULE_TIMEOUT = 5.0
NOTICE_TIMEOUT = 1.0  # to note that the user was told of something
RECONCILE_TIMEOUT = 7.0
CHECKPOINTS = 1.0  # of the nodes that follow the reply
READY_TIMEOUT = 3.0  # for each part that `/ready` asks; probes wait little longer


def extraction_timeout(settings: Settings) -> float:
    """Seconds for the extraction, which the summary runs beside: AFTER_REPLY_TIMEOUT less the time for reconcile and
    checkpoints."""
    return settings.after_reply_timeout - RECONCILE_TIMEOUT - CHECKPOINTS


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises TimeoutError, without waiting for what `work` does when it is cancelled: psycopg
    waits for an answer of the database then."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # marks its exception as retrieved
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError(f"not within {seconds:g} s")
        return task.result()
    finally:
        task.cancel()
