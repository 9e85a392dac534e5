"""The judge of the torture test: it finds every kind of fault, and none in a good round."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.facts import NOON
from tests.torture.judge import judge
from tests.torture.script import HOME, home, items
from tests.torture.victim import Ack, Findings, Row


def row(name: str, text: str, attribute: str = "collection", said: datetime = NOON, successor: str = "") -> Row:
    return Row(name, text, attribute, said, not successor, successor or None)


FIRST, SECOND = home("Lima"), f"{home('Oslo')} {items('stamps')}"
LIMA = row("lima", "Lives in Lima", HOME, successor="oslo")
OSLO = row("oslo", "Lives in Oslo", HOME, NOON + timedelta(hours=1))
STAMPS = row("stamps", "Collects stamps")

ACKS = [
    *(Ack("kept", text) for text in (FIRST, SECOND)),
    *(Ack("shown", text) for text in (FIRST, SECOND)),
    *(Ack("remembered", fact.text) for fact in (LIMA, OSLO, STAMPS)),
    Ack("retired", LIMA.text),
]
SOUND = Findings(
    messages={"a": [FIRST, f"Noted: {FIRST}", SECOND, f"Noted: {SECOND}"]},
    rows=[LIMA, OSLO, STAMPS],
    recalled={OSLO.text, STAMPS.text},
    indexed={"oslo", "stamps"},
    queued=0,
)


def test_a_round_in_which_nothing_is_lost_has_no_faults() -> None:
    assert judge(ACKS, SOUND) == []


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({"messages": {"a": [FIRST, f"Noted: {FIRST}"]}}, "lost: message 'I moved to Oslo. I collect stamps.'"),
        ({"messages": {"a": [FIRST, SECOND], "b": [FIRST]}}, "duplicated: message 'I moved to Lima.'"),
        ({"rows": [LIMA, OSLO]}, "lost: fact 'Collects stamps'"),
        ({"rows": [LIMA, OSLO, STAMPS, replace(STAMPS, id="again")]}, "duplicated: fact 'Collects stamps'"),
        ({"rows": [replace(LIMA, successor=None, is_current=True), OSLO, STAMPS]}, "wrong: 2 home cities are current"),
        ({"rows": [replace(LIMA, successor="gone"), OSLO, STAMPS]}, "wrong: the successors of 'Lives in Lima'"),
        ({"rows": [LIMA, replace(OSLO, successor="lima", is_current=False), STAMPS]}, "wrong: 0 home cities"),
        ({"rows": [replace(LIMA, observed_at=NOON + timedelta(days=1)), OSLO, STAMPS]}, "wrong: 'Lives in Lima' was"),
        ({"recalled": {OSLO.text}}, "lost: fact 'Collects stamps' is not recalled"),
        ({"indexed": {"oslo"}}, "lost: fact 'Collects stamps' is not in the index"),
        ({"indexed": {"oslo", "stamps", "lima"}}, "wrong: 1 facts are current in the index only"),
        ({"queued": 2}, "wrong: 2 facts are still queued for the index"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),  # a set's order changes between runs
)
def test_every_violated_guarantee_is_a_fault(found: dict[str, object], fault: str) -> None:
    faults = [str(seen) for seen in judge(ACKS, replace(SOUND, **found))]  # type: ignore[arg-type]  # one of its fields
    assert any(seen.startswith(fault) for seen in faults), faults


def test_the_facts_of_every_saved_message_must_be_in_the_ledger() -> None:
    kept = [Ack("kept", FIRST), Ack("kept", SECOND)]
    assert "lost: fact 'Collects stamps'" in [str(fault) for fault in judge(kept, replace(SOUND, rows=[LIMA, OSLO]))]
