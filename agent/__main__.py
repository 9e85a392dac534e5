"""The terminal program: `python -m agent`. It stands on top of graphs/, and nothing imports it."""

import _signal  # type: ignore[import-not-found]

if __name__ == "__main__":
    # Ctrl-C ends the process without a traceback; see agent/terminal/app.py. `_signal` is built in, while the import of
    # `signal` runs other modules' code, in which Ctrl-C would still be an exception.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import asyncio
import importlib
import io
import sys
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from agent.terminal import (
    catch_up,  # noqa: F401 - adds its command to the app
    facts,  # noqa: F401 - and these
    output,
    tasks,  # noqa: F401 - and this
    threads,  # noqa: F401 - and a group of them
)
from agent.terminal.app import FAILED, UserOption, app, memory_of, opened, saver_of, user_of
from memory.errors import BadInput

if TYPE_CHECKING:
    from agent.persistence import Services
    from agent.terminal.chat import Chat

__all__ = ["app"]

CHECK_TIMEOUT = 5
"""Seconds after which a person is answered although the collection is still being compared or rebuilt."""


def print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        output.line(version("remembering-agent"))
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
    user_id, thread_id = user_of(user), thread or str(uuid.uuid4())
    async with opened() as services, AsyncExitStack() as stack:
        # Imports that --help and a wrong setting do not wait for.
        from agent.terminal import keyboard
        from memory.threads.threads import check_thread_is_own

        await services.chroma.check()
        await check_thread_is_own(services.pool, user_id, thread_id)
        output.note(introduction(services.settings.chat_model_name))
        opening = asyncio.create_task(open_chat(services, user_id, thread_id, stack))
        try:
            if sys.stdin.isatty():
                output.note(f"You are {user_id!r}, in thread {thread_id}. /help lists the commands.")
                await keyboard.talk(opening)
            else:
                await keyboard.read(await opening)
            session = await opening
        finally:
            await cancelled(opening)
        await session.finish()
        return session.failed and not sys.stdin.isatty()


def introduction(model: str) -> str:
    """What a person is told about the model they talk to."""
    from agent.settings import OFFLINE, OFFLINE_NOTICE

    return OFFLINE_NOTICE if model == OFFLINE else f"Talking to {model}."


async def open_chat(services: "Services", user_id: str, thread_id: str, stack: AsyncExitStack) -> "Chat":
    """A conversation, which closes with `stack`.

    LangGraph is imported by a thread, while a person may type already. The collection is compared with the ledger
    meanwhile, too; a rebuild that takes long goes on during the chat, and only a script waits for its end.
    """
    for module in ("agent.terminal.chat", "graphs.chat"):
        await asyncio.to_thread(importlib.import_module, module)
    from agent.persistence import fact_store, spare_the_collector
    from agent.terminal.chat import Chat
    from graphs.chat import builder
    from memory.maintenance import bring_up

    store = await stack.enter_async_context(fact_store(services))
    await store.embedder.warm_up()
    spare_the_collector()
    checking = asyncio.create_task(bring_up(store, output.note))
    stack.push_async_callback(cancelled, checking)
    await asyncio.wait([checking], timeout=CHECK_TIMEOUT if sys.stdin.isatty() else None)
    saver = saver_of(services)
    graph = builder.compile(checkpointer=saver, store=store)
    return Chat(graph, saver, memory_of(store, user_id), output.out(), output.err(), thread_id)


async def cancelled(task: "asyncio.Task[Chat] | asyncio.Task[None]") -> None:
    """Cancel the task, and wait for its end."""
    task.cancel()
    await asyncio.wait([task])


if __name__ == "__main__":
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    app()
