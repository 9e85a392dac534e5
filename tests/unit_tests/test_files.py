"""Files that a user names: regular files are replaced, others are written to directly."""

import os
import stat
import threading
from pathlib import Path

import pytest

from agent.terminal.files import descriptor_of, read_lines, replacing, writing
from memory.errors import BadInput


def write(path: Path, text: str) -> None:
    with replacing(path) as out:
        out.write(text.encode())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    write(tmp_path / "new", "text")
    assert ((tmp_path / "new").read_text(), mode_of(tmp_path / "new")) == ("text", 0o600)
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def test_an_existing_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("a longer text")
    (tmp_path / "old").chmod(0o640)
    write(tmp_path / "old", "text")
    assert ((tmp_path / "old").read_text(), mode_of(tmp_path / "old")) == ("text", 0o640)


@pytest.mark.parametrize("target", ["there", "not there yet"])
def test_a_symbolic_link_stays_one_and_its_target_is_written(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to(target)
    write(tmp_path / "link", "text")
    assert (tmp_path / "link").readlink() == Path(target)
    assert (tmp_path / target).read_text() == "text"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "old") as out:
        out.write(b"x" * (out.write(b"half") // 0))
    assert (tmp_path / "old").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "old"]


def test_a_device_is_written_through_and_stays_a_device() -> None:
    ours, theirs = os.openpty()
    device = Path(os.ttyname(theirs))
    write(device, "text")
    assert os.read(ours, 100) == b"text"
    assert stat.S_ISCHR(device.stat().st_mode)
    os.close(ours)
    os.close(theirs)


def test_a_pipe_is_written_through_and_stays_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write(tmp_path / "link", "text")
    reader.join()
    assert read == ["text"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_an_open_descriptor_is_written_at_its_position(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.write(b"before ")
        file.flush()
        write(Path(f"/dev/fd/{file.fileno()}"), "text")
        file.write(b" after")
    assert (tmp_path / "file").read_text() == "before text after"


def test_names_of_descriptors_are_recognised() -> None:
    assert [descriptor_of(Path(name)) for name in ("/dev/stdout", "/dev/fd/3", "/proc/self/fd/12")] == [1, 3, 12]
    assert [descriptor_of(Path(name)) for name in ("/dev/null", "dev/fd/3", "/dev/fd/x")] == [None] * 3


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("folder", "Is a directory"),
        ("no/where", "No such file or directory"),
        ("file/below", "Not a directory"),
        ("x" * 10_000_000, "cannot be written: File name too long"),
        ("a\0b", "contains a NUL"),
        ("/dev/fd/999999", "Bad file descriptor"),
        ("", "The file name is empty"),
        ("new/", "names a directory"),
        ("file/.", "names a directory"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_file_that_cannot_be_written_is_a_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    with pytest.raises(BadInput) as refused, writing(name) as out:
        out.write(b"text")
    assert problem in str(refused.value)
    assert len(str(refused.value)) < 200
    assert "\n" not in str(refused.value)
    assert sorted(Path().iterdir()) == [Path("file"), Path("folder")]


def test_a_full_disk_is_a_one_line_error_that_names_the_file() -> None:
    with pytest.raises(BadInput, match="'/dev/full' cannot be written: No space left"), writing("/dev/full") as out:
        out.write(b"text")


def test_errors_raised_in_the_block_pass_through_unchanged(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^mine$"), writing(str(tmp_path / "new")):
        raise BadInput("mine")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["nowhere", "a\0b", "x" * 10_000, "", f"{__file__}/"], ids=lambda name: name[:20])
def test_a_file_that_cannot_be_read_is_a_one_line_error(name: str) -> None:
    with pytest.raises(BadInput, match=r"cannot be read|contains a NUL|is empty|names a directory") as refused:
        read_lines(name)
    assert len(str(refused.value)) < 200
