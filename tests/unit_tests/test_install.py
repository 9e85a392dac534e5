"""The set-up, without a network: stale locks, the arguments of `make add`, and ignored files."""

import subprocess
import sys
from pathlib import Path

import pytest

import install

ROOT = Path(install.__file__).parent
PYPROJECT = """
[project]
name = "demo"
version = "1"
requires-python = ">=3.11"
dependencies = ["langgraph>=1.2,<2", "rich>=14"]

[dependency-groups]
dev = ["pytest>=9"]

[tool.ruff]
line-length = 120
"""
LOCK = """# the header that uv writes
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:00 \\
    --hash=sha256:01
    # via demo (pyproject.toml)
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:02
rich==15.0.0 \\
    --hash=sha256:03
"""


def test_the_lock_of_this_project_matches_its_pyproject() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert not install.is_stale((ROOT / "pyproject.toml").read_text(), lock)


def test_the_lock_of_this_project_names_no_index_and_no_path() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert [word for word in ("://", "--index-url", "--find-links", " /", "(/") if word in lock] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"rich>=14"', '"rich>=15"'),
        ('"rich>=14"', '"rich>=14", "httpx"'),
        (', "rich>=14"', ""),
        ('"pytest>=9"', '"pytest>=9", "mypy"'),
        ('">=3.11"', '">=3.12"'),
        ("[tool.ruff]", '[tool.uv]\nconstraint-dependencies = ["h11<1"]\n\n[tool.ruff]'),
    ],
)
def test_a_change_of_a_dependency_makes_the_lock_stale(old: str, new: str) -> None:
    lock = install.header(PYPROJECT) + LOCK
    assert old in PYPROJECT
    assert install.is_stale(PYPROJECT.replace(old, new), lock)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("line-length = 120", "line-length = 100"),
        ('version = "1"', 'version = "2"'),
        ('["langgraph>=1.2,<2", "rich>=14"]', '[\n    "rich>=14",  # the terminal\n    "langgraph>=1.2,<2",\n]'),
    ],
)
def test_other_changes_of_pyproject_leave_the_lock_valid(old: str, new: str) -> None:
    lock = install.header(PYPROJECT) + LOCK
    assert old in PYPROJECT
    assert not install.is_stale(PYPROJECT.replace(old, new), lock)


@pytest.mark.parametrize("lock", ["", LOCK], ids=["no lock", "no digest"])
def test_a_lock_without_a_digest_is_stale(lock: str) -> None:
    assert install.is_stale(PYPROJECT, lock)


def test_pins_are_read_with_their_markers_and_without_hashes() -> None:
    assert install.pins(LOCK) == [
        "numpy==2.4.6 ; python_full_version < '3.12'",
        "numpy==2.5.5 ; python_full_version >= '3.12'",
        "rich==15.0.0",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("langchain-anthropic", ["langchain-anthropic"]),
        (" httpx>=0.27   rich ", ["httpx>=0.27", "rich"]),
        ("httpx >= 0.27, < 1 psycopg[c] 3to2", ["httpx >= 0.27, < 1", "psycopg[c]", "3to2"]),
        ("psycopg[binary, pool]>=3 rich", ["psycopg[binary, pool]>=3", "rich"]),
        ("uvloop; sys_platform != 'win32'", ["uvloop; sys_platform != 'win32'"]),
        ("demo @ https://example.com/demo.whl rich", ["demo @ https://example.com/demo.whl", "rich"]),
        ("", []),
        ("  ", []),
    ],
)
def test_the_text_of_make_add_is_split_into_requirements(text: str, expected: list[str]) -> None:
    assert install.requirements(text) == expected


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("rich==15.0.0", "rich"),
        ("Psycopg[c]>=3", "psycopg"),
        ("zope.interface < 9", "zope-interface"),
        ("typing_extensions", "typing-extensions"),
    ],
)
def test_a_requirement_names_its_package_in_normalized_form(requirement: str, name: str) -> None:
    assert install.package(requirement) == name


def test_pins_of_both_sides_of_a_merge_conflict_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("requirements.lock").write_text(f"<<<<<<< HEAD\n# a digest\n=======\n# another\n>>>>>>> main\n{LOCK}")
    assert install.read_lock() == f"# a digest\n# another\n{LOCK}"


def test_an_interrupted_installation_does_not_count_as_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(PYPROJECT)
    Path("requirements.lock").write_text(install.header(PYPROJECT) + LOCK)
    install.PYTHON.parent.mkdir(parents=True)
    install.PYTHON.touch()
    ready_at_each_command = []
    monkeypatch.setattr(install, "run", lambda *_: ready_at_each_command.append(install.READY.exists()))
    install.install(["uv"])
    assert install.installed() == install.wanted()
    install.install(["uv"])
    assert ready_at_each_command == [False] * 4


def test_a_venv_from_another_folder_does_not_count_as_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(PYPROJECT)
    here = install.wanted()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "pyproject.toml").write_text(PYPROJECT)
    monkeypatch.chdir(tmp_path / "copy")
    assert install.wanted()[0] != here[0]
    assert install.wanted()[1] == here[1]


def test_adding_without_a_package_says_how_to_name_one() -> None:
    done = subprocess.run([sys.executable, ROOT / "install.py", "add", ""], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == install.USAGE + "\n"


@pytest.mark.parametrize(("file", "folder"), [(".gitignore", ""), (".dockerignore", "**/")])
def test_exported_memories_are_ignored_by_git_and_docker(file: str, folder: str) -> None:
    ignored = (ROOT / file).read_text().splitlines()
    assert {f"{folder}*.jsonl", f"{folder}*.part"} <= set(ignored)


def test_make_turns_off_the_analytics_of_langgraph_cli() -> None:
    rule = "include Makefile\nprint-it:\n\t@echo $$LANGGRAPH_CLI_NO_ANALYTICS\n"
    command = ["make", "--no-print-directory", "-f", "-", "print-it"]
    done = subprocess.run(command, input=rule, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1\n"
