"""Which web pages may call a server: browsers send requests of any page, also to a server on the same machine."""

import logging
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

log = logging.getLogger(__name__)

STUDIO = ("https://smith.langchain.com", "https://eu.smith.langchain.com")
SENT_BY_ANY_PAGE = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")  # without asking first
DEVELOPMENT = ("/internal/", "/deploy")  # routes of `langgraph dev` that ask nobody who calls


class OnlyKnownPages:
    """Refuses requests that browsers send for pages of other origins than these; those of the SDK name no origin. Also
    refuses requests to paths that begin with one of `closed`.

    Without `any_host` the server answers to localhost, to addresses in numbers and to the hosts of these origins only:
    the owner of any other name can let it lead here, and a page of that name would have the server's own origin."""

    def __init__(self, app: ASGIApp, origins: Collection[str], *, any_host: bool, closed: tuple[str, ...]) -> None:
        self.app, self._origins, self._closed = app, origins, closed
        self._hosts = None if any_host else {urlsplit(origin).netloc for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inside = scope["type"] == "lifespan" or scope.get("root_path", "").startswith("/noauth")  # of this process
        problem = None if inside else self._problem(scope)
        if problem is None:
            await self.app(scope, receive, send)
            return
        status, reason = problem
        log.warning("refused a request status=%d origin=%r", status, Headers(scope=scope).get("origin"))
        refusal = JSONResponse({"detail": reason}, status) if scope["type"] == "http" else WebSocketClose(reason=reason)
        await refusal(scope, receive, send)

    def _problem(self, scope: Scope) -> tuple[int, str] | None:
        """The status and the reason for which a request is refused."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._hosts is not None and host not in self._hosts and not _is_local(host):
            return 403, "Without AUTH, this server does not answer to this name. Add its origin to WEB_ORIGINS."
        if origin is not None and origin not in self._origins and urlsplit(origin).netloc != host:
            return 403, "Pages of this origin may not call this server. Add the origin to WEB_ORIGINS."
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in SENT_BY_ANY_PAGE:
            return 415, f"A body of the type {kind} is refused: send application/json."
        if scope["path"].startswith(self._closed):
            return 403, "This route asks nobody who calls, and is closed where AUTH is set."
        return None


def _is_local(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
