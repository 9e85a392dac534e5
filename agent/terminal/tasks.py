"""A user's tasks in the terminal: the command `tasks`, and the lines that it shares with the chat's /tasks."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from agent.terminal import output
from agent.terminal.app import JsonOption, UserOption, command, opened, saver_of, user_of

if TYPE_CHECKING:
    from memory.threads.tasks import ThreadTask

DATA_WIDTH = 80
"""Characters of a task's data that a line shows; --json prints them whole."""


@command
async def tasks(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that ended or expired: the last one of each thread.")
    ] = False,
    as_json: JsonOption = False,
    user: UserOption = None,
) -> None:
    """List the tasks that the user's threads are in the middle of."""
    user_id = user_of(user)
    async with opened() as services:
        from memory.threads.tasks import active_tasks, latest_tasks

        saver = saver_of(services)
        found = await (latest_tasks if everything else active_tasks)(saver.pool, saver.serde, user_id)
    if as_json:
        output.document([{**entry.task, "thread_id": entry.thread_id} for entry in found])
    elif found:
        output.table(["type", "status", "thread", "expires", "data"], [row_of(entry) for entry in found])
    else:
        output.note("no tasks yet" if everything else "no task is open")


def row_of(entry: "ThreadTask") -> list[str]:
    """ "trip", "in_progress", the thread, "2026-11-23 12:00" (UTC), and the data, shortened."""
    task = entry.task
    data = json.dumps(task["data"], ensure_ascii=False)
    shown = data if len(data) <= DATA_WIDTH else f"{data[: DATA_WIDTH - 1]}…"
    return [task["type"], task["status"], entry.thread_id, task["expires_at"][:16].replace("T", " "), shown]
