"""Judges which of the relations count that a model claims between facts: its word alone retires nothing. Pure.

A known fact that gives way has to be about the same subject, and the message has to show the change: another value of
what has one value, an end or a contrast that names what has ended, or another number of the same thing. By hand, since
no library judges this offline; the rates on labelled pairs are in tests/evals/README.md.
"""

import re
from collections.abc import Iterable, Mapping

from memory.facts.changes import RelationKind
from memory.facts.content import alike, content, words
from memory.facts.fact import Fact
from memory.facts.slots import SPELLINGS, USER
from memory.facts.text import normalize
from memory.learn.signs import (
    ALSO,
    ARTICLES,
    CHANGE,
    COPULAS,
    DISLIKING,
    END,
    KIN_HAN,
    LIKING,
    MINE,
    NEGATION,
    PLACES,
    SAYS_I,
    SWITCH,
    TAKING_BACK,
    TOPICS,
    WANTED,
    WISH,
)
from memory.learn.support import Cosines, Pair

# Cosines of the local embedder from which on two facts are about the same thing, about nearly the same, and the same.
MIN_COSINE, NEAR, SAME = 0.45, 0.55, 0.66
FAR = 0.25  # below it, words and a fact have nothing in common


def claimed_changes(claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact]) -> list[Pair]:
    """The pairs of texts whose cosines `counted` needs: of facts that the model says are replaced and words do not."""
    claimed = (other for other in known if claims.get(other.id) in ("replaces", "refines"))
    undecided = (other for other in claimed if not _relation(claims[other.id], fact, other, 0.0))
    return [_pair(other, fact) for other in undecided if other.subject == fact.subject]


def counted(
    claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact], cosines: Cosines
) -> dict[str, RelationKind]:
    """Of what a model claims, the relations of the fact to known ones that count: id of a known fact -> relation."""
    relations = dict[str, RelationKind]()
    for other in known:
        if kind := _relation(claims.get(other.id, "unrelated"), fact, other, cosines.get(_pair(other, fact), 0.0)):
            relations[other.id] = kind
    return relations


def takes_slot(fact: Fact, other: Fact) -> bool:
    """Whether a fact takes the place of another in their slot of one value, although no model says so: it says the same
    of the slot ("Lives in ..."), or the message says that something changed; and neither a wish nor somebody else's."""
    if _stands_aside(fact, other) or _is_about_value(fact, other):
        return False
    return _same_frame(fact, other) or _other_number(fact, other) or bool(CHANGE.search(_said(fact)))


def says_end(fact: Fact) -> bool:
    """Whether text or quote say in so many words that something ended, or gave way to another."""
    return bool(END.search(_said(fact)) or SWITCH.search(_said(fact)))


def _pair(other: Fact, fact: Fact) -> Pair:
    return f"{other.attribute}: {other.text}", f"{fact.attribute}: {fact.text}"


def _said(fact: Fact) -> str:
    return normalize(f"{fact.text} | {fact.quote}")


def _relation(claim: RelationKind, fact: Fact, other: Fact, cosine: float) -> RelationKind | None:
    if fact.subject != other.subject:
        return None
    if fact.slot == other.slot and fact.exclusive and content(fact.text) < content(other.text):
        return "duplicate"  # "Lives in Texas" takes nothing from "Lives in Austin, Texas"
    match claim:
        case "duplicate":
            return claim if _says_the_same(fact, other) else None
        case "refines":
            covers = all(_holds(fact.text, word) for word in _value(other, fact) or content(other.text))
            return claim if covers and (fact.slot == other.slot or cosine >= MIN_COSINE) else None
        case "replaces":
            return claim if _ends(fact, other, cosine) else None
        case "beside":
            return claim
    return None


def _says_the_same(fact: Fact, other: Fact) -> bool:
    """Whether one of two texts says what the other does, in more words at most, and with no other name."""
    extra = _names(fact) - content(f"{other.text} {other.subject}")
    known_in_new = all(_holds(fact.text, word) for word in _value(other, fact) or content(other.text))
    return not extra and not _opposed(fact, other) and (known_in_new or not _adds(fact, other))


def _ends(fact: Fact, other: Fact, cosine: float) -> bool:
    """Whether the message shows that the known fact no longer holds."""
    said, text, value = _said(fact), normalize(fact.text), _value(other, fact) or content(other.text)
    shared, named = frozenset(word for word in value if _holds(said, word)), _names(other)
    if fact.tense == "past":
        near = cosine >= (NEAR if named else SAME)
        return shared == value or bool(shared and named <= shared and near)
    if _stands_aside(fact, other):
        return False
    changed, switched, ending = CHANGE.search(said), SWITCH.search(said), END.search(said)
    if shared and (END.search(text) or _opposed(fact, other)):  # "No longer plays the piano": of nothing but the piano
        again = changed and NEGATION.search(normalize(other.text)) and not NEGATION.search(text)
        if again or not _adds(fact, other):
            return True
        return bool(END.search(text) and cosine >= SAME) and not _is_about_value(fact, other)
    if _other_number(fact, other):
        return True
    if _is_about_value(fact, other):
        return False
    same_frame, topic = _same_frame(fact, other), _one_topic(fact, other)
    if topic and changed and _in_topic_of("diet", fact):
        return True  # the attribute holds several diets
    if other.category == "constraint":
        return False  # an allergy ends in so many words only
    if named and named <= shared and (switched or (ending and shared == value) or (topic and changed)):
        return True  # "Swims instead of CrossFit"
    if fact.exclusive and other.exclusive:
        return same_frame or (topic and bool(changed or (ending and shared) or cosine >= MIN_COSINE))
    if (other.exclusive and fact.slot == other.slot) or same_frame:
        return bool(switched and same_frame)  # "I switched to Emacs"; otherwise the slot holds several
    near = cosine >= (MIN_COSINE if changed or ending else NEAR)
    return bool(shared - named) and near and fact.slot != other.slot


def _stands_aside(fact: Fact, other: Fact) -> bool:
    """Whether the fact is a wish, comes in addition, or is about somebody or something that the user calls "my ..."."""
    said, text = _said(fact), normalize(fact.text)
    also = ALSO.search(said) and not END.search(said)
    wish = (WISH.search(text) or WANTED.search(said)) and not WISH.search(normalize(other.text))
    return bool(also or wish or KIN_HAN.match(text)) or (fact.subject == USER and _is_of_mine(fact))


def _is_about_value(fact: Fact, other: Fact) -> bool:
    """Whether a text begins with what the known one names: "Rex has a new collar" says nothing about having Rex."""
    first, value = words(fact.text)[:1], _value(other, fact) or content(other.text)
    return first != words(other.text)[:1] and any(alike(word, start) for word in value for start in first)


def _is_of_mine(fact: Fact) -> bool:
    """Whether the text begins with what the quote calls "my": "Wife works at Acme". Not "Name is Ada", by its slot."""
    begins = [word for word in words(fact.text) if word not in ARTICLES][:1]
    mine = [word for match in MINE.finditer(normalize(fact.quote)) for word in words(match[1])]
    about = words(fact.attribute)
    return any(alike(word, first) for word in mine for first in begins if not any(alike(first, a) for a in about))


def _one_topic(fact: Fact, other: Fact) -> bool:
    """Whether two attributes are one, one is part of the other ("rent", "monthly rent"), or both are of TOPICS."""
    one, two = fact.attribute, other.attribute
    short, long = sorted((content(one), content(two)), key=len)
    part = bool(short) and all(any(alike(word, name) for name in long) for word in short)
    return one == two or part or any({one, two} <= topic for topic in TOPICS)


def _in_topic_of(attribute: str, fact: Fact) -> bool:
    return any({attribute, fact.attribute} <= topic for topic in TOPICS)


def _same_frame(fact: Fact, other: Fact) -> bool:
    """Whether two texts say the same of something, but for the value: "Lives in Rome", "Lives in Lima"."""
    one, two = (
        [SPELLINGS.get(word, word) for word in words(text) if word not in ARTICLES] for text in (fact.text, other.text)
    )
    if not one or not two:
        return False
    if one[0] in COPULAS and max(len(one), len(two)) > 2:
        return one[:2] == two[:2] and (one[1] not in PLACES or one[-1] == two[-1])
    if one[0] == two[0]:
        return True
    if len(one) == len(two) == 1:  # of a script without spaces
        return one[0][-3:] == two[0][-3:] or (one[0][0], one[0][-2:]) == (two[0][0], two[0][-2:])
    verb_last = len(one) == len(two) <= 3 and one[-1] == two[-1]
    return verb_last and one[-1] not in _names(fact) | _names(other)


def _value(other: Fact, fact: Fact) -> frozenset[str]:
    """The words of a known fact that its subject does not say already, nor, if both are of one topic, its attribute."""
    named = content(f"{other.attribute} {other.subject}" if _one_topic(fact, other) else other.subject)
    return frozenset(word for word in content(other.text) if not any(alike(word, name) for name in named))


def _holds(text: str, word: str) -> bool:
    return any(alike(word, heard) for heard in content(text))


def _adds(fact: Fact, other: Fact) -> bool:
    """Whether a text says more than the known one and its end: "Has quit the Bolt choir", "Works at Bolt"."""
    rest = normalize(fact.text)
    for signs in (END, CHANGE, NEGATION, LIKING, DISLIKING):
        rest = signs.sub(" ", rest)
    return any(not _holds(f"{other.text} {other.attribute} {other.subject}", word) for word in content(rest))


def _names(fact: Fact) -> frozenset[str]:
    """The numbers of a text, and its names: words with a capital letter that do not begin it."""
    return content(" ".join(re.findall(r"\d+|(?<=\S )[A-ZÀ-ÞА-Я]\w+", fact.text)))


def _opposed(fact: Fact, other: Fact) -> bool:
    """Whether one of two texts likes, or says, what the other dislikes, or denies."""
    one, two = normalize(fact.text), normalize(other.text)
    if bool(NEGATION.search(one)) != bool(NEGATION.search(two)):
        return True
    return any(bool(LIKING.search(a)) and bool(DISLIKING.search(b)) for a, b in ((one, two), (two, one)))


def _other_number(fact: Fact, other: Fact) -> bool:
    """Whether two texts say the same but for their numbers: "Has two children" and "Has three children"."""
    one, two = content(fact.text), content(other.text)
    numbers = [{word for word in found if word.isdecimal()} for found in (one, two)]
    rest, known = one - numbers[0], two - numbers[1]
    same = all(any(alike(word, heard) for heard in known) for word in rest) and len(rest) == len(known)
    return all(numbers) and numbers[0] != numbers[1] and same and words(fact.text)[0] == words(other.text)[0]


def names_it(fact: Fact, said: str) -> bool:
    """Whether words name a fact: "I'm not allergic to nuts", "forget my employer"; or Anna, if it is about her."""
    heard, about = content(said), content(f"{fact.attribute} {fact.text}")
    if fact.subject != USER and not any(alike(name, word) for name in content(fact.subject) for word in heard):
        return False
    return any(alike(word, other) for word in about for other in heard)


def takes_back(fact: Fact, said: str, thread_id: str | None, cosines: Cosines) -> bool:
    """Whether the words take the fact back: they deny what they name, or ask to forget what they name, what is near it,
    or what was said in the same thread."""
    folded = normalize(said)
    others = fact.subject == USER and any(  # "My sister Anna is not allergic to nuts" is not about the user
        not _holds(f"{fact.text} {fact.attribute}", word)
        for match in MINE.finditer(folded)
        if not match.start() and not SAYS_I.search(folded)
        for word in content(match[1])
    )
    if others:
        return False
    if TAKING_BACK.search(folded):
        near = fact.source.thread_id == thread_id and not content(TAKING_BACK.sub(" ", folded))
        asked = fact.subject == USER and _same_verb(fact, said)  # "forget where I live"
        return near or asked or names_it(fact, said) or cosines.get(taken_pair(fact, said), 0.0) >= FAR
    likes, dislikes = LIKING.search(normalize(fact.text)), DISLIKING.search(normalize(fact.text))
    opposed = (likes and DISLIKING.search(folded)) or (dislikes and LIKING.search(folded))
    ended = opposed or END.search(folded) or NEGATION.search(folded)
    return names_it(fact, said) and bool(ended)


def _same_verb(fact: Fact, said: str) -> bool:
    return any(alike(verb, word) for verb in words(fact.text)[:1] if verb not in COPULAS for word in words(said))


def taken_pair(fact: Fact, said: str) -> Pair:
    return f"{fact.attribute}: {fact.text}", said


def own_names(known: Iterable[Fact]) -> list[frozenset[str]]:
    """The words of each name by which the user is known."""
    return [content(fact.text) for fact in known if fact.slot == (USER, "name")]


def says_own_name(subject: str, quote: str, names: Iterable[frozenset[str]]) -> bool:
    """Whether a subject is the user's own name, and not that of a namesake: "My friend Chris" speaks of another."""
    named = content(subject)
    if not named or not any(named <= name for name in names):
        return False
    folded = normalize(quote)
    of_mine = any(_holds(match[1], word) for match in MINE.finditer(folded) for word in named)
    namesake = of_mine and not re.search(r"\bmy (?:own )?name\b", folded)  # "my cousin Anna"
    return not named <= content(quote) or (bool(SAYS_I.search(folded)) and not namesake)
