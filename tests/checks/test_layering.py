"""Imports go one way: graphs -> agent -> memory, and inside agent and memory from the upper rooms to the lower ones."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.checks.report import check
from tests.documents import ROOT

LAYERS = ("memory", "agent", "graphs")
"""Lowest first. A module imports nothing from a higher layer."""

MEMORY_ROOMS = (
    {"errors", "environment", "language", "logs", "model_text", "progress", "stems", "thinking"},
    {"facts", "embedded", "debounce"},
    {"ledger", "guard"},
    {"extraction"},
    {"evidence"},
    {"learn"},
    {"index", "threads"},
    {"recall"},
    {"parts"},
    {"items", "maintenance"},
    {"user_memory", "purge"},
)
AGENT_ROOMS = (
    {"host", "offline", "prompts", "providers", "state"},
    {"settings"},
    {"chat_models", "context", "logs"},
    {"identity"},
    {"persistence"},
    {"server"},
    {"turn"},
    {"agent_graph"},
    {"terminal"},
    {"__main__"},
)
ROOMS = dict(zip(LAYERS, (MEMORY_ROOMS, AGENT_ROOMS), strict=False))
"""The folders and modules of a layer, lowest first. Those in the same row do not import each other."""

PURE = (
    "evidence/*.py",
    "facts/*.py",
    "guard/doubts.py",
    "guard/instructions.py",
    "language/*.py",
    "learn/reconcile.py",
    "recall/rank.py",
    "recall/render.py",
)
"""Modules of memory/ that, with everything they import, need only the standard library, pydantic and numpy."""

PROGRAM = {ROOT / "agent" / "__main__.py", *(ROOT / "agent" / "terminal").glob("*.py")}
"""The terminal program, a layer above the graphs."""

FILES = {path: path.relative_to(ROOT) for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))}


def module_of(path: Path) -> str:
    """The dotted name of the module in a file of this project."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imported(path: Path, *, for_types: bool = True) -> Iterator[str]:
    """The modules that a file imports, also inside functions; `for_types` includes imports for type checkers only."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            only_types = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            if for_types or not only_types:
                yield child
                yield from walk(child)

    for node in walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            inner = [f"{name}.{alias.name}" for alias in node.names if f"{name}.{alias.name}" in MODULES]
            yield from inner or [name]


def test_imports_are_absolute() -> None:
    check(
        f"{shown} imports {name}: write the module's full name."
        for path, shown in FILES.items()
        for name in imported(path)
        if name.startswith(".")
    )


def test_a_layer_imports_nothing_from_the_layers_above() -> None:
    check(
        f"{shown} imports {name}, from a layer above: move the code down, or pass it as an argument."
        for path, shown in FILES.items()
        for name in imported(path)
        if path not in PROGRAM
        and (above := LAYERS[LAYERS.index(shown.parts[0]) + 1 :])
        and name.split(".")[0] in (*above, "tests")
    )


def test_nothing_imports_the_program_or_the_tests() -> None:
    programs = {module_of(path) for path in PROGRAM}
    check(
        f"{shown} imports {name}: only the program itself may."
        for path, shown in FILES.items()
        for name in imported(path)
        if (name in programs and path not in PROGRAM) or name.split(".")[0] == "tests"
    )


def room(name: str) -> str:
    return ".".join(name.split(".")[:2])


RANK = {
    f"{layer}.{name}": height for layer, rooms in ROOMS.items() for height, names in enumerate(rooms) for name in names
}


def test_every_room_of_memory_has_its_place() -> None:
    check(
        f"{FILES[path]}: add {room(name).split('.')[1]!r} to MEMORY_ROOMS in tests/checks/test_layering.py."
        for name, path in MODULES.items()
        if name.startswith(f"{LAYERS[0]}.") and room(name) not in RANK
    )


def test_the_rooms_of_a_layer_import_only_lower_ones() -> None:
    check(
        f"{FILES[path]} imports {other}, which is not below it (see ROOMS in tests/checks/test_layering.py)."
        for name, path in MODULES.items()
        for other in imported(path)
        if room(name) in RANK and room(other) != room(name) and RANK.get(room(other), -1) >= RANK[room(name)]
        if other.split(".")[0] == name.split(".")[0]
    )


def test_there_are_no_circular_imports() -> None:
    graph = {name: {*imported(path, for_types=False)} & {*MODULES} - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        check([f"Modules import each other in a circle: {' <- '.join(error.args[1])}."])


@pytest.mark.parametrize("pattern", PURE)
def test_the_rules_of_memory_are_pure(pattern: str) -> None:
    start = [module_of(path) for path in (ROOT / "memory").glob(pattern)]
    assert start, f"memory/{pattern} is gone: change PURE in tests/checks/test_layering.py."
    reached: set[str] = set()
    while start:
        name = start.pop()
        if name not in reached and name not in ("memory", "memory.environment"):
            reached.add(name)
            start += [other for other in imported(MODULES[name], for_types=False) if other in MODULES]
    check(
        f"{FILES[MODULES[name]]} imports {other}: memory/{pattern} needs it and has to stay pure."
        for name in sorted(reached)
        for other in imported(MODULES[name], for_types=False)
        if other.split(".")[0] not in {*sys.stdlib_module_names, "pydantic", "numpy", "memory"}
    )
