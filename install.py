"""Sets up .venv with the packages that requirements.lock pins, and changes these pins. `make` runs it.

It uses only the standard library, because nothing is installed yet when it runs.
"""

import _signal  # type: ignore[import-not-found]

if __name__ == "__main__":
    # Ctrl-C during the imports ends the process without a traceback. `_signal` is built in, `signal` takes time.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
READY = VENV / ".ready"
PYPROJECT = Path("pyproject.toml")
LOCK = Path("requirements.lock")

USAGE = "Name the packages to add: make add PACKAGE=langchain-anthropic, or make add PACKAGE='httpx>=0.27 rich'"
STALE = "requirements.lock does not match the dependencies in pyproject.toml. Run `make lock` to lock and install them."
FAILED = {
    "setup": "Setting up .venv failed: {reason}. Then run the same command again.",
    "add": """Nothing was changed: {reason}. Check the package's name and the connection to the package index.
`make add` changes no pinned version: if one conflicts, add the package to pyproject.toml and run `make lock`.""",
    "lock": "requirements.lock is unchanged: {reason}. Check pyproject.toml and the connection to the package index.",
    "upgrade": "requirements.lock is unchanged: {reason}. Check the connection to the package index.",
}
NO_PIP = """{python} cannot make a virtual environment with pip, because its module ensurepip is missing.
On Debian or Ubuntu: apt install python3-venv. Elsewhere, install uv or name another Python: make setup PYTHON=..."""


def header(pyproject: str) -> str:
    """Return the first line of the lock for this pyproject.toml: a digest of everything it is resolved from."""
    import tomllib  # missing in Python 3.10, which main() refuses

    tables = tomllib.loads(pyproject)
    project = tables["project"]
    groups = [*project.get("optional-dependencies", {}).items(), *tables.get("dependency-groups", {}).items()]
    resolved_from = [
        project.get("requires-python"),
        sorted(project.get("dependencies", [])),
        sorted((name, sorted(map(str, group))) for name, group in groups),
        tables.get("tool", {}).get("uv"),
    ]
    digest = hashlib.sha256(json.dumps(resolved_from, sort_keys=True).encode()).hexdigest()
    return f"# Resolved from the dependencies in pyproject.toml with the digest {digest}\n"


def is_stale(pyproject: str, lock: str) -> bool:
    """Whether the lock was resolved from dependencies other than those in pyproject.toml."""
    return not lock.startswith(header(pyproject))


def pins(lock: str) -> list[str]:
    """Return the pinned versions in a lock, such as "numpy==2.4.6 ; python_full_version < '3.15'"."""
    return re.findall(r"^[a-z0-9-]+==.*?(?= *\\?$)", lock, re.MULTILINE)


def requirements(text: str) -> list[str]:
    """Split "httpx >= 0.27 psycopg[c]" into its requirements. A text with a marker (after ;) is a single one."""
    parts = [text] if ";" in text else re.split(r"(?<![\s,<>=!~@\[])\s+(?=[A-Za-z0-9])", text)
    return [part.strip() for part in parts if part.strip()]


def package(requirement: str) -> str:
    """Return the normalized name of the package that a requirement or a pin is for."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def read_lock() -> str:
    """Return the text of requirements.lock, with both sides of a merge conflict; empty when there is no lock."""
    text = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    return re.sub(r"^([<=>|])\1{6}.*\n", "", text, flags=re.MULTILINE)


def wanted() -> list[str]:
    """Return what .venv should be made from: the folder and Python, and a digest of both files."""
    content = PYPROJECT.read_bytes() + (LOCK.read_bytes() if LOCK.exists() else b"")
    major, minor, *_ = sys.version_info
    return [f"Python {major}.{minor} in {str(Path.cwd())!a}", hashlib.sha256(content).hexdigest()]


def installed() -> list[str]:
    """Return what .venv was made from; empty when it was never completed, or an installation was interrupted."""
    return READY.read_text().splitlines() if READY.exists() and PYTHON.exists() else []


def lock_folder() -> None:
    """Lock this folder against other installations until this process and the programs that it started have ended.

    Child processes inherit the lock, so other installations also wait for an installer that outlives install.py.
    """
    lock = os.open(__file__, os.O_RDWR)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write("Waiting for another set-up of this folder to end ...\n")
        fcntl.flock(lock, fcntl.LOCK_EX)


def environment() -> dict[str, str]:
    """Return the environment for pip and uv: their caches are below .venv if the usual place is not writable."""
    defaults = {"UV_CONCURRENT_DOWNLOADS": "12"}  # uv's default of 50 exceeds a limit of 256 open files
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "uv"
        cache.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache).close()
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        cache = VENV.absolute() / "cache"
        defaults |= {"UV_CACHE_DIR": str(cache), "PIP_CACHE_DIR": str(cache / "pip")}
    return defaults | os.environ


def run(*command: str, folder: str = ".", quiet: bool = False) -> None:
    """Run a program; raise subprocess.CalledProcessError when it fails."""
    errors = subprocess.DEVNULL if quiet else None
    # close_fds=False lets the child inherit the lock, and only the lock: other files are not inheritable by default.
    subprocess.run(command, cwd=folder, stderr=errors, env=environment(), close_fds=False, check=True)  # noqa: S603


def uv_on_path() -> str | None:
    """Return the uv on the PATH if it runs. A shim of pyenv may not run."""
    uv = shutil.which("uv")
    return uv if uv and not subprocess.run([uv, "--version"], capture_output=True).returncode else None  # noqa: S603


def make_venv() -> None:
    """Create .venv from scratch, with only the uv that requirements.lock pins."""
    if VENV.exists():
        shutil.rmtree(VENV)
    python = sys._base_executable  # sys.executable may be the one in .venv
    pinned = re.search(r"^uv==.*\n(?: +--hash=.*\n)+", read_lock(), re.MULTILINE)
    if uv := uv_on_path():
        run(uv, "venv", "--quiet", "--python", python, str(VENV))
        install = [uv, "pip", "install", "--python", str(PYTHON)]
    elif importlib.util.find_spec("ensurepip"):
        run(python, "-m", "venv", str(VENV))
        install = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    else:
        sys.exit(NO_PIP.format(python=python))
    (VENV / "uv.txt").write_text(pinned[0] if pinned else "uv\n")
    run(*install, "--quiet", "--requirement", str(VENV / "uv.txt"))


def prepare() -> list[str]:
    """Return the command of .venv's uv.

    A .venv that is incomplete, or was made in another folder or by another Python, is created again: a package that
    was half written when its installer was killed looks installed to uv.
    """
    if installed()[:1] != wanted()[:1]:
        make_venv()
    return [str(PYTHON.absolute()), "-m", "uv"]


def install(uv: list[str], *options: str) -> None:
    """Install exactly the packages of requirements.lock, and this project, in .venv."""
    READY.unlink(missing_ok=True)
    here = ["--python", str(PYTHON)]
    run(*uv, "pip", "sync", *here, *options, "--require-hashes", str(LOCK))
    run(*uv, "pip", "install", *here, *options, "--no-deps", "--no-build-isolation", "--editable", ".")
    for link in VENV.glob("lib/*/site-packages/*.pth"):
        # uv writes the absolute path. If LC_ALL is C, Python 3.11 cannot read a path with an accent.
        if link.read_bytes().strip() == os.fsencode(Path.cwd()):
            link.write_text(os.path.relpath(Path.cwd(), link.parent))
    READY.write_text("\n".join(wanted()))


def resolve(uv: list[str], command: str, added: list[str], folder: str) -> None:
    """Write pyproject.toml, with the added packages, and its lock into an empty folder."""
    shutil.copy(PYPROJECT, folder)
    python = ["--python", str(PYTHON.absolute())]
    if added:
        run(*uv, "add", "--frozen", "--quiet", *python, *added, folder=folder)
    lock = Path(folder, LOCK)
    lock.write_text(read_lock(), encoding="utf-8")
    pyproject = Path(folder, PYPROJECT).read_text(encoding="utf-8")
    oldest = re.search(r"^requires-python\D+([\d.]+)", pyproject, re.MULTILINE)
    # "fewest": one version of a package for all Pythons if possible, so that it is checked and tested once
    options = ["--universal", "--python-version", oldest[1] if oldest else "3.11", "--fork-strategy", "fewest"]
    options += ["--group", "dev", "--generate-hashes", "--no-emit-index-url", "--custom-compile-command", "make lock"]
    compile_lock = [*uv, "pip", "compile", str(PYPROJECT), "--output-file", str(LOCK), "--quiet", *python, *options]
    if command == "upgrade":
        run(*compile_lock, "--upgrade", folder=folder)
    else:
        # uv keeps the versions in the output file, unless the newest version of a new package needs others. The first
        # run uses them as constraints. The second run writes the file without a comment about them at each package.
        names = {package(requirement) for requirement in added}
        kept = [pin for pin in pins(read_lock()) if package(pin) not in names]
        Path(folder, "pins.txt").write_text("\n".join(kept))
        try:
            run(*compile_lock, "--constraints", "pins.txt", folder=folder, quiet=not added)
        except subprocess.CalledProcessError:
            if added:
                raise
        run(*compile_lock, folder=folder)
    lock.write_text(header(pyproject) + lock.read_text(encoding="utf-8"), encoding="utf-8")


def set_up() -> None:
    """Install the packages that requirements.lock pins. Exits if the lock is stale."""
    if is_stale(PYPROJECT.read_text(encoding="utf-8"), read_lock()):
        sys.exit(STALE)
    sys.stderr.write("Setting up .venv; the first time, this may take a minute (1 GB on disk) ...\n")
    install(prepare(), *([] if sys.stderr.isatty() else ["--quiet"]))


def change(command: str, added: list[str]) -> None:
    """Resolve the lock again and install it. If that fails, both files are restored."""
    before = {path: path.read_bytes() for path in (PYPROJECT, LOCK) if path.exists()}
    was_ready = installed() == wanted()
    uv = prepare()
    with tempfile.TemporaryDirectory(dir=VENV) as folder:
        resolve(uv, command, added, folder)
        for path in (PYPROJECT, LOCK):
            Path(folder, path).replace(path)
    try:
        install(uv)
    except BaseException as error:
        for path, content in before.items():
            path.write_bytes(content)
        # If uv ended by itself, the old packages can be restored. If it was killed, a package may be half written.
        if was_ready and isinstance(error, subprocess.CalledProcessError) and error.returncode > 0:
            install(uv, "--quiet")
        raise


def main(command: str = "setup", text: str = "") -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - older Pythons can run this file
        sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.")
    os.chdir(Path(__file__).parent)
    added = requirements(text)
    if command == "add" and not added:
        sys.exit(USAGE)
    if command == "setup" and installed() == wanted():
        return
    try:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)  # KeyboardInterrupt, see below
        lock_folder()
        if command != "setup":
            change(command, added)
        elif installed() != wanted():
            set_up()
    except subprocess.CalledProcessError as error:
        killed = f"the installer was killed by signal {-error.returncode}"
        sys.exit(FAILED[command].format(reason="see the lines above" if error.returncode > 0 else killed))
    except KeyboardInterrupt:
        sys.exit("Interrupted. Run the same command again.")
    except ValueError as error:
        sys.exit(f"{PYPROJECT} cannot be read: {error}")
    except OSError as error:
        sys.exit(f"Setting up .venv failed: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
