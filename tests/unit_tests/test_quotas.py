"""The largest request that a server accepts."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.server.quotas import MEGABYTE, RequestSize


async def size(request: Request) -> JSONResponse:
    return JSONResponse(len(await request.body()))


class PassesOn(BaseHTTPMiddleware):
    """Middleware like that of LangGraph's server, in which what `receive` raises becomes part of a group."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(10):
        yield b"x" * (size // 10)


@pytest.mark.parametrize("pieces", [False, True], ids=["with its length", "in pieces"])
@pytest.mark.parametrize(("megabytes", "status"), [(1, 200), (2, 413)])
async def test_a_request_that_is_too_large_is_refused(pieces: bool, megabytes: int, status: int) -> None:
    middleware = [Middleware(RequestSize, megabytes=1), Middleware(PassesOn)]
    app = Starlette(routes=[Route("/", size, methods=["POST"])], middleware=middleware)
    sent = megabytes * MEGABYTE
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        answer = await client.post("/", content=in_pieces(sent) if pieces else b"x" * sent)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == sent
    else:
        assert "larger than 1 MB (MAX_REQUEST_MEGABYTES)" in answer.text
