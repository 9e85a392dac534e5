"""The circuit breaker, with a clock of its own."""

import asyncio
from collections.abc import Callable

import pytest

from memory.errors import AgentMemoryError, BadInput, Unavailable
from memory.index.breaker import GIVEN_UP, MAX_LOST, PAUSE, Breaker
from memory.index.protocol import Damaged


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("Chroma", answers=(Damaged,), clock=clock)


Call = Callable[[float, BaseException | None], bool]


@pytest.fixture
def call(breaker: Breaker, clock: Clock) -> Call:
    """Makes a call that takes so many seconds and ends like this. Returns whether the breaker let it through."""

    def make(seconds: float, error: BaseException | None) -> bool:
        entered = False
        try:
            with breaker.call():
                entered = True
                clock.now += seconds
                if error:
                    raise error
        except (Unavailable, asyncio.CancelledError):
            pass
        return entered

    return make


SLOW = Unavailable("no answer")


def test_it_opens_once_failures_in_a_row_have_lost_too_much_time(call: Call) -> None:
    assert call(MAX_LOST / 2, SLOW)
    assert call(MAX_LOST / 2, SLOW)
    assert not call(0, None)


def test_failures_that_take_no_time_do_not_open_it(call: Call) -> None:
    assert all(call(0.001, SLOW) for _ in range(100))


def test_a_success_starts_the_count_anew(call: Call) -> None:
    for _ in range(5):
        assert call(MAX_LOST * 0.9, SLOW)
        assert call(60, None)


def test_an_answer_that_is_an_error_counts_as_a_success(call: Call) -> None:
    assert all(call(60, Damaged("gone")) for _ in range(5))


def test_a_call_that_was_given_up_late_counts_as_failed_and_early_not(call: Call) -> None:
    assert all(call(GIVEN_UP * 0.9, asyncio.CancelledError()) for _ in range(9))
    assert call(MAX_LOST, asyncio.CancelledError())
    assert not call(0, None)


def test_after_the_pause_one_call_is_let_through(breaker: Breaker, call: Call, clock: Clock) -> None:
    call(MAX_LOST, SLOW)
    clock.now += PAUSE
    with breaker.call():
        assert not call(0, None)
    assert call(0, None)


def test_if_that_call_fails_the_next_pause_begins(call: Call, clock: Clock) -> None:
    call(MAX_LOST, SLOW)
    clock.now += PAUSE
    assert call(0.001, SLOW)
    clock.now += PAUSE * 0.9
    assert not call(0, None)
    clock.now += PAUSE * 0.2
    assert call(0, None)


def test_if_that_call_is_cancelled_the_next_one_is_let_through(call: Call, clock: Clock) -> None:
    call(MAX_LOST, SLOW)
    clock.now += PAUSE
    assert call(0.1, asyncio.CancelledError())
    assert call(0, None)


def test_the_error_names_the_server_and_when_it_is_called_again(breaker: Breaker, call: Call, clock: Clock) -> None:
    call(MAX_LOST, SLOW)
    clock.now += 3
    with pytest.raises(Unavailable, match=r"Chroma has not answered: it is called again in 7 s\."), breaker.call():
        pass


@pytest.mark.parametrize("error", [BadInput("a NUL"), Damaged("gone"), OSError("a reset"), None])
async def test_errors_of_others_and_a_call_that_hangs_are_named(breaker: Breaker, error: Exception | None) -> None:
    async def call() -> None:
        async with breaker.errors_named(0.01, lambda _: Unavailable("named")):
            if error:
                raise error
            await asyncio.Event().wait()

    raised = error if isinstance(error, AgentMemoryError) else Unavailable("named")
    with pytest.raises(type(raised), match=str(raised)):
        await call()
