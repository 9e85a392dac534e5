"""Which web pages may call a server, and by which names."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agent.server.app import middleware
from agent.server.origins import DEVELOPMENT, OnlyKnownPages
from agent.settings import Settings

STUDIO, APP = "https://smith.langchain.com", "https://app.example.com"
LOCAL = "http://127.0.0.1:2024"


async def answer(app: Any, method: str = "POST", path: str = "/", url: str = LOCAL, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url) as client:
        return await client.request(method, path, **options)


async def endpoint(_: object) -> PlainTextResponse:
    return PlainTextResponse("reached")


def server(**settings: Any) -> Starlette:
    routes = [Route(path, endpoint, methods=["GET", "POST"]) for path in ("/", "/internal/truncate", "/deploy")]
    return Starlette(routes=routes, middleware=middleware(Settings.model_validate({"auth": "", **settings})))


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        (STUDIO, 200),
        (APP, 200),
        (LOCAL, 200),  # the server's own pages, such as /docs
        ("https://evil.example", 403),
        ("http://127.0.0.1:3000", 403),
        ("http://localhost:2024", 403),
        ("null", 403),
        ("", 403),
        (STUDIO + ".evil.example", 403),
        ("http://smith.langchain.com", 403),
        ("https://app.example.com:8443", 403),
    ],
)
async def test_only_known_pages_call_and_read(origin: str | None, status: int) -> None:
    app, headers = server(web_origins=APP), {} if origin is None else {"origin": origin}
    for method in ("GET", "POST"):
        reply = await answer(app, method, headers=headers)
        assert reply.status_code == status
        allowed = origin if status == 200 and origin != LOCAL else None
        assert reply.headers.get("access-control-allow-origin") == allowed
    asked = headers | {"access-control-request-method": "PUT", "access-control-request-headers": "authorization"}
    preflight = await answer(app, "OPTIONS", headers=asked)
    assert (preflight.headers.get("access-control-allow-origin") is not None) == (origin in (STUDIO, APP))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("text/plain", 415),
        ("TEXT/plain;charset=UTF-8", 415),
        (" text/plain ", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
async def test_a_body_that_any_page_can_send_is_refused(kind: str, status: int) -> None:
    reply = await answer(server(), headers={"content-type": kind}, content=b"{}")
    assert reply.status_code == status


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://127.0.0.1:2024", 200),
        ("http://localhost:2024", 200),
        ("http://[::1]:2024", 200),
        ("http://192.168.1.7:2024", 200),
        ("http://app.example.com", 200),  # one of the origins
        ("http://evil.example:2024", 403),
        ("http://127.0.0.1.evil.example", 403),
        ("http://localhost.evil.example", 403),
    ],
)
async def test_without_authentication_a_strange_name_of_the_machine_is_refused(url: str, status: int) -> None:
    inner = Starlette(routes=[Route("/", endpoint, methods=["GET"])])
    assert (await answer(OnlyKnownPages(inner, [APP], any_host=False, closed=()), "GET", url=url)).status_code == status
    assert (await answer(OnlyKnownPages(inner, [APP], any_host=True, closed=()), "GET", url=url)).status_code == 200


async def test_routes_of_development_are_closed_where_users_are_authenticated() -> None:
    for path in ("/internal/truncate", "/deploy"):
        assert path.startswith(DEVELOPMENT)
        assert (await answer(server(), path=path)).status_code == 200
        assert (await answer(server(auth="jwt", jwt_secret="x" * 32), path=path)).status_code == 403


async def test_a_websocket_of_a_strange_page_is_closed_calls_from_inside_pass() -> None:
    reached, sent = [], list[Any]()

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    guard = OnlyKnownPages(inner, [STUDIO], any_host=False, closed=())
    socket = {"type": "websocket", "path": "/", "headers": [(b"host", b"localhost"), (b"origin", b"https://x.example")]}
    await guard(socket, receive, send)
    assert (reached, sent) == ([], ["websocket.close"])
    await guard({**socket, "headers": [(b"host", b"localhost"), (b"origin", STUDIO.encode())]}, receive, send)
    await guard({"type": "http", "root_path": "/noauth", "path": "/", "headers": [(b"host", b"api")]}, receive, send)
    await guard({"type": "lifespan"}, receive, send)
    assert reached == ["websocket", "http", "lifespan"]
