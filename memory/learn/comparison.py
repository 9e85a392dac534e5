"""Compares what two facts say, by their words: whether one denies the other, adds to it, or has its form. Pure."""

import re

from memory.facts.content import alike, content, holds, words
from memory.facts.fact import Fact
from memory.facts.slots import SPELLINGS
from memory.facts.text import normalize
from memory.learn.signs import ARTICLES, CHANGE, COPULAS, DISLIKING, END, HAVING, IS, LIKING, NEGATION, NUMBERS


def said_in(fact: Fact) -> str:
    """Text and quote, folded."""
    return normalize(f"{fact.text} | {fact.quote}")


def says_the_same(fact: Fact, other: Fact) -> bool:
    """Whether one of two texts says what the other does, in more words at most, and with no other name."""
    extra = names_in(fact) - content(f"{other.text} {other.subject}")
    known_in_new = all(holds(fact.text, word) for word in value_of(other))
    return not extra and not are_opposed(fact, other) and (known_in_new or not adds_to(fact, other))


def begins_alike(fact: Fact, other: Fact) -> bool:
    """Whether two texts begin with the same two words, articles aside."""
    one, two = ([word for word in words(text) if word not in ARTICLES][:2] for text in (fact.text, other.text))
    return one == two


def words_told(fact: Fact) -> list[str]:
    """The words of a text without those of its subject."""
    return [word for word in words(fact.text) if word not in words(fact.subject)]


def shares_word(fact: Fact, other: Fact) -> bool:
    """Whether the text or its quote names something that the known text names."""
    return any(holds(said_in(fact), word) for word in content(other.text) - content(other.subject))


def denies(fact: Fact, other: Fact) -> bool:
    """Whether the text says that the known one has ended, or its opposite, and nothing else."""
    ended = END.search(normalize(fact.text)) or (fact.tense != "past" and are_opposed(fact, other))
    return bool(ended) and shares_word(fact, other) and not adds_to(fact, other)


def is_owned(fact: Fact) -> bool:
    """Whether a text says what somebody has: they may have another one, too."""
    return (words_told(fact) or [""])[0] in HAVING


def defines(fact: Fact, other: Fact) -> bool:
    """Whether both texts begin with their attribute: "Landlord is ..."."""
    first = words(fact.text)[:1]
    return first == words(other.text)[:1] and {*first} <= {*words(f"{fact.attribute} {other.attribute}")}


def is_about_value(fact: Fact, other: Fact) -> bool:
    """Whether a text begins with what the known one names: "Rex has a new collar" says nothing about having Rex."""
    first, value = words(fact.text)[:1], value_of(other)
    return first != words(other.text)[:1] and any(alike(word, start) for word in value for start in first)


def same_frame(fact: Fact, other: Fact) -> bool:
    """Whether two texts say the same of something, but for the value: "Lives in Rome", "Lives in Lima"."""
    one, two = (
        [SPELLINGS.get(word, word) for word in words(text) if word not in ARTICLES] for text in (fact.text, other.text)
    )
    if not one or not two:
        return False
    if len(one) == len(two) == 1:  # of a script without spaces
        return one[0][:2] == two[0][:2] or one[0][-3:] == two[0][-3:]
    ahead = [next((n for n, word in enumerate(text) if n and word in IS), 0) for text in (one, two)]
    if any(ahead):
        return one[: ahead[0] + 1] == two[: ahead[1] + 1]  # "Favorite film is", not "Favorite Christmas film is"
    size = 2 if one[0] in COPULAS and max(len(one), len(two)) > 2 else 1
    return one[:size] == two[:size]


def value_of(other: Fact) -> frozenset[str]:
    """The words of a known fact that its subject does not say already, nor, if there are others, its attribute."""
    told = content(other.text)
    for named in (content(other.subject), content(other.attribute)):
        told = frozenset(word for word in told if not any(alike(word, name) for name in named)) or told
    return told


def adds_to(fact: Fact, other: Fact) -> bool:
    """Whether a text says more than the known one and its end: "Has quit the Bolt choir", "Works at Bolt"."""
    rest = normalize(fact.text)
    for signs in (END, CHANGE, NEGATION, LIKING, DISLIKING):
        rest = signs.sub(" ", rest)
    return any(not holds(f"{other.text} {other.attribute} {other.subject}", word) for word in content(rest))


def names_in(fact: Fact) -> frozenset[str]:
    """The numbers of a text, and its names: words with a capital letter that do not begin it."""
    return content(" ".join(re.findall(r"\d+|(?<=\S )[A-ZÀ-ÞА-Я]\w+", fact.text)))


def both_deny(fact: Fact, other: Fact) -> bool:
    """Whether each of two texts denies something: "Eats no pork", "Drinks no milk"."""
    return all(NEGATION.search(normalize(text)) for text in (fact.text, other.text))


def are_opposed(fact: Fact, other: Fact) -> bool:
    """Whether one of two texts likes, or says, what the other dislikes, or denies."""
    one, two = normalize(fact.text), normalize(other.text)
    if bool(NEGATION.search(one)) != bool(NEGATION.search(two)):
        return True
    return any(bool(LIKING.search(a)) and bool(DISLIKING.search(b)) for a, b in ((one, two), (two, one)))


def _is_form(one: str, other: str) -> bool:
    """Whether two words differ in their ends alone: "week" and "weeks", not "grandmother" and "grandfather"."""
    start = max(3, min(len(one), len(other)) - 2)
    return alike(one, other) and one[:start] == other[:start]


def other_number(fact: Fact, other: Fact) -> bool:
    """Whether two texts say the same but for their numbers: "Has a child" and "Has two children"."""
    one, two = ({NUMBERS.get(word, word) for word in words(text)} for text in (fact.text, other.text))
    numbers = [{word for word in found if word.isdecimal()} for found in (one, two)]
    rest, known = ({word for word in found if not word.isdecimal()} for found in (one - two, two - one))
    same = len(rest) == len(known) and all(any(_is_form(word, heard) for heard in known) for word in rest)
    return all(numbers) and numbers[0] != numbers[1] and same
