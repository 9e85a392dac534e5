"""A memory as JSON lines: exact round trips, errors for broken lines, and merges of two memories."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.errors import BadInput
from memory.facts.fact import Fact, Repeat, Source
from memory.facts.portable import FORMAT, dump, json_line, load, merge
from tests.facts import NOON, make_fact

LATER = NOON + timedelta(days=1)
SF = make_fact("Lives in San Francisco", "home city", message_id="m0")
AUSTIN = make_fact("Lives in Austin", "home city", observed_at=LATER)
TEA = make_fact("Likes tea", "likes")
OVERTAKEN = SF.model_copy(
    update={"retired_at": LATER, "retired_reason": "superseded", "successor": AUSTIN.id, "ended_at": LATER}
)
REPEATS = {TEA.id: [Repeat(thread_id="t2", message_id="m9", observed_at=LATER)]}
EXTRACTED = [Source(thread_id="t1", message_id="m1")]
LINES = list(dump([OVERTAKEN, AUSTIN, TEA], REPEATS, EXTRACTED))

storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)


def test_a_dump_is_loaded_again() -> None:
    tea = TEA.model_copy(update={"said_again_at": max(repeat.observed_at for repeat in REPEATS[TEA.id])})
    assert load(LINES) == ([OVERTAKEN, AUSTIN, tea], {OVERTAKEN.id: [], AUSTIN.id: [], **REPEATS}, EXTRACTED, [])
    assert load(f"{line}\r\n" for line in LINES) == load(LINES)


@settings(max_examples=200)
@given(text=storable, attribute=storable, key=storable)
def test_any_text_survives_a_dump_and_breaks_no_line(text: str, attribute: str, key: str) -> None:
    try:
        fact = make_fact(text, attribute, key=key)
    except ValueError:  # an attribute must contain a letter or digit
        return
    lines = list(dump([fact], {}, []))
    assert load(lines)[0] == [fact]
    assert "\n".join(lines).splitlines() == lines
    assert all(line.isprintable() for line in lines)


def test_a_line_has_no_terminal_control_characters() -> None:
    line = json_line({"text": "\x1b[2J\x9b31m\u202e\u2028 é 日本 \U000e0001"})
    assert line == r'{"text": "\u001b[2J\u009b31m\u202e\u2028 é 日本 \udb40\udc01"}'
    assert json.loads(line)["text"] == "\x1b[2J\x9b31m\u202e\u2028 é 日本 \U000e0001"


def broken(line: str, old: str = "", new: str = "") -> list[str]:
    """The lines with the third one replaced, or something replaced in it."""
    return [*LINES[:2], LINES[2].replace(old, new) if old else line, *LINES[3:]]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "is empty"),
        (LINES[1:], "Line 1 is no line of an exported memory: it is not"),
        (['{"format": "remembering-agent memory", "version": 2}'], "Line 1 "),
        (broken(""), "Line 3 .*not JSON"),
        (broken("{"), "Line 3 .*not JSON"),
        (broken("[" * 100_000), "Line 3 "),
        (broken("[]"), "Line 3 "),
        (broken("7"), "Line 3 "),
        (broken('"fact"'), "Line 3 "),
        (broken('{"fact": {}, "said_again": []}'), "Line 3 .*text: is missing"),
        (broken(json_line({"fact": json.loads(LINES[2])["fact"]})), "Line 3 .*KeyError"),
        (broken("", '"text": "Lives in Austin"', '"text": ""'), "Line 3 .*text"),
        (broken("", "Lives in Austin", "Lives\\u0000"), "Line 3 .*fact.text.*NUL"),
        (broken("", '"home city"', '"home\\ud800city"'), "Line 3 .*fact.attribute.*surrogate"),
        (broken("", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00"), "Line 3 .*timezone"),
        (broken("", "2026-11-23T12:00:00Z", "0001-01-01T00:00:00+05:00"), "Line 3 "),
        (broken("", '"importance": 0.5', '"importance": NaN'), "Line 3 .*importance"),
        (broken("", f'"id": "{AUSTIN.id}"', '"id": "austin"'), "Line 3 .*fact.id"),
        (broken("", f'"key": "{AUSTIN.id}"', f'"key": "{"k" * 256}"'), "Line 3 .*fact.key"),
        (broken("", f'"key": "{AUSTIN.id}"', f'"key": "{TEA.key}"'), "Line 4 .*line 3 has the same key"),
        (broken("", '"retired_reason": null', '"retired_reason": "expired"'), "Line 3 .*retired_at"),
        ([*LINES, LINES[2]], "Line 6 .*line 3 has the same id"),
        ([*LINES, list(dump([make_fact("Lives in Rome", "home city")], {}, []))[1]], "Line 6 .*line 3 .*same slot"),
        ([*LINES[:2], *LINES[3:]], "Line 2 names a successor that is on no line"),
        ([*LINES, '{"extracted": {"thread_id": "t1", "message_id": null}}'], "Line 6 .*names no message"),
    ],
)  # fmt: skip
def test_a_broken_line_is_reported_by_number_and_never_quoted(lines: list[str], problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as caught:
        load(lines)
    assert "Austin" not in str(caught.value)


def current(facts: tuple[Fact, ...]) -> list[str]:
    return [fact.text for fact in facts if fact.retired_reason is None]


def test_an_import_into_an_empty_memory_changes_nothing() -> None:
    changes = merge([OVERTAKEN, AUSTIN, TEA], [], {})
    assert (changes.added, changes.retired) == ((OVERTAKEN, AUSTIN, TEA), ())


def test_known_facts_are_not_imported_again() -> None:
    assert not merge([OVERTAKEN, AUSTIN, TEA], [TEA, AUSTIN, OVERTAKEN], {})


def test_the_later_of_two_values_stays_current() -> None:
    newer = merge([AUSTIN], [SF], {})
    assert current(newer.added) == ["Lives in Austin"]
    assert [(f.id, f.retired_reason, f.successor) for f in newer.retired] == [(SF.id, "superseded", AUSTIN.id)]
    older = merge([SF], [AUSTIN], {})
    assert [(f.id, f.retired_reason, f.successor) for f in older.added] == [(SF.id, "superseded", AUSTIN.id)]
    assert older.retired == ()


def test_of_two_values_said_at_the_same_time_the_known_one_stays() -> None:
    rome = make_fact("Lives in Rome", "home city", message_id="m0")
    assert [f.successor for f in merge([SF], [rome], {}).added] == [rome.id]
    assert [f.successor for f in merge([rome], [SF], {}).added] == [SF.id]


def test_a_repeat_makes_a_fact_more_recent() -> None:
    said_again = SF.model_copy(update={"said_again_at": LATER + timedelta(days=1)})
    assert current(merge([AUSTIN], [said_again], {}).added) == []


def test_one_of_two_facts_with_the_same_words_or_key_becomes_history() -> None:
    theirs = make_fact("likes tea.", "likes", message_id="m7", observed_at=LATER)
    changes = merge([theirs], [TEA], {})
    assert (current(changes.added), [fact.id for fact in changes.retired]) == (["likes tea."], [TEA.id])
    assert [fact.retired_reason for fact in changes.retired] == ["refined"]  # not superseded, because it still holds
    assert [f.retired_reason for f in merge([TEA], [theirs], {}).added] == ["refined"]
    visit = TEA.model_copy(update={"valid_until": LATER})
    assert [fact.retired_reason for fact in merge([theirs], [visit], {}).retired] == ["superseded"]
    red, blue = make_fact("Car is red", key="car"), make_fact("Car is blue", key="car", observed_at=LATER)
    assert [f.successor for f in merge([red], [blue], {}).added] == [blue.id]


def test_an_import_keeps_plans_and_many_valued_slots() -> None:
    jazz = make_fact("Likes jazz", "likes", observed_at=LATER)
    plan = make_fact("Lives in Berlin", "home city", observed_at=LATER, valid_from=LATER + timedelta(days=30))
    changes = merge([jazz, plan], [TEA, SF], {})
    assert (current(changes.added), changes.retired) == (["Likes jazz", "Lives in Berlin"], ())


def test_an_import_retires_facts_and_does_not_revive_retired_ones() -> None:
    changes = merge([OVERTAKEN, AUSTIN], [SF], {})
    assert [(f.id, f.retired_reason, f.successor, f.ended_at) for f in changes.retired] == [
        (SF.id, "superseded", AUSTIN.id, LATER)
    ]
    assert not merge([SF], [OVERTAKEN], {})


def test_a_merge_leaves_one_current_fact_per_slot_and_key() -> None:
    imported = [OVERTAKEN, AUSTIN, TEA, make_fact("Name is Ada", "name")]
    here = [
        make_fact("Lives in Rome", "home city", message_id="x"),
        make_fact("Likes tea", "likes", message_id="x"),
        make_fact("Name is Eve", "name", message_id="x", observed_at=LATER),
    ]
    changes = merge(imported, here, {})
    gone = {fact.id for fact in changes.retired}
    together = [f for f in (*here, *changes.added) if f.retired_reason is None and f.id not in gone]
    assert sorted(f.text for f in together) == ["Likes tea", "Lives in Austin", "Name is Eve"]
    assert len(changes.added) == len(imported)


def test_the_first_line_names_the_format() -> None:
    assert json.loads(LINES[0]) == FORMAT
