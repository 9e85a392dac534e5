"""Reading from the keyboard before and after the chat is open."""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from agent.terminal.chat import Chat
from agent.terminal.talk import talk
from memory.errors import Unavailable


class Listener:
    """A chat that records its lines. A line that starts with / ends it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def handle(self, line: str) -> bool:
        self.lines.append(line)
        return not line.startswith("/")


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


async def test_lines_typed_while_the_chat_opens_are_answered_afterwards(keys: PipeInput) -> None:
    listener, opened = Listener(), asyncio.Event()

    async def open_chat() -> Chat:
        await opened.wait()
        return cast(Chat, listener)

    keys.send_text("Hello\r \r/quit\r")
    talking = asyncio.create_task(talk(asyncio.create_task(open_chat())))
    await asyncio.sleep(0)
    opened.set()
    async with asyncio.timeout(30):
        await talking
    assert listener.lines == ["Hello", "/quit"]


async def test_a_chat_that_cannot_be_opened_ends_the_prompt_with_its_error(keys: PipeInput) -> None:
    async def open_chat() -> Chat:
        await asyncio.sleep(0)
        raise Unavailable("no database")

    async with asyncio.timeout(30):
        with pytest.raises(Unavailable, match="no database"):
            await talk(asyncio.create_task(open_chat()))


async def test_ctrl_d_leaves_a_chat_that_is_not_open_yet(keys: PipeInput) -> None:
    opening = asyncio.create_task(asyncio.Event().wait())
    keys.send_text("\x04")
    async with asyncio.timeout(30):
        await talk(cast("asyncio.Task[Chat]", opening))
    assert not opening.done()
    opening.cancel()
