"""Facts as rows of memory.facts, and back."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import DictRow

from memory.facts.changes import Held
from memory.facts.fact import Fact, Repeat, Source, is_storable
from memory.language.text import hashes
from memory.ledger.cipher import Cipher
from memory.ledger.pool import ROWS_PER_SLICE
from memory.stems import stems

COLUMNS = (
    "id", "key", "text", "subject", "attribute", "exclusive", "category", "importance", "quote",
    "thread_id", "message_id", "previous", "tense", "valid_from", "valid_until", "observed_at", "recorded_at",
    "retired_at", "retired_reason", "successor", "ended_at", "retired_thread_id", "retired_message_id",
    "rolled_back_at", "restores", "encrypted", "key_id",
)  # fmt: skip
SAID_AGAIN_AT = """(select max(r.observed_at) from memory.reinforcements r
    where r.owner = facts.owner and r.fact_id = facts.id and r.rolled_back_at is null) as said_again_at"""
SELECT = f"select owner, {', '.join(COLUMNS)}, {SAID_AGAIN_AT} from memory.facts where owner = %(owner)s"
INSERT = f"""insert into memory.facts (owner, digest, stems, {", ".join(COLUMNS)})
    values (%(owner)s, %(digest)s, %(stems)s, {", ".join(f"%({column})s" for column in COLUMNS)})"""
REPEATS = """select fact_id, observed_at, thread_id, message_id, recorded_at, rolled_back_at
    from memory.reinforcements where owner = %(owner)s order by fact_id, observed_at, thread_id, message_id"""
HELD = "select owner, item, encrypted, key_id from memory.held where owner = %(owner)s and lapses_at >= now()"
MAX_ID = 255  # characters of a thread or message id that the ledger keeps; a longer one is replaced by its hash


def stored_id(identifier: str | None) -> str | None:
    """`identifier`, or its hash where Postgres or an index would refuse it: too long, NUL, lone surrogates."""
    if identifier is None or (len(identifier) <= MAX_ID and is_storable(identifier)):
        return identifier
    return hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()


EVERYTHING = "everything"  # a value of memory.forgotten.what, as are those of the next three functions


def forgotten_thread(thread_id: str | None) -> str:
    return "thread:" + hashlib.sha256((thread_id or "").encode(errors="surrogatepass")).hexdigest()


def forgotten_category(category: str) -> str:
    return f"category:{category}"


def forgotten_digest(digest: str) -> str:
    return f"text:{digest}"  # of a fact: see `Cipher.digests`


def row_of_fact(fact: Fact, owner: str, cipher: Cipher) -> dict[str, object]:
    """The fact's COLUMNS, its owner, its digest, and the hashes of its stems."""
    source, by = fact.source, fact.retired_by or Source()
    columns = {"rolled_back_at": None, "restores": None, **fact.model_dump(exclude={"source", "retired_by"})}
    columns |= {"thread_id": stored_id(source.thread_id), "message_id": stored_id(source.message_id)}
    columns |= {"retired_thread_id": stored_id(by.thread_id), "retired_message_id": stored_id(by.message_id)}
    said = [fact.text, fact.quote, *source.previous]
    return columns | said_columns(owner, said, hashes(stems(fact.matched_text)).tobytes(), cipher)


def said_columns(owner: str, said: Sequence[str], hashed: bytes, cipher: Cipher) -> dict[str, object]:
    """The columns that depend on what a fact says: `said` is its text, its quote and the messages before it."""
    text, quote, *previous = said
    columns: dict[str, object]
    columns = {"owner": owner, "digest": cipher.digests(owner, text)[0], "stems": cipher.encrypt(owner, hashed)}
    if cipher.key_id is None:
        return columns | {"text": text, "quote": quote, "previous": previous, "encrypted": None, "key_id": None}
    encrypted = cipher.encrypt(owner, json.dumps(said, ensure_ascii=False).encode())
    return columns | {"text": "", "quote": "", "previous": [], "encrypted": encrypted, "key_id": cipher.key_id}


def said_of_row(row: Mapping[str, Any], cipher: Cipher) -> list[str]:
    """The text, the quote and the messages before it. Raises BadInput if the key is missing."""
    if row["key_id"] is None:
        return [row["text"], row["quote"], *row["previous"]]
    said: list[str] = json.loads(cipher.decrypt(row["owner"], row["key_id"], row["encrypted"]))
    return said


def vector_of_row(row: Mapping[str, Any], cipher: Cipher) -> bytes:
    """The vector of a row with the columns owner, vector, and vector_key for its key. Raises BadInput."""
    return cipher.decrypt(row["owner"], row["vector_key"], row["vector"])


def fact_of_row(row: Mapping[str, Any], cipher: Cipher) -> Fact:
    text, quote, *previous = said_of_row(row, cipher)
    thread_id, message_id = row["retired_thread_id"], row["retired_message_id"]
    by = {"thread_id": thread_id, "message_id": message_id} if message_id is not None else None
    source = {"thread_id": row["thread_id"], "message_id": row["message_id"], "previous": previous}
    return Fact.model_validate({**row, "text": text, "quote": quote, "source": source, "retired_by": by})


def row_of_held(held: Held, owner: str, cipher: Cipher) -> dict[str, object]:
    fact, thread, item = held.fact, stored_id(held.source.thread_id), held.model_dump_json()
    columns = {"id": held.id, "thread": thread, "category": fact.category, "successor": fact.successor}
    columns |= {"digest": cipher.digests(owner, fact.text)[0], "key_id": cipher.key_id}
    if cipher.key_id is None:
        return {**columns, "item": item, "encrypted": None}
    return {**columns, "item": "", "encrypted": cipher.encrypt(owner, item.encode())}


def held_of_row(row: Mapping[str, Any], cipher: Cipher) -> Held:
    encrypted = row["key_id"] is not None
    item = cipher.decrypt(row["owner"], row["key_id"], row["encrypted"]) if encrypted else row["item"]
    return Held.model_validate_json(item)


async def facts_of(rows: Sequence[DictRow], cipher: Cipher) -> list[Fact]:
    """The rows as facts, without blocking the event loop."""
    facts: list[Fact] = []
    for start in range(0, len(rows), ROWS_PER_SLICE):
        facts += [fact_of_row(row, cipher) for row in rows[start : start + ROWS_PER_SLICE]]
        await asyncio.sleep(0)
    return facts


def repeats_of(rows: Sequence[DictRow]) -> dict[str, list[Repeat]]:
    """Fact id -> each time the fact was said again, oldest first."""
    repeats: dict[str, list[Repeat]] = {}
    for row in rows:
        repeats.setdefault(row["fact_id"], []).append(Repeat.model_validate(row))
    return repeats
