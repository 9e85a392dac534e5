"""The commands that look after the search index and the embedded servers: doctor, reindex and stop."""

from dataclasses import asdict
from typing import Annotated

import typer

from agent.terminal import output
from agent.terminal.app import FAILED, JsonOption, command, opened, repaired_parts, start


@command
async def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Repair the differences.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Compare the ledger with the search index. The exit code is 1 while they differ."""
    async with opened() as services:
        from memory import maintenance

        await services.chroma.check()
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
async def reindex() -> None:
    """Rebuild the search index as EMBEDDER and CHROMA_SHARDS say. An interrupted run continues where it stopped."""
    async with opened() as services:
        from agent.persistence import configured_embedder
        from memory import maintenance

        embedder, shards = configured_embedder(services.settings), services.settings.chroma_shards
        parts = await repaired_parts(services)
        with output.bar("embedding") as progress:
            await maintenance.reindex(parts, embedder, progress, shards=shards)
    output.note(f"the collection holds the vectors of {embedder.name} in {shards} shards")


@command
async def stop() -> None:
    """Stop the embedded servers now. Otherwise they stop EMBEDDED_IDLE_TIMEOUT seconds after their last use."""
    from memory.embedded.connect import stop_servers

    stopped = await stop_servers(start().data_dir)
    output.note(f"{' and '.join(stopped)} stopped" if stopped else "no server of this project is running")
