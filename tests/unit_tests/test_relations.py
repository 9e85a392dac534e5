"""Which relations count that a model claims, as a table; tests/evals/replacement_pairs.jsonl has many more."""

import pytest

from memory.facts.changes import RelationKind
from memory.learn.relations import counted, own_names, says_own_name
from tests.facts import make_fact

CLAIMS = [
    # known: text, attribute; new: text, attribute, quote; the claim, and what counts
    ("Loves coffee", "likes", "Hates coffee", "dislikes", "I hate coffee now", "replaces", "replaces"),
    ("Loves coffee", "likes", "Loves tea", "likes", "I love tea", "replaces", None),
    ("Is married", "marital status", "Is divorced", "relationship status", "we divorced", "replaces", "replaces"),
    ("Plays the piano", "hobby", "No longer plays the piano", "music", "I no longer play", "replaces", "replaces"),
    ("Has two children", "family", "Has three children", "children", "number three is here", "replaces", "replaces"),
    ("Has a cat named Tom", "pet", "Has a dog named Rex", "pet", "we got Rex, a dog", "replaces", None),
    ("Uses vim", "tool", "Uses Emacs", "tool", "I switched to Emacs", "replaces", "replaces"),
    ("Uses vim", "tool", "Uses Emacs", "tool", "I use Emacs, too", "replaces", None),
    ("Works at Apple", "employer", "Is allergic to apples", "allergy", "I can't eat apples", "replaces", None),
    ("Uses Python", "tool", "Uses Python for the API", "tool", "Python for the API", "refines", "refines"),
    ("Is allergic to cats", "allergy", "Is allergic to pollen", "allergy", "pollen, too", "refines", None),
    ("Lives in Austin, Texas", "home city", "Lives in Texas", "home city", "Texas is home", "replaces", "duplicate"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "Rome", "duplicate", None),
    ("Likes jazz", "likes", "Enjoys jazz music", "likes", "I enjoy jazz music", "duplicate", "duplicate"),
    ("Works at Bolt", "employer", "Works at Crumb", "employer", "and at Crumb", "beside", "beside"),
    ("Works at Bolt", "employer", "Works at Crumb", "employer", "and at Crumb", "unrelated", None),
]  # fmt: skip


@pytest.mark.parametrize(("was", "slot", "text", "attribute", "quote", "claim", "counts"), CLAIMS)
def test_a_relation_counts_if_the_words_show_it(
    was: str, slot: str, text: str, attribute: str, quote: str, claim: RelationKind, counts: RelationKind | None
) -> None:
    known = make_fact(was, slot, message_id="m0")
    new = make_fact(text, attribute, quote=quote)
    assert counted({known.id: claim}, new, [known], {}).get(known.id) == counts


def test_no_relation_to_a_fact_about_somebody_else_counts() -> None:
    anna = make_fact("Anna lives in Rome", "home city", subject="anna", message_id="m0")
    new = make_fact("Lives in Oslo", "home city", quote="I moved to Oslo")
    assert counted({anna.id: "replaces"}, new, [anna], {}) == {}


@pytest.mark.parametrize(
    ("subject", "quote", "own"),
    [
        ("Anna", "I live in Rome", True),
        ("anna berg", "living in Rome", True),
        ("Anna", "I'm Anna and I live in Rome", True),
        ("Anna", "My friend Anna lives in Rome", False),
        ("Anna Maria", "I live in Rome", False),
        ("Tom", "I live in Rome", False),
        ("", "I live in Rome", False),
    ],
)
def test_the_users_own_name_is_told_from_a_namesake(subject: str, quote: str, own: bool) -> None:
    names = own_names([make_fact("Name is Anna Berg", "name")])
    assert says_own_name(subject, quote, names) is own
