"""Rules of the template only: its README is short, and the diagram and the map of folders are correct."""

import re

from tests.checks.picture import picture
from tests.checks.report import check_template
from tests.documents import PACKAGES, README, ROOT, blocks

MAX_LINES = 130


def test_the_readme_is_short() -> None:
    lines = len(README.read_text().splitlines())
    check_template(
        [f"README.md has {lines} lines, at most {MAX_LINES}: move some to docs/."] if lines > MAX_LINES else []
    )


def test_the_diagram_shows_the_graph() -> None:
    drawn = [block.text for block in blocks(README, "mermaid")]
    problem = "The diagram in README.md differs from graphs/chat.py: run `.venv/bin/python -m tests.checks.picture`."
    check_template([problem] if drawn and drawn != [picture()] else [])


def test_the_map_names_every_folder() -> None:
    shown = next((block.text for block in blocks(README, "") if re.search(r"^\w+/ ", block.text, re.MULTILINE)), "")
    named = set(re.findall(r"^([\w/]+)/ ", shown, re.MULTILINE))
    folders = {
        str(file.parent.relative_to(ROOT)) for package in PACKAGES for file in (ROOT / package).rglob("__init__.py")
    }
    check_template(
        [f"Add {folder}/ to the map in README.md." for folder in sorted(folders - named)]
        + [f"There is no folder {folder}/: remove it from the map in README.md." for folder in sorted(named - folders)]
    )
