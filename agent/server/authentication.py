"""Which authentication the settings ask for."""

import os
from collections.abc import Mapping
from typing import Any

from langgraph_sdk import Auth
from langgraph_sdk.auth.types import AuthContext, HandlerResult
from starlette.exceptions import HTTPException

from agent.host import DEPLOYED, Host
from agent.identity import ANONYMOUS
from agent.server.access import allowed
from agent.server.quotas import check_rate
from agent.server.tokens import Tokens, Unauthorized, service_of, text_headers
from agent.settings import Settings
from memory.errors import BadInput, Unavailable

WHO = "Who calls? Send the header `Authorization: Bearer <token>`, or a service's key as `x-api-key`."
LANGGRAPH = ("langgraph dev", "LangGraph server")  # these set LANGGRAPH_AUTH to the `auth` of langgraph.json
Headers = Mapping[bytes, bytes] | Mapping[str, str]


def authentication(settings: Settings, server: Host | None) -> Auth:
    """Raises BadInput if the settings contradict each other, or say nothing on a server that others can reach."""
    if settings.auth == "api_key" and not settings.api_keys:
        raise BadInput("AUTH=api_key needs API_KEYS: .env.example explains it.")
    if not settings.auth and server in DEPLOYED:
        fix = "set AUTH=jwt or AUTH=api_key (docs/deploying.md), or AUTH=none to trust all who can reach this server."
        raise BadInput(f"AUTH is not set, and {server} is no development server: {fix}")
    auth = Auth()
    if settings.auth in ("", "none"):
        auth.authenticate(_nobody)
        auth.on(_everything)
        return auth
    tokens = Tokens(settings) if settings.auth == "jwt" else None

    async def authenticate(headers: Headers) -> dict[str, Any]:
        try:
            return {"identity": await caller(text_headers(headers), tokens, settings.api_keys)}
        except Unauthorized as error:
            raise Auth.exceptions.HTTPException(401, str(error)) from None
        except Unavailable as error:
            raise HTTPException(503, str(error)) from None  # servers log Auth's own kind with a traceback

    async def authorize(ctx: AuthContext, value: dict[str, Any]) -> HandlerResult:
        if (ctx.resource, ctx.action) == ("threads", "create_run"):
            await check_rate(ctx.user.identity, settings.runs_per_minute)
        return await allowed(ctx, value, studio=settings.studio == "allow")

    auth.authenticate(authenticate)
    auth.on(authorize)
    return auth


def check_is_used(settings: Settings, server: Host | None, environment: Mapping[str, str] = os.environ) -> None:
    """Raises BadInput if AUTH is set and the configuration of a LangGraph server names no `auth`, which it needs."""
    if settings.auth in ("jwt", "api_key") and server in LANGGRAPH and not environment.get("LANGGRAPH_AUTH"):
        fix = 'add "auth": {"path": "agent.server.auth:auth"} to it.'
        raise BadInput(f"AUTH={settings.auth} is set, and langgraph.json names no `auth`, so it has no effect: {fix}")


async def caller(sent: Mapping[str, str], tokens: Tokens | None, api_keys: tuple[str, ...]) -> str:
    """The user or the service. Raises Unauthorized, or Unavailable if the issuer's keys cannot be read."""
    scheme, _, token = sent.get("authorization", "").partition(" ")
    key = sent.get("x-api-key", "")
    if tokens and token and scheme.lower() == "bearer":
        return await tokens.user(token.strip())
    if key and api_keys:
        return service_of(key, api_keys)
    raise Unauthorized(WHO)


async def _nobody(headers: Headers) -> dict[str, Any]:  # noqa: ARG001 - Aegra gives it to each authentication
    return {"identity": ANONYMOUS, "is_authenticated": False}


async def _everything(ctx: AuthContext, value: dict[str, Any]) -> HandlerResult:  # noqa: ARG001 - servers name both
    return True
