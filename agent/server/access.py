"""What a caller may do on a server: each user has threads, crons, assistants and a part of the store."""

from typing import Any

from langgraph_sdk import Auth
from langgraph_sdk.auth.types import AuthContext, HandlerResult

from agent.identity import open_stores
from memory.facts.fact import owner_key
from memory.items.item import facts_namespace, items_namespace
from memory.threads.threads import background_thread, is_background_thread, thread_owner

OWNER = "owner"  # key in the metadata of a thread, a cron or an assistant: the user whose it is
CREATED_BY = "created_by"  # in an assistant's metadata; "system" for those that come with the server
Value = dict[str, Any]  # what the request is about: LangGraph's server reads what a handler changes in it


async def allowed(ctx: AuthContext, value: Value, *, studio: bool) -> HandlerResult:
    """A filter that the thread, cron or assistant has to match; True for the user's part of the store; otherwise False,
    also for what future versions of a server may ask. Raises Auth.exceptions.HTTPException with the reason."""
    user = ctx.user.identity
    own: HandlerResult = {OWNER: user}
    if isinstance(ctx.user, Auth.types.StudioUser) and not studio:
        raise _forbidden("Studio is refused: set STUDIO=allow to let it in, as a user with a memory of its own.")
    match ctx.resource, ctx.action:
        case ("threads" | "crons" | "assistants", "delete") | ("threads" | "crons", "read" | "search"):
            return own
        case "threads", "create" | "create_run":
            if ctx.action == "create" or value.get("if_not_exists") == "create":
                await _check_new_thread(user, value)
            _sign(value, user)
            return own
        case ("threads" | "crons", "update") | ("crons", "create"):
            _sign(value, user)
            return own
        case "assistants", "read" | "search":
            return {"$or": [{OWNER: user}, {CREATED_BY: "system"}]}  # type: ignore[return-value]  # servers know it
        case "assistants", "create" | "update":
            _sign(value, user)[CREATED_BY] = "user"  # and not a name: there may be a user "system"
            return own
        case "store", "put" | "get" | "search" | "delete" | "list_namespaces":
            return _check_namespace(user, value)
    return False


def _sign(value: Value, user: str) -> dict[str, Any]:
    """Set the owner in the metadata, which the client may have forged. Changes `value`, since the server reads it."""
    if value.get("metadata") is None:
        value["metadata"] = {}
    metadata: dict[str, Any] = value["metadata"]
    metadata[OWNER] = user
    return metadata


async def _check_new_thread(user: str, value: Value) -> None:
    """A thread of background extraction is begun by a run of its user, and by nobody else. Postgres may hold the
    checkpoints of a thread that the server does not know, such as one of the terminal."""
    thread_id = value.get("thread_id")
    if thread_id is None:
        return
    if is_background_thread(thread_id) and str(thread_id).lower() != background_thread(user, _conversation(value)):
        raise _forbidden("Thread ids that are UUIDs of version 8 are the server's own: choose another id.")
    for store in open_stores:
        if await thread_owner(store.pool, thread_id) not in (None, "", owner_key(user)):
            raise Auth.exceptions.HTTPException(409, "There is a thread with this id: choose another one.")


def _conversation(value: Value) -> str:
    """The conversation in the input of a run of background extraction. Aegra has the input one level higher."""
    given = (value.get("kwargs") or value).get("input")
    return str(given.get("conversation")) if isinstance(given, dict) else ""


def _check_namespace(user: str, value: Value) -> bool:
    """Aegra calls the namespace of a search `namespace_prefix`, and that of a list `prefix`."""
    given = next((value[name] for name in ("namespace", "namespace_prefix", "prefix") if value.get(name)), ())
    namespace, facts, items = tuple(given), facts_namespace(user), items_namespace(user)
    if namespace == facts or namespace[: len(items)] == items:
        return True
    raise _forbidden(f"This namespace is not yours. Yours are {[*facts]}, and all that begin with {[*items]}.")


def _forbidden(reason: str) -> Exception:
    return Auth.exceptions.HTTPException(403, reason)
