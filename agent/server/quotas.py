"""How much one user may ask of a server: runs in a minute, and the size of a request."""

import logging
from datetime import datetime

from langgraph_sdk import Auth
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.identity import open_stores
from memory.errors import Unavailable, cause_of
from memory.facts.fact import utc_now
from memory.ledger.run_counts import count_run
from memory.logs import Event

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000  # bytes


async def check_rate(user_id: str, limit: int, now: datetime | None = None) -> None:
    """Count a run of this user, if memory is open and Postgres answers. Raises Auth.exceptions.HTTPException (429) for
    more than `limit` in a minute of the clock; 0 is no limit."""
    store = next(iter(open_stores), None)
    if not limit or store is None:
        return
    now = now or utc_now()
    try:
        runs = await count_run(store.pool, user_id, now.replace(second=0, microsecond=0))
    except Unavailable as error:  # the run itself says what is wrong
        log.warning(Event("run not counted", user=user_id, cause=cause_of(error)))
        return
    if runs > limit:
        seconds = 60 - now.second
        reason = f"More than {limit} runs in a minute (RUNS_PER_MINUTE): try again in {seconds} s."
        raise Auth.exceptions.HTTPException(429, reason, {"retry-after": str(seconds)})


class RequestSize:
    """Refuses requests with a body of more than `megabytes`, whether they say so in a header or not."""

    def __init__(self, app: ASGIApp, megabytes: int) -> None:
        self.app, self._megabytes = app, megabytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit, received, answered = self._megabytes * MEGABYTE, 0, False
        reason = f"The request is larger than {self._megabytes} MB (MAX_REQUEST_MEGABYTES): send less."
        refusal = JSONResponse({"detail": reason}, 413)
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            await refusal(scope, receive, send)
            return

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, reason)
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, limited, noted)
        except Exception:  # other middleware may have put the one above into a group
            if received <= limit or answered:
                raise
            await refusal(scope, receive, send)
