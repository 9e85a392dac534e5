"""What the commands of the terminal program share: its options, exit codes, and what opens a user's memory.

The imports inside functions cost three seconds, which --help and wrong input save.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer
from typer.core import TyperGroup

from agent import screen
from memory.errors import AgentMemoryError, BadInput
from memory.fact import check_user_id

if TYPE_CHECKING:
    from agent.saver import ThreadSaver
    from memory.store import FactStore
    from memory.user_memory import UserMemory

P = ParamSpec("P")

FAILED, BAD_INPUT = 1, 2
"""Exit codes: it went wrong, or is not as it should be; what was given has to be put right. Ctrl-C gives 130."""


class Program(TyperGroup):
    """All commands: errors that are the caller's to mend are one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # a click.Context, of typer's own copy of click or of click, by its version
        try:
            return super().invoke(ctx)
        except AgentMemoryError as error:
            screen.error(explained(error))
            raise typer.Exit(BAD_INPUT if isinstance(error, BadInput) else FAILED) from error


app = typer.Typer(cls=Program, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

UserOption = Annotated[str | None, typer.Option("--user", help='Whose memory to use; "default" if nobody is named.')]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def command(function: Callable[P, Coroutine[Any, Any, int | None]], group: typer.Typer = app) -> Callable[P, None]:
    """Make a coroutine a command of the program, or of a group; what it returns is the exit code."""

    @wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> None:
        raise typer.Exit(asyncio.run(function(*args, **options)) or 0)

    group.command(name=function.__name__.rstrip("_").replace("_", "-"))(run)
    return run


def explained(error: AgentMemoryError) -> str:
    """The error's text; where the extraction model's server is the cause, also which settings to check."""
    if error.__cause__ is None:
        return str(error)
    from agent.providers import model_failure
    from agent.settings import read_settings
    from memory.extract import ExtractionFailed

    if isinstance(error, ExtractionFailed):
        failure = model_failure(error.__cause__, read_settings().extraction_model_name)
        return f"{error}: {failure}" if failure else str(error)
    return str(error)


@asynccontextmanager
async def opened() -> AsyncIterator["FactStore"]:
    """The store that the settings name. Raises BadInput before anything is started, or Unavailable."""
    from agent.persistence import open_store
    from agent.settings import read_settings

    settings = read_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    async with open_store(settings, screen.note) as store:
        yield store


@asynccontextmanager
async def remembering(user: str | None) -> AsyncIterator["UserMemory"]:
    """The memory of one user."""
    user_id = user_of(user)
    async with opened() as store:
        yield memory_of(store, user_id)


def user_of(option: str | None) -> str:
    """The user that --user names. Raises BadInput."""
    from agent.context import DEFAULT_USER

    return check_user_id(DEFAULT_USER if option is None else option)


def memory_of(store: "FactStore", user_id: str) -> "UserMemory":
    """The memory of a user, with the model that takes facts from what is observed."""
    from agent.models import open_model
    from agent.settings import read_settings
    from memory.user_memory import UserMemory

    settings = read_settings()
    model = open_model(settings.extraction_model_name, settings)
    return UserMemory(store, user_id, model=model, method=settings.structured_output)


def saver_of(store: "FactStore") -> "ThreadSaver":
    """The checkpointer beside a store."""
    from agent.saver import ThreadSaver
    from agent.settings import read_settings

    return ThreadSaver(store.ledger.pool, read_settings().langgraph_aes_key)
