"""The commands that change what is known: observe, catch-up, held, import and forget."""

import asyncio
import os
import sys
from functools import partial
from itertools import starmap
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from agent.terminal import files, output
from agent.terminal.app import (
    FAILED,
    JsonOption,
    UserOption,
    app,
    check_no_options,
    command,
    confirmed,
    explained,
    opened,
    opened_memory,
    repaired_parts,
    start,
)
from agent.terminal.output import counted
from agent.terminal.show import ID_SHOWN, WHEN, fact_json, fact_of, id_of, time_of
from memory.errors import AgentMemoryError, BadInput, quoted

if TYPE_CHECKING:
    from agent.persistence import Services
    from memory.facts.changes import Changes
    from memory.user_memory import UserMemory

MAX_UNANSWERED = 2  # threads for which the model may fail before `catch-up` leaves the others to its next run


@command
async def observe(
    text: Annotated[str, typer.Argument(help="What the user said.")] = "",
    file: Annotated[str, typer.Option(help="Read from a file, or - for standard input; each line is a message.")] = "",
    at: Annotated[str, typer.Option(help=f"When it was said; now by default. {WHEN}")] = "",
    as_json: JsonOption = False,
    user: UserOption = "default",
) -> None:
    """Learn from what the user said, and print what changed."""
    if bool(text.strip()) == bool(file):
        raise BadInput("Say what was said: a text, or --file with a file's name or -.")
    said = [line.strip() for line in files.read_lines(file) if line.strip()] if file else [text]
    said_at, settings = time_of(at) if at else None, start()
    from langchain_core.messages import HumanMessage

    from agent.state import changed_facts
    from agent.turn.extraction_schedule import message_problem, with_extraction_model
    from memory.extraction.extract import ExtractionFailed

    for number, line in enumerate(said, 1):
        if problem := message_problem(line, settings.max_message_chars):
            raise BadInput(f"Line {number}: {problem}" if file else problem)
    async with opened_memory(user, settings, writes=True) as memory:
        memory = await with_extraction_model(memory, settings)
        failure = None
        try:
            changes = await memory.observe([HumanMessage(line) for line in said], at=said_at, zone=output.local_zone())
        except ExtractionFailed as error:
            changes, failure = error.learned, error
    if as_json:
        facts = {key: list(map(fact_json, facts)) for key, facts in changed_facts(changes).items()}
        output.print_json({**facts, **unknown_json(changes)})
    else:
        show_changes(changes, "" if failure else "no new facts", user)
    if failure:
        raise failure


def show_changes(changes: "Changes", empty: str, user: str) -> None:
    """What was learned, on standard output, and what was not, on standard error."""
    from agent.state import memory_changes

    shown = memory_changes(changes)
    output.line_or_note(output.changes_line(shown), empty)
    held = output.held_line(shown, output.own_command("held", user))
    for unknown in filter(None, (held, output.dropped_line(shown))):
        output.note(unknown)


def unknown_json(changes: "Changes") -> dict[str, list[Any]]:
    """What was held back or dropped."""
    held = [{"id": item.id, "text": item.text, "reason": item.reason} for item in changes.held]
    return {"held": held, "dropped": [dropped._asdict() for dropped in changes.dropped]}


@command
async def catch_up(
    given_up: Annotated[
        bool, typer.Option("--given-up", help="Try again the messages that `given-up` lists, too.")
    ] = False,
    as_json: JsonOption = False,
    user: UserOption = "default",
) -> int:
    """Extract facts from messages that are still waiting. The exit code is 1 if some could not be extracted."""
    async with opened() as services:
        from agent.state import changed_facts
        from agent.turn.extraction_schedule import catch_up_thread, given_up_utterances, with_extraction_model
        from memory.extraction.extract import ExtractionFailed
        from memory.facts.changes import Changes
        from memory.facts.fact import utc_now
        from memory.threads.threads import list_threads
        from memory.user_memory import UserMemory

        parts, saver, settings = await services.memory_parts(), services.saver, services.settings
        memory = await with_extraction_model(UserMemory(parts, user), settings)
        threads = await list_threads(services.pool, user, limit=None)
        total, failed, unanswered = Changes(), 0, 0
        with output.bar("learning") as progress:
            for number, thread in enumerate(reversed(threads), 1):  # oldest first
                if unanswered == MAX_UNANSWERED:
                    rest = counted(len(threads) - number + 1, "thread")
                    output.error(f"the model failed for {unanswered} threads: {rest} not tried")
                    break
                try:
                    total += await catch_up_thread(parts, saver, memory, thread.id, settings.max_message_chars)
                except AgentMemoryError as error:
                    output.error(f"thread {thread.id}: {explained(error)}")
                    failed += 1
                    if isinstance(error, ExtractionFailed):
                        total, unanswered = total + error.learned, unanswered + error.transient
                progress(number, len(threads))
        given_up = given_up and unanswered < MAX_UNANSWERED
        started_at = utc_now()
        for entry, said in (await given_up_utterances(parts.ledger, saver, user) if given_up else {}).items():
            message = f"message {entry.message_id} of thread {entry.thread_id}"
            if said is None:
                output.error(f"{message}: the thread no longer has it, so say it again")
                continue
            try:
                total += await memory.learner.retry(said, started_at)
            except AgentMemoryError as error:
                output.error(f"{message}: {explained(error)}")
        left = len(await memory.given_up())
    if as_json:
        counts = {key: len(facts) for key, facts in changed_facts(total).items()}
        numbers = {"threads": len(threads), "failed": failed, "given_up": left}
        output.print_json({**numbers, **counts, **unknown_json(total)})
    else:
        show_changes(total, "" if failed else "no new facts", user)
        waiting = f"{failed} of {len(threads)} threads still have messages waiting: run it again"
        output.note(waiting if failed else "no messages are waiting")
        if left:
            see = output.own_command("given-up", user)
            output.note(f"no facts could be taken from {counted(left, 'message')}: see {see}")
    return FAILED if failed or (given_up and left) else 0


group = typer.Typer(rich_markup_mode=None)
app.add_typer(group, name="held")
IDS = typer.Argument(help="Ids that `held` shows, or their first characters.")


@group.callback(invoke_without_command=True)
def held(context: typer.Context, as_json: JsonOption = False, user: UserOption = "default") -> None:
    """List what is doubtful and held back, or decide on it. Until then it is neither known nor recalled."""
    if context.invoked_subcommand is None:
        asyncio.run(list_held(user, as_json))
    else:
        check_no_options(context, as_json, user != "default")


async def list_held(user: str, as_json: bool) -> None:
    from agent.state import held_document

    async with opened_memory(user) as memory:
        found = await memory.held()
    rows = [[item.id[:ID_SHOWN], output.day_of(item.held_at), item.reason, item.text, item.quote] for item in found]
    documents = [*map(held_document, found)]
    columns = ["id", "since", "reason", "text", "what was said"]
    output.listing(columns, rows, "nothing is held back", documents, as_json=as_json, texts=2)


@partial(command, group=group)
async def keep(ids: Annotated[list[str], IDS], user: UserOption = "default") -> None:
    """Believe what is held back, as if it had not been doubtful."""
    async with opened_memory(user, writes=True) as memory:
        changes = await memory.keep_held(await held_ids(memory, ids))
    output.line(kept_line(changes))


@partial(command, group=group)
async def drop(
    ids: Annotated[list[str] | None, IDS] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all that is held back.")] = False,
    user: UserOption = "default",
) -> None:
    """Delete what is held back; what is known stays as it is."""
    if bool(ids) == everything:
        raise BadInput("Name ids that `held` shows, or --all.")
    async with opened_memory(user) as memory:
        output.line(f"{len(await memory.drop_held(await held_ids(memory, ids)))} dropped")


async def held_ids(memory: "UserMemory", prefixes: list[str] | None) -> list[str]:
    """The ids of held items that begin so, or of all. Raises BadInput unless there is one for each prefix."""
    known = [item.id for item in await memory.held()]
    return known if prefixes is None else [id_of(prefix, known, "held item", "see `held`") for prefix in prefixes]


def kept_line(changes: "Changes") -> str:
    from agent.state import memory_changes

    return output.changes_line(memory_changes(changes)) or "nothing has changed: it was over already"


@command
async def import_(
    file: Annotated[str, typer.Argument(help="An exported file, or - for standard input.")],
    user: UserOption = "default",
) -> None:
    """Add the facts of an exported file: all of them, or none."""
    lines = files.read_lines(file)
    async with opened_memory(user, writes=True) as memory:
        added = await memory.import_(lines)
    output.line(counted(added, "new fact"))


@command
async def forget(
    fact_id: Annotated[str, typer.Argument(help="A fact's id, or its first characters.")] = "",
    category: Annotated[str, typer.Option(help="Delete the facts of this category.")] = "",
    thread: Annotated[str, typer.Option(help="Delete this thread, its messages, and the facts said in it.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="Delete all facts and all threads.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also rewrite the files of all users, which still have what was deleted.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    user: UserOption = "default",
) -> int:
    """Delete facts permanently, including their history."""
    named = [bool(fact_id), bool(category), bool(thread), everything].count(True)
    if named > 1 or (not named and not purge):
        raise BadInput("Name one of: a fact's id, --category, --thread, --everything; or --purge alone.")
    if not named:
        async with opened() as services:
            return await purged(services)
    from memory.facts.fact import Category

    known: Category | None = next((name for name in get_args(Category) if name == category), None)
    if category and not known:
        raise BadInput(f"Unknown category {quoted(category)}: one of {', '.join(get_args(Category))}.")
    if not yes and not sys.stdin.isatty():
        raise BadInput("Nothing was deleted: this is not a terminal, so confirm it with --yes.")
    async with opened() as services:
        from memory.user_memory import UserMemory

        memory = UserMemory(await repaired_parts(services), user)
        fact = await fact_of(memory, fact_id) if fact_id else None
        what = f"the category {category}" if category else f"the thread {quoted(thread)}"
        what = "everything" if everything else repr(fact.text) if fact else what
        if not yes and not await confirmed(f"Delete {output.cell(what)} for good?"):
            output.note("nothing was deleted")
            return FAILED
        threads = await server_threads(services, user, thread) if everything or thread else []
        if everything:
            deleted = await memory.forget_everything(by=account())
        else:
            deleted = await memory.forget(
                fact=fact.id if fact else None, category=known, thread=thread or None, by=account()
            )
        output.line(f"{counted(deleted, 'fact')} deleted")
        if thread or everything:
            await delete_from_server(services, user, threads, thread)
        return await purged(services) if purge else 0


async def server_threads(services: "Services", user: str, thread: str) -> list[str]:
    """The user's threads, or `thread` if it is one, and the threads in which a server extracts facts from them."""
    from memory.threads.threads import background_thread, list_threads

    own = [known.id for known in await list_threads(services.pool, user, None) if thread in ("", known.id)]
    return [*own, *(background_thread(user, known) for known in {*own, thread})]


async def delete_from_server(services: "Services", user: str, threads: list[str], named: str) -> None:
    """Delete the records of these threads from the server of SERVER_URL (see `delete_records`). Raises Unavailable."""
    settings = services.settings
    if settings.server_url:
        from agent.terminal.records import delete_records
        from memory.ledger.receipts import write_receipt

        url, authorization = settings.server_url, settings.server_authorization
        count = await delete_records(url, authorization, user, threads, named)
        await write_receipt(services.pool, user, "server", account(), {"threads": count}, settings.receipt_days)
        output.line(f"{counted(count, 'thread')} deleted from the server")


async def purged(services: "Services") -> int:
    """Rewrite the files, and say what is left. Returns the exit code."""
    await services.check_index()
    with output.bar("indexing") as progress:
        left = await services.purge(await services.memory_parts(), progress, account())
    for problem in left:
        output.note(problem)
    output.note("the files were rewritten" + (", except for the above" if left else ""))
    return FAILED if left else 0


def counted_in(place: str, number: int) -> str:
    """ "1 fact", "2 facts", "1 held" """
    return f"{number} {place.removesuffix('s') if number == 1 else place}"


def account() -> str:
    """Who runs this command, for the receipt."""
    from memory.embedded.directory import account_name

    return account_name(os.geteuid()) or f"user {os.geteuid()}"


@command
async def receipts(as_json: JsonOption = False, user: UserOption = "default") -> None:
    """List what was forgotten, with counts only, and the last purge."""
    async with opened() as services:
        from memory.ledger.receipts import receipts_of

        found = await receipts_of(services.pool, user)
    rows = [[output.minute_of(r.at), r.what, r.by, ", ".join(starmap(counted_in, r.counts.items()))] for r in found]
    documents = [{**receipt._asdict(), "at": receipt.at.isoformat()} for receipt in found]
    output.listing(["at", "what", "by", "counts"], rows, "nothing was forgotten", documents, as_json=as_json)
