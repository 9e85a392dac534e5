"""Locks by key within a process."""

import asyncio

import pytest

from memory.errors import Unavailable
from memory.ledger.keyed_locks import KeyedLocks


async def test_a_key_is_held_by_one_task_while_other_keys_are_free() -> None:
    locks = KeyedLocks()
    async with locks.hold("a", timeout=1, busy="a is busy"), locks.hold("b", timeout=1, busy="b is busy"):
        with pytest.raises(Unavailable, match="a is busy"):
            async with locks.hold("a", timeout=0.01, busy="a is busy"):
                pass
    async with locks.hold("a", timeout=1, busy="a is busy"):
        pass


async def test_a_cancelled_wait_leaves_the_lock_to_others() -> None:
    locks = KeyedLocks()

    async def hold() -> None:
        async with locks.hold("a", timeout=30, busy="a is busy"):
            pass

    async with locks.hold("a", timeout=1, busy="a is busy"):
        waiting = [asyncio.create_task(hold()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    await waiting[1]
    assert waiting[0].cancelled()


async def test_many_wait_for_their_turn_for_longer_than_the_timeout() -> None:
    locks, timeout, held = KeyedLocks(), 0.3, list[int]()

    async def hold(number: int) -> None:
        async with locks.hold("a", timeout=timeout, busy="a is busy"):
            await asyncio.sleep(timeout / 10)
            held.append(number)

    await asyncio.gather(*map(hold, range(15)))
    assert sorted(held) == [*range(15)]


async def test_locks_that_are_not_in_use_take_no_memory() -> None:
    locks = KeyedLocks()
    async with locks.hold("a", timeout=1, busy="a is busy"):
        assert len(locks._locks) == 1
    assert len(locks._locks) == 0
