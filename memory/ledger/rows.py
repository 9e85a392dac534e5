"""Facts as rows of memory.facts, and back."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

from psycopg.rows import DictRow

from memory.facts.fact import Fact, is_storable
from memory.facts.text import hashes, same_words
from memory.stems import stems

COLUMNS = (
    "id", "key", "text", "subject", "attribute", "exclusive", "category", "importance", "quote",
    "thread_id", "message_id", "previous", "tense", "valid_from", "valid_until", "observed_at", "recorded_at",
    "retired_at", "retired_reason", "successor", "ended_at",
)  # fmt: skip
SAID_AGAIN_AT = """(select max(r.observed_at) from memory.reinforcements r
    where r.owner = facts.owner and r.fact_id = facts.id) as said_again_at"""
SELECT = f"select {', '.join(COLUMNS)}, {SAID_AGAIN_AT} from memory.facts where owner = %(owner)s"
INSERT = f"""insert into memory.facts (owner, digest, stems, {", ".join(COLUMNS)})
    values (%(owner)s, %(digest)s, %(stems)s, {", ".join(f"%({column})s" for column in COLUMNS)})"""
ROWS_PER_SLICE = 25  # rows to work on before other tasks get a turn: about a millisecond's worth
MAX_ID = 255  # characters of a thread or message id that the ledger keeps; a longer one is replaced by its hash


def text_digest(text: str) -> str:
    """32 hex digits that are the same for texts of the same words."""
    return hashlib.sha256(" ".join(same_words(text)).encode()).hexdigest()[:32]


def stored_id(identifier: str | None) -> str | None:
    """`identifier`, or its hash where Postgres or an index would refuse it: too long, NUL, lone surrogates."""
    if identifier is None or (len(identifier) <= MAX_ID and is_storable(identifier)):
        return identifier
    return hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()


EVERYTHING = "everything"  # in memory.forgotten, as what the next three functions return


def forgotten_thread(thread_id: str | None) -> str:
    return "thread:" + hashlib.sha256((thread_id or "").encode(errors="surrogatepass")).hexdigest()


def forgotten_category(category: str) -> str:
    return f"category:{category}"


def forgotten_digest(digest: str) -> str:
    return f"text:{digest}"  # of a fact: see `text_digest`


def row_of_fact(fact: Fact) -> dict[str, object]:
    """The fact's COLUMNS, its digest, and the hashes of its stems."""
    source, columns = fact.source, fact.model_dump(exclude={"source"})
    columns |= {"thread_id": stored_id(source.thread_id), "message_id": stored_id(source.message_id)}
    columns |= {"digest": text_digest(fact.text), "stems": hashes(stems(fact.matched_text)).tobytes()}
    return columns | {"previous": list(source.previous)}


def fact_of_row(row: Mapping[str, object]) -> Fact:
    return Fact.model_validate({**row, "source": row})


async def facts_of(rows: Sequence[DictRow]) -> list[Fact]:
    """The rows as facts, without blocking the event loop."""
    facts: list[Fact] = []
    for start in range(0, len(rows), ROWS_PER_SLICE):
        facts += map(fact_of_row, rows[start : start + ROWS_PER_SLICE])
        await asyncio.sleep(0)
    return facts
