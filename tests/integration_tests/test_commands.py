"""The terminal program's commands: what they print, as lines and as JSON, their errors and their exit codes."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.__main__ import app
from agent.persistence import open_store
from memory.fact import owner_key, utc_now
from tests.openai_server import ScriptedOpenAI, Status
from tests.processes import chat
from tests.screen import terminal

Run = Callable[..., "Outcome"]


class Outcome:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1  # one document, on one line
        return json.loads(self.out)


@pytest.fixture
def offline(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The rule-based model in place of the scripted one."""
    for name, value in {"CHAT_MODEL": "offline", "LOG_LEVEL": "WARNING"}.items():
        monkeypatch.setenv(name, value)
        environment[name] = value
    return environment


@pytest.fixture
def run(environment: dict[str, str], user: str) -> Run:
    """Run a command as this test's user, in this process: what a process does, without its start."""

    def invoke(*arguments: str, typed: str | bytes | None = None, as_user: str = "") -> Outcome:
        for_everybody = arguments[0] in ("doctor", "reindex")
        who = () if for_everybody else ("--user", as_user or user)
        result = CliRunner().invoke(app, [*arguments, *who], input=typed)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return invoke


@pytest.fixture
def told(offline: dict[str, str], run: Run) -> Run:
    """The same, for a user who moved from Lima to Austin and is allergic to nuts."""
    run("observe", "I live in Lima. I'm allergic to nuts. My name is Ada.", "--at", "2020-03-01")
    run("observe", "I moved to Austin last month.", "--at", "2020-06-15T12:00+02:00")
    return run


# --- seeing --------------------------------------------------------------------------------------------------


def test_memories_lists_what_is_current_and_with_all_the_rest(told: Run) -> None:
    listed = told("memories")
    assert [row[1:] for row in listed.rows] == [
        ["2020-03-01", "constraint", "current", "Is allergic to nuts"],
        ["2020-03-01", "identity", "current", "Name is Ada"],
        ["2020-06-15", "location", "current", "Lives in Austin"],
    ]
    everything = told("memories", "--all")
    assert ["2020-03-01", "location", "superseded 2020-05-15", "Lives in Lima"] in [r[1:] for r in everything.rows]
    assert listed.code == everything.code == 0
    facts = told("memories", "--json").json
    assert [fact["text"] for fact in facts] == [row[4] for row in listed.rows]
    assert [fact["id"][:8] for fact in facts] == [row[0] for row in listed.rows]


def test_memories_finds_what_answers_a_question(told: Run) -> None:
    assert told("memories", "--query", "Which city do I live in?").rows[0][4] == "Lives in Austin"
    assert told("memories", "--query", "Which city do I live in?", "--json").json[0]["text"] == "Lives in Austin"


def test_history_is_told_by_id_and_by_slot_newest_first(told: Run) -> None:
    shown = told("history", "--slot", "user/home city")
    assert [(row[0], row[4], row[5]) for row in shown.rows] == [
        ("2", "current", "Lives in Austin"),
        ("1", "superseded 2020-05-15", "Lives in Lima"),
    ]
    assert told("history", "--slot", "Home_City").out == shown.out
    assert told("history", shown.rows[1][1][:4]).out == shown.out
    assert [v["version"] for v in told("history", shown.rows[0][1], "--json").json] == [2, 1]
    unknown = told("history", "--slot", "car")
    assert (unknown.code, unknown.out) == (0, "")


def test_as_of_tells_what_held_and_what_was_believed(told: Run) -> None:
    assert [(row[0], row[5]) for row in told("as-of", "2020-04-01").rows] == [
        ("held", "Lives in Lima"),
        ("held", "Is allergic to nuts"),
        ("held", "Name is Ada"),
    ]
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))
    shown = told("as-of", now, "--json").json
    assert shown["when"] == f"{now}+00:00"
    assert [fact["text"] for fact in shown["believed"]] == ["Is allergic to nuts", "Name is Ada", "Lives in Austin"]


def test_profile_and_context_tell_who_the_user_is(told: Run) -> None:
    shown = told("profile")
    assert ["name", "Ada"] in shown.rows
    assert ["constraints", "Is allergic to nuts"] in shown.rows
    assert told("profile", "--json").json["name"] == "Ada"
    block = told("context", "What may I eat?").out
    assert block.startswith("<memory>\n")
    assert "- Is allergic to nuts (said 2020-03-01)" in block
    nothing = told("context", "What may I eat?", "--tokens", "5")
    assert (nothing.out, nothing.code) == ("", 0)


def test_what_is_not_there_is_said_beside_the_output(run: Run) -> None:
    for arguments in (["memories"], ["threads"]):
        shown = run(*arguments)
        assert (shown.code, shown.out) == (0, "")
        assert "yet" in shown.err
        assert run(*arguments, "--json").json == []
    assert run("profile").out == ""


def test_threads_lists_whose_they_are(offline: dict[str, str], run: Run, tmp_path: Path, user: str) -> None:
    chat("I like tea.\x1b[2J\n", offline, tmp_path, "--user", user)
    ((identifier, used, title),) = run("threads").rows
    assert (used[:2], title) == ("20", "I like tea.[2J")
    assert [thread["id"] for thread in run("threads", "--json").json] == [identifier]
    assert run("threads", as_user=f"{user}2").out == ""


# --- teaching ------------------------------------------------------------------------------------------------


def test_observe_tells_what_memory_did(offline: dict[str, str], run: Run) -> None:
    assert run("observe", "I live in Lima.", "--at", "2020-01-01").out == "remembered: lives in Lima\n"
    moved = run("observe", "I moved to Austin.", "--at", "2021-01-01")
    assert moved.out == "remembered: lives in Austin; retired: lives in Lima\n"
    again = run("observe", "I live in Austin!", "--json").json
    assert [fact["text"] for fact in again["reinforced"]] == ["Lives in Austin"]
    nothing = run("observe", "Good morning.")
    assert (nothing.out, nothing.err.strip(), nothing.code) == ("", "nothing new to remember", 0)


def test_observe_takes_each_line_of_a_file_or_of_standard_input(
    offline: dict[str, str], run: Run, tmp_path: Path
) -> None:
    (tmp_path / "said.txt").write_text("I like tea.\n\nI like milk.\r\n")
    assert run("observe", "--file", "said.txt").out == "remembered: likes tea, likes milk\n"
    assert run("observe", "--file", "-", typed="I like jazz.").out == "remembered: likes jazz\n"


def test_observe_says_that_the_model_failed(run: Run, openai: ScriptedOpenAI) -> None:
    openai.extraction(*[Status(500)] * 3)
    failed = run("observe", "I like tea.")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith("error: ")
    assert "from the extraction model" in failed.err


# --- taking along --------------------------------------------------------------------------------------------


def test_an_export_goes_to_standard_output_or_a_file_and_comes_back(told: Run, tmp_path: Path, user: str) -> None:
    exported = told("export")
    assert json.loads(exported.out.splitlines()[0])["version"] == 1
    assert told("export", "mine.jsonl").out == ""
    assert (tmp_path / "mine.jsonl").read_text() == exported.out
    assert (tmp_path / "mine.jsonl").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.jsonl"]

    assert told("import", "mine.jsonl", as_user=f"{user}2").out == "4 new facts\n"
    assert told("export", as_user=f"{user}2").out == exported.out
    assert told("import", "-", typed=exported.out).out == "0 new facts\n"


def test_a_broken_import_is_an_error_that_names_the_line(told: Run, tmp_path: Path, user: str) -> None:
    lines = told("export").out.splitlines()
    broken = told("import", "-", typed="\n".join([*lines[:2], "{", *lines[3:]]), as_user=f"{user}2")
    assert (broken.code, broken.out) == (2, "")
    assert broken.err.startswith("error: Line 3 ")
    assert told("import", "-", typed=b"{}\n\xff\n").err.startswith("error: Line 2 of '-' is not UTF-8")
    assert told("import", "-", typed="").err.startswith("error: The export is empty")
    assert told("memories", "--all", as_user=f"{user}2").out == ""


# --- forgetting ----------------------------------------------------------------------------------------------


def test_forget_deletes_a_fact_a_category_or_everything(told: Run) -> None:
    austin = next(row[0] for row in told("memories").rows if row[4] == "Lives in Austin")
    assert told("forget", austin, "--yes").out == "1 fact deleted\n"
    assert told("forget", "--category", "constraint", "--yes").out == "1 fact deleted\n"
    assert [row[4] for row in told("memories", "--all").rows] == ["Lives in Lima", "Name is Ada"]
    assert told("forget", "--everything", "--yes").out == "2 facts deleted\n"
    assert told("memories", "--all").out == ""
    assert told("forget", "--everything", "--yes").code == 0


def test_forget_deletes_a_thread_with_what_was_said_in_it(
    offline: dict[str, str], run: Run, tmp_path: Path, user: str
) -> None:
    chat("I like tea.\n", offline, tmp_path, "--user", user)
    ((thread, *_),) = run("threads").rows
    assert run("forget", "--thread", thread, "--yes", as_user=f"{user}2").out == "0 facts deleted\n"
    assert run("forget", "--thread", thread, "--yes").out == "1 fact deleted\n"
    assert run("threads").out == ""


def test_nothing_is_deleted_unasked(told: Run) -> None:
    refused = told("forget", "--everything", typed="y\n")
    assert (refused.code, refused.out) == (2, "")
    assert "say --yes" in refused.err
    assert len(told("memories", "--all").rows) == 4


# --- upkeep --------------------------------------------------------------------------------------------------


def test_doctor_finds_nothing_and_says_so(told: Run) -> None:
    shown = told("doctor")
    assert (shown.code, shown.err.strip()) == (0, "all is well")
    assert ["missing", "0"] in shown.rows
    assert told("doctor", "--json").json["clean"] is True


def test_doctor_ends_with_1_while_something_differs_and_repair_mends_it(told: Run, user: str) -> None:
    async def go_stale() -> str:
        """Let the collection take a current fact for a retired one."""
        async with open_store() as store:
            fact = (await store.ledger.current(user, utc_now()))[0]
            retired = fact.model_copy(update={"retired_at": utc_now()})
            vectors = await store.embedder.embed([fact.searchable])
            await store.index.put([owner_key(user)], [retired], vectors)
            return fact.id

    stale = asyncio.run(go_stale())
    shown = told("doctor")
    assert (shown.code, ["stale", f"1 ({stale[:8]})"] in shown.rows) == (1, True)
    assert told("doctor", "--json").json["stale"] == {"count": 1, "fact_ids": [stale]}
    mended = told("doctor", "--repair")
    assert (mended.code, ["stale", "0"] in mended.rows) == (0, True)


def test_reindex_says_whose_vectors_the_collection_holds(told: Run) -> None:
    done = told("reindex")
    assert (done.code, done.out) == (0, "")
    assert "the collection holds the vectors of local" in done.err


# --- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["memories", "--query", "x", "--all"], "leave out --all"),
        (["history"], "Name a fact by its id, or a slot"),
        (["history", "abcd", "--slot", "car"], "Name a fact by its id, or a slot"),
        (["history", "abc"], "The id 'abc' is too short: give at least 4"),
        (["history", "ffff"], "No fact has an id that begins with 'ffff'"),
        (["as-of", "yesterday"], "'yesterday' is no moment: write 2026-11-22"),
        (["as-of", "2026-02-30"], "'2026-02-30' is no moment"),
        (["as-of", "0001-01-01T00:00+05:00"], "is no moment"),
        (["observe"], "Say what was said"),
        (["observe", " "], "Say what was said"),
        (["observe", "I like tea.", "--file", "-"], "Say what was said"),
        (["observe", "I like tea.", "--at", "noon"], "'noon' is no moment"),
        (["observe", "--file", "nowhere.txt"], "The file 'nowhere.txt' cannot be read: No such file"),
        (["observe", "x" * 40_000], "The message has 40,000 characters"),
        (["import", "nowhere.jsonl"], "The file 'nowhere.jsonl' cannot be read"),
        (["export", "no/where.jsonl"], "The file 'no/where.jsonl' cannot be written"),
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


def test_an_id_that_several_facts_begin_with_is_refused(told: Run, run: Run, tmp_path: Path) -> None:
    lines = told("export").out.splitlines()
    first, second = (json.loads(line)["fact"]["id"] for line in lines[2:4])
    alike = "\n".join(lines).replace(first, f"abcd{first[4:]}").replace(second, f"abcd{second[4:]}")
    told("forget", "--everything", "--yes")
    told("import", "-", typed=alike)
    refused = told("forget", "abcd", "--yes")
    assert (refused.code, refused.out) == (2, "")
    assert "2 facts have an id that begins with 'abcd'" in refused.err
    assert len(told("memories", "--all").rows) == 4


@pytest.mark.parametrize("user_id", ["", "x" * 1_001])
def test_a_user_id_that_cannot_be_one_is_refused_before_anything_is_started(
    environment: dict[str, str], user_id: str
) -> None:
    result = CliRunner().invoke(app, ["memories", "--user", user_id])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "user id" in result.stderr


def test_an_option_before_the_command_is_refused_rather_than_ignored(environment: dict[str, str]) -> None:
    result = CliRunner().invoke(app, ["--user", "ada", "memories"])
    assert result.exit_code == 2
    assert "behind the command: python -m agent memories --user" in result.stderr


@pytest.mark.parametrize("name", ["POSTGRES_URL", "EMBEDDER", "CHAT_MODEL"])
def test_a_wrong_setting_is_named_before_anything_is_started(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "what?")
    failed = run("memories")
    assert (failed.code, failed.out) == (2, "")
    assert "what?" in failed.err or name in failed.err


# --- to a person ---------------------------------------------------------------------------------------------


def test_a_person_is_asked_sees_a_table_and_hostile_text_without_its_commands(
    told: Run, offline: dict[str, str], tmp_path: Path, user: str
) -> None:
    lines = told("export").out.replace("Is allergic to nuts", "Nuts [red]\\u001b[2J\\u009b2J[/red]")
    told("forget", "--everything", "--yes")
    told("import", "-", typed=lines)
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
    assert len(told("memories", "--all").rows) == 3
