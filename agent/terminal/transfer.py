"""The commands that move a memory between databases: export and import."""

import asyncio
from typing import IO, Annotated

import typer

from agent.terminal import files, output
from agent.terminal.app import UserOption, app, command, opened_memory
from agent.terminal.output import counted


@app.command()
def export(
    file: Annotated[str, typer.Argument(help="The file to write; standard output by default.")] = "-",
    user: UserOption = "default",
) -> None:
    """Write a user's facts, with their history, as JSON lines."""
    import agent.persistence  # noqa: F401 - takes seconds, during which Ctrl-C should not leave half a file

    with files.writing(file) as out:  # not in the event loop, so that Ctrl-C ends the wait for the reader of a pipe
        written = asyncio.run(write_export(out, user))
    if file != "-":
        output.note(f"{counted(written, 'line')} written to {output.cell(file)}")


async def write_export(out: IO[bytes], user: str) -> int:
    written = 0
    async with opened_memory(user) as memory:
        async for line in memory.export():
            out.write(f"{line}\n".encode())
            written += 1
    return written


@command
async def import_(
    file: Annotated[str, typer.Argument(help="An exported file, or - for standard input.")],
    user: UserOption = "default",
) -> None:
    """Add the facts of an exported file: all of them, or none."""
    lines = files.read_lines(file)
    async with opened_memory(user, writes=True) as memory:
        added = await memory.import_(lines)
    output.line(counted(added, "new fact"))
