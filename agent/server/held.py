"""Routes by which users see what is held back of theirs, and decide on it."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent.identity import open_stores
from agent.server.authentication import caller
from agent.server.tokens import Tokens, Unauthorized, text_headers
from agent.settings import Settings
from agent.state import held_document, memory_changes
from memory.errors import BadInput, Unavailable
from memory.user_memory import UserMemory

STATUS: dict[type[Exception], int] = {Unauthorized: 401, Unavailable: 503, BadInput: 400}


def routes(settings: Settings) -> list[Route]:
    """They ask who calls as the server's own routes do. Without AUTH, the query names the user (`?user_id=ada`)."""
    tokens = Tokens(settings) if settings.auth == "jwt" else None

    async def memory_of(request: Request) -> UserMemory:
        if settings.auth in ("jwt", "api_key"):
            user_id = await caller(text_headers(request.headers), tokens, settings.api_keys)
        else:
            user_id = request.query_params.get("user_id", "")
        if not (stores := [*open_stores]):
            raise Unavailable("Memory is not open yet: try again.")
        return UserMemory(stores[0], user_id)

    async def answer(request: Request) -> JSONResponse:
        try:
            memory, item_id = await memory_of(request), request.path_params.get("item_id")
            if item_id is None:
                return JSONResponse([held_document(item) for item in await memory.held()])
            if request.url.path.endswith("/keep"):
                return JSONResponse(memory_changes(await memory.keep_held([item_id])))
            return JSONResponse([held_document(item) for item in await memory.drop_held([item_id])])
        except tuple(STATUS) as error:
            status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
            return JSONResponse({"detail": str(error)}, status)

    decisions = [Route(f"/held/{{item_id}}/{decision}", answer, methods=["POST"]) for decision in ("keep", "drop")]
    return [Route("/held", answer), *decisions]
