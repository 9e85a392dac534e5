"""The records that a LangGraph server keeps of its own, of threads and runs: they are deleted through its API."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError, NotFoundError
from pydantic import SecretStr

from memory.errors import Unavailable
from memory.facts.fact import owner_key

PAGE = 1_000  # threads that are asked for at a time
TIMEOUT = 30  # seconds


async def delete_records(
    url: str, authorization: SecretStr | None, user_id: str, thread_ids: Iterable[str], named: str = ""
) -> int:
    """Delete these threads with their runs, and also those whose owner, as the server has it, is the user: the thread
    `named`, or all if it is empty. Returns how many there were. Raises Unavailable."""
    headers = {"authorization": authorization.get_secret_value()} if authorization else {}
    try:
        async with get_client(url=url, api_key=None, headers=headers, timeout=TIMEOUT) as client:
            owned = await _owned(client, user_id, named) if not named or _is_uuid(named) else set()
            wanted = {*thread_ids} | {thread for thread in owned if named in ("", thread)}
            return sum([await _deleted(client, thread_id) for thread_id in sorted(wanted)])
    except (APIStatusError, httpx.HTTPError, OSError) as error:
        problem = f"{type(error).__name__}, from the server at {url}: its own records of threads and runs are left"
        raise Unavailable(f"{problem}. Check SERVER_URL and SERVER_AUTHORIZATION, and run it again.") from error


async def _owned(client: LangGraphClient, user_id: str, named: str) -> set[str]:
    """The threads whose state names the user as owner, or whose metadata do, as `auth` handlers write it. All threads
    are listed, since `langgraph dev` fails to search for a value where a thread has none yet."""
    owned, seen, owners = set[str](), 0, {"in_state": owner_key(user_id), "in_metadata": user_id}
    paths = {"in_state": "values.owner", "in_metadata": "metadata.owner"}
    while True:
        page: list[Any] = await client.threads.search(
            ids=[named] if named else None, select=["thread_id"], extract=paths, limit=PAGE, offset=seen,
            sort_by="thread_id",
        )  # fmt: skip
        owned |= {t["thread_id"] for t in page if any(t["extracted"][where] == owners[where] for where in owners)}
        seen += len(page)
        if len(page) < PAGE:
            return owned


async def _deleted(client: LangGraphClient, thread_id: str) -> bool:
    if _is_uuid(thread_id):
        with suppress(NotFoundError):
            await client.threads.delete(thread_id)
            return True
    return False


def _is_uuid(thread_id: str) -> bool:
    """Whether a server can have a thread of this id."""
    try:
        UUID(thread_id)
    except ValueError:
        return False
    return True
