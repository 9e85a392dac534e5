"""Compares the texts of two facts by their words, whatever the message says. Pure."""

import re
from dataclasses import dataclass
from functools import cached_property

from memory.facts.fact import Fact
from memory.facts.slots import MANY_VALUED, SPELLINGS, is_exclusive
from memory.language import signs
from memory.language.content import alike, content, holds, words
from memory.language.text import normalize


@dataclass(frozen=True)
class Comparison:
    """What the text of a new fact says of that of a known one about the same subject. Each property is computed when it
    is first read."""

    fact: Fact
    other: Fact
    """The known fact."""

    @cached_property
    def text(self) -> str:
        """The new text, folded."""
        return normalize(self.fact.text)

    @cached_property
    def known_text(self) -> str:
        """The known text, folded."""
        return normalize(self.other.text)

    # What the two are about.

    @cached_property
    def tells_slot(self) -> bool:
        """Both texts say the same of what a person has one of: "Is based in Rome" and "Home is Lima" tell a home."""
        return not signs.told_in(self.text).isdisjoint(signs.told_in(self.known_text))

    @cached_property
    def same_slot(self) -> bool:
        """The facts have one attribute, or their texts tell one."""
        return self.tells_slot or self.fact.slot == self.other.slot

    @cached_property
    def one_value(self) -> bool:
        """The slot of each holds one value at a time."""
        known = self.other.exclusive or is_exclusive(self.other.attribute, None)
        return self.tells_slot or (self.fact.exclusive and known)

    @cached_property
    def several(self) -> bool:
        """The facts have one slot, which holds several values."""
        return self.same_slot and not self.one_value

    @cached_property
    def same_frame(self) -> bool:
        """The texts say the same of something, but for the value: "Boss is Ann", "Boss is Eve"."""
        one, two = ([SPELLINGS.get(word, word) for word in first_words(fact)] for fact in (self.fact, self.other))
        if not one or not two:
            return False
        if len(one) == len(two) == 1:  # of a script without spaces
            return one[0][:2] == two[0][:2] or one[0][-3:] == two[0][-3:]
        ahead = [next((n for n, word in enumerate(text) if n and word in signs.IS), 0) for text in (one, two)]
        if any(ahead):
            return one[: ahead[0] + 1] == two[: ahead[1] + 1]  # "Favorite film is", not "Favorite Christmas film is"
        size = 2 if one[0] in signs.COPULAS and max(len(one), len(two)) > 2 else 1
        return one[:size] == two[:size]

    @cached_property
    def begin_alike(self) -> bool:
        """The texts begin with the same two words, articles aside."""
        return first_words(self.fact)[:2] == first_words(self.other)[:2]

    @cached_property
    def defines(self) -> bool:
        """Both texts begin with an attribute: "Landlord is ..."."""
        first, names = words(self.fact.text)[:1], words(f"{self.fact.attribute} {self.other.attribute}")
        return first == words(self.other.text)[:1] and {*first} <= {*names}

    # What one says beside the other, or against it.

    @cached_property
    def known_words(self) -> frozenset[str]:
        """The words with content of the known text, without its subject."""
        return content(self.other.text) - content(self.other.subject)

    @cached_property
    def value(self) -> frozenset[str]:
        """The words of the known text that its subject does not say, nor, if there are others, its attribute."""
        told = content(self.other.text)
        for named in (content(self.other.subject), content(self.other.attribute)):
            told = frozenset(word for word in told if not any(alike(word, name) for name in named)) or told
        return told

    @cached_property
    def old_value(self) -> list[str]:
        """Those of them that the new fact does not say."""
        return [word for word in self.value if not holds(f"{self.fact.text} {self.fact.attribute}", word)]

    @cached_property
    def covers(self) -> bool:
        """The text says all of the known value."""
        return all(holds(self.fact.text, word) for word in self.value)

    @cached_property
    def says_less(self) -> bool:
        """The text says a part of the known one and nothing else."""
        return content(self.fact.text) < content(self.other.text)

    @cached_property
    def adds(self) -> bool:
        """The text says more than the known one and its end: "Has quit the Bolt choir", "Works at Bolt"."""
        rest, known = self.text, f"{self.other.text} {self.other.attribute} {self.other.subject}"
        for sign in (signs.END, signs.CHANGE, signs.NEGATION, signs.LIKING, signs.DISLIKING):
            rest = sign.sub(" ", rest)
        return any(not holds(known, word) for word in content(rest))

    @cached_property
    def says_the_same(self) -> bool:
        """The text says what the known one does, in more words at most, and with no other name."""
        extra = names_in(self.fact) - content(f"{self.other.text} {self.other.subject}")
        return not extra and not self.opposed and (self.covers or not self.adds)

    @cached_property
    def opposed(self) -> bool:
        """One of the texts likes, or says, what the other dislikes, or denies."""
        one, two = self.text, self.known_text
        if bool(signs.NEGATION.search(one)) != bool(signs.NEGATION.search(two)):
            return True
        return any(signs.LIKING.search(a) and signs.DISLIKING.search(b) for a, b in ((one, two), (two, one)))

    @cached_property
    def is_opposite(self) -> bool:
        """The texts are opposed, in one slot of one value, which is no hard limit."""
        several = self.fact.attribute in MANY_VALUED or self.other.is_hard_limit
        return self.opposed and self.same_slot and not several

    @cached_property
    def other_number(self) -> bool:
        """The texts say the same but for their numbers: "Has a child" and "Has two children"."""
        one, two = ({signs.NUMBERS.get(word, word) for word in words(fact.text)} for fact in (self.fact, self.other))
        numbers = [{word for word in found if word[0].isdecimal()} for found in (one, two)]
        rest, known = ({word for word in found if not word[0].isdecimal()} for found in (one - two, two - one))
        same = len(rest) == len(known) and all(any(_is_form(word, heard) for heard in known) for word in rest)
        return all(numbers) and numbers[0] != numbers[1] and same

    @cached_property
    def is_liking(self) -> bool:
        """The text says what somebody likes: they may like both."""
        return bool(signs.LIKING.search(self.text))


def words_told(fact: Fact) -> list[str]:
    """The words of a text without those of its subject."""
    return [word for word in words(fact.text) if word not in words(fact.subject)]


def names_in(fact: Fact) -> frozenset[str]:
    """The numbers of a text, and its names: words with a capital letter that do not begin it."""
    return content(" ".join(re.findall(r"\d+|(?<=\S )[A-ZÀ-ÞА-Я]\w+", fact.text)))


def first_words(fact: Fact) -> list[str]:
    return [word for word in words(fact.text) if word not in signs.ARTICLES]


def _is_form(one: str, other: str) -> bool:
    """Whether two words differ in their ends alone: "week" and "weeks", not "grandmother" and "grandfather"."""
    start = max(3, min(len(one), len(other)) - 2)
    return alike(one, other) and one[:start] == other[:start]
