"""The context of a run: wrong keys and values are refused by name."""

import pytest
from pydantic import ValidationError

from agent.context import LANGGRAPH_KEYS, Context, read_context, zone
from memory.errors import BadInput


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"userId": "ana"}, "'userId' is unknown: did you mean user_id?"),
        ({"USER_ID": "ana"}, "'USER_ID' is unknown: did you mean user_id?"),
        ({"time_zone": "Europe/Oslo"}, "'time_zone' is unknown: did you mean timezone?"),
        (
            {"colour": "red"},
            "'colour' is unknown: known keys are user_id, model, system_prompt, memory_tokens, timezone.",
        ),
        ({"user_id": 5}, "user_id: must be a string such as 'ana', not 5."),
        ({"user_id": None}, "user_id: must be a string such as 'ana', not None."),
        ({"memory_tokens": -1}, "memory_tokens: must be at least 0."),
        ({"timezone": "CEST"}, "timezone: 'CEST' is not a time zone: write an IANA name such as \"Europe/Oslo\"."),
        (["ana"], "must be a valid dictionary or instance of Context."),
    ],
)
def test_a_wrong_context_is_refused_with_its_key_and_the_fix(given: object, problem: str) -> None:
    with pytest.raises(BadInput) as error:
        read_context(given)
    assert str(error.value) == f"The run's context: {problem}"


def test_code_that_makes_a_context_with_a_wrong_key_learns_the_right_one() -> None:
    with pytest.raises(ValidationError, match="'userId' is unknown: did you mean user_id"):
        Context.model_validate({"userId": "ana"})


def test_the_keys_that_langgraph_adds_are_left_out() -> None:
    assert read_context({"user_id": "ana"} | dict.fromkeys(LANGGRAPH_KEYS, "1")) == Context(user_id="ana")
    assert read_context(None) == Context()


@pytest.mark.parametrize("name", ["Nowhere", "europe/", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 10_000])
def test_a_name_that_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="not a time zone"):
        zone(name)
    with pytest.raises(BadInput, match="timezone"):
        read_context({"timezone": name})


def test_a_time_zone_is_found_without_those_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo._tzpath.TZPATH", ())
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    zone.cache_clear()
    assert zone("America/Argentina/Ushuaia").key == read_context({"timezone": "America/Argentina/Ushuaia"}).timezone
