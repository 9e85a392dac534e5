"""Looks for canaries, tokens that occur nowhere else, in every file and every table: as text, as UTF-16, as hexadecimal
digits, inside compressed data, and a vector by its first numbers."""

import re
import secrets
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psycopg
from psycopg.sql import SQL, Identifier

PREFIX, DIGITS = "zq", 16
LENGTH = len(PREFIX) + DIGITS
TOKEN = rb"zq[0-9a-f]{16}"
UTF_16 = rb"z\0q\0(?:[0-9a-f]\0){16}"  # the second byte of big-endian text comes first: the same pattern finds it
HEXADECIMAL = rb"7a71(?:3[0-9]|6[1-6]){16}"
MAX_UNPACKED = 64_000_000  # bytes of one compressed part
NEAR = 1e-5  # how much a stored number may differ: an index may have scaled the vector again
TABLES = """
    select schemaname, tablename from pg_tables where schemaname <> 'information_schema' and has_table_privilege(
        format('%I.%I', schemaname, tablename), 'select') union all select 'pg_catalog', 'pg_stats'
"""


class Find(NamedTuple):
    token: str  # the canary, or the one whose fact has the vector
    place: str
    form: str


def new_token() -> str:
    """A letter comes first: with two digits, it could be the number of an account, which is not kept."""
    return PREFIX + secrets.choice("abcdef") + secrets.token_hex(DIGITS // 2)[1:]


def _pglz() -> list[re.Pattern[bytes]]:
    """A token in Postgres's compressed form, where a control byte stands before every eight bytes of text: one pattern
    for each place of the first one."""
    characters = [b"z", b"q", *[b"[0-9a-f]"] * DIGITS]
    any_byte = b"[\\0-\\xff]"
    places = [{first, first + 8} for first in range(1, 9)]
    return [re.compile(b"".join(c + any_byte * (n in at) for n, c in enumerate(characters, 1))) for at in places]


PGLZ = _pglz()
PGLZ_BEGINS = re.compile(rb"(?s)z.?q")


def tokens_in(data: bytes) -> Iterator[tuple[str, str]]:
    """(token, form) for each canary in the bytes."""
    for found in re.finditer(TOKEN, data):
        yield found[0].decode(), "text"
    for found in re.finditer(UTF_16, data):
        yield found[0].decode("utf-16-le"), "UTF-16"
    for found in re.finditer(HEXADECIMAL, data):
        yield bytes.fromhex(found[0].decode()).decode(), "hexadecimal"
    for begins in PGLZ_BEGINS.finditer(data):
        for first, pattern in enumerate(PGLZ, 1):
            if match := pattern.match(data, begins.start()):
                plain = match[0][:first] + match[0][first + 1 : first + 9] + match[0][first + 10 :]
                yield plain[:LENGTH].decode(), "pglz"
    for part in _unpacked(data):
        for token in re.findall(TOKEN, part):
            yield token.decode(), "compressed"


def _unpacked(data: bytes) -> Iterator[bytes]:
    """What can be read of each part that begins as compressed data does."""
    begins: list[tuple[bytes, Callable[[bytes], bytes]]] = [
        (rb"\x78[\x01\x5e\x9c\xda]", lambda part: zlib.decompressobj().decompress(part, MAX_UNPACKED)),
        (rb"\x1f\x8b\x08", lambda part: zlib.decompressobj(31).decompress(part, MAX_UNPACKED)),
    ]
    for pattern, unpack in begins:
        for found in re.finditer(pattern, data):
            try:
                yield unpack(data[found.start() :])
            except zlib.error:
                continue


def vectors_in(data: bytes, vectors: Mapping[str, np.ndarray]) -> Iterator[str]:
    """The tokens whose vector's first numbers stand in the bytes, one after the other, as 32-bit floats."""
    for shift in range(4):
        numbers = np.frombuffer(data[shift : len(data) - (len(data) - shift) % 4], dtype="<f4")
        for token, vector in vectors.items():
            for start in np.flatnonzero((numbers > vector[0] - NEAR) & (numbers < vector[0] + NEAR)):
                near = numbers[start : start + len(vector)]
                if len(near) == len(vector) and np.allclose(near, vector, atol=NEAR):
                    yield token


def files_of(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path


def place_of(path: Path, root: Path) -> str:
    """In words, where a file belongs."""
    parts = path.relative_to(root).parts
    match parts:
        case [*_, "pg_wal", _]:
            return "Postgres's log"
        case [*_, "postgres", "data", "base" | "global", _] | [*_, "postgres", "data", "base", _, _]:
            return "Postgres's tables"
        case [*_, "postgres", _, _] | [*_, "postgres", _, _, _]:
            return "Postgres's other files"
        case [*_, "chroma", _, name] if name.startswith("chroma.sqlite3"):
            return "Chroma's database"
        case [*_, "chroma", _, _, _]:
            return "Chroma's vectors"
        case ["redis", *_]:
            return "Redis's files"
        case [*_, ".langgraph_api", _]:
            return "the server's files"
    return "other files"


def in_files(root: Path, vectors: Mapping[str, np.ndarray]) -> Counter[Find]:
    finds = Counter[Find]()
    for path in files_of(root):
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # Postgres has just removed it
            continue
        place = place_of(path, root)
        finds.update(Find(token, place, form) for token, form in tokens_in(data))
        finds.update(Find(token, place, "vector") for token in vectors_in(data, vectors))
        named = re.findall(TOKEN, str(path.relative_to(root)).encode())
        finds.update(Find(token.decode(), "names of files", "text") for token in named)
    return finds


def in_tables(url: str) -> Counter[Find]:
    """What queries see, in every table and in the statistics: Postgres unpacks what it has compressed."""
    finds = Counter[Find]()
    with psycopg.connect(url, autocommit=True) as connection:
        for schema, table in connection.execute(TABLES).fetchall():
            query = SQL("select row(t.*)::text from {} t").format(Identifier(schema, table))
            for (row,) in connection.execute(query):
                for token, form in tokens_in(str(row).encode()):
                    finds[Find(token, f"rows of {schema}.{table}", form)] += 1
        connection.execute("checkpoint")  # so that files have what is in memory
    return finds
