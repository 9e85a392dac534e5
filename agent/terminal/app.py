"""What the commands of the terminal program share: its options, exit codes, and what opens a user's memory.

Heavy imports are inside functions, so that --help and wrong input answer at once.
"""

import asyncio
import errno
import io
import logging
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer
from typer.core import TyperGroup

from agent.terminal import output
from memory.errors import AgentMemoryError, BadInput

if TYPE_CHECKING:
    from agent.persistence import Services
    from agent.settings import Settings
    from memory.parts import Parts
    from memory.threads.saver import ThreadSaver
    from memory.user_memory import UserMemory

P = ParamSpec("P")
Number = TypeVar("Number", int, float)

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
"""Exit codes: it went wrong, or is not as it should be; what was given has to be put right; Ctrl-C."""


class Program(TyperGroup):
    """All commands: what goes wrong is one line on standard error and an exit code, and never the text of a fact."""

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            check_streams()
            try:
                return super().main(*args, **options)
            finally:
                sys.stdout.flush()  # so that a full disk or a closed pipe raises here, before Python exits
        except asyncio.CancelledError:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:  # the reader has closed the pipe
            drop_output()
            sys.exit(FAILED)
        except Exception as error:
            if isinstance(error, OSError):
                drop_output()
            output.error(failure_of(error) or mistake(error))
            sys.exit(BAD_INPUT if isinstance(error, BadInput) else FAILED)


def check_streams() -> None:
    """Read nothing from a standard input that was closed before the start (`<&-`), for which Python has None.

    Raises OSError for a closed standard output, which a command would work for in vain.
    """
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BytesIO())
    if sys.stdout is None:
        raise OSError(errno.EBADF, "it is closed")


def drop_output() -> None:
    """Give up what standard output did not take: Python would try again when it exits, and print a traceback."""
    sys.stdout = io.StringIO()


def failure_of(error: Exception) -> str | None:
    """What went wrong, as a line for the user; None for an error that only a mistake in this program explains.

    The texts of database errors are left out, since they may quote facts.
    """
    name = type(error).__name__
    match error:
        case AgentMemoryError():
            return explained(error)
        case ConnectionError() | TimeoutError():
            return f"A connection was lost ({name}): try again."
        case OSError(filename=str(file)):
            return f"{output.quoted(file)}: {error.strerror}."
        case OSError():
            return f"The output cannot be written: {error.strerror}."
    from psycopg import Error, OperationalError
    from psycopg.errors import DiskFull, InsufficientPrivilege, ReadOnlySqlTransaction

    match error:
        case DiskFull():
            return "The database's disk is full: free some space and try again."
        case InsufficientPrivilege():
            return (
                "The role in POSTGRES_URL may not do this: name the one that owns the database, or grant it the rights "
                "to make schemas and tables there."
            )
        case ReadOnlySqlTransaction():
            return "The database is read-only: name a server in POSTGRES_URL that takes writes, not a standby."
        case OperationalError():
            return f"The connection to the database was lost, or it refused to work ({name}): try again."
        case Error():
            return f"The database refused this ({name})."
    return None


def mistake(error: Exception) -> str:
    """An error that this program should not have raised, with where it came from but without its text, which may
    quote a fact."""
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return f"{type(error).__name__}, which is a mistake in this program:\n{frames}"


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
    from agent.models import extraction_choice
    from agent.providers import model_failure
    from agent.settings import read_settings
    from memory.learn.extract import ExtractionFailed

    if isinstance(error, ExtractionFailed):
        failure = model_failure(error.__cause__, *extraction_choice(read_settings()))
        return f"{error}: {failure}" if failure else str(error)
    return str(error)


def start() -> "Settings":
    """The settings, checked, with logging as they say. Raises BadInput."""
    from agent.settings import read_settings

    settings = read_settings()
    start_logging(settings.log_level)
    return settings


@contextmanager
def cancelled_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C cancel the task, so that what is open is closed. Before and after, and the second time, it ends the
    process at once: an exception that comes up in the middle of an import or an exit prints a traceback."""
    if threading.current_thread() is not threading.main_thread():  # only that one is told of signals
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def cancel(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if task:
            loop.call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def start_logging(level: str) -> None:
    """Log to standard error: this project from `level` on, and libraries, some of which log requests, no more than
    warnings."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it warns of what a command then ends with
    for package in ("agent", "memory", "graphs"):
        logging.getLogger(package).setLevel(level)


@asynccontextmanager
async def opened() -> AsyncIterator["Services"]:
    """The servers that the settings name. Raises BadInput before anything is started, or Unavailable."""
    settings = start()
    from agent.persistence import open_services

    with cancelled_by_ctrl_c():
        async with open_services(settings, output.note) as services:
            yield services


@asynccontextmanager
async def remembering(user: str | None, *, writes: bool = False) -> AsyncIterator["UserMemory"]:
    """The memory of one user; `writes` is for a command that changes it, and with it the collection."""
    user_id = user_of(user)
    async with opened() as services:
        from agent.persistence import memory_parts
        from memory.user_memory import UserMemory

        yield UserMemory(await (brought_up if writes else memory_parts)(services), user_id)


async def brought_up(services: "Services") -> "Parts":
    """Memory's parts, once the collection holds what the ledger does. Raises Unavailable where there is no Chroma."""
    from agent.persistence import memory_parts
    from memory.maintenance import bring_up

    await services.chroma.check()
    parts = await memory_parts(services)
    await bring_up(parts, output.note)
    return parts


def user_of(option: str | None) -> str:
    """The user that --user names. Raises BadInput."""
    from agent.settings import DEFAULT_USER
    from memory.facts.fact import check_user_id

    return check_user_id(DEFAULT_USER if option is None else option)


def in_range(option: str, text: str, kind: type[Number], most: int) -> Number:
    """The number that an option gives, if it is in the range from 0 to `most`. Raises BadInput."""
    with suppress(ValueError):
        number = kind(text)
        if 0 <= number <= most:  # nan is not
            return number
    what = "a whole number" if kind is int else "a number"
    raise BadInput(f"{option} is {output.quoted(text)}: give {what} from 0 to {most:,}.")


def memory_of(parts: "Parts", user_id: str) -> "UserMemory":
    """The memory of a user, with the model that takes facts from what is observed."""
    from agent.models import open_model
    from agent.settings import read_settings
    from memory.user_memory import UserMemory

    settings = read_settings()
    model = open_model(settings.extraction_model_name, settings)
    return UserMemory(parts, user_id, model=model, method=settings.structured_output)


def saver_of(services: "Services") -> "ThreadSaver":
    """The checkpointer, in the database that the facts are in."""
    from memory.threads.saver import ThreadSaver

    return ThreadSaver(services.pool, services.settings.langgraph_aes_key)
