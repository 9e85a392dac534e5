"""Blocking calls in threads that nobody waits for: one that hangs delays neither other work nor the process's end."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start_in_thread(call: Callable[[], T]) -> "asyncio.Future[T]":
    """The result of `call`, from a daemon thread. The threads of `asyncio.to_thread` are few, and Python joins them at
    its end. If the future is cancelled, the thread goes on."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    future = asyncio.wrap_future(done)
    future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody may be waiting any more
    return future
