"""The corpus of OWASP's Agent Memory Guard, from a copy of github.com/OWASP/www-project-agent-memory-guard.

It is in benchmarks/security_benchmark.py, which is read and not run. Its cases on the keys and the size of an agent's
state have no counterpart here and are left out.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.evals.safety.cases import Case, Name

NAMES: dict[str, Name] = {"prompt_injection": "attacks", "sensitive_data": "secrets", "benign": "harmless"}


def load_owasp(benchmark: Path) -> Iterator[tuple[Name, Case]]:
    """Each `TestCase(category, description, key, value, ...)` of the file that can be a message. Raises OSError."""
    for node in ast.walk(ast.parse(benchmark.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TestCase":
            category, _, _, value = (arg.value if isinstance(arg, ast.Constant) else None for arg in node.args[:4])
            if isinstance(value, str) and (name := NAMES.get(str(category))):
                yield name, Case(str(category), "en", value, value, "fact", value, "user")
