"""The public names of `memory`: each one resolves, for programs and for type checkers, and none is imported early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import memory as package  # a fork may rename it
from tests.processes import environment

HEAVY = {"chromadb", "langchain_core", "langgraph", "numpy", "psycopg", "pydantic"}


@pytest.mark.parametrize("name", package.__all__)
def test_each_public_name_resolves(name: str) -> None:
    value = getattr(package, name)
    assert value.__name__ == ("Literal" if name == "Category" else name)


def test_type_checkers_see_the_names_from_the_same_modules() -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    prefix = f"{package.__name__}."
    seen = {alias.name: str(node.module).removeprefix(prefix) for node in imports for alias in node.names}
    assert seen == package._MODULES
    assert sorted(seen) == package.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize("statement", ["import {}", "from {} import BadInput, Unavailable"])
def test_an_import_of_memory_or_its_errors_imports_no_library(statement: str) -> None:
    program = f"{statement.format(package.__name__)}; import sys; print({HEAVY} & {{*sys.modules}})"
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, capture_output=True, text=True, env=environment({}), check=True)
    assert shown.stdout == "set()\n"
