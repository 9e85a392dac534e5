"""A scripted model behind a real socket: OpenAI's HTTP protocol on loopback, so that tests patch no client.

    with ScriptedOpenAI() as openai:
        openai.reply(ToolCalls([("search", {"query": "city"})]), Text("You live in Austin."))
        openai.extraction(Status(429, retry_after=0.1), Json({"facts": [], "retracted": []}))
        model = ChatOpenAI(base_url=openai.url, api_key="test", model="scripted", use_responses_api=False)
        ...
        assert openai.calls("extraction") == 2

The server has its own thread and event loop, so that it can answer other processes, and answers while a test blocks.
The script and the recorded requests may be used from any thread. It refuses what OpenAI refuses and a test should
notice: a tool call without its result, JSON mode without the word "json", an empty text to embed.
"""

import asyncio
import json
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Self

import uvicorn
from starlette.requests import Request as HTTPRequest
from starlette.types import Receive, Scope, Send

from tests.openai_wire import (
    After,
    Answer,
    Final,
    Hang,
    Json,
    JsonObject,
    Kind,
    Malformed,
    Request,
    Status,
    Text,
    ToolCalls,
    Vectors,
    hashed_words,
    kind_of,
    refusal,
    wire,
)

__all__ = [
    "After",
    "Answer",
    "Final",
    "Hang",
    "Json",
    "JsonObject",
    "Kind",
    "Malformed",
    "Request",
    "ScriptedOpenAI",
    "Status",
    "Text",
    "ToolCalls",
    "Vectors",
    "hashed_words",
]


class ScriptedOpenAI:
    """The server. `with` or `async with` starts it on a free port and stops it, even if connections are open.

    An error in a scripted function reaches the client as a 500, and is raised in the test when the block is left.
    """

    url: str
    """The `base_url` for clients: "http://127.0.0.1:PORT/v1"."""

    def __init__(self, *, require_key: str | None = None) -> None:
        self.requests: list[Request] = []
        self.defaults: dict[Kind, Answer] = {
            "reply": Text("OK."),
            "extraction": Json({"facts": [], "retracted": []}),
            "embedding": Vectors(),
        }
        """The answers when a queue is empty. Replace one to change it from then on."""
        self._require_key = require_key
        # tests only append and the server's thread only pops, so a deque needs no lock
        self._script: dict[Kind, deque[Answer]] = {kind: deque() for kind in self.defaults}
        self._script_error: Exception | None = None

    def reply(self, *answers: Answer) -> None:
        """Queue answers to plain chat completions, one for each request."""
        self._script["reply"].extend(answers)

    def extraction(self, *answers: Answer) -> None:
        """Queue answers to requests for structured output."""
        self._script["extraction"].extend(answers)

    def embedding(self, *answers: Answer) -> None:
        """Queue answers to requests for embeddings: errors, or `Vectors()`."""
        self._script["embedding"].extend(answers)

    def calls(self, kind: Kind | None = None) -> int:
        """The number of requests of one kind, or of all kinds, including refused and repeated ones."""
        return sum(kind in (None, request.kind) for request in tuple(self.requests))

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        # uvicorn's own log_config would replace the logging of the test process
        quiet: dict[str, Any] = {"log_config": None, "log_level": "critical"}
        config = uvicorn.Config(self._exchange, interface="asgi3", loop="asyncio", lifespan="off", **quiet)
        self._server = uvicorn.Server(config)
        run = self._server.run
        self._thread = threading.Thread(target=run, args=([listener],), name="scripted-openai", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError(f"The scripted server did not start at {self.url}.")
            time.sleep(0.005)
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        if self._thread.is_alive():
            raise RuntimeError(f"The scripted server at {self.url} did not stop: does a scripted function block?")
        if self._script_error is not None and error is None:
            raise self._script_error

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, error: type[BaseException] | None, *_: object) -> None:
        await asyncio.to_thread(self.__exit__, error)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. The answer is cancelled when the client disconnects or the server stops."""
        http = HTTPRequest(scope, receive)
        body, path = json.loads(await http.body() or "{}"), http.url.path
        kind = kind_of(f"{http.method} {path}", body)
        request = Request(len(self.requests) + 1, kind, path, dict(http.headers), body)
        self.requests.append(request)
        answering = asyncio.create_task(self._answer(request, send))
        leaving = asyncio.ensure_future(receive())  # after the body, only a disconnect can follow
        stopping = asyncio.create_task(_until(lambda: self._server.should_exit))
        tasks = (answering, leaving, stopping)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        request.disconnected = leaving.done() and not answering.done() and request.finished is None
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _answer(self, request: Request, send: Send) -> None:
        try:
            answer = refusal(request, self._require_key) or await self._scripted(request)
            parts = wire(request, answer)
        except Exception as error:  # raised in the test when the server stops
            self._script_error = self._script_error or error
            answer = Status(500, f"The script raised {error!r}.")
            parts = wire(request, answer)
        await _send(request, answer, parts, send)

    async def _scripted(self, request: Request) -> Final:
        queue = self._script[request.kind]
        answer = queue.popleft() if queue else self.defaults[request.kind]
        while not isinstance(answer, Final):
            if isinstance(answer, After):
                await _until(answer.event.is_set)
                answer = answer.answer
            else:
                answer = answer(request)
        if isinstance(answer, Hang):
            await asyncio.Event().wait()
        return answer


async def _send(request: Request, answer: Final, parts: Sequence[str], send: Send) -> None:
    # langchain-openai shares its HTTP clients between event loops: a connection kept alive would outlive its loop
    headers = {"connection": "close", "content-type": "application/json"}
    if parts[0].startswith("data:"):
        headers["content-type"] = "text/event-stream"
    if isinstance(answer, Status) and answer.retry_after is not None:
        headers["retry-after-ms"] = str(answer.retry_after * 1_000)
        headers["retry-after"] = str(math.ceil(answer.retry_after))
    request.status = answer.status if isinstance(answer, Status) else 200
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": request.status, "headers": raw})
    request.answered = time.monotonic()
    delay, cut = (answer.delay, answer.cut) if isinstance(answer, Text) else (0.0, False)
    hang = isinstance(answer, Text) and answer.hang
    for number, part in enumerate(parts, 1):
        more = cut or hang or number < len(parts)
        if not more:
            request.finished = time.monotonic()  # set before the last byte, after which a test may read it
        await send({"type": "http.response.body", "body": part.encode(), "more_body": more})
        if number < len(parts):
            await asyncio.sleep(delay)
    if hang:
        await asyncio.Event().wait()


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - another thread makes it true; asyncio.Event is not thread-safe
        await asyncio.sleep(0.01)
