"""The terminal's commands for threads: `threads` lists a user's, `threads prune` drops the history of old ones."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, cast

import typer

from agent.terminal import output
from agent.terminal.app import JsonOption, UserOption, app, command, in_range, opened, saver_of, user_of
from agent.terminal.output import counted
from memory.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from langgraph.checkpoint.base import CheckpointTuple
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    from memory.ledger.pool import Pool
    from memory.threads.saver import ThreadSaver
    from memory.threads.threads import Size, Thread

AT_REST = timedelta(minutes=5)
"""A thread that was saved since then may be in the middle of a run on a server."""

MAX_DAYS = 36_500

group = typer.Typer(rich_markup_mode=None)
app.add_typer(group, name="threads")


@group.callback(invoke_without_command=True)
def threads(context: typer.Context, as_json: JsonOption = False, user: UserOption = None) -> None:
    """List the user's threads, or delete the history of old ones.

    The thread used last comes first.
    """
    if context.invoked_subcommand is None:
        asyncio.run(listing(user, as_json=as_json))
    elif as_json or user is not None:
        name = context.invoked_subcommand
        raise BadInput(f"Options go behind the command: python -m agent threads {name} --user ...")


async def listing(user: str | None, *, as_json: bool) -> None:
    user_id = user_of(user)
    async with opened() as services:
        listed = await titled_threads(saver_of(services), user_id)
    if as_json:
        output.document([{"id": t.id, "last_at": t.last_at.isoformat(), "title": title} for t, title in listed])
    elif listed:
        rows = [[thread.id, f"{thread.last_at:%Y-%m-%d %H:%M}", title] for thread, title in listed]
        output.table(["id", "last used", "begins with"], rows)
    else:
        output.note("no threads yet")


async def titled_threads(saver: "AsyncPostgresSaver", user_id: str) -> "list[tuple[Thread, str]]":
    """The user's threads, the one used last first, each with the beginning of its first message."""
    from memory.threads.threads import list_threads

    titled = []
    for thread in await list_threads(cast("Pool", saver.conn), user_id):
        saved = await saver.aget_tuple({"configurable": {"thread_id": thread.id}})
        titled.append((thread, output.printable(" ".join(beginning(saved).split()))[:60]))
    return titled


def beginning(saved: "CheckpointTuple | None") -> str:
    """What a thread began with: its first message, which the summary keeps the beginning of once it is folded."""
    values = saved.checkpoint["channel_values"] if saved else {}
    if summary := values.get("summary"):
        return str(summary["begins_with"])
    return next((str(message.text) for message in values.get("messages", []) if message.type == "human"), "")


@partial(command, group=group)
async def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="DAYS", help="Days since it was last used.")
    ] = "30",
    as_json: JsonOption = False,
    user: UserOption = None,
) -> None:
    """Delete the history of threads that are no longer used.

    Each goes on as before, but cannot be taken back to an earlier turn.
    """
    unused_for = timedelta(days=in_range("--older-than", older_than, float, MAX_DAYS))
    user_id = user_of(user)
    async with opened() as services:
        from memory.threads.threads import list_threads

        saver, until = saver_of(services), datetime.now(UTC) - max(unused_for, AT_REST)
        old = [thread for thread in await list_threads(saver.pool, user_id, None) if thread.last_at < until]
        outcome: list[Size | None] = []
        with output.bar("pruning") as progress:
            for thread in old:
                outcome.append(await pruned(saver, thread.id))
                progress(len(outcome), len(old))
    gone, in_use = [freed for freed in outcome if freed and freed.checkpoints], outcome.count(None)
    checkpoints, size = sum(freed.checkpoints for freed in gone), sum(freed.bytes for freed in gone)
    if as_json:
        output.document({"threads": len(gone), "in_use": in_use, "checkpoints": checkpoints, "bytes": size})
        return
    if unused_for < AT_REST:
        output.note(f"threads used in the last {AT_REST.seconds // 60} minutes are left as they are")
    if gone:
        went = f"{counted(checkpoints, 'checkpoint')} ({size / 1e6:,.1f} MB)"
        output.line(f"{went} deleted from {counted(len(gone), 'thread')}")
    else:
        output.note("nothing to delete")
    if in_use:
        output.note(f"{counted(in_use, 'thread')} in use left as it was")


async def pruned(saver: "ThreadSaver", thread_id: str) -> "Size | None":
    """Delete all but the newest checkpoint of a thread; how much went, None where the thread is in use."""
    from psycopg.errors import SerializationFailure

    from memory.threads.run_lock import RunLocks
    from memory.threads.threads import Size, thread_size

    try:
        async with RunLocks(saver.pool).hold(thread_id, timeout=1):
            before = await thread_size(saver.pool, thread_id)
            await saver.aprune([thread_id])
            after = await thread_size(saver.pool, thread_id)
    except (Unavailable, SerializationFailure):
        return None
    return Size(before.checkpoints - after.checkpoints, before.bytes - after.bytes)
