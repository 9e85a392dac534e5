"""`app`, which langgraph.json names under `http`: what happens to a request before a server's own routes get it, and
routes for users and operators."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from agent.host import development_server, host
from agent.logs import write_json
from agent.server import (
    auth,  # noqa: F401 - ends the start of a server that others can reach and that asks nobody
    health,
    held,
    memory,
)
from agent.server.origins import DEVELOPMENT, STUDIO, OnlyKnownPages
from agent.server.quotas import RequestSize
from agent.settings import Settings, read_settings


def middleware(settings: Settings) -> list[Middleware]:
    origins = (*STUDIO, *settings.web_origins)
    authenticates = settings.auth in ("jwt", "api_key")
    any_host = authenticates or not development_server()
    return [
        Middleware(RequestSize, megabytes=settings.max_request_megabytes),
        Middleware(OnlyKnownPages, origins=origins, any_host=any_host, closed=DEVELOPMENT if authenticates else ()),
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("*",),
            allow_headers=("*",),
            allow_private_network=development_server(),
            expose_headers=("x-pagination-total", "x-pagination-next", "content-location"),
        ),
    ]


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if host() == "Aegra":  # other servers open memory themselves
            await stack.enter_async_context(memory.lifespan(app))
        await stack.enter_async_context(health.lifespan(app))
        yield


def open_app(settings: Settings) -> Starlette:
    if settings.log_json:
        write_json(logging.getLogger(), settings)
    routes = [*health.ROUTES, *held.routes(settings)]
    if host() == "Aegra":
        from fastapi import FastAPI  # Aegra, which brings it, takes no other kind

        return cast(Starlette, FastAPI(routes=routes, middleware=middleware(settings), lifespan=lifespan))
    return Starlette(routes=routes, middleware=middleware(settings), lifespan=lifespan)


app = open_app(read_settings())
