"""The labelled pairs of tests/evals can be read, and are what their docstrings say."""

from memory.facts.fact import Fact, parse_date
from tests.evals.replacement_pairs import KNOWN_AT, SAID_AT, load_replacement_pairs
from tests.evals.support_pairs import load_support_pairs

REPLACEMENTS = [
    pair
    for name in (
        "replacement_pairs",
        "replacement_pairs_later",
        "replacement_pairs_unseen",
        "replacement_pairs_blind",
        "replacement_pairs_fresh",
        "replacement_pairs_natural",
        "replacement_pairs_untouched",
    )
    for pair in load_replacement_pairs(name)
]


def test_every_quote_of_a_pair_is_verbatim() -> None:
    support = [(pair.quote, pair.message) for pair in load_support_pairs()]
    replacements = [(pair.quote, pair.message) for pair in REPLACEMENTS]
    assert [quote for quote, message in support + replacements if quote not in message] == []


def test_no_pair_is_there_twice() -> None:
    support = [(pair.message, pair.text) for pair in load_support_pairs()]
    replacements = [(pair.known, pair.message, pair.new) for pair in REPLACEMENTS]
    assert len({*support}) == len(support)
    assert len({*replacements}) == len(replacements)


def test_both_halves_have_each_label_and_kind() -> None:
    halves: dict[tuple[str | bool, str], set[str]] = {}
    for pair in load_support_pairs():
        halves.setdefault((pair.supported, pair.kind), set()).add(pair.split)
    for change in REPLACEMENTS:
        halves.setdefault((change.label, change.kind), set()).add(change.split)
    assert [kind for kind, splits in halves.items() if splits != {"dev", "test"}] == []


def test_the_facts_of_a_pair_are_valid_and_their_dates_iso() -> None:
    for pair in REPLACEMENTS:
        for fact, said_at in ((pair.known, KNOWN_AT), (pair.new, SAID_AT)):
            rest = {"id": "id", "key": "key", "observed_at": said_at, "recorded_at": said_at}
            Fact.model_validate(fact._asdict() | rest | {"valid_from": None, "valid_until": None})
        assert all(parse_date(date) for date in (pair.new.valid_from, pair.new.valid_until) if date is not None)
