"""Rules of the template only: small files, folders and test names, docstrings, and nothing private in a file."""

import ast
import re
from pathlib import Path

from tests.checks.report import check_template
from tests.documents import PACKAGES, PAGES, ROOT

MAX_LINES = 400
MAX_MODULES = 15
"""Per folder, not counting `__init__.py` and `__main__.py`. The template has about a dozen: some room for yours."""
MAX_TEST_NAME = 72

SOURCE = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_too_long_to_read() -> None:
    check_template(
        f"{shown(path)} has {lines} lines, at most {MAX_LINES}: divide it where its subject changes."
        for path in (*SOURCE, *TESTS)
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    )


def test_no_folder_has_too_many_modules() -> None:
    folders = {path.parent for path in SOURCE}
    check_template(
        f"{shown(folder)}/ has {count} modules, at most {MAX_MODULES}: make a folder for those that belong together."
        for folder in sorted(folders)
        if (count := sum(1 for path in folder.glob("*.py") if not path.name.startswith("__"))) > MAX_MODULES
    )


def test_every_file_starts_with_what_it_is_for() -> None:
    check_template(
        f"{shown(path)}: write a docstring in its first line that says what it is for."
        for path in (*SOURCE, *TESTS)
        if path.stat().st_size and not path.read_text().startswith('"""')
    )


def test_every_test_has_a_short_name() -> None:
    check_template(
        f"{shown(path)}:{node.lineno}: {node.name} has {len(node.name)} characters, at most {MAX_TEST_NAME}."
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len(node.name) > MAX_TEST_NAME
    )


def test_no_file_names_a_package_registry_or_a_private_path() -> None:
    private = re.compile(r"https?://(?:[\w.-]*pypi[\w.-]*|files\.python)|(?<![\w./])/(?:work|home|Users|opt)/\w+")
    texts = [*SOURCE, *TESTS, *PAGES, ROOT / "install.py", ROOT / "Makefile", ROOT / ".env.example"]
    check_template(
        f"{shown(path)} names {found[0]}: leave it out."
        for path in texts
        for found in private.finditer(path.read_text())
        if path != Path(__file__)
    )
