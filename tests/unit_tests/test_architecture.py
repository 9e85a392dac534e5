"""Imports go one way: graphs -> agent -> memory; and the rules of memory stand on pydantic and numpy alone."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ["memory", "agent", "graphs"]
PURE = [
    "facts.fact",
    "facts.changes",
    "facts.timeline",
    "facts.portable",
    "recall.bm25",
    "recall.table",
    "recall.rank",
    "recall.render",
    "learn.reconcile",
]
PROGRAM = ROOT / "agent" / "terminal" / "talk.py"
"""The terminal program stands on top of the graphs."""


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The modules a file imports, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            yield node.module or ""


@pytest.mark.parametrize("package", LAYERS)
def test_a_layer_imports_nothing_from_the_layers_above_it(package: str) -> None:
    above = set(LAYERS[LAYERS.index(package) + 1 :])
    files = [path for path in modules(package) if path != PROGRAM]
    assert files
    assert [(path.name, name) for path in files for name in imported(path) if name.split(".")[0] in above] == []


@pytest.mark.parametrize("package", LAYERS)
def test_nothing_imports_the_program_or_the_tests(package: str) -> None:
    for path in modules(package):
        assert not {"agent.__main__", "tests"} & set(imported(path)), path


@pytest.mark.parametrize("module", PURE)
def test_the_rules_of_memory_import_only_the_standard_library_pydantic_and_numpy(module: str) -> None:
    path = (ROOT / "memory").joinpath(*module.split(".")).with_suffix(".py")
    assert {name.split(".")[0] for name in imported(path)} - sys.stdlib_module_names <= {"pydantic", "numpy", "memory"}
    allowed = {"memory.errors", *(f"memory.{name}" for name in PURE)}
    assert {name for name in imported(path) if name.startswith("memory")} <= allowed


@pytest.mark.parametrize("path", [p for package in LAYERS for p in modules(package) if p.stat().st_size], ids=str)
def test_each_file_says_first_what_it_is_for_and_stays_readable(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith('"""')
    assert len(lines) <= 400
