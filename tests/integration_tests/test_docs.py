"""The README and docs/ are correct: the commands of each page, run from top to bottom, print what the page shows.

Sessions run in this process, which saves the start of a new one for each command. Scripts and shell blocks do not.
"""

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.__main__ import app
from agent.persistence import open_store
from agent.settings import Settings
from memory.user_memory import UserMemory
from tests.documents import IS_TEMPLATE, PAGES, Block, Command, blocks, commands
from tests.processes import environment

CHANGES_FILES = ("README.md", "customising.md")
"""Pages whose shell blocks other tests run: tests/fresh."""

NEEDS_SERVER = ("deploying.md", "operating.md")
"""Pages whose commands need servers of their own: test_server.py and test_backup.py try them."""

USERS = ("default", "ada", "ben", "bob")
"""The users of the pages."""

pytestmark = pytest.mark.skipif(not IS_TEMPLATE, reason="a project made from the template answers differently")


class Reader:
    """The environment of a reader: an empty folder, no settings, and embedded servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".venv").symlink_to(sys.prefix)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        settings = dict.fromkeys((name.upper() for name in Settings.model_fields), "")
        self.variables = {**settings, "DATA_DIR": str(folder / ".data"), "PATH": path}

    def run(self, *command: str) -> str:
        """The output of a command, both streams together."""
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout
        return ran.stdout

    def try_command(self, command: Command) -> list[str]:
        """The lines that a command of a console block prints."""
        words = shlex.split(command.line)
        if words[:2] == ["make", "chat"]:
            (arguments,) = re.findall(r'ARGS="(.*)"', command.line) or [""]
            return self.run_here(*shlex.split(arguments), typed="\n".join(command.typed) + "\n").stdout.splitlines()
        if words[:3] == ["python", "-m", "agent"]:
            return self.run_here(*words[3:]).output.splitlines()
        return self.run("sh", "-e", "-c", command.line).splitlines()

    def run_here(self, *arguments: str, typed: str = "") -> Result:
        """The outcome of a command in this process; `output` is both streams together."""
        result = CliRunner().invoke(app, arguments, input=typed, env=self.variables)
        assert result.exit_code == 0, result.output
        return result

    async def forget_everybody(self) -> None:
        """Delete what the users of the pages said."""
        async with open_store() as store:
            for user in USERS:
                await UserMemory(store, user).forget_everything()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("reader"))
    yield reader
    reader.run_here("stop")


@pytest.fixture(autouse=True)
def nothing_known(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page starts with an empty memory. The servers are running, so that no page shows their start."""
    monkeypatch.chdir(reader.folder)
    for name, value in reader.variables.items():
        monkeypatch.setenv(name, value)
    asyncio.run(reader.forget_everybody())


def comparable(lines: list[str]) -> list[str]:
    """Lines without the ids of facts and the width of columns."""
    return [re.sub(r"\b[0-9a-f]{8}\b", "ID", " ".join(line.split())) for line in lines]


def shown_after(block: Block) -> str:
    """The text block that follows a block, which shows the output of the script."""
    every = blocks(block.page)
    following = every[every.index(block) + 1 :]
    return following[0].text if following and following[0].language == "text" else ""


def runnable(page: Path) -> list[Block]:
    shell = () if page.name in CHANGES_FILES else ("sh",)
    return blocks(page, "python", "console", *shell)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in NEEDS_SERVER and runnable(page)], ids=lambda page: page.name
)
def test_the_commands_of_a_page_print_what_the_page_shows(page: Path, reader: Reader) -> None:
    for block in runnable(page):
        match block.language:
            case "console":
                for command in commands(block):
                    assert comparable(reader.try_command(command)) == comparable(command.output), (
                        f"{block}: {command.line}"
                    )
            case "python":
                (reader.folder / "script.py").write_text(block.text)
                assert reader.run("python", "script.py") == shown_after(block), str(block)
            case _:
                reader.run("sh", "-e", "-c", block.text)
