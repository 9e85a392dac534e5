"""Which known facts a message to the offline model retires, as a table. Nearly all messages retire none."""

import pytest

from memory.extraction.extract import Extracted
from memory.facts.changes import Changes
from memory.learn.candidates import proposals
from memory.learn.reconcile import reconcile
from tests.unit_tests.test_offline_statements import ROME, SAID_AT, TEA, extraction_of

ACME, NURSE = "workplace: Works at Acme", "profession: Is a nurse"
JAZZ, VIM = "likes: Likes jazz", "tool: Uses vim"

RETIRED = [
    # a statement that replaces
    ("I live in Oslo", [ROME, TEA], ["Lives in Rome"]),
    ("I moved to Oslo last month.", [ROME], ["Lives in Rome"]),
    ("My name is Ada", ["name: Name is Bob"], ["Name is Bob"]),
    ("I'm 35", ["age: Is 34 years old"], ["Is 34 years old"]),
    # a statement that retracts
    ("Forget that I live in Rome", [ROME], ["Lives in Rome"]),
    ("please forget that I like tea.", [TEA, JAZZ], ["Likes tea"]),
    ("I no longer like tea", [TEA, JAZZ], ["Likes tea"]),
    ("I'm no longer vegan", ["diet: Is vegan"], ["Is vegan"]),
    ("I no longer work at Acme and I work at Globex", [ACME], ["Works at Acme"]),
    ("I hate tea", [TEA, JAZZ], ["Likes tea"]),
    # a second value next to the first
    ("I work at Globex", [ACME], []),
    ("I also work at Globex", [ACME], []),
    ("I work as a barista", [NURSE], []),
    ("I'm a teacher", [NURSE], []),
    ("I now work at Globex", [ACME, "workplace: Works at Initech"], []),
    ("I like jazz", [TEA], []),
    ("I use Emacs", [VIM], []),
    ("I live in Italy", [ROME], []),
    ("I'm from Oslo", [ROME], []),
    # the same fact again
    ("I live in Rome", [ROME], []),
    ("I live in Rome", ["home city: Lives in Rome, Italy"], []),
    ("My name is Ada", ["name: Name is Ada"], []),
    # unknown facts
    ("forget that I live in Oslo", [ROME], []),
    ("I no longer live in Oslo", [ROME], []),
    ("I no longer like chess", [TEA], []),
    # not a statement about the present
    ("I left Paris yesterday for a short trip", ["home city: Lives in Paris"], []),
    ("I left Rome", [ROME], []),
    ("Book a trip to Oslo", [ROME], []),
    ("Cancel the trip to Rome", [ROME], []),
    ("I'm in Oslo for a week", [ROME], []),
    ("I'm staying in Oslo", [ROME], []),
    ("I used to live in Oslo", [ROME], []),
    ("I lived in Oslo", [ROME], []),
    ("I moved to Oslo in 2010", [ROME], []),
    ("I moved to Oslo for the summer", [ROME], []),
    ("I'm moving to Oslo", [ROME], []),
    ("I might move to Oslo", [ROME], []),
    ("I moved to Bitwarden", [ROME], []),
    ("I live in denial", [ROME], []),
    ("My brother lives in Oslo", [ROME], []),
    ("We live in Oslo", [ROME], []),
    ("I live in Oslo. Just kidding.", [ROME], []),
    ("I live in Oslo and I live in Lima", [ROME], []),
    ("I left Acme early today", [ACME], []),
    ("I quit my job", [ACME], []),
    ("I work for peanuts", [ACME], []),
    ("I now work for peanuts", [ACME], []),
    ("I'm Virgo", ["name: Name is Ada"], []),
    ("Call me Ishmael", ["name: Name is Ada"], []),
    ("My name is Mud", ["name: Name is Ada"], []),
    ("I'm 20 minutes late", ["age: Is 34 years old"], []),
    ("I'm married to my job", ["marital status: Is single"], []),
    # statements that take a real model
    ("I'm divorced", ["marital status: Is married"], []),
    ("I now work at Globex", [ACME, NURSE], []),
    ("I work at Globex now", [ACME], []),
    ("I no longer work at Acme and I now work at Globex", [ACME], []),
    ("I don't like jazz any more", [TEA, JAZZ], []),
    ("I'm not vegan anymore", ["diet: Is vegan"], []),
    ("I don't use vim any longer", [VIM], []),
    ("I live in Oslo. Where do I live?", [ROME], []),
    # not a request to forget
    ("Don't forget that I live in Rome", [ROME], []),
    ("I'll never forget that I live in Rome", [ROME], []),
    ("Forget it", [ROME], []),
    ("Forget Rome", [ROME], []),
    ("Forget that Tom lives in Rome", [ROME], []),
    ("Forget that I no longer live in Rome", [ROME], []),
    ("Forget I said that, I live in Rome", [ROME], []),
    ("Forget that I like jazz, I like tea", [TEA, JAZZ], []),
    ("Did I forget that I live in Rome?", [ROME], []),
    ("If I no longer like tea, tell me", [TEA], []),
    ("Tom says I no longer like tea", [TEA], []),
    ("I no longer like tea. Just kidding.", [TEA], []),
]


def changes_of(message: str, *known: str) -> Changes:
    """The changes that memory derives from the model's answer."""
    extraction, said, facts = extraction_of(message, *known)
    kept, retracted, *_ = proposals("ada", Extracted(said, facts, extraction, SAID_AT), SAID_AT)
    return reconcile(kept, retracted, facts)


@pytest.mark.parametrize(("message", "known", "retired"), RETIRED)
def test_a_known_fact_is_retired_only_by_a_plain_statement(message: str, known: list[str], retired: list[str]) -> None:
    assert [fact.text for fact in changes_of(message, *known).retired] == retired


def test_a_less_exact_repeat_reinforces_the_known_fact() -> None:
    changes = changes_of("I live in Rome", "home city: Lives in Rome, Italy")
    assert ([repeat.fact.text for repeat in changes.reinforced], changes.added) == (["Lives in Rome, Italy"], ())
