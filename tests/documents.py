"""The README and the pages of docs/ as tests read them: their code blocks, sessions, names and changes to files."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PACKAGES = ("agent", "memory", "graphs")
"""The folders that hold the source."""
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]

IS_TEMPLATE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"] == "remembering-agent"
"""Whether this is the template itself. A project made from it has another name (docs/customising.md)."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """Line number of its first line."""
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages, or in all, in order."""
    text = page.read_text()
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    every = [Block(page, text[: match.start(2)].count("\n") + 1, match[1], match[2]) for match in found]
    return [block for block in every if not languages or block.language in languages]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@dataclass
class Command:
    """A command in a console block: after "$ ", then what is typed after "> ", then the other lines as its output."""

    line: str
    typed: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)


def commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line.removeprefix("$ ")))
        elif line.startswith("> "):
            found[-1].typed.append(line.removeprefix("> "))
        elif line:
            found[-1].output.append(line)
    return found


class DoesNotApply(Exception):
    """A change that a page describes cannot be applied to the file."""


@dataclass(frozen=True)
class Change:
    """A diff block: the file after "--- ", then hunks of lines, separated by "@@"."""

    block: Block
    path: str
    hunks: list[tuple[str, str]]
    """Text before and after."""

    def apply(self, folder: Path) -> None:
        """Change the file in `folder`. Raises DoesNotApply unless the old text of each hunk occurs exactly once."""
        file = folder / self.path
        text = file.read_text() if file.exists() else ""
        for before, after in self.hunks:
            if text.count(before) != 1:
                raise DoesNotApply(f"{self.block}: {self.path} does not contain this text exactly once:\n{before}")
            text = text.replace(before, after)
        file.write_text(text)


def change(block: Block) -> Change:
    """The change that a diff block describes."""
    header, *lines = block.text.splitlines(keepends=True)
    hunks: list[tuple[str, str]] = []
    for hunk in "".join(lines).split("@@\n"):
        kept = hunk.splitlines(keepends=True)
        before = "".join(line[1:] or "\n" for line in kept if not line.startswith("+"))
        after = "".join(line[1:] or "\n" for line in kept if not line.startswith("-"))
        hunks.append((before, after))
    return Change(block, header.removeprefix("--- ").strip(), hunks)
