"""The commands about where facts come from, and that undo what was learned: sources and rollback."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.terminal import output
from agent.terminal.app import FAILED, JsonOption, UserOption, command, confirmed, opened_memory
from agent.terminal.output import counted
from agent.terminal.show import ID_SHOWN, WHEN, fact_json, fact_of, time_of
from memory.errors import BadInput

if TYPE_CHECKING:
    from memory.facts.roll_back import RollBack


@command
async def sources(
    fact_id: Annotated[str, typer.Argument(help="A fact's id, or its first characters.")],
    as_json: JsonOption = False,
    user: UserOption = "default",
) -> None:
    """Show the messages that a fact comes from, and that retired it."""
    async with opened_memory(user) as memory:
        events = await memory.provenance((await fact_of(memory, fact_id)).id)
    rows, documents = list[list[str]](), list[dict[str, Any]]()
    for what, at, source, quote in events:
        ids = [source.thread_id or "", source.message_id or ""] if source else ["by hand", ""]
        rows.append([what, output.minute_of(at), *ids, quote])
        document = {"what": what, "at": at.isoformat(), "quote": quote}
        documents.append(document | {"source": source.model_dump(mode="json") if source else None})
    columns = ["what", "when", "thread", "message", "quote"]
    output.listing(columns, rows, "nothing is known of this fact", documents, as_json=as_json)


@command
async def rollback(
    thread: Annotated[str, typer.Option(help="Undo what the messages of this thread have taught.")] = "",
    since: Annotated[str, typer.Option(help=f"Undo all that was learned since then. {WHEN}")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: JsonOption = False,
    user: UserOption = "default",
) -> int:
    """Undo what was learned, and restore what it had replaced. The history is kept."""
    if bool(thread) == bool(since):
        raise BadInput("Name one of: --thread, --since.")
    asks = not (dry_run or yes)
    if asks and (as_json or not sys.stdin.isatty()):
        raise BadInput("Nothing was undone: confirm it with --yes, or see with --dry-run what it would do.")
    scope: dict[str, Any] = {"since": time_of(since)} if since else {"thread": thread}
    async with opened_memory(user, writes=not dry_run) as memory:
        if dry_run or asks:
            plan = await memory.roll_back(**scope, dry_run=True)
            if dry_run or not plan:
                show(plan, as_json=as_json)
                return 0
            show(plan, as_json=False)
            if not await confirmed("Undo this?"):
                output.note("nothing was undone")
                return FAILED
        done = await memory.roll_back(**scope)
    if as_json or not asks:
        show(done, as_json=as_json)
    if not as_json:
        output.note(f"{counted(len(done.undone), 'fact')} undone, {len(done.restored)} restored")
    return 0


def show(change: "RollBack", *, as_json: bool) -> None:
    """What a roll-back does, or has done."""
    facts = {"undo": change.undone, "restore": change.restored, "repeat": [said.fact for said in change.repeats]}
    rows = [
        [what, fact.id[:ID_SHOWN], output.day_of(fact.observed_at), fact.category, fact.text]
        for what, some in facts.items()
        for fact in some
    ]
    rows += [
        ["drop held", item.id[:ID_SHOWN], output.day_of(item.held_at), item.fact.category, item.text]
        for item in change.held
    ]
    repeats = [{"fact": fact_json(fact), "repeat": said.model_dump(mode="json")} for fact, said in change.repeats]
    lists = {name: [*map(fact_json, some)] for name, some in (("undone", change.undone), ("restored", change.restored))}
    held = [{"id": item.id, "text": item.text} for item in change.held]
    empty = "nothing was learned from it that still counts"
    columns = ["what", "id", "said", "category", "text"]
    output.listing(columns, rows, empty, {**lists, "repeats": repeats, "held": held}, as_json=as_json)
