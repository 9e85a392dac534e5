"""The terminal program: `python -m agent`. It stands on top of graphs/, and nothing imports it."""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the process, without a traceback; see agent.program

import asyncio
import io
import sys
from typing import Annotated

import typer

from agent import (
    commands,  # noqa: F401 - adds its commands to the app
    pending,  # noqa: F401 - and this one more
    screen,
    tasks,  # noqa: F401 - and this
    threads,  # noqa: F401 - and a group of them
)
from agent.program import FAILED, UserOption, app, memory_of, opened, saver_of, user_of
from memory.errors import BadInput

__all__ = ["app"]


def print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        screen.line(version("remembering-agent"))
        raise typer.Exit


@app.callback(invoke_without_command=True)
def chat(
    context: typer.Context,
    user: UserOption = None,
    thread: Annotated[str, typer.Option(help="The thread to go on in; a new one if none is named.")] = "",
    show_version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", help="Print the version and exit.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Talk to the agent, or use a command on what it remembers.

    Where standard input is not a terminal, each line of it is a message.
    """
    if context.invoked_subcommand is None:
        raise typer.Exit(FAILED if asyncio.run(_chat(user, thread)) else 0)
    if user is not None or thread:
        raise BadInput(f"Options go behind the command: python -m agent {context.invoked_subcommand} --user ...")


async def _chat(user: str | None, thread: str) -> bool:
    """Whether any of the messages came to nothing."""
    user_id = user_of(user)
    async with opened() as store:
        # Imports that --help and a wrong setting do not wait for.
        from agent.offline import OFFLINE_NOTICE
        from agent.settings import OFFLINE, read_settings
        from agent.terminal import Chat, read, talk
        from graphs.chat import builder

        saver = saver_of(store)
        graph = builder.compile(checkpointer=saver, store=store)
        session = Chat(graph, saver, memory_of(store, user_id), screen.out(), screen.err())
        if thread:
            await session.resume(thread)
        model = read_settings().chat_model_name
        screen.note(OFFLINE_NOTICE if model == OFFLINE else f"Talking to {model}.")
        if sys.stdin.isatty():
            screen.note(f"You are {user_id!r}, in thread {session.thread_id}. /help lists the commands.")
            await talk(session)
        else:
            await read(session)
        await session.finish()
        return session.failed and not sys.stdin.isatty()


if __name__ == "__main__":
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    app()
