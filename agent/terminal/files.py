"""Reads and writes the files that a user names on the command line."""

import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from memory.errors import BadInput, quoted

DESCRIPTORS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def read_lines(file: str) -> list[str]:
    """The lines of a file, or of standard input for "-". Raises BadInput."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else path_of(file).read_bytes()
        return data.decode("utf-8-sig").removesuffix("\n").split("\n") if data else []
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"Line {number} of {quoted(file)} is not UTF-8.") from error
    except OSError as error:
        raise BadInput(f"The file {quoted(file)} cannot be read: {error.strerror}.") from error


@contextmanager
def writing(file: str) -> Iterator[IO[bytes]]:
    """Write a file with `replacing`, or standard output for "-". Raises BadInput."""
    if file == "-":
        yield sys.stdout.buffer
        return
    path = path_of(file)
    try:
        with replacing(path) as out:
            yield out
    except BrokenPipeError:  # the reader has closed the pipe
        raise
    except OSError as error:
        raise BadInput(f"The file {quoted(file)} cannot be written: {error.strerror}.") from error


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Replace a file, with its mode and owner, once the block has ended without an error. Raises OSError.
    Only the owner can read a new file. A device, a pipe and an open descriptor are written to directly.
    By hand: the package for this, atomicwrites, is no longer maintained, and keeps neither mode nor owner."""
    descriptor = descriptor_of(path)
    try:  # without creating or truncating anything
        opened = os.open(path, os.O_WRONLY) if descriptor is None else os.dup(descriptor)
    except FileNotFoundError:
        existing = None
    else:
        with os.fdopen(opened, "wb") as out:
            existing = os.fstat(opened)
            if descriptor is not None or not stat.S_ISREG(existing.st_mode):
                yield out
                return
    target = path.resolve()
    number, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=target.suffix[:20])  # of mode 0600
    try:
        with os.fdopen(number, "wb") as out:
            yield out
            out.flush()
            if existing:
                with suppress(PermissionError):  # the file may belong to another user
                    os.fchown(number, existing.st_uid, existing.st_gid)
                os.fchmod(number, stat.S_IMODE(existing.st_mode))
            os.fsync(number)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def descriptor_of(path: Path) -> int | None:
    """The descriptor that /dev/stdout or /dev/fd/3 names; opening it by name would write from the file's beginning."""
    numbered = re.fullmatch(r"/(?:dev|proc/self)/fd/([0-9]{1,9})", str(path))
    return int(numbered[1]) if numbered else DESCRIPTORS.get(str(path))


def path_of(file: str) -> Path:
    """The path of a file named on the command line. Raises BadInput if no file can have that name."""
    if not file:
        raise BadInput("The file name is empty: name a file, or - for standard input or output.")
    if "\0" in file:
        raise BadInput(f"The file name {quoted(file)} contains a NUL: remove it.")
    if file.endswith(("/", "/.")):  # which Path drops
        raise BadInput(f"{quoted(file)} names a directory: name a file.")
    return Path(file)
