"""Operations that are asked for at the same moment run as batches, and fail alone."""

import asyncio
from collections.abc import Sequence

import pytest

from memory.errors import BadInput, Unavailable
from memory.items import batches
from memory.items.batches import Batches


class Doubles:
    """Doubles numbers and records the batches; it refuses those with a negative number, and is down at zero."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.batches = Batches(self.run)

    async def run(self, key: str, numbers: list[int]) -> Sequence[int]:
        self.calls.append((key, numbers))
        await asyncio.sleep(0)
        if 0 in numbers:
            raise Unavailable("down")
        if min(numbers) < 0:
            raise BadInput("negative")
        return [2 * number for number in numbers]

    async def ask(self, key: str, *numbers: int) -> list[int | str]:
        asked = (self.batches.add(key, number) for number in numbers)
        return [
            f"{a}" if isinstance(a, BaseException) else a for a in await asyncio.gather(*asked, return_exceptions=True)
        ]


async def test_what_is_asked_at_once_runs_together_and_in_order_for_each_key() -> None:
    doubles = Doubles()
    asked = asyncio.gather(doubles.ask("a", 1, 2), doubles.ask("b", 3), doubles.ask("a", 4))
    assert [*await asked] == [[2, 4], [6], [8]]
    assert doubles.calls == [("a", [1, 2, 4]), ("b", [3])]


async def test_a_large_batch_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_BATCH", 2)
    doubles = Doubles()
    assert await doubles.ask("a", 1, 2, 3) == [2, 4, 6]
    assert [numbers for _, numbers in doubles.calls] == [[1, 2], [3]]


async def test_an_operation_that_is_refused_fails_alone() -> None:
    assert await Doubles().ask("a", 1, -2, 3) == [2, "negative", 6]


async def test_a_batch_is_not_repeated_for_a_server_that_is_unavailable() -> None:
    doubles = Doubles()
    assert await doubles.ask("a", 1, 0, 3) == ["down"] * 3
    assert len(doubles.calls) == 1


async def test_a_caller_that_is_cancelled_does_not_disturb_the_others() -> None:
    doubles = Doubles()
    given_up, asked = [asyncio.create_task(doubles.batches.add("a", number)) for number in (1, 2)]
    await asyncio.sleep(0)
    given_up.cancel()
    assert await asked == 4
    assert doubles.calls == [("a", [1, 2])]
