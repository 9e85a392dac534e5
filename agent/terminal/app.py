"""What the commands share. Heavy imports are inside functions, so that --help and wrong input answer at once."""

import asyncio
import errno
import io
import logging
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer
from typer.core import TyperGroup

from agent.terminal import output
from memory.errors import AgentMemoryError, BadInput, quoted

if TYPE_CHECKING:
    from pydantic import SecretStr

    from agent.persistence import Services
    from agent.settings import Settings
    from memory.parts import Parts
    from memory.user_memory import UserMemory

P = ParamSpec("P")

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130  # exit codes


class Program(TyperGroup):
    """All commands. An error is one line on standard error, without the texts of facts, and an exit code."""

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            if sys.stdin is None:  # it was closed before the start (`<&-`)
                sys.stdin = io.TextIOWrapper(io.BytesIO())
            if sys.stdout is None:
                raise OSError(errno.EBADF, "it is closed")
            try:
                return super().main(*args, **options)
            finally:
                sys.stdout.flush()  # so that a full disk or a closed pipe raises here, before Python exits
        except asyncio.CancelledError:
            sys.exit(INTERRUPTED)
        except Exception as error:
            if isinstance(error, OSError):
                sys.stdout = io.StringIO()  # at its exit, Python would try again to write, and print a traceback
            if not isinstance(error, BrokenPipeError):  # the reader has closed the pipe
                output.error(failure_of(error) or bug_report(error))
            sys.exit(BAD_INPUT if isinstance(error, BadInput) else FAILED)


def failure_of(error: BaseException) -> str | None:
    """What went wrong, without texts that may quote facts, or None if only a bug explains the error."""
    name = type(error).__name__
    match error:
        case AgentMemoryError():
            return explained(error)
        case ConnectionError() | TimeoutError():
            return f"A connection was lost ({name}): try again."
        case OSError(filename=str(file)):
            return f"{quoted(file)}: {error.strerror}."
        case OSError():
            return f"The output cannot be written: {error.strerror}."
    from psycopg import Error, OperationalError, errors

    match error:
        case errors.DiskFull():
            return "The database's disk is full: free some space and try again."
        case errors.InsufficientPrivilege():
            return "The role in POSTGRES_URL may not do this: name the owner of the database, or grant it the rights."
        case errors.ReadOnlySqlTransaction():
            return "The database is read-only: name a server in POSTGRES_URL that accepts writes, not a standby."
        case OperationalError():
            return f"The connection to the database was lost, or refused ({name}): try again."
    return f"The database refused this ({name})." if isinstance(error, Error) else None


def explained(error: AgentMemoryError) -> str:
    """The error's text; where the extraction model's server is the cause, also which settings to check."""
    if error.__cause__ is None:
        return str(error)
    from memory.extraction.extract import ExtractionFailed

    if not isinstance(error, ExtractionFailed):
        return str(error)
    from agent.providers import model_failure
    from agent.settings import read_settings

    settings = read_settings()
    setting = "EXTRACTION_MODEL" if settings.extraction_model else "CHAT_MODEL"
    failure = model_failure(error.__cause__, settings.extraction_model_name, setting)
    return f"{error}: {failure}" if failure else str(error)


def bug_report(error: Exception) -> str:
    """The error's type and where it was raised, without its text, which may quote a fact."""
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return f"{type(error).__name__}, which is a bug in this program:\n{frames}"


app = typer.Typer(cls=Program, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def check_user(user: str) -> str:
    from memory.facts.fact import check_user_id

    return check_user_id(user)


UserOption = Annotated[str, typer.Option("--user", help="Whose memory to use.", callback=check_user)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def command(function: Callable[P, Coroutine[Any, Any, int | None]], group: typer.Typer = app) -> Callable[P, None]:
    """Make a coroutine a command of the program or of a group; what it returns is the exit code."""

    @wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> None:
        raise typer.Exit(asyncio.run(function(*args, **options)) or 0)

    group.command(name=function.__name__.rstrip("_").replace("_", "-"))(run)
    return run


def start() -> "Settings":
    """The settings, with logging as they say. Libraries log nothing below a warning, since some log requests."""
    from agent.logs import write_json
    from agent.settings import read_settings

    settings = read_settings()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if settings.log_json:
        write_json(logging.getLogger(), settings)
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[settings.log_level]))
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # its warnings repeat the error of the command
    for package in ("agent", "memory", "graphs"):
        logging.getLogger(package).setLevel(settings.log_level)
    return settings


@contextmanager
def cancelled_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C cancel the task, which closes what is open. The second time, and outside, it ends the process."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
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


@asynccontextmanager
async def opened(
    settings: "Settings | None" = None, *, old_keys: "Sequence[SecretStr]" = ()
) -> AsyncIterator["Services"]:
    """The servers that the settings name; what is encrypted with `old_keys` can be read, too. Raises BadInput before
    anything is started, or Unavailable."""
    settings = settings or start()
    from agent.persistence import open_services

    with cancelled_by_ctrl_c():
        async with open_services(settings, output.note, old_keys) as services:
            yield services


@asynccontextmanager
async def opened_memory(
    user: str, settings: "Settings | None" = None, *, writes: bool = False
) -> AsyncIterator["UserMemory"]:
    """The memory of one user; `writes` is for a command that changes it, and with it the index."""
    async with opened(settings) as services:
        from memory.user_memory import UserMemory

        yield UserMemory(await (repaired_parts(services) if writes else services.memory_parts()), user)


async def repaired_parts(services: "Services") -> "Parts":
    """Memory's parts, with an index that matches the ledger. Raises Unavailable if its server does not answer."""
    from memory.maintenance import bring_up

    await services.check_index()
    parts = await services.memory_parts()
    await bring_up(parts, output.note)
    return parts


def check_no_options(context: typer.Context, *given: bool) -> None:
    """Raises BadInput if options of a group of commands were given before the name of a command."""
    if any(given):
        group = f"{context.info_name} " if context.parent else ""
        raise BadInput(f"Options go after the command: python -m agent {group}{context.invoked_subcommand} --user ...")


async def confirmed(question: str) -> bool:
    """Ask for confirmation: the user types y or yes."""
    from prompt_toolkit import PromptSession

    try:
        answer = await PromptSession[str]().prompt_async(f"{question} [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
