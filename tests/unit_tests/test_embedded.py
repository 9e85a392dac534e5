"""The embedded servers without a start: locks, addresses, commands, stale and damaged files, errors."""

import fcntl
import os
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from psycopg.conninfo import conninfo_to_dict

from memory.embedded import launch
from memory.embedded.chroma import Chroma
from memory.embedded.connect import embedded_servers
from memory.embedded.directory import ServerDirectory, State, is_free, try_lock
from memory.embedded.launch import prepare_child
from memory.embedded.postgres import MAX_SOCKET_PATH, Postgres, socket_directory, socket_url
from memory.embedded.programs import POSTGRES_MAJOR
from memory.errors import Unavailable

ODD_NAMES = ["a b", "100%", 'O\'Brien "the" tester', "Größe-日本", "$HOME `id`", "a\\b"]


@pytest.fixture
def postgres(tmp_path: Path) -> Postgres:
    """A Postgres whose data directory looks as if initdb had made it."""
    return initialized(tmp_path)


def initialized(path: Path) -> Postgres:
    made = Postgres(path)
    made.data.mkdir(parents=True)
    (made.data / "PG_VERSION").write_text(f"{POSTGRES_MAJOR}\n")
    return made


@pytest.fixture
def own_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files keep their owner even if root runs the tests."""
    monkeypatch.setattr(Postgres, "account", lambda _: None)


def test_a_lock_is_shared_by_many_or_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    first, second = try_lock(path, fcntl.LOCK_SH), try_lock(path, fcntl.LOCK_SH)
    assert first is not None
    assert second is not None
    assert try_lock(path, fcntl.LOCK_EX) is None
    os.close(first)
    assert not is_free(path, fcntl.LOCK_EX)
    os.close(second)
    alone = try_lock(path, fcntl.LOCK_EX)
    assert alone is not None
    assert not is_free(path, fcntl.LOCK_SH)
    os.close(alone)


def test_checking_a_lock_does_not_take_it(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    assert is_free(tmp_path / "lock", fcntl.LOCK_EX)
    assert is_free(tmp_path / "lock", fcntl.LOCK_EX)


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = State(url="http://127.0.0.1:1", ready=True, error="Größe", server_pid=7)
    state.write(tmp_path / "state.json")
    assert State.read(tmp_path / "state.json") == state


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"unknown": 1}'])
def test_a_missing_or_damaged_state_reads_as_the_empty_one(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "state.json").write_text(content)
    assert State.read(tmp_path / "state.json") == State()


def test_the_log_tail_is_from_this_attempt_and_has_no_colours(tmp_path: Path) -> None:
    directory = ServerDirectory(tmp_path)
    directory.log_file.write_text("an earlier failure\n")
    start = directory.log_file.stat().st_size
    with directory.log_file.open("a") as log:
        log.write("\n\x1b[31mfirst\x1b[0m\n\nlast\n")
    assert directory.log_tail(start) == "first\nlast"
    assert directory.log_tail(start, lines=1) == "last"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_postgres_url_quotes_any_socket_directory(name: str) -> None:
    assert conninfo_to_dict(socket_url(Path("/x", name)))["host"] == f"/x/{name}"


@pytest.mark.usefixtures("own_account")
def test_a_quote_in_the_path_is_doubled_for_postgres() -> None:
    with TemporaryDirectory() as directory:  # with a path short enough for a socket
        made = initialized(Path(directory, 'the "data"'))
        made.path.chmod(0o700)
        assert f'--unix_socket_directories="{directory}/the ""data""/run"' in made.prepare()[1]


@pytest.mark.usefixtures("own_account")
def test_postgres_listens_on_no_tcp_port(postgres: Postgres) -> None:
    assert "--listen_addresses=" in postgres.prepare()[1]


@pytest.mark.parametrize("directory", ["/" + "x" * 200, "/with, comma", "/" + "ü" * 50])
def test_a_path_too_long_for_a_socket_gets_one_below_tmp(directory: str) -> None:
    sockets = socket_directory(Path(directory))
    assert sockets.parts[:2] == ("/", "tmp")
    assert len(os.fsencode(sockets / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH
    assert sockets == socket_directory(Path(directory))
    assert sockets != socket_directory(Path(directory + "2"))


def test_a_socket_directory_that_others_can_enter_is_refused(postgres: Postgres) -> None:
    postgres.path.chmod(0o755)
    with pytest.raises(Unavailable, match=str(postgres.path)):
        postgres.prepare()


def test_a_database_of_another_major_version_is_refused_by_name(postgres: Postgres) -> None:
    (postgres.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(Unavailable, match=rf"written by Postgres 16, and this is Postgres {POSTGRES_MAJOR}"):
        postgres.prepare()


@pytest.mark.parametrize(
    ("program", "status", "stays"),
    [
        ("postgres", psutil.STATUS_SLEEPING, True),
        ("postgres", psutil.STATUS_ZOMBIE, False),  # a zombie
        ("vim", psutil.STATUS_SLEEPING, False),
        ("", None, False),
    ],
)
@pytest.mark.usefixtures("own_account")
def test_a_postmaster_pid_is_kept_only_while_its_postgres_runs(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, program: str, status: str | None, stays: bool
) -> None:
    class Process:
        def __init__(self, pid: int) -> None:
            if pid != 77 or status is None:
                raise psutil.NoSuchProcess(pid)

        def name(self) -> str:
            return program

        def status(self) -> str | None:
            return status

    monkeypatch.setattr(psutil, "Process", Process)
    pid_file = postgres.data / "postmaster.pid"
    pid_file.write_text(f"77\n{postgres.data}\n")
    postgres.prepare()
    assert pid_file.exists() == stays


def test_postgres_answers_when_its_own_pid_file_says_ready(postgres: Postgres) -> None:
    lines = ["77", str(postgres.data), "0", "5432", "/run", "", "1 2"]
    pid_file = postgres.data / "postmaster.pid"
    assert not postgres.answers(77, "")
    pid_file.write_text("\n".join([*lines, "starting"]))
    assert not postgres.answers(77, "")
    pid_file.write_text("\n".join([*lines, "ready   "]))
    assert postgres.answers(77, "")
    assert not postgres.answers(78, "")


def test_root_outside_linux_gets_an_error_with_instructions(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Unavailable, match="ordinary user, or set POSTGRES_URL"):
        postgres.prepare()


def test_a_child_gets_a_death_signal_if_the_system_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(launch, "prctl", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(os, "getppid", os.getpid)
    monkeypatch.setattr(sys, "platform", "linux")
    prepare = prepare_child(signal.SIGINT)
    assert prepare
    prepare()
    assert asked == [(launch.PR_SET_PDEATHSIG, signal.SIGINT)]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert prepare_child(signal.SIGINT) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a death signal")
def test_a_child_whose_parent_is_already_dead_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    prepare = prepare_child(signal.SIGINT)
    monkeypatch.setattr(launch, "prctl", lambda *_: None)
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    assert prepare
    prepare()
    assert killed == [(os.getpid(), signal.SIGINT)]


def test_root_runs_postgres_as_another_user_and_chroma_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    account = Postgres(tmp_path).account()
    assert account
    assert account[0] != 0
    assert Chroma(tmp_path).account() is None
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Postgres(tmp_path).account() is None


def test_servers_do_not_see_settings_for_other_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPORT", "PGDATA", "CHROMA_URL", "CONFIG_PATH"):
        monkeypatch.setenv(name, "elsewhere")
    chroma = Chroma(tmp_path)
    with (tmp_path / "lock").open("w") as lock:
        chroma.lock_fd = lock.fileno()
        program = "import os, pathlib; pathlib.Path('seen').write_text(repr(dict(os.environ)))"
        assert chroma.spawn([sys.executable, "-c", program]).wait() == 0
    seen = (tmp_path / "seen").read_text()
    assert "elsewhere" not in seen
    assert "'ANONYMIZED_TELEMETRY': 'False'" in seen


async def test_a_file_in_place_of_the_data_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(Unavailable, match=str(tmp_path / "data")):
        async with embedded_servers(tmp_path / "data", frozenset({"postgres"})):
            pass


async def test_a_data_directory_below_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=str(tmp_path / "file" / "data")):
        async with embedded_servers(tmp_path / "file" / "data", frozenset({"chroma"})):
            pass


async def test_another_users_data_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chroma").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(Unavailable, match="and this process is user 4000000"):
        async with embedded_servers(tmp_path, frozenset({"chroma"})):
            pass


@pytest.fixture
def chroma(tmp_path: Path) -> Chroma:
    """A Chroma with vectors on disk, written in Chroma's order: the list of ids last."""
    made = Chroma(tmp_path)
    segment = made.data / "3f1c"
    segment.mkdir(parents=True)
    for second, name in enumerate(("header.bin", "data_level0.bin", "length.bin", "index_metadata.pickle")):
        (segment / name).write_text("x")
        os.utime(segment / name, (second, second))
    return made


def test_intact_files_of_chroma_are_not_moved(chroma: Chroma) -> None:
    chroma.prepare()
    assert chroma.data.exists()
    assert chroma.state.notice == ""


@pytest.mark.parametrize("torn", ["header.bin", "length.bin"])
def test_half_written_vectors_are_moved_with_a_notice(chroma: Chroma, torn: str) -> None:
    os.utime(chroma.data / "3f1c" / torn, (10, 10))
    chroma.prepare()
    assert not chroma.data.exists()
    (kept,) = chroma.path.glob("data.broken-*")
    assert (kept / "3f1c" / torn).exists()
    assert str(kept) in chroma.state.notice
    assert "killed while it wrote" in chroma.state.notice


def test_an_empty_list_of_ids_counts_as_half_written(chroma: Chroma) -> None:
    ids = chroma.data / "3f1c" / "index_metadata.pickle"
    ids.write_text("")
    chroma.prepare()
    assert not chroma.data.exists()


def test_files_that_made_chroma_crash_are_set_aside_once(chroma: Chroma) -> None:
    chroma.crash = "SIGSEGV"
    chroma.prepare()
    assert "SIGSEGV" in chroma.state.notice
    chroma.data.mkdir()
    chroma.prepare()
    assert chroma.data.exists()
