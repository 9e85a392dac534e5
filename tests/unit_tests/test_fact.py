"""A fact: its id, its slot, its dates, and valid user ids."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from memory.errors import BadInput
from memory.facts.fact import Source, check_user_id, fact_id, owner_key
from memory.facts.slots import attribute_name, subject_name
from memory.language.text import normalize
from tests.facts import make_fact


def test_the_same_words_in_the_same_message_are_the_same_fact() -> None:
    source = Source(thread_id="t", message_id="m")
    assert fact_id("ada", source, "Lives in Austin.") == fact_id("ada", source, "lives  in austin")


@pytest.mark.parametrize(
    ("user", "thread", "message", "text"),
    [
        ("bob", "t", "m", "x"),
        ("ada", "u", "m", "x"),
        ("ada", "t", "n", "x"),
        ("ada", "t", "m", "y"),
        ("adat", "", "m", "x"),  # the parts are not simply concatenated
    ],
)
def test_another_user_thread_message_or_text_gives_another_id(user: str, thread: str, message: str, text: str) -> None:
    assert fact_id(user, Source(thread_id=thread, message_id=message), text) != fact_id(
        "ada", Source(thread_id="t", message_id="m"), "x"
    )


@pytest.mark.parametrize(
    ("written", "name"),
    [
        *((written, "home city") for written in ("home city", "Home_City", " home-city ", "HOME  CITY", "Residence")),
        ("city", "home city"), ("location", "home city"), ("place_of_residence", "home city"), ("hometown", "origin"),
        ("Favourite Colour", "favorite color"), ("favorite colour", "favorite color"), ("company", "employer"),
        ("current city", "home city"), ("the user's current job", "occupation"), ("homeCity", "home city"),
        ("My fav colour", "favorite color"), ("current", "current"), ("my", "my"),
        ("office location", "office location"), ("company car", "company car"), ("x" * 200, "x" * 200),
    ],
)  # fmt: skip
def test_spellings_and_synonyms_of_an_attribute_are_one_name(written: str, name: str) -> None:
    assert attribute_name(written) == name


@pytest.mark.parametrize("written", ["home city", "Home_City", "residence"])
def test_a_fact_takes_the_one_name_of_its_slot(written: str) -> None:
    assert make_fact("Lives in Austin", written, subject="The User").slot == ("user", "home city")


@pytest.mark.parametrize(
    "written", ["user", "The user", "me", "I", "Myself", "user's", "ich", "Benutzer", "я", "我", "用户"]
)
def test_what_models_call_the_user_is_one_subject(written: str) -> None:
    assert (subject_name(written), subject_name("Anna "), subject_name("user interface")) == (
        "user", "anna", "user interface",
    )  # fmt: skip


def test_texts_are_compared_without_case_spacing_and_closing_punctuation() -> None:
    assert normalize("  Lives in\nAUSTIN!! ") == normalize("lives in austin")
    assert normalize("Ⅸ") == normalize("IX")


def test_a_time_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        make_fact("x", observed_at=datetime(2026, 11, 22))  # noqa: DTZ001 - a naive time is tested


@pytest.mark.parametrize("user_id", ["ada", "a.b", "50%_'\"", "🦊" * 1_000, " x", "A" * 1_000])
def test_any_storable_string_is_a_user_id(user_id: str) -> None:
    assert check_user_id(user_id) == user_id


@pytest.mark.parametrize(
    ("user_id", "problem"),
    [("", "empty"), ("  ", "empty"), ("a\x00b", "NUL"), ("\ud800", "NUL"), ("x" * 1_001, "1,001")],
)
def test_a_user_id_that_cannot_be_stored_is_refused_with_the_reason(user_id: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        check_user_id(user_id)


def test_an_owner_key_does_not_reveal_the_user_id() -> None:
    assert len(owner_key("ada")) == 32
    assert "ada" not in owner_key("ada")
    assert owner_key("ada") != owner_key("Ada")


@pytest.mark.parametrize("zone", ["-12:00", "+00:00", "+14:00"])
@pytest.mark.parametrize("last", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_a_time_out_of_range_in_some_time_zone_is_refused(last: str, zone: str) -> None:
    for moment in (last + zone, datetime.fromisoformat(last + zone)):
        with pytest.raises(ValidationError, match="is before 0001-01-02 or after 9999-12-31"):
            make_fact("Likes tea", valid_until=moment)


def test_the_last_supported_date_is_accepted() -> None:
    assert make_fact("Likes tea", valid_until="9999-12-31T00:00:00Z").valid_until == datetime(9999, 12, 31, tzinfo=UTC)
