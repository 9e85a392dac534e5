"""Which relations count that a model claims, as a table; tests/evals/replacement_pairs.jsonl has many more."""

from itertools import product
from typing import Literal

import pytest

from memory.evidence.quotes import own_names, says_own_name
from memory.evidence.relations import RULES, counted
from memory.evidence.signals import Signals
from memory.facts.changes import RelationKind
from memory.facts.fact import Fact
from tests.facts import make_fact

CLAIMS = [
    # known: text, attribute; new: text, attribute, quote; the claim, and what counts
    ("Loves coffee", "likes", "Hates coffee", "dislikes", "I hate coffee now", "replaces", "replaces"),
    ("Loves coffee", "likes", "Loves tea", "likes", "I love tea", "replaces", None),
    ("Is married", "marital status", "Is divorced", "relationship status", "we divorced", "replaces", "replaces"),
    ("Plays the piano", "hobby", "No longer plays the piano", "music", "I no longer play", "replaces", "replaces"),
    ("Has two children", "family", "Has three children", "children", "number three is here", "replaces", "replaces"),
    ("Grandmother is 90", "age of one", "Grandfather is 95", "age", "he turned 95", "replaces", None),
    ("Has a cat named Tom", "pet", "Has a dog named Rex", "pet", "we got Rex, a dog", "replaces", None),
    ("Uses vim", "tool", "Uses Emacs", "tool", "I switched to Emacs", "replaces", "asked"),
    ("Uses vim", "tool", "Uses Emacs", "tool", "I use Emacs, too", "replaces", None),
    ("Works at Apple", "employer", "Is allergic to apples", "allergy", "I can't eat apples", "replaces", None),
    ("Uses Python", "tool", "Uses Python for the API", "tool", "Python for the API", "refines", "refines"),
    ("Is allergic to cats", "allergy", "Is allergic to pollen", "allergy", "pollen, too", "refines", None),
    ("Lives in Austin, Texas", "home city", "Lives in Texas", "home city", "Texas is home", "replaces", "duplicate"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "Rome", "duplicate", None),
    ("Likes jazz", "likes", "Enjoys jazz music", "likes", "I enjoy jazz music", "duplicate", "duplicate"),
    ("Works at Bolt", "employer", "Works at Crumb", "employer", "and at Crumb", "beside", "beside"),
    ("Works at Bolt", "employer", "Works at Crumb", "employer", "and at Crumb", "unrelated", "asked"),
    ("Has no car", "car", "Drives a Fiat", "car", "my new Fiat", "replaces", "replaces"),
    ("Eats no meat", "diet", "Drinks no milk", "diet", "no milk for me", "replaces", None),
    ("Loves Emma", "favorite book", "Loves Dune", "favorite book", "I love Dune now", "replaces", None),
    ("Is a cook", "occupation", "Teaches yoga", "occupation", "I teach yoga on my days off", "replaces", "asked"),
    ("Is a cook", "occupation", "Drives a bus", "occupation", "I drive a bus now", "replaces", "asked"),
    ("Plays piano and cello", "music", "Plays piano", "music", "just piano now", "replaces", None),
    ("Plays piano and cello", "music", "Plays piano", "music", "no cello, just piano now", "replaces", "replaces"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "If I lived in Rome", "replaces", None),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "I live in Rome while she is away", "replaces", None),
    ("Uses Perl", "tool", "Uses Ruby", "tool", "I switched from PHP to Ruby", "replaces", "asked"),
    ("Uses Perl", "tool", "Uses Ruby", "tool", "I switched from Perl to Ruby", "replaces", "replaces"),
    ("Has a shift on Monday", "shifts", "Has yoga on Friday", "yoga", "I have yoga on Friday now", "replaces", None),
    ("Trinkt Bier", "likes", "Mag kein Bier mehr", "dislikes", "kein Bier mehr", "replaces", "replaces"),
    ("Doesn't eat pork", "food", "Eats fish", "food", "I eat fish", "replaces", None),
    ("Has hay fever", "allergy", "Has no hay fever", "allergy", "my son has no hay fever", "refines", "asked"),
    ("Is allergic to cats and dogs", "allergy", "Isn't allergic to dogs", "allergy", "I'm not", "replaces", "asked"),
    ("Is allergic to nuts", "allergy", "Isn't allergic to all nuts", "allergy", "I'm not", "replaces", "asked"),
    ("Is allergic to nuts", "allergy", "Isn't allergic to nuts", "allergy", "nuts, lol", "duplicate", "asked"),
    ("Is allergic to nuts", "allergy", "Isn't allergic to nuts", "allergy", "I wish I were not", "replaces", None),
    ("Is allergic to nuts", "allergy", "Isn't allergic to nuts or eggs", "allergy", "no eggs", "refines", None),
    ("Takes Axin", "medication", "Takes Belor", "medication", "switched from Axin to Belor", "replaces", "asked"),
    ("Takes Axin", "medication", "Takes Belor", "medication", "I take Belor now", "replaces", None),
    ("Has two cats", "pet", "Has three cats", "pet", "we have another cat", "replaces", "replaces"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "I'm thinking of moving to Rome", "replaces", None),
    ("Uses Vim", "favorite editor", "Uses Zed at work", "favorite editor", "Zed at work now", "replaces", "asked"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "can I move to Rome now?", "replaces", "asked"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "moved the party to Rome", "replaces", "asked"),
    ("Has two cats", "pet", "Has three cats", "pet", "I want three cats", "replaces", None),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "Rome is my home", "replaces", "replaces"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "Rome is not my home", "unrelated", "asked"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "Is Rome my home?", "unrelated", "asked"),
    ("Runs a bar", "occupation", "Closed the bar early", "occupation", "I closed the bar early", "replaces", "asked"),
    ("Takes 50 mg of Axin", "dose", "Takes 100 mg of Axin", "dose", "up to 100mg of Axin", "replaces", "replaces"),
    ("Earns 52k", "salary", "Earns 58k", "salary", "I'm on 58k", "replaces", "replaces"),
    ("Is 9 weeks pregnant", "condition", "Has a newborn", "child", "gave birth at 4", "replaces", "asked"),
    ("Is allergic to nuts and figs", "allergy", "Is allergic to nuts", "allergy", "figs are fine", "replaces", "asked"),
    ("Lives in Oslo", "home city", "Lives in Rome", "home city", "interview in Rome this week", "replaces", None),
    ("Learns Welsh with Axin", "Welsh", "Learns Welsh with Eve", "Welsh", "I dropped Axin", "replaces", "asked"),
]  # fmt: skip

# Known: text, attribute, category; new; the quote, the rest of the message, the cosine of the facts; is it replaced?
VIM, ZED = ("Uses Vim", "editor", "fact"), ("Uses Zed", "editor", "fact")
CUBE, TREK = ("Owns a Cube", "bike", "fact"), ("Owns a Trek", "bike", "fact")
SINGLE, ANN = ("Is single", "love", "relationship"), ("Dates Ann", "partner", "relationship")
COOK = ("Is a cook at Acme", "occupation", "work")
ONE_VALUE_EACH = [
    (VIM, ZED, "I use Zed", "", 0.5, "asked"),
    (("Lives in Rome", "home city", "location"), ("Lives in Lima", "base", "location"), "moved", "", 0.0, "replaces"),
    (("Lives in Rome", "home city", "location"), ("Is in Lima", "base", "location"), "moved", "", 0.0, "asked"),
    (VIM, ZED, "I use Zed", "Vim was slow.", 0.5, "replaces"),
    (VIM, ZED, "I use Zed now", "", 0.5, "replaces"),
    (VIM, ZED, "I use Zed", "", 0.7, "asked"),
    (VIM, ("Wants to use Zed", "editor", "fact"), "I want to use Zed now", "", 0.7, None),
    (CUBE, TREK, "got a Trek", "The Cube is jealous.", 0.7, None),
    (CUBE, TREK, "got a Trek for my Cube", "", 0.7, "replaces"),
    (CUBE, TREK, "it's a Trek now", "", 0.0, "replaces"),
    (SINGLE, ANN, "it's Ann", "", 0.3, "asked"),
    (SINGLE, ANN, "it's Ann now", "", 0.3, "replaces"),
    (SINGLE, ("Doctor is Ann", "doctor", "fact"), "it's Ann now", "", 0.2, None),
    (COOK, ("Is chair of the school board", "occupation", "work"), "I chair the school board", "", 0.3, "asked"),
    (CUBE, ("Rides the bus", "transport", "fact"), "sold the Cube, I take the bus", "", 0.1, "replaces"),
    (CUBE, ("Rides the bus", "transport", "fact"), "lost the key of the Cube, I take the bus", "", 0.1, "asked"),
    (VIM, ZED, "adding Zed next to Vim", "", 0.7, None),
    (VIM, ZED, "I use Zed today instead", "", 0.7, "asked"),
    (VIM, ZED, "I use Zed instead", "", 0.7, "replaces"),
    (("Rents a flat", "home", "fact"), ("Owns a house", "house", "fact"), "we own a house", "", 0.2, "replaces"),
    (COOK, ("Wife works at Bolt", "occupation", "work"), "my wife works at Bolt now", "", 0.3, None),
    (("Boss is Ann", "boss", "work"), ("Boss is Eve", "boss", "work"), "Eve, my boss", "", 0.3, "asked"),
    (("Boss is Ann", "boss", "work"), ("Boss is Eve", "boss", "work"), "Eve is my other boss", "", 0.3, None),
    (("Surname is Reid", "surname", "identity"), ("Surname is Reed", "name", "identity"), "Reed", "", 0.5, "replaces"),
    (
        ("Drives a Panda", "car", "fact"),
        ("Panda has a dent", "car", "fact"),
        "the Panda's dented now",
        "",
        0.7,
        "asked",
    ),
    (("住在北京", "home city", "location"), ("住在深圳", "home city", "location"), "我在深圳", "", 0.0, "asked"),
]
# The same, of texts that say it of somebody or something else, or of one facet; near the known one in meaning.
APART = [
    ("Lives in Oslo", "home city", "Sister lives in Rome", "city of the sister", "my sister just moved", None),
    ("Lives in Oslo", "home city", "Sister lives in Rome", "home city", "she moved", None),
    ("Sister lives in Oslo", "home city", "Lives in Rome", "home city", "I moved", None),
    ("Is 34 years old", "age", "House is 120 years old", "age", "it turned 120 now", "asked"),
    ("Lebt in Köln", "home city", "Oma lebt in Bonn", "Ort", "Oma lebt jetzt in Bonn", None),
    ("Rides a Trek", "bike", "Rides a Giant on the track", "track bike", "a Giant on the track now", None),
    ("Rides a Trek", "bike", "Rides a Giant on the track", "track bike", "a Giant, not the Trek", "replaces"),
    ("Lives in Oslo", "home city", "Ada lives in Rome", "home city", "I live in Rome now", "asked"),
    ("Lives in Oslo", "home city", "User lives in Rome", "home city", "moved to Rome", "replaces"),
    ("Name is Ada", "name", "Name is Rex", "name", "my dog's name is Rex", None),
    ("Name is Ada", "name", "Name is Eve", "name", "my name's Eve now", "replaces"),
    ("Son plays golf", "son's sport", "Daughter does judo", "daughter's sport", "my daughter does judo now", None),
    ("Thesis is due in May", "thesis", "Thesis is due in June", "thesis", "the other thesis moved to June", None),
    ("住在成都", "home city", "弟弟住在重庆", "home city", "弟弟搬到重庆了", None),
    ("大阪で働いている", "work city", "妻は神戸で働いている", "work city", "妻は神戸で働き始めた", None),
    ("Woont in Utrecht", "woonplaats", "Woont in Zwolle", "woonplaats", "ik ben verhuisd naar Zwolle", "replaces"),
    ("Bor i Malmö", "bostadsort", "Bor i Lund", "bostadsort", "jag bor numera i Lund", "replaces"),
    ("Boyfriend is Max", "boyfriend", "Is single", "love", "single again", "replaces"),
]
SEVERAL_VALUES = [
    (("Prefers long answers", "style", "fact"), ("Prefers short answers", "length", "fact"), "short", "", 0.7, "asked"),
    (("Prefers long answers", "style", "fact"), ("Prefers short answers", "length", "fact"), "short", "", 0.6, None),
    (
        ("Waits for a knee operation", "health", "fact"),
        ("Had knee surgery", "body", "fact"),
        "knee's done",
        "",
        0.5,
        "replaces",
    ),
    (("Lives in Rome", "house", "fact"), ("Lives in Lima", "place", "fact"), "we moved to Lima", "", 0.0, "replaces"),
    (("Eats no pork", "diet", "constraint"), ("Eats no beef", "diet", "fact"), "no longer beef", "", 0.7, None),
    (
        ("Is vegan", "diet", "fact"),
        ("Eats no eggs", "diet", "fact"),
        "as a vegan I gave up on the canteen",
        "",
        0.5,
        "asked",
    ),
    (("Is vegan", "diet", "fact"), ("Eats halal", "diet", "fact"), "I eat halal now", "", 0.5, "asked"),
    (("Is a vegetarian", "diet", "constraint"), ("Eats meat", "diet", "fact"), "I eat meat again", "", 0.5, "replaces"),
    (
        ("Is allergic to nuts", "allergy", "constraint"),
        ("Sells nuts", "trade", "work"),
        "I sell nuts now",
        "",
        0.5,
        None,
    ),
]


def pair(known: Fact, fact: Fact) -> tuple[str, str]:
    return f"{known.attribute}: {known.text}", f"{fact.attribute}: {fact.text}"


def outcome(
    known: Fact, fact: Fact, message: str, cosine: float, claim: RelationKind = "replaces"
) -> RelationKind | Literal["asked"] | None:
    """What becomes of the claim; None, also where both are kept side by side without a question."""
    relations, doubtful, _ = counted({known.id: claim}, fact, [known], message, {pair(known, fact): cosine})
    kind = relations.get(known.id)
    return "asked" if doubtful else None if kind == "beside" != claim else kind


@pytest.mark.parametrize(("was", "slot", "text", "attribute", "quote", "claim", "counts"), CLAIMS)
def test_a_relation_counts_if_the_words_show_it(
    was: str, slot: str, text: str, attribute: str, quote: str, claim: RelationKind, counts: RelationKind | None
) -> None:
    known = make_fact(was, slot, message_id="m0")
    new = make_fact(text, attribute, quote=quote)
    assert outcome(known, new, quote, 0.0, claim) == counts


@pytest.mark.parametrize(("was", "new", "quote", "before", "cosine", "replaced"), ONE_VALUE_EACH + SEVERAL_VALUES)
def test_a_fact_is_replaced_if_the_message_shows_a_change(
    was: tuple[str, str, str], new: tuple[str, str, str], quote: str, before: str, cosine: float, replaced: str | None
) -> None:
    one_value = (was, new, quote, before, cosine, replaced) in ONE_VALUE_EACH
    known = make_fact(*was[:2], category=was[2], exclusive=one_value, message_id="m0")
    fact = make_fact(*new[:2], category=new[2], exclusive=one_value, quote=quote)
    assert outcome(known, fact, f"{before} {quote}", cosine) == replaced


@pytest.mark.parametrize(("was", "slot", "text", "attribute", "quote", "replaced"), APART)
def test_what_a_text_says_of_something_else_replaces_nothing(
    was: str, slot: str, text: str, attribute: str, quote: str, replaced: str | None
) -> None:
    known = make_fact(was, slot, exclusive=True, message_id="m0")
    fact = make_fact(text, attribute, exclusive=True, quote=quote)
    assert outcome(known, fact, quote, 0.7) == replaced


def test_what_is_over_ends_the_known_fact_only_if_it_is_that_fact() -> None:
    plot = make_fact("Rents a plot in Kew", "plot", message_id="m0")
    known = [make_fact("Works at Acme", "employer"), make_fact("Is no smoker", "smoking"), plot]
    claims: dict[str, RelationKind] = {fact.id: "replaces" for fact in known}
    for text, over in (
        ("Worked at Acme", known[0]),
        ("Worked at Bolt", None),
        ("Was a smoker as a student", None),
        ("Handed the plot in Kew to Ann", plot),
    ):
        fact = make_fact(text, "history", tense="past", quote=text)
        relations, doubtful, _ = counted(claims, fact, known, text, {pair(plot, fact): 0.7})
        assert [*relations, *doubtful] == ([over.id] if over else [])


# A claim that is not counted is explained by the rule that kept the known fact: known text and attribute; the new ones;
# the quote, and the rule.
KEPT = [
    ("Lives in Oslo", "city", "Lives in Rome", "city", "If I lived in Rome", "a wish or a condition"),
    ("Works at Acme", "employer", "Works at Bolt", "employer", "my cousin works at Bolt", "said of somebody else"),
    ("Loves coffee", "likes", "Loves tea", "likes", "I love tea", "one may like both"),
    ("Uses Perl", "tool", "Uses Ruby", "tool", "I use Ruby", "one of several"),
    ("Is allergic to nuts", "allergy", "Sells nuts", "trade", "I sell nuts now", "a limit is not denied"),
    ("Plays chess", "game", "Met Ann", "event", "I met Ann", "no change is said"),
    ("Has yoga on Friday", "yoga", "Buys a boat", "boat", "I bought a boat", "about something else"),
]  # fmt: skip


@pytest.mark.parametrize(("was", "slot", "text", "attribute", "quote", "rule"), KEPT)
def test_a_claim_that_does_not_count_is_explained_by_a_rule(
    was: str, slot: str, text: str, attribute: str, quote: str, rule: str
) -> None:
    known, new = make_fact(was, slot, message_id="m0"), make_fact(text, attribute, quote=quote)
    found = counted({known.id: "replaces"}, new, [known], quote, {})
    assert (found.kept, found.doubtful) == ({known.id: rule}, frozenset())
    assert "replaces" not in found.relations.values()


def test_every_rule_has_a_name_of_its_own_and_the_last_one_always_applies() -> None:
    known, new = make_fact("Has yoga", "yoga", message_id="m0"), make_fact("Buys a boat", "boat")
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert RULES[-1].applies(Signals(new, known, new.quote))


# Ways to say one slot: known texts, new texts, the message for each; attributes.
WAYS = {
    "home": (
        ["Lives in Oslo", "Resides in Oslo", "Is based in Oslo", "Home is Oslo", "Oslo is home", "Home city is Oslo"],
        [
            ("Lives in Rome", "I live in Rome now"), ("Resides in Rome", "we moved to Rome"),
            ("Is based in Rome", "I'm based in Rome"), ("Home is Rome", "Rome is my home now"),
            ("Rome is home", "I live in Rome"), ("Has moved to Rome", "I moved to Rome last week"),
        ],
        ["home city", "home", "residence", "where I live", "base", "fact", "living situation"],
    ),
    "job": (
        ["Works at Acme", "Works for Acme", "Is employed at Acme", "Employer is Acme", "Is an engineer at Acme"],
        [
            ("Works at Bolt", "I work at Bolt now"), ("Is employed by Bolt", "I joined Bolt"),
            ("Employer is Bolt", "I work for Bolt"), ("Has a job at Bolt", "I started at Bolt"),
        ],
        ["employer", "job", "company", "career", "fact", "position"],
    ),
    "marital status": (
        ["Is single", "Is engaged", "Is divorced", "Relationship status is single"],
        [("Is married", "I got married in June"), ("Got married to Sam", "I married Sam on Friday")],
        ["marital status", "status", "family", "fact", "love life"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_a_claim_counts_however_text_attribute_and_category_say_the_slot(name: str) -> None:
    known_texts, new, attributes = WAYS[name]
    others = zip(attributes, attributes[1:] + attributes[:1], strict=True)
    ways = list(product(known_texts, new, others, (True, False)))
    assert len(ways) >= 72
    for was, (text, quote), (slot, attribute), exclusive in ways:
        known = make_fact(was, slot, category="location", exclusive=exclusive, message_id="m0")
        fact = make_fact(text, attribute, exclusive=exclusive, quote=quote)
        assert outcome(known, fact, quote, 0.0) == "replaces", (was, slot, text, attribute, quote)


def test_no_relation_to_a_fact_about_somebody_else_counts() -> None:
    anna = make_fact("Anna lives in Rome", "home city", subject="anna", message_id="m0")
    new = make_fact("Lives in Oslo", "home city", quote="I moved to Oslo")
    assert counted({anna.id: "replaces"}, new, [anna], "I moved to Oslo", {}) == ({}, frozenset(), {})


@pytest.mark.parametrize(
    ("subject", "quote", "message", "own"),
    [
        ("Anna", "I live in Rome", "", True),
        ("anna berg", "living in Rome", "", True),
        ("Anna", "I'm Anna and I live in Rome", "", True),
        ("Anna", "My friend Anna lives in Rome", "", False),
        ("Anna Maria", "I live in Rome", "", False),
        ("Tom", "I live in Rome", "", False),
        ("", "I live in Rome", "", False),
        ("Anna", "I live in Rome", "Hi, it's Anna! I live in Rome.", True),
        ("Anna", "lives in Rome", "My aunt, Anna, lives in Rome.", False),
        ("Anna", "lives in Rome", "My aunt, Anna, lives in Rome, I think.", False),
        ("Anna", "lives in Rome", "My cousin is called Anna, too. She lives in Rome.", False),
    ],
)
def test_the_users_own_name_is_told_from_a_namesake(subject: str, quote: str, message: str, own: bool) -> None:
    names = own_names([make_fact("Name is Anna Berg", "name")])
    assert says_own_name(subject, quote, message or quote, names) is own


@pytest.mark.parametrize(
    ("quote", "said"), [("we lived in Rome before Oslo", "asked"), ("left Rome in May", "replaces")]
)
def test_the_past_ends_a_known_fact_only_if_it_tells_of_it(quote: str, said: str) -> None:
    oslo = make_fact("Lives in Oslo" if "Oslo" in quote else "Lives in Rome", "home city", message_id="m0")
    rome = make_fact("Lived in Rome", "home city", quote=quote, tense="past")
    assert outcome(oslo, rome, quote, 0.5) == said
