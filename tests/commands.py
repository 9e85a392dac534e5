"""The outcome of a command: what it printed, and its exit code."""

import json
from collections.abc import Callable
from typing import Any

Run = Callable[..., "Outcome"]


class Outcome:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1  # one document, on one line
        return json.loads(self.out)
