"""The README stays true: its picture of the graph, its map and its block of memory."""

import re
from datetime import UTC, datetime
from pathlib import Path

from graphs.chat import builder, graph
from memory.recall.render import render
from tests.facts import make_fact

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for named, text in fenced if named == language]


def test_the_picture_is_the_graph() -> None:
    (picture,) = blocks("mermaid")
    assert picture.strip() == graph.get_graph().draw_mermaid(with_styles=False).strip()
    assert {name for name in builder.nodes if f"--> {name};" not in picture and f".-> {name};" not in picture} == set()


def test_the_block_of_memory_is_what_a_model_is_given() -> None:
    (shown,) = blocks("text")
    facts = [
        make_fact("Is allergic to shellfish"),
        make_fact("Lives in Austin", valid_from=datetime(2026, 10, 22, tzinfo=UTC)),
    ]
    assert shown.strip() == render(facts, 1_000)


def test_the_map_names_every_folder_and_nothing_else() -> None:
    (shown,) = (block for block in blocks("") if "graphs/ " in block)
    named = set(re.findall(r"^([\w/]+)/ ", shown, re.MULTILINE))
    there = {
        str(path.parent.relative_to(ROOT))
        for package in ("agent", "memory", "graphs")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert named == {*there, "tests"}


def test_every_file_that_is_named_exists() -> None:
    for name in re.findall(r"`((?:agent|memory|graphs)/[\w/]+(?:\.py)?/?)`", README):
        assert (ROOT / name).exists(), name
