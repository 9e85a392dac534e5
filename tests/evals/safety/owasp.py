"""The corpus of OWASP's Agent Memory Guard, from a copy of github.com/OWASP/www-project-agent-memory-guard.

It is in benchmarks/security_benchmark.py, which is read and not run. Its cases on the keys and the size of an agent's
state have no counterpart here and are left out.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from memory.errors import BadInput
from tests.evals.safety.cases import Case, Name

NAMES: dict[str, Name] = {"prompt_injection": "attacks", "sensitive_data": "secrets", "benign": "harmless"}
WHERE = "Give benchmarks/security_benchmark.py of github.com/OWASP/www-project-agent-memory-guard."


def load_owasp(benchmark: Path) -> list[tuple[Name, Case]]:
    """Each `TestCase(category, description, key, value, ...)` of the file that can be a message. Raises BadInput."""
    try:
        tree = ast.parse(benchmark.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"{benchmark} cannot be read as a file of Python: {error}. {WHERE}") from error
    if found := [*_cases(tree)]:
        return found
    raise BadInput(f"{benchmark} has no TestCase of {', '.join(NAMES)}. {WHERE}")


def _cases(tree: ast.AST) -> Iterator[tuple[Name, Case]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TestCase":
            constants = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            category, _, _, value = (*constants, None, None, None, None)[:4]
            if isinstance(value, str) and (name := NAMES.get(str(category))):
                yield name, Case(str(category), "en", value, value, "fact", value, "user")
