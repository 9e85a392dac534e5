"""Judges which of the relations count that a model claims between facts: its word alone retires nothing. Pure.

A known fact gives way to one about the same subject if the new text denies it or gives another number, or if the two
are about one thing and the message shows a change: in so many words, or by naming the old value. `_ends` has all the
rules. By hand, since no library judges this offline; tests/evals/README.md has the rates.
"""

import re
from collections.abc import Iterable, Mapping

from memory.facts.changes import RelationKind
from memory.facts.content import KANA_AND_HAN, alike, content, words
from memory.facts.fact import Fact
from memory.facts.slots import MANY_VALUED, SPELLINGS, USER, is_exclusive, subject_name
from memory.facts.text import normalize
from memory.learn.quotes import sentence_around
from memory.learn.signs import (
    ALSO,
    ARTICLES,
    CHANGE,
    COPULAS,
    DISLIKING,
    END,
    HAVING,
    LEFT,
    LIKING,
    LIMITED,
    MINE,
    NEGATION,
    SAYS_I,
    SWITCH,
    WANTED,
    WISH,
)
from memory.learn.support import Cosines, Pair

# Cosines of the local embedder from which on two facts have much in common, are about one thing, say the same.
LOW, NEAR, SAME = 0.2, 0.45, 0.66


def claimed_changes(claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact], message: str) -> list[Pair]:
    """The pairs of texts whose cosines `counted` needs: of facts that the model says are replaced and words do not.

    `message` is the whole message that the fact was said in, here and below.
    """
    claimed = (other for other in known if claims.get(other.id) in ("replaces", "refines"))
    undecided = (other for other in claimed if not _relation(claims[other.id], fact, other, message, 0.0))
    return [_pair(other, fact) for other in undecided if other.subject == fact.subject]


def counted(
    claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact], message: str, cosines: Cosines
) -> dict[str, RelationKind]:
    """Of what a model claims, the relations of the fact to known ones that count: id of a known fact -> relation."""
    relations = dict[str, RelationKind]()
    for other in known:
        claim, cosine = claims.get(other.id, "unrelated"), cosines.get(_pair(other, fact), 0.0)
        if kind := _relation(claim, fact, other, message, cosine):
            relations[other.id] = kind
    return relations


def takes_slot(fact: Fact, other: Fact) -> bool:
    """Whether a fact takes the place of another in their slot of one value, although no model says so.

    It gives another number; or two of three are true: the attribute has one value, it says the same with another value,
    and something changed.
    """
    if _leaves_alone(fact, other):
        return False
    one_value = is_exclusive(fact.attribute, None) or _defines(fact, other)
    return _other_number(fact, other) or one_value + _same_frame(fact, other) + _says_change(fact) >= 2


def says_end(fact: Fact) -> bool:
    """Whether text or quote say in so many words that something ended, or gave way to another."""
    return bool(END.search(_said(fact)) or SWITCH.search(_said(fact)))


def _pair(other: Fact, fact: Fact) -> Pair:
    return f"{other.attribute}: {other.text}", f"{fact.attribute}: {fact.text}"


def _said(fact: Fact) -> str:
    return normalize(f"{fact.text} | {fact.quote}")


def _relation(claim: RelationKind, fact: Fact, other: Fact, message: str, cosine: float) -> RelationKind | None:
    if fact.subject != other.subject:
        return None
    less = content(fact.text) < content(other.text)
    if less and claim == "replaces" and _says_change(fact) and _names_old(message, fact, other):
        return claim  # "Sold the cello, it's just piano and bass now"
    if less and fact.slot == other.slot and fact.exclusive:
        return "duplicate"  # "Lives in Texas" takes nothing from "Lives in Austin, Texas"
    match claim:
        case "duplicate":
            return claim if _says_the_same(fact, other) else None
        case "refines":
            covers = all(holds(fact.text, word) for word in _value(other))
            return claim if covers and (fact.slot == other.slot or cosine >= NEAR) else None
        case "replaces":
            return claim if _ends(fact, other, message, cosine) else None
        case "beside":
            return claim
    return None


def _says_the_same(fact: Fact, other: Fact) -> bool:
    """Whether one of two texts says what the other does, in more words at most, and with no other name."""
    extra = _names(fact) - content(f"{other.text} {other.subject}")
    known_in_new = all(holds(fact.text, word) for word in _value(other))
    return not extra and not _opposed(fact, other) and (known_in_new or not _adds(fact, other))


def _ends(fact: Fact, other: Fact, message: str, cosine: float) -> bool:
    """Whether the message shows that the known fact no longer holds. The first line that applies decides."""
    same_slot = fact.slot == other.slot
    if fact.tense == "past":
        return _denies(fact, other) or _is_it(fact, other, cosine)
    if _stands_aside(fact, other):
        return False
    if _denies(fact, other) or _other_number(fact, other):
        return True
    if same_slot and _opposed(fact, other) and fact.attribute not in MANY_VALUED and other.category != "constraint":
        return True
    if _leaves_alone(fact, other):
        return False
    changed = _says_change(fact)
    shown = changed or _names_old(message, fact, other) or (_shares(fact, other) and bool(END.search(_said(fact))))
    if other.category == "constraint":  # an allergy is only denied, a diet may also change
        return shown and "diet" in (fact.attribute, other.attribute) and cosine >= LOW
    if _is_facet(fact, other):
        return False
    one_value = fact.exclusive and other.exclusive
    if same_slot and not one_value:
        return bool(SWITCH.search(_said(fact))) and _same_frame(fact, other) and not _leaves_another(fact, other)
    if _is_owned(fact) and _is_owned(other) and not (changed and one_value):
        return _names_old(fact.quote, fact, other)
    if same_slot:
        return shown or takes_slot(fact, other) or cosine >= SAME
    near = LOW if one_value and fact.category == other.category else NEAR
    of_one_kind = _same_frame(fact, other) or cosine >= near
    return of_one_kind and (shown or _defines(fact, other) or cosine >= SAME)


def _says_change(fact: Fact) -> bool:
    """Whether text or quote say in so many words that something has changed, or since when it holds."""
    return bool(CHANGE.search(_said(fact)) or SWITCH.search(_said(fact)))


def _shares(fact: Fact, other: Fact) -> bool:
    """Whether text or quote name something that the known text names."""
    return any(holds(_said(fact), word) for word in content(other.text) - content(other.subject))


def _names_old(message: str, fact: Fact, other: Fact) -> bool:
    """Whether the message names what the known fact says, and the new one does not: "Denise left, it's Omar now"."""
    return any(holds(message, word) for word in _value(other) if not holds(f"{fact.text} {fact.attribute}", word))


def _is_it(fact: Fact, other: Fact, cosine: float) -> bool:
    """Whether a fact that is over is the known one: it names the same, or all its names and says nearly the same."""
    known = content(other.text) - content(other.subject)
    named = frozenset(word for word in known if holds(_said(fact), word))
    if _opposed(fact, other):
        return False  # "Smoked as a student", "Doesn't smoke"
    return named == known or bool(named and _names(other) <= named and cosine >= SAME)


def _denies(fact: Fact, other: Fact) -> bool:
    """Whether the text says that the known one has ended, or its opposite, and nothing else."""
    ended = END.search(normalize(fact.text)) or (fact.tense != "past" and _opposed(fact, other))
    return bool(ended) and _shares(fact, other) and not _adds(fact, other)


def _leaves_alone(fact: Fact, other: Fact) -> bool:
    """Whether a fact says nothing against another: it stands aside, is a remark on it, or one may like both."""
    aside = _stands_aside(fact, other) or _is_about_value(fact, other) or _begin_apart(fact, other)
    return aside or bool(LIKING.search(normalize(fact.text)))


def _is_owned(fact: Fact) -> bool:
    """Whether a text says what somebody has: they may have another one, too."""
    told = (word for word in words(fact.text) if word not in words(fact.subject))
    return next(told, "") in HAVING


def _defines(fact: Fact, other: Fact) -> bool:
    """Whether both texts begin with their attribute: "Landlord is ..."."""
    first = words(fact.text)[:1]
    return first == words(other.text)[:1] and {*first} <= {*words(f"{fact.attribute} {other.attribute}")}


def _stands_aside(fact: Fact, other: Fact) -> bool:
    """Whether the fact holds for a while or if something else does, is a wish, comes in addition, or is about somebody
    or something that the user calls "my ..."."""
    said, text = _said(fact), normalize(fact.text)
    also = ALSO.search(said) and not END.search(said)
    wish = (WISH.search(text) or WANTED.search(said)) and not WISH.search(normalize(other.text))
    limited = LIMITED.search(normalize(fact.quote)) and not fact.is_temporary
    return bool(limited or also or wish) or (fact.subject == USER and _is_of_mine(fact))


def _is_about_value(fact: Fact, other: Fact) -> bool:
    """Whether a text begins with what the known one names: "Rex has a new collar" says nothing about having Rex."""
    first, value = words(fact.text)[:1], _value(other)
    return first != words(other.text)[:1] and any(alike(word, start) for word in value for start in first)


def _begin_apart(fact: Fact, other: Fact) -> bool:
    """Whether one of two texts names somebody or something first, of which it says what the other says of the user:
    "Brother lives in Rome", "Lives in Lima"; but not "Girlfriend is Ann", "Is single"."""
    one, two = words(fact.text), words(other.text)
    ahead = [(fact, one[: one.index(word)]) for word in two[:1] if word in one and not {*two[1:2]} & COPULAS]
    ahead += [(other, two[: two.index(word)]) for word in one[:1] if word in two and not {word, *one[1:2]} & COPULAS]
    for of, run, next_to in ((fact, one, two), (other, two, one)):
        if len(run) == len(next_to) == 1 and KANA_AND_HAN.match(run[0]):  # "弟弟住在重庆", "住在成都"; or "妻は..."
            topic, found = run[0].partition("は"), max(run[0].find(next_to[0][:2]), 0)
            ahead.append((of, [topic[0] if topic[1] else run[0][:found]]))
    return fact.subject == USER and any(_names_another(" ".join(before), of.quote) for of, before in ahead)


def _names_another(name: str, quote: str) -> bool:
    """Whether the words before a text's verb name somebody else than the user, whom a quote with "I" in it may name."""
    named = content(CHANGE.sub(" ", name))
    own = subject_name(name) == USER or (SAYS_I.search(normalize(quote)) and not named & content(quote))
    return bool(named) and not own and not END.search(name)


def _is_facet(fact: Fact, other: Fact) -> bool:
    """Whether the new attribute and text name something that the known fact does not: "opera seat", "Prefers aisle
    seats at the opera", beside "seat", "Prefers window seats". If the quote names the old value, it is compared."""
    new = [word for word in content(fact.attribute) if holds(fact.text, word)]
    named = any(not holds(f"{other.text} {other.attribute}", word) for word in new)
    one, two = ([word for word in words(text) if word not in ARTICLES][:2] for text in (fact.text, other.text))
    return named and one != two and not _names_old(fact.quote, fact, other)


def _leaves_another(fact: Fact, other: Fact) -> bool:
    """Whether the quote names what gave way, and it is not the known value: "I switched from Vim to Emacs"."""
    left = [word for match in LEFT.finditer(normalize(fact.quote)) for word in content(match[1])]
    return bool(left) and not any(alike(word, value) for word in left for value in _value(other))


def _is_of_mine(fact: Fact) -> bool:
    """Whether the text begins with what the quote calls "my": "Wife works at Acme". Not "Name is Ada", by its slot, if
    it is not another's: "my dog's name"."""
    told = [word for word in words(fact.text) if word not in ARTICLES]
    about = words(fact.attribute)
    start = told[:1] if {*told[1:2]} & COPULAS else told[: len(about)]
    by_slot = all(any(alike(word, name) for name in about) for word in start)
    for match in MINE.finditer(normalize(fact.quote)):
        mine = words(match[1])
        exempt = by_slot and not ("'s " in match[1] and mine[0] not in about)
        if not exempt and any(alike(word, first) for word in mine for first in told[:1]):
            return True
    return False


def _same_frame(fact: Fact, other: Fact) -> bool:
    """Whether two texts say the same of something, but for the value: "Lives in Rome", "Lives in Lima"."""
    one, two = (
        [SPELLINGS.get(word, word) for word in words(text) if word not in ARTICLES] for text in (fact.text, other.text)
    )
    if not one or not two:
        return False
    if len(one) == len(two) == 1:  # of a script without spaces
        return one[0][:2] == two[0][:2] or one[0][-3:] == two[0][-3:]
    size = 2 if one[0] in COPULAS and max(len(one), len(two)) > 2 else 1
    return one[:size] == two[:size]


def _value(other: Fact) -> frozenset[str]:
    """The words of a known fact that its subject does not say already, nor, if there are others, its attribute."""
    told = content(other.text)
    for named in (content(other.subject), content(other.attribute)):
        told = frozenset(word for word in told if not any(alike(word, name) for name in named)) or told
    return told


def holds(text: str, word: str) -> bool:
    return any(alike(word, heard) for heard in content(text))


def _adds(fact: Fact, other: Fact) -> bool:
    """Whether a text says more than the known one and its end: "Has quit the Bolt choir", "Works at Bolt"."""
    rest = normalize(fact.text)
    for signs in (END, CHANGE, NEGATION, LIKING, DISLIKING):
        rest = signs.sub(" ", rest)
    return any(not holds(f"{other.text} {other.attribute} {other.subject}", word) for word in content(rest))


def _names(fact: Fact) -> frozenset[str]:
    """The numbers of a text, and its names: words with a capital letter that do not begin it."""
    return content(" ".join(re.findall(r"\d+|(?<=\S )[A-ZÀ-ÞА-Я]\w+", fact.text)))


def _opposed(fact: Fact, other: Fact) -> bool:
    """Whether one of two texts likes, or says, what the other dislikes, or denies."""
    one, two = normalize(fact.text), normalize(other.text)
    if bool(NEGATION.search(one)) != bool(NEGATION.search(two)):
        return True
    return any(bool(LIKING.search(a)) and bool(DISLIKING.search(b)) for a, b in ((one, two), (two, one)))


def _is_form(one: str, other: str) -> bool:
    """Whether two words differ in their ends alone: "week" and "weeks", not "grandmother" and "grandfather"."""
    start = max(3, min(len(one), len(other)) - 2)
    return alike(one, other) and one[:start] == other[:start]


def _other_number(fact: Fact, other: Fact) -> bool:
    """Whether two texts say the same but for their numbers: "Has two children" and "Has three children"."""
    one, two = content(fact.text), content(other.text)
    numbers = [{word for word in found if word.isdecimal()} for found in (one, two)]
    rest, known = one - numbers[0], two - numbers[1]
    same = len(rest) == len(known) and all(any(_is_form(word, heard) for heard in known) for word in rest)
    return all(numbers) and numbers[0] != numbers[1] and same


def own_names(known: Iterable[Fact]) -> list[frozenset[str]]:
    """The words of each name by which the user is known."""
    return [content(fact.text) for fact in known if fact.slot == (USER, "name")]


def says_own_name(subject: str, quote: str, message: str, names: Iterable[frozenset[str]]) -> bool:
    """Whether a subject is the user's own name, and not that of a namesake: "My friend Chris" speaks of another."""
    named, around = content(subject), sentence_around(quote, message)
    if not named or not any(named <= name for name in names):
        return False
    folded = normalize(around).replace(",", "")
    if not named <= content(around):  # "My cousin is called Chris, too. She lives in Rome."
        return bool(SAYS_I.search(folded)) or not named <= content(message)
    of_mine = any(holds(match[1], word) for match in MINE.finditer(folded) for word in named)
    namesake = of_mine and not re.search(r"\bmy (?:own )?name\b", folded)  # "my cousin Anna"
    return bool(SAYS_I.search(folded)) and not namesake
