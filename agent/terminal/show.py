"""The commands that show what is known: memories, history, as-of, profile, context and export."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from agent.terminal import files, output
from agent.terminal.app import JsonOption, UserOption, app, command, opened_memory, start
from memory.errors import BadInput, quoted

if TYPE_CHECKING:
    from memory.facts.fact import Fact
    from memory.recall.search import Recalled
    from memory.user_memory import UserMemory

ID_SHOWN, ID_NEEDED = 8, 4  # characters of a fact's id that are shown, and that have to be given
WHEN = "An ISO date or time, in your time zone unless it names one."
FACT_COLUMNS = ["id", "said", "category", "state", "text"]
NO_ANSWER = "no fact answers this"


@command
async def memories(
    query: Annotated[str, typer.Option(help="Only facts that answer this, best first.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Include facts that are no longer current.")] = False,
    reasons: Annotated[str, typer.Option("--why", help="Show which facts are recalled for this, and why.")] = "",
    as_json: JsonOption = False,
    user: UserOption = "default",
) -> None:
    """List the facts that are known."""
    if bool(query) + everything + bool(reasons) > 1:
        raise BadInput("--query and --why find what is current: give one of them, and leave out --all.")
    async with opened_memory(user) as memory:
        if reasons:
            show_reasons(await memory.recall(reasons, explain=True), as_json=as_json)
            return
        known = memory.all if everything else memory.current
        facts = [hit.fact for hit in await memory.search(query)] if query else await known()
    empty = NO_ANSWER if query else "no facts yet"
    output.listing(FACT_COLUMNS, fact_rows(facts), empty, list(map(fact_json, facts)), as_json=as_json)


def show_reasons(recalled: "Recalled", *, as_json: bool) -> None:
    """What a prompt contains: the profile in any case, and the facts that were found, with each signal's part."""
    found = [("now", hit) for hit in recalled.hits] + [("past", hit) for hit in recalled.past]
    documents: list[dict[str, Any]] = [
        {"recalled": "profile", "fact": fact_json(fact), "score": None, "why": []} for fact in recalled.profile
    ]
    rows = [["profile", "", fact.text, f"{fact.category}, always included"] for fact in recalled.profile]
    for when, hit in found:
        signals = [signal._asdict() | {"contribution": signal.contribution} for signal in hit.why]
        documents.append({"recalled": when, "fact": fact_json(hit.fact), "score": hit.score, "why": signals})
        why = [f"{signal.name} {signal.contribution:.3f}, {signal.reason}" for signal in hit.why if signal.weight]
        rows.append([when, f"{hit.score:.3f}", hit.fact.text, "; ".join(why)])
    output.listing(["recalled", "score", "text", "why"], rows, NO_ANSWER, documents, as_json=as_json, texts=2)
    if rows and not found and not as_json:
        output.note(f"{NO_ANSWER}, apart from the profile")


@command
async def history(
    fact_id: Annotated[str, typer.Argument(help="A fact's id, or its first characters.")] = "",
    slot: Annotated[str, typer.Option(help='Subject and attribute instead: "user/home city".')] = "",
    as_json: JsonOption = False,
    user: UserOption = "default",
) -> None:
    """Show the versions of a fact or of a slot, newest first."""
    if bool(fact_id) == bool(slot):
        raise BadInput('Name a fact by its id, or a slot: --slot "user/home city".')
    subject, _, attribute = slot.rpartition("/")
    async with opened_memory(user) as memory:
        of = (subject or "user", attribute) if slot else (await fact_of(memory, fact_id)).id
        versions = await memory.history(of)
    shown = fact_rows([version.fact for version in versions])
    rows = [[str(version.number), *row] for version, row in zip(versions, shown, strict=True)]
    documents = [{"version": version.number, "fact": fact_json(version.fact)} for version in versions]
    empty = f"no fact about {quoted(slot)}, current or past"
    output.listing(["version", *FACT_COLUMNS], rows, empty, documents, as_json=as_json)


@command
async def as_of(
    when: Annotated[str, typer.Argument(help=WHEN)], as_json: JsonOption = False, user: UserOption = "default"
) -> None:
    """Show what held at a time, and what was believed then."""
    moment = time_of(when)
    async with opened_memory(user) as memory:
        then = await memory.as_of(moment)
    clocks = {"held": then.held, "believed": then.believed}
    known = {clock: [fact_json(fact) for fact in facts] for clock, facts in clocks.items()}
    rows = [[clock, *row] for clock, facts in clocks.items() for row in fact_rows(facts)]
    empty = f"no fact held on {output.minute_of(moment)}, and none was known then"
    output.listing(["clock", *FACT_COLUMNS], rows, empty, {"when": moment.isoformat(), **known}, as_json=as_json)


@command
async def profile(as_json: JsonOption = False, user: UserOption = "default") -> None:
    """Show what is known about the user, by kind."""
    async with opened_memory(user) as memory:
        known = asdict(await memory.profile())
    lists = {kind: values if isinstance(values, list) else filter(None, [values]) for kind, values in known.items()}
    rows = [[kind.replace("_", " "), text] for kind, texts in lists.items() for text in texts]
    output.listing(["kind", "text"], rows, "nothing is known about the user yet", known, as_json=as_json)


@command
async def context(
    query: Annotated[str, typer.Argument(help="The user's message.")],
    tokens: Annotated[
        int | None, typer.Option(min=0, max=1_000_000, help="The token budget; MEMORY_TOKENS by default.")
    ] = None,
    user: UserOption = "default",
) -> None:
    """Print the facts that a prompt would contain for a message."""
    settings = start()
    async with opened_memory(user, settings) as memory:
        block = await memory.context(query, settings.memory_tokens if tokens is None else tokens, output.local_zone())
    output.line_or_note(block, "no fact is recalled for this, or none fits the budget")


@app.command()
def export(
    file: Annotated[str, typer.Argument(help="The file to write; standard output by default.")] = "-",
    user: UserOption = "default",
) -> None:
    """Write a user's facts, with their history, as JSON lines."""
    import agent.persistence  # noqa: F401 - takes seconds, during which Ctrl-C should not leave half a file

    with files.writing(file) as out:  # not in the event loop, so that Ctrl-C ends the wait for the reader of a pipe
        written = asyncio.run(write_export(out, user))
    if file != "-":
        output.note(f"{output.counted(written, 'line')} written to {output.cell(file)}")


async def write_export(out: IO[bytes], user: str) -> int:
    written = 0
    async with opened_memory(user) as memory:
        async for line in memory.export():
            out.write(f"{line}\n".encode())
            written += 1
    return written


async def fact_of(memory: "UserMemory", prefix: str) -> "Fact":
    """The user's fact, current or not, whose id begins with `prefix`. Raises BadInput unless there is exactly one."""
    known = {fact.id: fact for fact in await memory.all()}
    return known[id_of(prefix, known, "fact", "`memories --all` lists them")]


def id_of(prefix: str, known: Iterable[str], what: str, where: str) -> str:
    """The id that begins with `prefix`. Raises BadInput unless there is exactly one; `where` says how to see them."""
    if len(prefix) < ID_NEEDED:
        raise BadInput(f"The id {prefix!r} is too short: give at least {ID_NEEDED} characters of it.")
    found = [item_id for item_id in known if item_id.startswith(prefix.lower())]
    if len(found) != 1:
        problem = f"{len(found)} {what}s have" if found else f"No {what} has"
        raise BadInput(f"{problem} an id that begins with {quoted(prefix)}: {where}.")
    return found[0]


def time_of(text: str) -> datetime:
    """The time that an ISO date or time names. Raises BadInput."""
    from memory.facts.fact import in_utc

    try:
        return in_utc(datetime.fromisoformat(text).astimezone()).astimezone()  # one without a zone is local
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{quoted(text)} is not a time: write 2026-11-22, or 2026-11-22T12:00+01:00.") from error


def fact_json(fact: "Fact") -> dict[str, Any]:
    return fact.model_dump(mode="json")


def fact_rows(facts: "Sequence[Fact]") -> list[list[str]]:
    """The facts under FACT_COLUMNS. A fact that another of its slot has overtaken since is "replaced"."""
    from memory.facts.timeline import current_at

    now, rows = datetime.now(UTC), []
    current = {fact.id for fact in current_at([fact for fact in facts if not fact.retired_at], now)}
    for fact in facts:
        state = state_of(fact, now)
        state = "replaced" if state == "current" and fact.id not in current else state
        rows.append([fact.id[:ID_SHOWN], output.day_of(fact.observed_at), fact.category, state, fact.text])
    return rows


def state_of(fact: "Fact", now: datetime) -> str:
    """Whether and until when a fact holds, and when it was rolled back. "before" a date means that it ended at an
    unknown one, "retracted" and "cancelled" that it never held, "refined" that a more exact fact has replaced it."""
    if fact.rolled_back_at:
        rolled_back = f"rolled back {output.day_of(fact.rolled_back_at)}"
        alone = fact.retired_at == fact.rolled_back_at
        before = fact.model_copy(update={"rolled_back_at": None})
        return rolled_back if alone else f"{state_of(before, now)}, {rolled_back}"
    withdrawn = fact.ended_at or fact.retired_at or now
    end = min((end for end in (fact.valid_until, fact.ended_at) if end), default=withdrawn)
    match fact.retired_reason:
        case None if end >= now:
            if fact.starts_at > now:
                return f"from {output.day_of(fact.starts_at)}" if fact.valid_from else fact.tense
            return "temporary" if fact.tense == "temporary" else "current"
        case "refined":
            return "refined"
        case "retracted":
            return f"retracted {output.day_of(withdrawn)}"
        case "superseded" if fact.is_planned and withdrawn <= fact.starts_at:
            return f"cancelled {output.day_of(withdrawn)}"
    return f"{'before' if fact.is_past and end == fact.observed_at else 'until'} {output.day_of(end)}"
