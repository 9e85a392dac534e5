"""The command without a name: opens a chat, and reads its messages from the keyboard, a pipe or a file."""

import asyncio
import gc
import importlib
import signal
import sys
import uuid
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from agent.terminal import output
from agent.terminal.app import FAILED, UserOption, app, check_no_options, opened, start

if TYPE_CHECKING:
    from agent.persistence import Services
    from agent.terminal.chat import Chat

HOW_TO_LEAVE = "/quit or Ctrl-D leaves"
CHECK_TIMEOUT = 5  # seconds until a person can chat although the index is still being checked or rebuilt


@app.callback(invoke_without_command=True)
def chat(
    context: typer.Context,
    user: UserOption = "default",
    thread: Annotated[str, typer.Option(help="The thread to continue; a new one by default.")] = "",
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Talk to the agent, or use a command on what it remembers. If input is not a terminal, each line is a message."""
    if show_version:
        from importlib.metadata import version

        output.line(version("remembering-agent"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(asyncio.run(_chat(user, thread)))
    check_no_options(context, user != "default", bool(thread))


async def _chat(user: str, thread: str) -> int:
    """Returns the exit code: for a script, whether any message failed."""
    thread_id = thread or str(uuid.uuid4())
    settings = start()
    model = settings.chat_model_name
    async with opened(settings) as services, AsyncExitStack() as stack:
        from agent.offline import NOTICE
        from agent.settings import OFFLINE
        from memory.threads.threads import check_thread_is_own

        await services.check_index()
        await check_thread_is_own(services.pool, user, thread_id)
        output.note(NOTICE if model == OFFLINE else f"Talking to {model}.")
        opening = asyncio.create_task(open_chat(services, user, thread_id, stack))
        try:
            if sys.stdin.isatty():
                output.note(f"You are {user!r}, in thread {thread_id}. /help lists the commands.")
                await talk(opening)
            session = await opening
            while not sys.stdin.isatty() and (line := await asyncio.to_thread(sys.stdin.readline)):
                if line.strip() and not await session.handle(line.rstrip("\n")):
                    break
        finally:
            await cancelled(opening)
        await session.finish()
        return FAILED if session.failed and not sys.stdin.isatty() else 0


async def open_chat(services: "Services", user_id: str, thread_id: str, stack: AsyncExitStack) -> "Chat":
    """A conversation, which closes with `stack`. Only a script waits for a long rebuild of the index."""
    for module in ("agent.terminal.chat", "graphs.chat"):  # they import LangGraph, while the person can type already
        await asyncio.to_thread(importlib.import_module, module)
    from agent.persistence import agent_store
    from agent.terminal.chat import Chat
    from agent.turn.extraction_schedule import with_extraction_model
    from graphs.chat import builder
    from memory.maintenance import bring_up
    from memory.user_memory import UserMemory

    store = await stack.enter_async_context(agent_store(services))
    await store.embedder.warm_up()
    gc.collect()
    gc.freeze()  # full collections would walk through the imported modules, which takes a tenth of a second
    checking = asyncio.create_task(bring_up(store, output.note))
    stack.push_async_callback(cancelled, checking)
    await asyncio.wait([checking], timeout=CHECK_TIMEOUT if sys.stdin.isatty() else None)
    saver = services.saver
    graph = builder.compile(checkpointer=saver, store=store)
    memory = await with_extraction_model(UserMemory(store, user_id), services.settings)
    return Chat(graph, saver, memory, output.console(), output.console(stderr=True), thread_id)


async def cancelled(task: "asyncio.Task[Chat] | asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def talk(opening: "asyncio.Task[Chat]") -> None:
    """Read messages from the keyboard, and answer them once the chat is open. Ctrl-C stops a reply and nothing else."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.patch_stdout import patch_stdout

    session, loop = PromptSession[str](), asyncio.get_running_loop()
    turn: asyncio.Future[bool] | None = None

    def end_prompt(opened: "asyncio.Task[Chat]") -> None:
        if not opened.cancelled() and (error := opened.exception()) and session.app.is_running:
            session.app.exit(exception=error)

    def interrupt(*_: object) -> None:  # during a reply; at the prompt, prompt-toolkit handles Ctrl-C
        stop = turn.cancel if turn and not turn.done() else partial(output.note, HOW_TO_LEAVE)
        loop.call_soon_threadsafe(stop)

    opening.add_done_callback(end_prompt)
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        while True:
            if opening.done():
                opening.result()
            try:
                with patch_stdout(raw=True):  # what is printed meanwhile appears above the prompt
                    line = await session.prompt_async("> ")
            except KeyboardInterrupt:
                output.note(HOW_TO_LEAVE)
                continue
            except EOFError:
                return
            if line.strip():
                turn = asyncio.ensure_future(_answer(opening, line))
                try:
                    if not await turn:
                        return
                except asyncio.CancelledError:
                    output.note("stopped; the thread goes on from here")
    finally:
        signal.signal(signal.SIGINT, before)


async def _answer(opening: "asyncio.Task[Chat]", line: str) -> bool:
    return await (await asyncio.shield(opening)).handle(line)
