"""A circuit breaker: a server that keeps failing is not called for some seconds, so that it costs callers no time.

By hand, since the packages for it count failures: here the time lost in them counts, and a call that its caller gave up
is one of them, which those packages do not see."""

import asyncio
import time
from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from memory.errors import AgentMemoryError, Unavailable

MAX_LOST = 1.5  # seconds lost in failures in a row after which the server is not called
PAUSE = 10.0  # seconds until it is called again
GIVEN_UP = 1.0  # seconds after which a call that is cancelled counts as failed


class Breaker:
    """Wraps the calls to one server; `clock` returns seconds.

    It opens once failures in a row have taken MAX_LOST seconds. After PAUSE seconds one call is let through: if it
    succeeds the breaker closes, if it fails the next pause begins. Failures that take no time never open it.
    """

    def __init__(
        self, server: str, answers: tuple[type[Exception], ...] = (), clock: Callable[[], float] | None = None
    ):
        """`server` is named in errors. Errors of the kinds `answers` show that it answers."""
        self._server, self._answers, self._clock = server, answers, clock or time.monotonic
        self._lost, self._retry_at, self._trying = 0.0, 0.0, False

    @contextmanager
    def call(self) -> Iterator[None]:
        """Make a call inside; at once raises Unavailable while the breaker is open."""
        started, is_open = self._clock(), self._lost >= MAX_LOST
        if is_open and (self._trying or started < self._retry_at):
            wait = max(self._retry_at - started, 0)
            raise Unavailable(f"{self._server} has not answered: it is called again in {wait:.0f} s.")
        self._trying = self._trying or is_open
        try:
            yield
        except self._answers:
            self._lost = 0.0
            raise
        except BaseException as error:
            now = self._clock()
            if not isinstance(error, CancelledError) or now - started >= GIVEN_UP:
                self._lost += now - started
                self._retry_at = now + PAUSE
            raise
        else:
            self._lost = 0.0
        finally:
            self._trying = self._trying and not is_open

    @asynccontextmanager
    async def errors_named(self, seconds: float, named: Callable[[Exception], Unavailable]) -> AsyncIterator[None]:
        """Make a call inside, for at most so many seconds. In place of an error that is not one of this package, such
        as TimeoutError, it raises what `named` makes of it."""
        with self.call():
            try:
                async with asyncio.timeout(seconds):
                    yield
            except AgentMemoryError:
                raise
            except Exception as error:
                raise named(error) from error
