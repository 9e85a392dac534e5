"""The routes that this project adds for operators: whether a server runs, whether its parts answer, and its metrics.

They are open to everybody, and name neither users nor hosts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.persistence import open_services
from agent.settings import read_settings
from memory.errors import cause_of
from memory.index.registry import active_backend
from memory.ledger.pool import Pool
from memory.ledger.waiting import within

log = logging.getLogger(__name__)

CONNECTIONS = 2  # to Postgres, so that a question that hangs does not keep the next one waiting
READY_TIMEOUT = 3.0  # seconds, for each part that `/ready` asks; probes wait little longer


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open what `/ready` asks, beside what the graphs use, so that it answers while all their connections are busy."""
    settings = await asyncio.to_thread(read_settings)
    async with open_services(settings.model_copy(update={"postgres_connections": CONNECTIONS})) as services:
        backend = await active_backend(services.pool, services.settings.index)
        app.state.pool, app.state.index = services.pool, (backend, await services.places.open(backend))
        yield


async def health(request: Request) -> JSONResponse:  # noqa: ARG001
    """This process answers."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> JSONResponse:
    """Whether Postgres and the index answer. Without the index recall reads the ledger, so only Postgres is needed."""
    pool, (backend, place) = request.app.state.pool, request.app.state.index
    postgres, index = await asyncio.gather(_answers("postgres", _ask(pool)), _answers(backend, place.check()))
    parts = {"postgres": "up" if postgres else "down", "index": "up" if index else "down"}
    status = "not ready" if not postgres else "ready" if index else "degraded"
    return JSONResponse({"status": status, **parts, "index_kind": backend}, 200 if postgres else 503)


async def _ask(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("select from memory.migrations limit 1")


async def _answers(part: str, question: Coroutine[Any, Any, None]) -> bool:
    """Whether a part answers in time. The reason why it does not may name a host, and is only logged."""
    try:
        await within(READY_TIMEOUT, question)
    except Exception as error:  # each part has its own
        log.warning("not ready part=%s cause=%s", part, cause_of(error))
        return False
    return True


async def metrics(request: Request) -> Response:  # noqa: ARG001
    """For Aegra. LangGraph's server answers at `/metrics` itself, with the same."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


ROUTES = [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]
