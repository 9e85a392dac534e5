"""Checks that fail with sentences that say what to do, without a traceback."""

from collections.abc import Iterable

import pytest

from tests.documents import IS_TEMPLATE


def check(problems: Iterable[str]) -> None:
    """Fail with these problems, if there are any."""
    if found := list(dict.fromkeys(problems)):
        pytest.fail("\n".join(found), pytrace=False)


def check_template(problems: Iterable[str]) -> None:
    """Check a rule that concerns the template only. A project made from it may do as it likes."""
    if not IS_TEMPLATE:
        pytest.skip("a rule of the template only")
    found = list(problems)
    check([*found, 'If this is your own project: see "Make it yours" in docs/customising.md.'] if found else [])
