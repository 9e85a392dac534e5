"""The terminal program: `python -m agent`. It stands on top of graphs/, and nothing imports it."""

import asyncio
import logging
import sys
from typing import Annotated

import typer
from rich.console import Console

from agent.context import DEFAULT_USER
from agent.offline import OFFLINE_NOTICE
from agent.persistence import open_checkpointer, open_store
from agent.settings import OFFLINE, read_settings
from agent.terminal import Chat, read, talk
from graphs.chat import builder
from memory.errors import AgentMemoryError, BadInput
from memory.user_memory import UserMemory

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
"""Exit codes: something to be put right in what was given; something that went wrong; Ctrl-C."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

UserOption = Annotated[str, typer.Option(help="Whose memory to use.")]


@app.command()
def chat(
    user: UserOption = DEFAULT_USER,
    thread: Annotated[str, typer.Option(help="The thread to go on in; a new one where none is named.")] = "",
) -> None:
    """Talk to the agent. With standard input that is no terminal, each line is a message."""
    logging.basicConfig(level=read_settings().log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    failed = asyncio.run(_chat(user, thread))
    raise typer.Exit(FAILED if failed else 0)


async def _chat(user: str, thread: str) -> bool:
    """Whether any of the messages came to nothing."""
    settings = read_settings()
    interactive = sys.stdin.isatty()

    def progress(line: str) -> None:
        err.print(line, style="dim", markup=False, soft_wrap=True)

    async with open_checkpointer(settings, progress) as saver, open_store(settings, progress) as store:
        memory = UserMemory(store, user)
        graph = builder.compile(checkpointer=saver, store=store)
        session = Chat(graph, saver, memory, out, err)
        if thread:
            await session.resume(thread)
        if settings.chat_model_name == OFFLINE:
            progress(OFFLINE_NOTICE)
        else:
            progress(f"Talking to {settings.chat_model_name}.")
        if interactive:
            progress(f"You are {user!r}, in thread {session.thread_id}. /help lists the commands.")
            await talk(session)
            return False
        await read(session)
        return session.failed


def main() -> None:
    """Run the program; errors that are the caller's to mend are one line and an exit code."""
    sys.stdin.reconfigure(errors="replace") if hasattr(sys.stdin, "reconfigure") else None
    try:
        app()
    except AgentMemoryError as error:
        err.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(BAD_INPUT if isinstance(error, BadInput) else FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
