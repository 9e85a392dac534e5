"""How a long work shows how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # called with (done, total), in facts or in rows of a table


def quiet(done: int, total: int) -> None:
    """The default progress: it shows nothing."""
