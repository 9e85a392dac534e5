"""The commands that show facts and why they are recalled."""

import re
import time
from pathlib import Path

import pytest

from tests.commands import Run
from tests.screen import terminal


def test_memories_lists_current_facts_and_with_all_every_fact(ada: Run) -> None:
    listed = ada("memories")
    assert [row[1:] for row in listed.rows] == [
        ["2020-03-01", "constraint", "current", "Is allergic to nuts"],
        ["2020-03-01", "identity", "current", "Name is Ada"],
        ["2020-06-15", "location", "current", "Lives in Austin"],
    ]
    everything = ada("memories", "--all")
    assert ["2020-03-01", "location", "until 2020-06-15", "Lives in Lima"] in [r[1:] for r in everything.rows]
    assert listed.code == everything.code == 0
    facts = ada("memories", "--json").json
    assert [fact["text"] for fact in facts] == [row[4] for row in listed.rows]
    assert [fact["id"][:8] for fact in facts] == [row[0] for row in listed.rows]


def test_memories_finds_facts_that_answer_a_question(ada: Run) -> None:
    assert ada("memories", "--query", "Which city do I live in?").rows[0][4] == "Lives in Austin"
    assert ada("memories", "--query", "Which city do I live in?", "--json").json[0]["text"] == "Lives in Austin"


def test_history_is_shown_by_id_and_by_slot_newest_first(ada: Run) -> None:
    shown = ada("history", "--slot", "user/home city")
    assert [(row[0], row[4], row[5]) for row in shown.rows] == [
        ("2", "current", "Lives in Austin"),
        ("1", "until 2020-06-15", "Lives in Lima"),
    ]
    assert ada("history", "--slot", "Home_City").out == shown.out
    assert ada("history", shown.rows[1][1][:4]).out == shown.out
    assert [v["version"] for v in ada("history", shown.rows[0][1], "--json").json] == [2, 1]
    unknown = ada("history", "--slot", "car")
    assert (unknown.code, unknown.out) == (0, "")


def test_as_of_shows_the_facts_that_held_and_those_believed(ada: Run) -> None:
    assert [(row[0], row[5]) for row in ada("as-of", "2020-04-01").rows] == [
        ("held", "Lives in Lima"),
        ("held", "Is allergic to nuts"),
        ("held", "Name is Ada"),
    ]
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))
    shown = ada("as-of", now, "--json").json
    assert shown["when"] == f"{now}+00:00"
    assert [fact["text"] for fact in shown["believed"]] == ["Is allergic to nuts", "Name is Ada", "Lives in Austin"]


def test_profile_and_context_show_who_the_user_is(ada: Run) -> None:
    shown = ada("profile")
    assert ["name", "Ada"] in shown.rows
    assert ["constraints", "Is allergic to nuts"] in shown.rows
    assert ada("profile", "--json").json["name"] == "Ada"
    block = ada("context", "What may I eat?").out
    assert block.startswith("<memory>\n")
    assert "- Is allergic to nuts (said 2020-03-01)" in block
    nothing = ada("context", "What may I eat?", "--tokens", "5")
    assert (nothing.out, nothing.code) == ("", 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["memories"], "no facts yet"),
        (["memories", "--all"], "no facts yet"),
        (["memories", "--query", "Where?"], "no fact answers this"),
        (["memories", "--why", "Where?"], "no fact answers this"),
        (["history", "--slot", "user/car"], "no fact about 'user/car', current or past"),
        (["as-of", "2020-04-01"], "no fact held on 2020-04-01 00:00, and none was known then"),
        (["profile"], "nothing is known about the user yet"),
        (["context", "Where?"], "no fact is recalled for this, or none fits the budget"),
        (["tasks"], "no task is open"),
        (["tasks", "--all"], "no tasks yet"),
        (["threads"], "no threads yet"),
    ],
)
def test_an_empty_result_is_reported_on_standard_error(run: Run, arguments: list[str], words: str) -> None:
    shown = run(*arguments)
    assert (shown.code, shown.out, shown.err.strip()) == (0, "", words)
    if arguments[0] in ("memories", "history", "tasks", "threads"):
        assert run(*arguments, "--json").json == []


def test_threads_lists_only_the_users_own_threads(offline: dict[str, str], run: Run, user: str) -> None:
    run(typed="I like tea.\x1b[2J\n")
    ((identifier, used, title),) = run("threads").rows
    assert (used[:2], title) == ("20", "I like tea.[2J")
    assert [thread["id"] for thread in run("threads", "--json").json] == [identifier]
    assert run("threads", as_user=f"{user}2").out == ""


# --- why -----------------------------------------------------------------------------------------------------


def test_why_shows_what_a_prompt_contains_and_each_signals_part(ada: Run) -> None:
    asked = "Where did I live before?"
    always, _, now, past = ada("memories", "--why", asked).rows
    assert always == ["profile", "", "Is allergic to nuts", "constraint, always included"]
    assert (now[0], now[2]) == ("now", "Lives in Austin")
    assert (past[0], past[2]) == ("past", "Lives in Lima")
    assert re.fullmatch(
        r"similarity \d\.\d+, cosine \d\.\d+; words \d\.\d+, shares live; thread .*; person 0\.000, names no person; "
        r"recency .*, last said \d+ days ago; importance 0\.\d+, of importance 0\.\d",
        now[3],
    )
    block = ada("context", asked).out
    assert all(f"- {row[2]} (" in block for row in ada("memories", "--why", asked).rows)


def test_why_prints_json_with_numbers_that_add_up(ada: Run) -> None:
    always, _, *found = ada("memories", "--why", "Where did I live before?", "--json").json
    assert (always["recalled"], always["fact"]["text"], always["score"]) == ("profile", "Is allergic to nuts", None)
    assert [(one["recalled"], one["fact"]["text"]) for one in found] == [
        ("now", "Lives in Austin"),
        ("past", "Lives in Lima"),
    ]
    for one in found:
        assert sum(signal["contribution"] for signal in one["why"]) == pytest.approx(one["score"])
        assert all(signal["value"] * signal["weight"] == pytest.approx(signal["contribution"]) for signal in one["why"])


def test_why_shows_only_facts_that_are_recalled(ada: Run) -> None:
    asked = "Are there nuts in it?"
    assert "Lives in Austin" in ada("memories", "--query", asked).out  # listed after the allergy, which answers
    shown = ada("memories", "--why", asked)
    assert [row[0] for row in shown.rows] == ["profile", "profile"]
    assert "Lives in Austin" not in ada("context", asked).out
    assert (shown.code, "no fact answers this, apart from the profile" in shown.err) == (0, True)
    nothing = ada("memories", "--why", "Who won the world cup?", as_user="nobody")
    assert (nothing.code, nothing.out, "no fact answers this" in nothing.err) == (0, "", True)


def test_tables_can_be_read_on_a_narrow_screen(ada: Run, offline: dict[str, str], tmp_path: Path, user: str) -> None:
    with terminal(offline, tmp_path, "memories", "--why", "Where do I live?", "--user", user, columns=80) as screen:
        screen.wait_for("recalled")
        screen.wait_for("Lives in Austin")
        screen.wait_for("importance")
        assert screen.program.wait(60) == 0
    with terminal(offline, tmp_path, "memories", "--all", "--user", user, columns=45) as screen:
        screen.wait_for("2020-06-15  location  current\r\n  Lives in Austin\r\n")
        assert screen.program.wait(60) == 0
