"""The commands: their output as lines and as JSON, their errors and exit codes."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.__main__ import app
from agent.persistence import open_store
from memory.facts.fact import owner_key, utc_now
from tests.commands import Run
from tests.openai_server import ScriptedOpenAI, Status
from tests.screen import terminal

# --- observe -------------------------------------------------------------------------------------------------


def test_observe_prints_the_changes_to_memory(offline: dict[str, str], run: Run) -> None:
    assert run("observe", "I live in Lima.", "--at", "2020-01-01").out == "learned: lives in Lima\n"
    moved = run("observe", "I moved to Austin.", "--at", "2021-01-01")
    assert moved.out == "learned: lives in Austin; retired: lives in Lima\n"
    again = run("observe", "I live in Austin!", "--json").json
    assert [fact["text"] for fact in again["reinforced"]] == ["Lives in Austin"]
    nothing = run("observe", "Good morning.")
    assert (nothing.out, nothing.err.strip(), nothing.code) == ("", "no new facts", 0)


def test_observe_prints_what_it_recorded_as_history(offline: dict[str, str], run: Run) -> None:
    run("observe", "I live in Austin.", "--at", "2021-01-01")
    assert run("observe", "I live in Lima.", "--at", "2020-01-01").out == "learned as history: lives in Lima\n"
    earlier = run("observe", "I live in Bonn.", "--at", "2019-01-01", "--json").json
    assert [fact["text"] for fact in earlier["history"]] == ["Lives in Bonn"]
    assert (earlier["added"], earlier["reinforced"], earlier["retired"]) == ([], [], [])


def test_observe_takes_each_line_of_a_file_or_of_standard_input(
    offline: dict[str, str], run: Run, tmp_path: Path
) -> None:
    (tmp_path / "said.txt").write_text("I like tea.\n\nI like milk.\r\n")
    assert run("observe", "--file", "said.txt").out == "learned: likes tea, likes milk\n"
    assert run("observe", "--file", "-", typed="I like jazz.").out == "learned: likes jazz\n"


def test_observe_says_that_the_model_failed(run: Run, openai: ScriptedOpenAI) -> None:
    openai.extraction(*[Status(500, retry_after=0.01)] * 9, Status(401))
    for reason in (
        "the model's server answered 500: it has an internal error",
        "refused the key: check OPENAI_API_KEY",
    ):
        failed = run("observe", "I like tea.")
        assert (failed.code, failed.out) == (1, "")
        assert failed.err.startswith("error: ")
        assert "from the extraction model: " in failed.err
        assert reason in " ".join(failed.err.split())


# --- export and import ---------------------------------------------------------------------------------------


def test_an_export_to_standard_output_or_a_file_can_be_imported(ada: Run, tmp_path: Path, user: str) -> None:
    exported = ada("export")
    assert json.loads(exported.out.splitlines()[0])["version"] == 1
    assert ada("export", "mine.jsonl").out == ""
    assert (tmp_path / "mine.jsonl").read_text() == exported.out
    assert (tmp_path / "mine.jsonl").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.jsonl"]

    (tmp_path / "mine.jsonl").chmod(0o640)
    (tmp_path / "link.jsonl").symlink_to("mine.jsonl")
    ada("export", "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "mine.jsonl").stat().st_mode & 0o777 == 0o640

    assert ada("import", "mine.jsonl", as_user=f"{user}2").out == "4 new facts\n"
    assert ada("export", as_user=f"{user}2").out == exported.out
    assert ada("import", "-", typed=exported.out).out == "0 new facts\n"


def test_a_broken_import_is_an_error_that_names_the_line(ada: Run, tmp_path: Path, user: str) -> None:
    lines = ada("export").out.splitlines()
    broken = ada("import", "-", typed="\n".join([*lines[:2], "{", *lines[3:]]), as_user=f"{user}2")
    assert (broken.code, broken.out) == (2, "")
    assert broken.err.startswith("error: Line 3 ")
    assert ada("import", "-", typed=b"{}\n\xff\n").err.startswith("error: Line 2 of '-' is not UTF-8")
    assert ada("import", "-", typed="").err.startswith("error: The export is empty")
    assert ada("memories", "--all", as_user=f"{user}2").out == ""


# --- forget --------------------------------------------------------------------------------------------------


def test_forget_deletes_a_fact_a_category_or_everything(ada: Run) -> None:
    austin = next(row[0] for row in ada("memories").rows if row[4] == "Lives in Austin")
    assert ada("forget", austin, "--yes").out == "1 fact deleted\n"
    assert ada("forget", "--category", "constraint", "--yes").out == "1 fact deleted\n"
    assert [row[4] for row in ada("memories", "--all").rows] == ["Lives in Lima", "Name is Ada"]
    assert ada("forget", "--everything", "--yes").out == "2 facts deleted\n"
    assert ada("memories", "--all").out == ""
    assert ada("forget", "--everything", "--yes").code == 0
    shown = [(receipt["what"], receipt["counts"]["facts"]) for receipt in ada("receipts", "--json").json]
    assert shown == [("fact", 1), ("category", 1), ("everything", 2)]
    assert ada("receipts").out.count("\teverything\t") == 1


def test_forget_deletes_a_thread_and_the_facts_learned_in_it(offline: dict[str, str], run: Run, user: str) -> None:
    run(typed="I like tea.\n")
    ((thread, *_),) = run("threads").rows
    assert run("forget", "--thread", thread, "--yes", as_user=f"{user}2").out == "0 facts deleted\n"
    assert run("forget", "--thread", thread, "--yes").out == "1 fact deleted\n"
    assert run("threads").out == ""


def test_nothing_is_deleted_without_confirmation(ada: Run) -> None:
    refused = ada("forget", "--everything", typed="y\n")
    assert (refused.code, refused.out) == (2, "")
    assert "confirm it with --yes" in refused.err
    assert len(ada("memories", "--all").rows) == 4


# --- maintenance ---------------------------------------------------------------------------------------------


def test_doctor_reports_that_nothing_differs(ada: Run) -> None:
    shown = ada("doctor")
    assert (shown.code, shown.err.strip()) == (0, "the ledger and the search index agree")
    assert ["missing", "0"] in shown.rows
    assert ada("doctor", "--json").json["clean"] is True


def test_doctor_exits_with_1_if_something_differs_and_repair_fixes_it(ada: Run, user: str) -> None:
    async def go_stale() -> str:
        """Make the collection list a current fact as retired."""
        async with open_store() as store:
            fact = (await store.ledger.current(user, utc_now()))[0]
            retired = fact.model_copy(update={"retired_at": utc_now()})
            vectors = await store.embedder.embed_facts([fact])
            await store.index.put([owner_key(user)], [retired], vectors)
            return fact.id

    stale = asyncio.run(go_stale())
    shown = ada("doctor")
    assert (shown.code, ["stale", f"1 ({stale[:8]})"] in shown.rows) == (1, True)
    assert ada("doctor", "--json").json["stale"] == {"count": 1, "fact_ids": [stale]}
    mended = ada("doctor", "--repair")
    assert (mended.code, ["stale", "0"] in mended.rows) == (0, True)


def test_reindex_prints_where_the_index_is_and_its_embedder(ada: Run) -> None:
    done = ada("reindex")
    assert (done.code, done.out) == (0, "")
    assert "the index in chroma holds the vectors of local in 16 shards" in done.err


# --- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["memories", "--query", "x", "--all"], "leave out --all"),
        (["history"], "Name a fact by its id, or a slot"),
        (["history", "abcd", "--slot", "car"], "Name a fact by its id, or a slot"),
        (["history", "abc"], "The id 'abc' is too short: give at least 4"),
        (["history", "ffff"], "No fact has an id that begins with 'ffff'"),
        (["as-of", "yesterday"], "'yesterday' is not a time: write 2026-11-22"),
        (["as-of", "2026-02-30"], "'2026-02-30' is not a time"),
        (["as-of", "0001-01-01T00:00+05:00"], "is not a time"),
        (["observe"], "Say what was said"),
        (["observe", " "], "Say what was said"),
        (["reindex", "--to", "nowhere"], "Unknown index 'nowhere': one of chroma, pgvector"),
        (["observe", "I like tea.", "--file", "-"], "Say what was said"),
        (["observe", "I like tea.", "--at", "noon"], "'noon' is not a time"),
        (["observe", "--file", "nowhere.txt"], "The file 'nowhere.txt' cannot be read: No such file"),
        (["observe", "x" * 40_000], "The message has 40,000 characters"),
        (["import", "nowhere.jsonl"], "The file 'nowhere.jsonl' cannot be read"),
        (["export", "no/where.jsonl"], "The file 'no/where.jsonl' cannot be written"),
        (["export", "/dev/full"], "The file '/dev/full' cannot be written: No space left on device"),
        (["history", "f" * 10_000_000], "No fact has an id that begins with 'ffff"),
        (["export", "a\0b"], "contains a NUL"),
        (["forget", "--yes"], "Name one of"),
        (["forget", "abcd", "--everything", "--yes"], "Name one of"),
        (["forget", "--category", "food", "--yes"], "Unknown category 'food': one of identity, location"),
        (["forget", "ffff", "--yes"], "No fact has an id that begins with 'ffff'"),
        (["memories", "--limit", "x"], "No such option"),
        (["recollect"], "No such command"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error_and_exit_code_2(run: Run, arguments: list[str], problem: str) -> None:
    failed = run(*arguments)
    assert (failed.code, failed.out) == (2, "")
    assert problem in " ".join(failed.err.split())
    assert len(failed.err) < 1_000


def test_an_ambiguous_id_prefix_is_refused(ada: Run, run: Run, tmp_path: Path) -> None:
    lines = ada("export").out.splitlines()
    first, second = (json.loads(line)["fact"]["id"] for line in lines[2:4])
    alike = "\n".join(lines).replace(first, f"abcd{first[4:]}").replace(second, f"abcd{second[4:]}")
    ada("forget", "--everything", "--yes")
    ada("import", "-", typed=alike)
    refused = ada("forget", "abcd", "--yes")
    assert (refused.code, refused.out) == (2, "")
    assert "2 facts have an id that begins with 'abcd'" in refused.err
    assert len(ada("memories", "--all").rows) == 4


@pytest.mark.parametrize("user_id", ["", "x" * 1_001])
def test_an_invalid_user_id_is_refused_before_anything_is_started(environment: dict[str, str], user_id: str) -> None:
    result = CliRunner().invoke(app, ["memories", "--user", user_id])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "user id" in result.stderr


def test_an_option_before_the_command_is_refused_rather_than_ignored(environment: dict[str, str]) -> None:
    result = CliRunner().invoke(app, ["--user", "ada", "memories"])
    assert result.exit_code == 2
    assert "after the command: python -m agent memories --user" in result.stderr


@pytest.mark.parametrize("name", ["POSTGRES_URL", "EMBEDDER", "CHAT_MODEL"])
def test_a_wrong_setting_is_reported_before_anything_is_started(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "what?")
    failed = run("memories")
    assert (failed.code, failed.out) == (2, "")
    assert "what?" in failed.err or name in failed.err


# --- on a terminal -------------------------------------------------------------------------------------------


def test_terminal_output_has_no_control_characters_from_facts(
    ada: Run, offline: dict[str, str], tmp_path: Path, user: str
) -> None:
    lines = ada("export").out.replace("Is allergic to nuts", "Nuts [red]\\u001b[2J\\u009b2J[/red]")
    ada("forget", "--everything", "--yes")
    ada("import", "-", typed=lines)
    with terminal({**offline, "TERM": "xterm-256color"}, tmp_path, "memories", "--user", user) as screen:
        screen.wait_for("category")
        screen.wait_for("Nuts [red][2J2J[/red]")
        assert screen.program.wait(60) == 0
    with terminal(offline, tmp_path, "forget", "--everything", "--user", user) as screen:
        screen.wait_for("Delete everything for good? [y/N]")
        screen.type("n\r")
        screen.wait_for("nothing was deleted")
        assert screen.program.wait(60) == 1
    with terminal(offline, tmp_path, "forget", "--category", "constraint", "--user", user) as screen:
        screen.wait_for("Delete the category constraint for good? [y/N]")
        screen.type("y\r")
        screen.wait_for("1 fact deleted")
        assert screen.program.wait(60) == 0
    assert len(ada("memories", "--all").rows) == 3
