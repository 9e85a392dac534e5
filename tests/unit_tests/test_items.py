"""Facts as items of a LangGraph store: namespaces, values, filters."""

import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import BadInput
from memory.facts.fact import Source, is_storable
from memory.items.item import fact_from_value, fact_value, facts_namespace, matches, namespace_user
from tests.facts import make_fact

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ALLERGY = make_fact(
    "Is allergic to nuts", "allergy", category="constraint", importance=0.9, quote="Nuts? Never.", tense="now",
    valid_from=datetime(2020, 1, 1, tzinfo=UTC), valid_until=NOW + timedelta(days=9), subject="mia",
)  # fmt: skip


@pytest.mark.parametrize(
    ("user", "label"),
    [("ana", "ana"), ("ü@x.com", "ü@x%2Ecom"), ("50%", "50%25"), ("*", "%2A"), ("a b\n", "a b%0A"), ("a\x85", "a%85")],
)
def test_a_label_encodes_only_what_it_must(user: str, label: str) -> None:
    assert facts_namespace(user) == ("facts", label)
    assert namespace_user(("facts", label)) == user


@given(st.text(min_size=1, max_size=50).filter(lambda user: user.strip() and is_storable(user)))
def test_each_user_has_one_label_which_langgraph_accepts(user: str) -> None:
    (_, label) = space = facts_namespace(user)
    assert namespace_user(space) == user
    assert not {*label} & {".", "*", "\x00"}


@given(st.text("%0123456789ABCDEFabcdef.ü", min_size=1, max_size=9))
def test_a_label_names_its_user_or_is_refused(label: str) -> None:
    try:
        user = namespace_user(("facts", label))
    except BadInput:
        return
    assert user is not None
    assert facts_namespace(user) == ("facts", label)


@pytest.mark.parametrize("namespace", [(), ("facts",), ("facts", "ana", "x"), ("notes", "ana")])
def test_other_namespaces_are_nobodys(namespace: tuple[str, ...]) -> None:
    assert namespace_user(namespace) is None


@pytest.mark.parametrize("field", ["text", "content"])
def test_a_put_of_a_text_keeps_everything_else_but_the_quote(field: str) -> None:
    fact = fact_from_value("k", {field: "Is allergic to eggs"}, NOW, before=ALLERGY)
    changed = ("text", "quote", "source", "observed_at")
    before, after = [{name: v for name, v in fact_value(f).items() if name not in changed} for f in (ALLERGY, fact)]
    assert after == before
    assert (fact.quote, fact.source, fact.observed_at) == ("", Source(), NOW)


def test_a_put_of_the_same_text_keeps_the_quote_and_when_it_was_said() -> None:
    fact = fact_from_value("k", {"text": ALLERGY.text, "importance": 0.4}, NOW, before=ALLERGY)
    assert fact_value(fact) == fact_value(ALLERGY) | {"importance": 0.4}


def test_what_was_shown_can_be_put_back() -> None:
    assert fact_value(fact_from_value("k", fact_value(ALLERGY), NOW)) == fact_value(ALLERGY)


def test_null_stands_for_the_default() -> None:
    given = dict.fromkeys(("category", "importance", "attribute", "valid_from", "valid_until", "subject"))
    fact = fact_from_value("k", {"text": "Likes tea"} | given, NOW, before=ALLERGY)
    assert fact_value(fact) == fact_value(fact_from_value("k", {"text": "Likes tea"}, NOW))


def test_the_dates_of_a_fact_that_is_over_are_not_kept() -> None:
    fact = fact_from_value("k", {"text": "Likes tea"}, NOW + timedelta(days=10), before=ALLERGY)
    assert (fact.valid_from, fact.valid_until, fact.category) == (None, None, "constraint")


def test_a_fact_of_another_attribute_is_exclusive_if_that_is() -> None:
    home = make_fact("Lives in Lima", "home city")
    assert fact_from_value("k", {"text": "Lives in Rome"}, NOW, before=home).exclusive
    assert not fact_from_value("k", {"text": "Likes Rome", "attribute": "likes"}, NOW, before=home).exclusive


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"a": 1}, True),
        ({"a": {"$eq": 1}}, True),
        ({"a": {"$ne": 1}}, False),
        ({"a": {"$gt": 0, "$lte": 1}}, True),
        ({"a": {"$lt": 1}}, False),
        ({"a": {"$gte": 2}}, False),
        ({"b": {"c": "x"}}, True),
        ({"b": {"c": {"$gt": "w"}}}, True),
        ({"b": {"$gt": 1}}, False),
        ({"missing": None}, True),
        ({"missing": 1}, False),
    ],
)
def test_filters_compare_as_langgraphs_stores_do(wanted: dict[str, Any], expected: bool) -> None:
    assert matches({"a": 1, "b": {"c": "x"}}, wanted) is expected


def test_an_unknown_filter_operator_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"\$regex.*\$eq"):
        matches({"a": 1}, {"a": {"$regex": "x"}})


def test_a_value_that_cannot_be_kept_is_not_quoted() -> None:
    for value in ({"text": "sesame " * 1_000}, {"text": "Likes tea", "tense": "sesame"}, {"text": ["sesame"]}):
        with pytest.raises(BadInput) as raised:
            fact_from_value("key", value, NOW)
        assert "sesame" not in "".join(traceback.format_exception(raised.value))
