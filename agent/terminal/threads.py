"""The commands for threads: `threads`, `tasks` and `given-up` list what is in them, `threads prune` deletes history."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from agent.terminal import output
from agent.terminal.app import JsonOption, UserOption, app, check_no_options, command, opened
from agent.terminal.output import counted
from memory.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from memory.threads.saver import ThreadSaver
    from memory.threads.tasks import ThreadTask
    from memory.threads.threads import Size, Thread

AT_REST = timedelta(minutes=5)  # a thread saved more recently may be in the middle of a run on a server
TITLE_WIDTH, DATA_WIDTH = 60, 80  # characters shown of a thread's first message, and of a task's data
UNREADABLE = "(saved with another LANGGRAPH_AES_KEY)"  # in place of a first message
ANSWERS = {  # the class of the error that an answer of the model led to -> the answer, in words
    "Prose": "without JSON",
    "ValueError": "unreadable",
    "LengthFinishReasonError": "cut off",
    "ContentFilterFinishReasonError": "held back by a content filter",
}

group = typer.Typer(rich_markup_mode=None)
app.add_typer(group, name="threads")


@group.callback(invoke_without_command=True)
def threads(context: typer.Context, as_json: JsonOption = False, user: UserOption = "default") -> None:
    """List the user's threads, or delete the history of old ones. The thread used last comes first."""
    if context.invoked_subcommand is None:
        asyncio.run(list_(user, as_json))
    else:
        check_no_options(context, as_json, user != "default")


async def list_(user: str, as_json: bool) -> None:
    async with opened() as services:
        found = await titled_threads(services.saver, user)
    rows = [[thread.id, output.minute_of(thread.last_at), title] for thread, title in found]
    documents = [{"id": thread.id, "last_at": thread.last_at.isoformat(), "title": title} for thread, title in found]
    output.listing(["id", "last used", "begins with"], rows, "no threads yet", documents, as_json=as_json)


async def titled_threads(saver: "ThreadSaver", user_id: str) -> "list[tuple[Thread, str]]":
    """The user's threads, the one used last first, each with the beginning of its first message, or why that cannot be
    read."""
    from memory.threads.threads import list_threads

    titled = []
    for thread in await list_threads(saver.pool, user_id):
        try:
            saved = await saver.aget_tuple({"configurable": {"thread_id": thread.id}})
        except BadInput:
            titled.append((thread, UNREADABLE))
            continue
        values = saved.checkpoint["channel_values"] if saved else {}
        said = (str(message.text) for message in values.get("messages", []) if message.type == "human")
        summary = values.get("summary")  # of a long thread, whose first message is no longer there
        first = str(summary["begins_with"]) if summary else next(filter(str.strip, said), "")
        titled.append((thread, output.cell(first)[:TITLE_WIDTH]))
    return titled


@partial(command, group=group)
async def prune(
    older_than: Annotated[int, typer.Option(min=0, max=36_500, metavar="DAYS", help="Days since its last use.")] = 30,
    as_json: JsonOption = False,
    user: UserOption = "default",
) -> None:
    """Delete the history of threads no longer used. They can be continued, but not taken back to an earlier turn."""
    unused_for = timedelta(days=older_than)
    async with opened() as services:
        from memory.threads.threads import list_threads

        saver, until = services.saver, datetime.now(UTC) - max(unused_for, AT_REST)
        old = [thread for thread in await list_threads(saver.pool, user, None) if thread.last_at < until]
        outcome: list[Size | None] = []
        with output.bar("pruning") as progress:
            for thread in old:
                outcome.append(await pruned(saver, thread.id))
                progress(len(outcome), len(old))
    deleted, in_use = [size for size in outcome if size and size.checkpoints], outcome.count(None)
    checkpoints, size = sum(size.checkpoints for size in deleted), sum(size.bytes for size in deleted)
    if as_json:
        output.print_json({"threads": len(deleted), "in_use": in_use, "checkpoints": checkpoints, "bytes": size})
        return
    if unused_for < AT_REST:
        output.note(f"threads used in the last {AT_REST.seconds // 60} minutes are left unchanged")
    gone = f"{counted(checkpoints, 'checkpoint')} ({size / 1e6:,.1f} MB) deleted from {counted(len(deleted), 'thread')}"
    output.line_or_note(gone if deleted else "", "nothing to delete")
    if in_use:
        output.note(f"{counted(in_use, 'thread')} in use left unchanged")


async def pruned(saver: "ThreadSaver", thread_id: str) -> "Size | None":
    """Delete all but the newest checkpoint of a thread. Returns how much that was, or None if the thread is in use."""
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


@command
async def tasks(
    everything: Annotated[
        bool, typer.Option("--all", help="Include ended and expired tasks: the last one of each thread.")
    ] = False,
    as_json: JsonOption = False,
    user: UserOption = "default",
) -> None:
    """List the open tasks of the user's threads."""
    async with opened() as services:
        from memory.threads.tasks import active_tasks, latest_tasks

        saver = services.saver
        found = await (latest_tasks if everything else active_tasks)(saver.pool, saver.serde, user)
    documents = [{**entry.task, "thread_id": entry.thread_id} for entry in found]
    rows, columns = list(map(task_row, found)), ["type", "status", "thread", "expires", "data"]
    empty = "no tasks yet" if everything else "no task is open"
    output.listing(columns, rows, empty, documents, as_json=as_json)


@command
async def given_up(as_json: JsonOption = False, user: UserOption = "default") -> None:
    """List messages that no facts could be taken from. `catch-up --given-up` tries them again."""
    async with opened() as services:
        from agent.turn.extraction_schedule import given_up_utterances
        from memory.ledger.ledger import Ledger

        found = await given_up_utterances(Ledger(services.pool), services.saver, user)
    titled = [(entry, output.cell(said.text)[:TITLE_WIDTH] if said else "") for entry, said in found.items()]
    rows = [
        [e.thread_id, e.message_id, output.minute_of(e.given_up_at), ANSWERS.get(e.cause, e.cause), title]
        for e, title in titled
    ]
    columns = ["thread", "message", "given up", "the model's answers", "begins with"]
    documents = [{**e._asdict(), "given_up_at": e.given_up_at.isoformat(), "begins_with": title} for e, title in titled]
    output.listing(columns, rows, "no message was given up", documents, as_json=as_json)


def task_row(entry: "ThreadTask") -> list[str]:
    """ "trip", "in_progress", the thread, "2026-11-23 12:00", and the data, shortened."""
    expires = datetime.fromisoformat(entry.task["expires_at"])
    task, data = entry.task, json.dumps(entry.task["data"], ensure_ascii=False)
    shown = data if len(data) <= DATA_WIDTH else f"{data[: DATA_WIDTH - 1]}…"
    return [task["type"], task["status"], entry.thread_id, output.minute_of(expires), shown]
