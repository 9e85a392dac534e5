"""The embedded servers' rules: locks, addresses, commands, and what is said when they cannot be used."""

import fcntl
import os
import signal
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from memory.embedded import servers
from memory.embedded.connect import embedded_servers
from memory.embedded.programs import POSTGRES_MAJOR
from memory.embedded.servers import (
    LAUNCH,
    MAX_SOCKET_PATH,
    Chroma,
    Postgres,
    server_environment,
    socket_directory,
    socket_url,
)
from memory.embedded.supervisor import Home, State, can_lock, try_lock
from memory.errors import Unavailable

ODD_NAMES = ["a b", "100%", 'O\'Brien "the" tester', "Größe-日本", "$HOME `id`", "a\\b"]


@pytest.fixture
def postgres(tmp_path: Path) -> Postgres:
    """A Postgres whose data directory looks as if initdb had made it."""
    made = Postgres(tmp_path)
    made.data.mkdir()
    (made.data / "PG_VERSION").write_text(f"{POSTGRES_MAJOR}\n")
    return made


@pytest.fixture
def own_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files stay this user's even where root runs the tests."""
    monkeypatch.setattr(servers, "give_to_server_user", lambda _: None)


def test_a_lock_is_shared_by_many_or_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = try_lock(path, fcntl.LOCK_SH), try_lock(path, fcntl.LOCK_SH)
    assert first is not None
    assert second is not None
    assert try_lock(path, fcntl.LOCK_EX) is None
    os.close(first)
    assert not can_lock(path, fcntl.LOCK_EX)
    os.close(second)
    alone = try_lock(path, fcntl.LOCK_EX)
    assert alone is not None
    assert not can_lock(path, fcntl.LOCK_SH)
    os.close(alone)


def test_looking_at_a_lock_leaves_it_free(tmp_path: Path) -> None:
    assert can_lock(tmp_path / "lock", fcntl.LOCK_EX)
    assert can_lock(tmp_path / "lock", fcntl.LOCK_EX)


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = State(url="http://127.0.0.1:1", ready=True, error="Größe", server_pid=7)
    state.write(tmp_path / "state.json")
    assert State.read(tmp_path / "state.json") == state


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"unknown": 1}'])
def test_a_missing_or_damaged_state_reads_as_the_empty_one(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "state.json").write_text(content)
    assert State.read(tmp_path / "state.json") == State()


def test_the_tail_of_the_log_is_of_this_attempt_and_without_colours(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.log_file.write_text("an earlier failure\n")
    start = home.log_file.stat().st_size
    with home.log_file.open("a") as log:
        log.write("\n\x1b[31mfirst\x1b[0m\n\nlast\n")
    assert home.log_tail(start) == "first\nlast"
    assert home.log_tail(start, lines=1) == "last"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_postgres_url_names_the_socket_directory_to_psycopg_whatever_its_name(name: str) -> None:
    assert conninfo_to_dict(socket_url(Path("/x", name)))["host"] == f"/x/{name}"


def test_a_quote_in_the_path_is_doubled_for_postgres(tmp_path: Path) -> None:
    command = Postgres(Path('/x/the "data"')).command("")
    assert 'unix_socket_directories="/x/the ""data""/run"' in command


def test_postgres_listens_on_no_tcp_port() -> None:
    assert "listen_addresses=" in Postgres(Path("/x")).command("")


@pytest.mark.parametrize("directory", ["/" + "x" * 200, "/with, comma", "/" + "ü" * 50])
def test_a_path_that_no_socket_can_have_gets_one_of_its_own_below_tmp(directory: str) -> None:
    sockets = socket_directory(Path(directory))
    assert sockets.parts[:2] == ("/", "tmp")
    assert len(os.fsencode(sockets / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH
    assert sockets == socket_directory(Path(directory))
    assert sockets != socket_directory(Path(directory + "2"))


def test_a_socket_directory_that_others_can_enter_is_refused(postgres: Postgres) -> None:
    postgres.directory.chmod(0o755)
    with pytest.raises(Unavailable, match=str(postgres.directory)):
        postgres.prepare(None, -1)


def test_a_database_of_another_major_version_is_refused_by_name(postgres: Postgres) -> None:
    (postgres.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(Unavailable, match=rf"written by Postgres 16, and this is Postgres {POSTGRES_MAJOR}"):
        postgres.prepare(None, -1)


@pytest.mark.parametrize(
    ("program", "arguments", "stays"),
    [
        ("postgres", "postgres -D data", True),
        ("/x/bin/postgres", "postgres -D data", True),
        ("postgres", "", False),  # killed, and not yet collected by its parent
        ("vim", "vim notes", False),
        ("", "", False),
    ],
)
@pytest.mark.usefixtures("own_account")
def test_a_postmaster_pid_stays_only_while_a_postgres_runs_under_its_number(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, program: str, arguments: str, stays: bool
) -> None:
    process = {"comm": program, "args": arguments}
    monkeypatch.setattr(servers, "process_info", lambda pid, field: process[field] if pid == 77 else "wrong process")
    pid_file = postgres.data / "postmaster.pid"
    pid_file.write_text(f"77\n{postgres.data}\n")
    postgres.prepare(None, -1)
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


def test_root_on_another_system_than_linux_is_told_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Unavailable, match="ordinary user, or set POSTGRES_URL"):
        Postgres(Path("/x")).command("")


def test_servers_end_with_their_keeper_where_the_system_can_do_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "platform", "linux")
    assert Postgres(Path("/x")).launcher()[-2:] == [str(LAUNCH), str(int(signal.SIGINT))]
    assert Chroma(Path("/x")).launcher()[-2:] == [str(LAUNCH), str(int(signal.SIGTERM))]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert Postgres(Path("/x")).launcher() == []


def test_root_runs_postgres_as_another_user_and_chroma_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    uid, gid = servers.server_account()
    assert uid
    assert Postgres(Path("/x")).launcher()[-5:-1] == ["--uid", str(uid), "--gid", str(gid)]
    assert "--uid" not in Chroma(Path("/x")).launcher()


def test_servers_do_not_see_the_settings_of_other_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPORT", "PGDATA", "CHROMA_URL", "CONFIG_PATH"):
        monkeypatch.setenv(name, "elsewhere")
    environment = server_environment()
    assert "elsewhere" not in environment.values()
    assert environment["ANONYMIZED_TELEMETRY"] == "False"


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
    """A Chroma whose vectors were written as it writes them: the list of ids last."""
    made = Chroma(tmp_path)
    segment = made.data / "3f1c"
    segment.mkdir(parents=True)
    for second, name in enumerate(("header.bin", "data_level0.bin", "length.bin", "index_metadata.pickle")):
        (segment / name).write_text("x")
        os.utime(segment / name, (second, second))
    return made


def test_chromas_files_stay_where_nothing_is_wrong_with_them(chroma: Chroma) -> None:
    chroma.prepare(None, -1)
    assert chroma.data.exists()
    assert chroma.notice == ""


@pytest.mark.parametrize("torn", ["header.bin", "length.bin"])
def test_vectors_that_were_written_in_part_are_set_aside_and_that_is_said(chroma: Chroma, torn: str) -> None:
    os.utime(chroma.data / "3f1c" / torn, (10, 10))
    chroma.prepare(None, -1)
    assert not chroma.data.exists()
    (kept,) = chroma.directory.glob("data.broken-*")
    assert (kept / "3f1c" / torn).exists()
    assert str(kept) in chroma.notice
    assert "killed while it wrote" in chroma.notice


def test_an_empty_list_of_ids_is_one_that_was_written_in_part(chroma: Chroma) -> None:
    ids = chroma.data / "3f1c" / "index_metadata.pickle"
    ids.write_text("")
    chroma.prepare(None, -1)
    assert not chroma.data.exists()


def test_files_that_made_chroma_crash_are_set_aside_once(chroma: Chroma) -> None:
    chroma.crash = "SIGSEGV"
    chroma.prepare(None, -1)
    assert "SIGSEGV" in chroma.notice
    chroma.data.mkdir()
    chroma.prepare(None, -1)
    assert chroma.data.exists()
