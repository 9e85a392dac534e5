"""The README is short, and its diagram and folder map are correct."""

import re

import pytest

from tests.checks.picture import picture
from tests.checks.report import check
from tests.documents import IS_TEMPLATE, PACKAGES, README, ROOT, blocks

MAX_LINES = 130


@pytest.mark.skipif(not IS_TEMPLATE, reason="the README of a project made from the template may be of any length")
def test_the_readme_is_short() -> None:
    lines = len(README.read_text().splitlines())
    check([f"README.md has {lines} lines, at most {MAX_LINES}: move some to docs/."] if lines > MAX_LINES else [])


def test_the_diagram_shows_the_graph() -> None:
    drawn = [block.text for block in blocks(README, "mermaid")]
    if drawn and drawn != [picture()]:
        check(["The diagram in README.md differs from graphs/chat.py: run `.venv/bin/python -m tests.checks.picture`."])


def test_the_map_names_every_folder() -> None:
    shown = next((block.text for block in blocks(README, "") if re.search(r"^\w+/ ", block.text, re.MULTILINE)), "")
    named = set(re.findall(r"^([\w/]+)/ ", shown, re.MULTILINE))
    folders = {
        str(file.parent.relative_to(ROOT)) for package in PACKAGES for file in (ROOT / package).rglob("__init__.py")
    }
    check(
        [f"Add {folder}/ to the map in README.md." for folder in sorted(folders - named)]
        + [f"There is no folder {folder}/: remove it from the map in README.md." for folder in sorted(named - folders)]
    )
