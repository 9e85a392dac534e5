"""Where a chat's messages come from: a person at the keyboard, or the lines of a pipe or a file.

A person sees the prompt while LangGraph is still being imported, and can begin to type.
"""

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from agent import screen

if TYPE_CHECKING:
    from agent.terminal import Chat


async def talk(opening: "asyncio.Task[Chat]") -> None:
    """Read messages from the keyboard until the person leaves. Ctrl-C breaks off a reply and nothing else.

    Raises the error of a chat that cannot be opened as soon as that is known.
    """
    session: PromptSession[str] = PromptSession()

    def end_prompt(opened: "asyncio.Task[Chat]") -> None:
        if not opened.cancelled() and (error := opened.exception()) and session.app.is_running:
            session.app.exit(exception=error)

    opening.add_done_callback(end_prompt)
    while True:
        if opening.done():
            opening.result()
        try:
            with patch_stdout(raw=True):  # what is printed meanwhile appears above the prompt
                line = await session.prompt_async("> ")
        except KeyboardInterrupt:
            screen.note("/quit or Ctrl-D leaves")
            continue
        except EOFError:
            return
        if line.strip() and not await _answer(await opening, line):
            return


async def _answer(chat: "Chat", line: str) -> bool:
    """Carry out one line, which Ctrl-C breaks off; False when it was the last."""
    loop = asyncio.get_running_loop()
    turn = asyncio.ensure_future(chat.handle(line))
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, turn.cancel)
    try:
        goes_on = await turn
    except asyncio.CancelledError:
        goes_on = None
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
    if goes_on is None:
        chat.out.out("")
        chat.note("broken off; the thread goes on from here")
        return True
    return goes_on


async def read(chat: "Chat") -> None:
    """Read messages from a pipe or a file, one a line, until it ends; blank lines are skipped."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip() and not await chat.handle(line.rstrip("\n")):
            return
