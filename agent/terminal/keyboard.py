"""Where a chat's messages come from: a person at the keyboard, or the lines of a pipe or a file.

A person sees the prompt while LangGraph is still being imported, and can begin to type.
"""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from agent.terminal import output

if TYPE_CHECKING:
    from agent.terminal.chat import Chat

HOW_TO_LEAVE = "/quit or Ctrl-D leaves"


async def talk(opening: "asyncio.Task[Chat]") -> None:
    """Read messages from the keyboard until the person leaves. Ctrl-C breaks off a reply and nothing else.

    Raises the error of a chat that cannot be opened as soon as that is known.
    """
    session: PromptSession[str] = PromptSession()

    def end_prompt(opened: "asyncio.Task[Chat]") -> None:
        if not opened.cancelled() and (error := opened.exception()) and session.app.is_running:
            session.app.exit(exception=error)

    opening.add_done_callback(end_prompt)
    with _ctrl_c_breaks_off() as turns:
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
            if not line.strip():
                continue
            turns.append(asyncio.ensure_future(_answer(opening, line)))
            try:
                if not await turns[-1]:
                    return
            except asyncio.CancelledError:
                output.note("broken off; the thread goes on from here")


async def _answer(opening: "asyncio.Task[Chat]", line: str) -> bool:
    """Carry out one line, once the chat is open; False when it was the last."""
    chat = await asyncio.shield(opening)
    try:
        return await chat.handle(line)
    except asyncio.CancelledError:
        chat.out.out("")  # ends the line of the reply
        raise


@contextmanager
def _ctrl_c_breaks_off() -> Iterator[list["asyncio.Future[bool]"]]:
    """Until the block ends, Ctrl-C cancels the last of the turns that it yields; at the prompt, prompt-toolkit acts."""
    turns: list[asyncio.Future[bool]] = []
    loop = asyncio.get_running_loop()

    def interrupt(*_: object) -> None:
        if turns and not turns[-1].done():
            loop.call_soon_threadsafe(turns[-1].cancel)
        else:
            loop.call_soon_threadsafe(output.note, HOW_TO_LEAVE)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield turns
    finally:
        signal.signal(signal.SIGINT, before)


async def read(chat: "Chat") -> None:
    """Read messages from a pipe or a file, one a line, until it ends; blank lines are skipped."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip() and not await chat.handle(line.rstrip("\n")):
            return
