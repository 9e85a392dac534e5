"""The terminal program's commands besides the chat: see, search, teach, export and forget what is remembered.

Each prints to standard output what a script may want, as lines or with --json as one document, and the rest to
standard error. Heavy imports are inside functions, so that --help and wrong input answer at once.
"""

import asyncio
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, get_args

import typer

from agent.terminal import files, output
from agent.terminal.app import (
    FAILED,
    JsonOption,
    UserOption,
    app,
    brought_up,
    command,
    in_range,
    opened,
    remembering,
    start,
)
from agent.terminal.output import counted, quoted
from memory.errors import BadInput

if TYPE_CHECKING:
    from memory.facts.fact import Category, Fact
    from memory.recall.search import Recalled
    from memory.user_memory import UserMemory

SHORT_ID = 8
SHORTEST_ID = 4
"""Characters of a fact's id that are shown, and that have to be given."""

WHEN = "An ISO date or moment, in UTC unless it names a zone."


@command
async def memories(
    query: Annotated[str, typer.Option(help="Only what answers this, best first.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also what is no longer current.")] = False,
    reasons: Annotated[str, typer.Option("--why", help="What is recalled for this, and why.")] = "",
    as_json: JsonOption = False,
    user: UserOption = None,
) -> None:
    """List what is remembered."""
    if bool(query) + everything + bool(reasons) > 1:
        raise BadInput("--query and --why find what is current: give one of them, and leave out --all.")
    async with remembering(user) as memory:
        if reasons:
            show_why(await memory.recall(reasons, explain=True), as_json=as_json)
            return
        if query:
            facts = [hit.fact for hit in await memory.search(query)]
        else:
            facts = await (memory.all() if everything else memory.current())
    if as_json:
        output.document([json_of(fact) for fact in facts])
    elif facts:
        output.table(["id", "said", "category", "state", "text"], [row_of(fact) for fact in facts])
    else:
        output.note("nothing that answers this is remembered" if query else "nothing is remembered yet")


def show_why(recalled: "Recalled", *, as_json: bool) -> None:
    """What a prompt is given: the profile whatever is asked, and what was found, with what each signal gave and why."""
    found = [("now", hit) for hit in recalled.hits] + [("past", hit) for hit in recalled.past]
    if as_json:
        documents: list[dict[str, Any]] = [
            {"recalled": "profile", "fact": json_of(fact), "score": None, "why": []} for fact in recalled.profile
        ]
        for when, hit in found:
            why = [signal._asdict() | {"contribution": signal.contribution} for signal in hit.why]
            documents.append({"recalled": when, "fact": json_of(hit.fact), "score": hit.score, "why": why})
        output.document(documents)
        return
    rows = [["profile", "", fact.text, f"{fact.category}, whatever is asked"] for fact in recalled.profile]
    for when, hit in found:
        gave = [f"{signal.name} {signal.contribution:.3f}, {signal.reason}" for signal in hit.why if signal.weight]
        rows.append([when, f"{hit.score:.3f}", hit.fact.text, "; ".join(gave)])
    if rows:
        output.table(["recalled", "score", "text", "why"], rows, texts=2)
    if not found:
        output.note(f"nothing that answers this is remembered{' besides the profile' if rows else ''}")


@command
async def history(
    fact_id: Annotated[str, typer.Argument(help="A fact's id, or the first characters of it.")] = "",
    slot: Annotated[str, typer.Option(help='Subject and attribute instead: "user/home city".')] = "",
    as_json: JsonOption = False,
    user: UserOption = None,
) -> None:
    """Show the versions of a fact or of a slot, newest first."""
    if bool(fact_id) == bool(slot):
        raise BadInput('Name a fact by its id, or a slot: --slot "user/home city".')
    subject, _, attribute = slot.rpartition("/")
    async with remembering(user) as memory:
        versions = await memory.history((subject or "user", attribute) if slot else (await named(memory, fact_id)).id)
    if as_json:
        output.document([{"version": version.number, "fact": json_of(version.fact)} for version in versions])
    elif versions:
        rows = [[str(version.number), *row_of(version.fact)] for version in versions]
        output.table(["version", "id", "said", "category", "state", "text"], rows)
    else:
        output.note(f"nothing was ever known about {quoted(slot)}")


@command
async def as_of(
    when: Annotated[str, typer.Argument(help=WHEN)], as_json: JsonOption = False, user: UserOption = None
) -> None:
    """Show what held at a moment, and what was believed then."""
    moment = moment_of(when)
    async with remembering(user) as memory:
        then = await memory.as_of(moment)
    if as_json:
        facts = {"held": [json_of(fact) for fact in then.held], "believed": [json_of(fact) for fact in then.believed]}
        output.document({"when": moment.isoformat(), **facts})
    elif then.held or then.believed:
        clocks = (("held", then.held), ("believed", then.believed))
        rows = [[clock, *row_of(fact)] for clock, facts in clocks for fact in facts]
        output.table(["clock", "id", "said", "category", "state", "text"], rows)
    else:
        output.note(f"nothing is known of {moment:%Y-%m-%d %H:%M} UTC, and nothing was known then")


@command
async def profile(as_json: JsonOption = False, user: UserOption = None) -> None:
    """Show what is known about the user, by kind."""
    async with remembering(user) as memory:
        known = asdict(await memory.profile())
    if as_json:
        output.document(known)
        return
    rows = []
    for kind, values in known.items():
        texts = values if isinstance(values, list) else [values] if values else []
        rows += [[kind.replace("_", " "), text] for text in texts]
    if rows:
        output.table(["kind", "text"], rows)
    else:
        output.note("nothing is known about the user yet")


@command
async def observe(
    text: Annotated[str, typer.Argument(help="What the user said.")] = "",
    file: Annotated[str, typer.Option(help="Read it from a file, or - for standard input: each line a message.")] = "",
    at: Annotated[str, typer.Option(help=f"When it was said; now by default. {WHEN}")] = "",
    as_json: JsonOption = False,
    user: UserOption = None,
) -> None:
    """Learn from what the user said, and print what memory did."""
    if bool(text.strip()) == bool(file):
        raise BadInput("Say what was said: a text, or --file with a file's name or -.")
    said = [line.strip() for line in files.read_lines(file) if line.strip()] if file else [text]
    said_at = moment_of(at) if at else datetime.now(UTC)
    from langchain_core.messages import HumanMessage

    from agent.extraction_schedule import message_problem, with_model
    from agent.nodes import summary_of
    from agent.terminal.chat import changes_line

    for number, line in enumerate(said, 1):
        if fault := message_problem(line):
            raise BadInput(f"Line {number}: {fault}" if file else fault)
    async with remembering(user, writes=True) as memory:
        memory = await with_model(memory)
        changes = await memory.observe([HumanMessage(line) for line in said], at=said_at)
    if as_json:
        output.document({
            "added": [json_of(fact) for fact in changes.added if not fact.retired_reason],
            "history": [json_of(fact) for fact in changes.added if fact.retired_reason],
            "reinforced": [json_of(repeat.fact) for repeat in changes.reinforced],
            "retired": [json_of(fact) for fact in changes.retired],
        })  # fmt: skip
    elif shown := changes_line(summary_of(changes)):
        output.line(shown)
    else:
        output.note("nothing new to remember")


@command
async def context(
    query: Annotated[str, typer.Argument(help="What is asked.")],
    tokens: Annotated[str, typer.Option(metavar="NUMBER", help="Its budget; MEMORY_TOKENS by default.")] = "",
    user: UserOption = None,
) -> None:
    """Print the block of a prompt for a question."""
    from agent.settings import MAX_TOKENS, read_settings

    given = in_range("--tokens", tokens, int, MAX_TOKENS) if tokens else None
    async with remembering(user) as memory:
        block = await memory.context(query, read_settings().memory_tokens if given is None else given)
    if block:
        output.line(block)
    else:
        output.note("nothing matters for this, or fits")


@app.command()
def export(
    file: Annotated[str, typer.Argument(help="Where to; standard output by default.")] = "-", user: UserOption = None
) -> None:
    """Write all that is known, with its history, as JSON lines."""
    import agent.persistence  # noqa: F401 - which takes seconds, in which Ctrl-C should not leave half a file

    with files.writing(file) as out:  # not in the event loop, so that Ctrl-C ends the wait for the reader of a pipe
        written = asyncio.run(_export(out, user))
    if file != "-":
        output.note(f"{counted(written, 'line')} written to {output.cell(file)}")


async def _export(out: BinaryIO, user: str | None) -> int:
    """How many lines were written."""
    written = 0
    async with remembering(user) as memory:
        async for line in memory.export():
            out.write(f"{line}\n".encode())
            written += 1
    return written


@command
async def import_(
    file: Annotated[str, typer.Argument(help="An exported file, or - for standard input.")], user: UserOption = None
) -> None:
    """Add an exported memory, whole or not at all."""
    lines = files.read_lines(file)
    async with remembering(user, writes=True) as memory:
        added = await memory.import_(lines)
    output.line(counted(added, "new fact"))


@command
async def forget(
    fact_id: Annotated[str, typer.Argument(help="A fact's id, or the first characters of it.")] = "",
    category: Annotated[str, typer.Option(help="Every fact of a category.")] = "",
    thread: Annotated[str, typer.Option(help="A thread, its messages, and what was said in it.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="All facts and all threads.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    user: UserOption = None,
) -> int | None:
    """Delete for good, history included."""
    if [bool(fact_id), bool(category), bool(thread), everything].count(True) != 1:
        raise BadInput("Name one of: a fact's id, --category, --thread, --everything.")
    kind = category_of(category) if category else None
    if not yes and not sys.stdin.isatty():
        raise BadInput("Nothing was deleted: there is nobody to ask, so say --yes.")
    async with remembering(user, writes=True) as memory:
        fact = await named(memory, fact_id) if fact_id else None
        what = f"{fact.text!r}" if fact else f"the category {kind}" if kind else f"the thread {quoted(thread)}"
        if not yes and not await confirmed("everything" if everything else what):
            output.note("nothing was deleted")
            return FAILED
        if everything:
            gone = await memory.forget_everything()
        else:
            gone = await memory.forget(fact=fact.id if fact else None, category=kind, thread=thread or None)
    output.line(f"{counted(gone, 'fact')} deleted")
    return None


@command
async def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what differs.")] = False, as_json: JsonOption = False
) -> int:
    """Compare the ledger with what recall searches.

    The exit code is 1 while they differ.
    """
    async with opened() as services:
        from memory import maintenance

        parts = await brought_up(services)
        with output.bar("comparing") as progress:
            report = await maintenance.doctor(parts, progress)
        if repair and not report.clean:
            with output.bar("mending") as progress:
                await maintenance.repair(parts, report, progress)
            with output.bar("comparing") as progress:
                report = await maintenance.doctor(parts, progress)
    shown = asdict(report)
    if as_json:
        output.document({**shown, "clean": report.clean})
    else:
        rows = [[name.replace("_", " "), finding_of(value)] for name, value in shown.items() if value != ""]
        output.table(["what", "found"], rows)
        output.note("all is well" if report.clean else "they differ: --repair mends what can be mended")
    return 0 if report.clean else FAILED


@command
async def reindex() -> None:
    """Build the search index again, as EMBEDDER and CHROMA_SHARDS say.

    Every fact is embedded anew. A run that was interrupted continues where it was.
    """
    async with opened() as services:
        from agent.persistence import configured_embedder
        from memory import maintenance

        settings, parts = services.settings, await brought_up(services)
        embedder = configured_embedder(settings)
        with output.bar("embedding") as progress:
            await maintenance.reindex(parts, embedder, progress, shards=settings.chroma_shards)
    output.note(f"the collection holds the vectors of {embedder.name} in {settings.chroma_shards} shards")


@command
async def stop() -> None:
    """End the embedded servers now.

    Otherwise they stay up for a while after their last use (EMBEDDED_IDLE_TIMEOUT).
    """
    from memory.embedded.connect import stop_servers

    stopped = await stop_servers(start().data_dir)
    output.note(f"{' and '.join(stopped)} stopped" if stopped else "no server of this project is running")


async def named(memory: "UserMemory", prefix: str) -> "Fact":
    """The user's fact whose id begins with `prefix`, current or not. Raises BadInput where that is not one."""
    if len(prefix) < SHORTEST_ID:
        raise BadInput(f"The id {prefix!r} is too short: give at least {SHORTEST_ID} characters of it.")
    found = [fact for fact in await memory.all() if fact.id.startswith(prefix.lower())]
    if len(found) != 1:
        problem = "No fact has an id that begins" if not found else f"{len(found)} facts have an id that begins"
        raise BadInput(f"{problem} with {quoted(prefix)}: `memories --all` lists them.")
    return found[0]


async def confirmed(what: str) -> bool:
    from prompt_toolkit import PromptSession

    question = f"Delete {output.cell(what)} for good? [y/N] "
    try:
        return (await PromptSession[str]().prompt_async(question)).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def moment_of(text: str) -> datetime:
    """The moment that an ISO date or time names. Raises BadInput."""
    from memory.facts.fact import in_utc, iso_moment

    try:
        return in_utc(iso_moment(text))
    except ValueError as error:
        raise BadInput(f"{quoted(text)} is no moment: write 2026-11-22, or 2026-11-22T12:00+01:00.") from error


def category_of(text: str) -> "Category":
    from memory.facts.fact import Category

    for category in get_args(Category):
        if category == text:
            return category  # type: ignore[no-any-return] # mypy does not know what get_args gives
    raise BadInput(f"Unknown category {quoted(text)}: one of {', '.join(get_args(Category))}.")


def json_of(fact: "Fact") -> dict[str, Any]:
    return fact.model_dump(mode="json")


def row_of(fact: "Fact") -> list[str]:
    said, state = f"{fact.observed_at:%Y-%m-%d}", state_of(fact, datetime.now(UTC))
    return [fact.id[:SHORT_ID], said, fact.category, state, fact.text]


def state_of(fact: "Fact", now: datetime) -> str:
    """A fact's status and date: "current", "from 2027-01-05", "until 2026-10-28", "before 2026-10-28" (over, at an
    unknown date), "retracted" or "cancelled" (never held), or "refined" (later said more exactly)."""
    withdrawn = fact.ended_at or fact.retired_at or now
    end = min((end for end in (fact.valid_until, fact.ended_at) if end), default=withdrawn)
    match fact.retired_reason:
        case None if end >= now:
            return f"from {fact.starts_at:%Y-%m-%d}" if fact.starts_at > now else "current"
        case "refined":
            return "refined"
        case "retracted":
            return f"retracted {withdrawn:%Y-%m-%d}"
        case "superseded" if fact.is_planned and withdrawn <= fact.starts_at:
            return f"cancelled {withdrawn:%Y-%m-%d}"
    return f"{'before' if fact.is_past and end == fact.observed_at else 'until'} {end:%Y-%m-%d}"


def finding_of(value: Any) -> str:
    """A number or a name as it is; of a finding its count, and its first ids."""
    if not isinstance(value, dict):
        return str(value)
    ids = " ".join(identifier[:SHORT_ID] for identifier in value["fact_ids"])
    return f"{value['count']} ({ids})" if ids else str(value["count"])
