"""Make .venv with the pinned packages of requirements.lock; `make` runs it, with nothing but the standard library."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
READY = VENV / ".ready"
SOURCES = (Path("requirements.lock"), Path("pyproject.toml"))


def is_ready() -> bool:
    """Whether the last installation ended well and nothing it was made from has changed since."""
    return READY.exists() and all(READY.stat().st_mtime >= source.stat().st_mtime for source in SOURCES)


def install() -> None:
    uv = shutil.which("uv")
    if uv:
        run(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(VENV))
    else:
        run(sys.executable, "-m", "venv", str(VENV))
        run(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    tool = [uv] if uv else [str(PYTHON), "-m", "uv"]
    here = ["--quiet", "--python", str(PYTHON)]
    run(*tool, "pip", "sync", *here, "--require-hashes", "requirements.lock")
    run(*tool, "pip", "install", *here, "--no-deps", "--no-build-isolation", "--editable", ".")


def run(*command: str) -> None:
    if subprocess.run(command).returncode:  # noqa: S603 - our own commands
        sys.exit(
            f"Setting up .venv failed at: {' '.join(command)}\nThe lines above say why; `make clean` starts afresh."
        )


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what says so
        sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.")
    os.chdir(Path(__file__).parent)
    VENV.mkdir(exist_ok=True)
    # Two terminals that start together share one .venv: the second waits. The kernel frees the lock of a killed one.
    with (VENV / ".installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready():
            sys.stderr.write("Setting up .venv (once; the packages are about 700 MB on disk) ...\n")
            install()
            READY.touch()


if __name__ == "__main__":
    main()
