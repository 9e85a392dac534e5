"""Commands for operators: tables, search index, embedded servers, and tokens for development."""

import os
from dataclasses import asdict
from typing import Annotated, get_args

import typer

from agent.terminal import output
from agent.terminal.app import FAILED, JsonOption, app, command, opened, start
from agent.terminal.output import counted
from memory.errors import BadInput, quoted

DAY = 86_400  # seconds for which a token is valid


@command
async def migrate() -> None:
    """Create the tables in Postgres, or bring them up to date. Each start does so as well, but before an upgrade of
    several processes one command can do it first, also with another role in POSTGRES_URL."""
    async with opened() as services:
        output.note(f"the database is up to date: migration {await services.migrate()}")


@command
async def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Repair the differences.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Compare the ledger with the search index. The exit code is 1 while they differ."""
    async with opened() as services:
        from memory import maintenance

        await services.check_index()
        parts = await services.memory_parts()
        with output.bar("checking") as progress:
            report = await maintenance.doctor(parts, progress)
            if repair and not report.clean:
                await maintenance.repair(parts, report, progress)
                report = await maintenance.doctor(parts, progress)
    if as_json:
        output.print_json({**asdict(report), "clean": report.clean})
    else:
        rows = [[name.replace("_", " "), str(value)] for name, value in vars(report).items() if value != ""]
        output.table(["what", "found"], rows)
        output.note("the ledger and the search index agree" if report.clean else "they differ: run `doctor --repair`")
    return 0 if report.clean else FAILED


@command
async def reindex(
    to: Annotated[str, typer.Option(metavar="INDEX", help="Keep it there instead of where INDEX says.")] = "",
) -> None:
    """Rebuild the search index as INDEX, EMBEDDER and CHROMA_SHARDS say. The old one is searched until the new one is
    complete. An interrupted run continues where it stopped."""
    from memory.index.protocol import Backend

    if to and to not in get_args(Backend):
        raise BadInput(f"Unknown index {quoted(to)}: one of {', '.join(get_args(Backend))}.")
    settings = start()
    async with opened(settings) as services:
        from agent.persistence import configured_embedder, index_kind
        from memory import maintenance

        wanted = settings.model_copy(update={"index": to}) if to else settings
        kind, embedder = index_kind(wanted), configured_embedder(wanted)
        await (await services.places.open(kind.backend)).check()
        parts = await services.memory_parts()
        with output.bar("embedding") as progress:
            await maintenance.reindex(parts, embedder, progress, backend=kind.backend, shards=kind.shards)
    shards = f" in {kind.shards} shards" if kind.backend == "chroma" else ""
    output.note(f"the index in {kind.backend} holds the vectors of {embedder.name}{shards}")
    if kind.backend != settings.index:
        output.note(f"now set INDEX={kind.backend}, and restart what runs: it searches the ledger until then")


@command
async def encrypt(
    old_key_from: Annotated[
        str, typer.Option(metavar="VARIABLE", help="The environment variable that holds the key that was set before.")
    ] = "",
) -> None:
    """Encrypt what is already saved. Facts and threads are then encrypted with LANGGRAPH_AES_KEY or, if that is empty,
    not at all. Stop the servers first. An interrupted run, called again, continues."""
    from pydantic import SecretStr

    from agent.settings import key_problem

    settings, old = start(), os.environ.get(old_key_from, "").strip()
    if old_key_from and (problem := key_problem(old)):
        raise BadInput(f"{quoted(old_key_from)} holds no key: {problem}.")
    if not settings.langgraph_aes_key and not old:
        raise BadInput("LANGGRAPH_AES_KEY is empty: set it, or name the old key with --old-key-from to decrypt.")
    async with opened(settings, old_keys=[SecretStr(old)] if old else []) as services:
        with output.bar("encrypting") as progress:
            changed = await services.encrypt(progress)
    output.note(
        f"{counted(changed, 'row')} changed: {'all is' if settings.langgraph_aes_key else 'nothing is'} encrypted"
    )


@command
async def stop() -> None:
    """Stop the embedded servers now. Otherwise they stop EMBEDDED_IDLE_TIMEOUT seconds after their last use."""
    from memory.embedded.connect import stop_servers

    stopped = await stop_servers(start().data_dir)
    output.note(f"{' and '.join(stopped)} stopped" if stopped else "no server of this project is running")


@app.command()
def token(user: Annotated[str, typer.Argument(help="The user that the token names.")]) -> None:
    """Print a token that names a user, signed with JWT_SECRET. It is for tests and first steps with a server."""
    from agent.server.tokens import Tokens

    settings = start()
    if not (settings.jwt_secret or settings.jwt_jwks):
        raise BadInput("JWT_SECRET is not set: `openssl rand -hex 32` makes one. Write it into .env, with AUTH=jwt.")
    output.line(Tokens(settings).sign(user, DAY))
