"""Fails a check with sentences that say what to do, without a traceback."""

from collections.abc import Iterable

import pytest


def check(problems: Iterable[str]) -> None:
    """Fail with these problems, if there are any."""
    if found := list(dict.fromkeys(problems)):
        pytest.fail("\n".join(found), pytrace=False)
