"""What a message shows about a known fact: the signals from which `memory.evidence.relations` decides. Pure."""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from memory.evidence.comparison import Comparison, names_in, words_told
from memory.evidence.quotes import clause_of, clauses_around, is_ambiguous, is_of_another
from memory.evidence.retractions import denied_in
from memory.evidence.support import QUESTION
from memory.evidence.timing import BESIDE
from memory.facts.slots import USER, is_exclusive, names_of, subject_name
from memory.language import signs
from memory.language.content import KANA_AND_HAN, LIGHT_VERBS, content, holds, is_verb, words
from memory.language.text import normalize

# Cosines of the local embedder from which on two facts have something in common, may be of one kind, are about one
# thing, say the same.
LOW, AKIN, NEAR, SAME = 0.3, 0.3, 0.45, 0.66

FIRST_PERSON = re.compile(r"^(?:i|we|my|our)(?:('m| am|'re| are)|'ve| have)?(?: (?:just|now|finally|recently))? ")


@dataclass(frozen=True)
class Signals(Comparison):
    """What a new fact and its message show about a known fact of the same subject."""

    message: str
    """All of the message that the new fact was said in."""
    cosine: float = 0.0
    """Of the vectors of the two texts."""

    # What the message says, and whether it is meant.

    @cached_property
    def clause(self) -> str:
        """The clauses of the message that the quote runs over, folded."""
        return clause_of(self.fact.quote, self.message)

    @cached_property
    def said(self) -> str:
        """The new text and the clauses around its quote, folded."""
        return f"{self.text} | {self.clause}"

    @cached_property
    def of_another(self) -> bool:
        """The quote may be about somebody or something else: "my boss moved"."""
        _, _, rest = self.fact.text.partition(" ")  # "Neighbour drives a Tesla" is about a neighbour
        about = f"{rest} {self.other.text} {names_of(self.fact.attribute)} {names_of(self.other.attribute)}"
        return is_of_another(self.fact.quote, self.message, self.fact.subject, about)

    @cached_property
    def may_not_be_meant(self) -> bool:
        """The quote is ironic, somebody else's words, or part of a question."""
        asked = QUESTION.search(clauses_around(self.fact.quote, self.message)[-1])
        return bool(asked) or is_ambiguous(self.fact.quote, self.message)

    @cached_property
    def is_doubted(self) -> bool:
        """The quote may not be meant, or not of what the facts are about, or of one occasion only."""
        return self.may_not_be_meant or self.of_another or self.is_for_once

    @cached_property
    def is_for_once(self) -> bool:
        """The clauses tell what was for a day or a week, and neither an end nor a change: "no coffee this week"."""
        lasts = signs.END.search(self.clause) or signs.CHANGE.search(self.clause)
        return not lasts and bool(signs.OCCASION.search(self.clause))

    @cached_property
    def in_first_person(self) -> bool:
        """The clauses say "I" or "my"."""
        return bool(signs.SAYS_I.search(self.clause) or signs.MINE.search(self.clause))

    @cached_property
    def stands_aside(self) -> bool:
        """The fact is a wish, holds only if or while something else does, or comes in addition."""
        return self.is_unreal or self.is_added

    @cached_property
    def is_unreal(self) -> bool:
        """The fact is a wish, or holds only if or while something else does."""
        before, quote, _ = self.clause.partition(normalize(self.fact.quote))
        limited = signs.LIMITED.search(self.clause) and not self.fact.is_temporary and not self.fact.is_past
        wish = signs.WISH.search(f"{self.text} | {before}") or signs.UNREAL.search(before + quote)
        return bool(limited or (wish and not signs.WISH.search(self.known_text)))

    @cached_property
    def is_added(self) -> bool:
        """The fact comes in addition."""
        also = signs.ALSO.search(self.said) or (self.tells_slot and BESIDE.search(self.said))
        return bool(also) and not signs.END.search(self.said) and not self.other_number

    @cached_property
    def interrupts(self) -> bool:
        """The fact holds for a while, and the known one lasts."""
        passing = self.fact.is_temporary and not self.other.is_temporary
        return passing and (self.fact.tense == "temporary" or not self.says_end)

    # What it says of the known fact.

    @cached_property
    def names_known(self) -> bool:
        """The clauses name something that the known text names."""
        return any(holds(self.clause, word) for word in self.known_words)

    @cached_property
    def names_any(self) -> bool:
        """The message names something that the known text names, or the texts differ in a number."""
        return self.other_number or any(holds(self.message, word) for word in content(self.other.text))

    @cached_property
    def names_old(self) -> bool:
        """The message names what the known fact says, and the new one does not: "Denise left, it's Omar now"."""
        return any(holds(self.message, word) for word in self.old_value)

    @cached_property
    def says_known(self) -> bool:
        """The text says all of the known value; where that is no hard limit and both texts have one verb, with its
        quote: "Has a whippet", of "my dog is a whippet"."""
        same_verb = words(self.fact.text)[:1] == words(self.other.text)[:1]
        said = f"{self.fact.text} {self.fact.quote}" if same_verb and not self.other.is_hard_limit else self.fact.text
        return all(holds(said, word) for word in self.value)

    @cached_property
    def says_end(self) -> bool:
        """Something ended, or gave way to another, in so many words."""
        return bool(signs.END.search(self.said)) or self.says_switch

    @cached_property
    def says_switch(self) -> bool:
        """Something gave way to another, in so many words."""
        return bool(signs.SWITCH.search(self.said))

    @cached_property
    def is_switched(self) -> bool:
        """It did so to one in its slot, and is named: "switched from Axin to Belor"."""
        return self.same_slot and self.says_switch and self.names_old

    @cached_property
    def says_change(self) -> bool:
        """Something has changed, or holds since then, in so many words."""
        return bool(signs.CHANGE.search(self.said)) or self.says_switch

    @cached_property
    def shows_change(self) -> bool:
        """The message says a change, names the old value, or says the end of something that the known fact names."""
        return self.says_change or self.names_old or (self.says_end and self.shares_word)

    @cached_property
    def is_stated(self) -> bool:
        """The quote says it as the text does, "I live in Rome", or as "Rome is my home", or corrects: "No, Rome".
        "Rome is lovely" does not."""
        quote, text, said = words(self.fact.quote), words_told(self.fact), normalize(self.fact.quote)
        names, mine = names_of(self.fact.attribute), [found[1] for found in signs.MINE.finditer(said)]
        its_name = any(said.endswith(name) and all(holds(names, word) for word in content(name)) for name in mine)
        same_verb = any(is_verb(text[0], verb) and text[1:2] == [after] for verb, after in pairwise(quote))
        i_am = {*text[:1]} & signs.COPULAS and signs.SAYS_I.match(said)
        told = self.tells_slot and not signs.told_in(self.text).isdisjoint(signs.told_in(_of_user(said)))
        as_told = told or i_am or same_verb or self.text in said or signs.CORRECTION.match(said)
        return bool(as_told or (its_name and not signs.NEGATION.search(said)))

    # What the two texts are about.

    @cached_property
    def may_have_both(self) -> bool:
        """Both texts say what somebody has, of which they may have several; and the quote does not name the old one."""
        owned = all((words_told(fact) or [""])[0] in signs.HAVING for fact in (self.fact, self.other))
        single = self.one_value and (self.says_change or self.tells_slot)
        return owned and not single and not any(holds(self.fact.quote, word) for word in self.old_value)

    @cached_property
    def about_one_thing(self) -> bool:
        """The facts have one slot or form, or are near in meaning, and the message shows or states a new value."""
        near = LOW if self.one_value and self.fact.category == self.other.category else NEAR
        alike = self.same_frame and self.one_value and is_exclusive(self.fact.attribute, None)
        stated = self.is_stated and (self.tells_slot or alike)
        covered, defined = self.same_slot and self.covers, self.defines and not self.same_slot
        related = self.same_slot or self.same_frame or self.cosine >= near
        return related and (self.shows_change or stated or covered or defined)

    @cached_property
    def is_like_it(self) -> bool:
        """The new text says the same kind of thing as the known one: not "Sings in a choir" for "Works at Bolt"."""
        if self.tells_slot:
            return True
        if not self.same_slot:
            begins = self.one_value and self.says_change and self.begin_alike
            return self.cosine >= NEAR or self.names_old or begins
        first = (words_told(self.fact) or [""])[0]
        light = bool({first, *words(self.fact.text)[-1:]} & (signs.COPULAS | LIGHT_VERBS)) or not first.isascii()
        same_verb = any(is_verb(first, word) for word in words(self.other.text)[:1])
        ended = self.says_end and not signs.END.search(self.text)  # not "Closed the bakery early"
        return self.same_frame or self.covers or light or same_verb or ended or bool(signs.CHANGE.search(self.text))

    @cached_property
    def is_akin(self) -> bool:
        """The facts are near in meaning, or of one kind while something changed."""
        of_kind = self.says_change and self.fact.category == self.other.category != "fact"
        one = self.one_value and (of_kind or (self.same_slot and self.same_frame))
        near = self.cosine >= (AKIN if self.one_value else SAME)
        return (self.tells_slot or one or near) and not self.fact.is_planned

    # What the new text says against the known one.

    @cached_property
    def shares_word(self) -> bool:
        """Text or clauses name something that the known text names."""
        return any(holds(self.said, word) for word in self.known_words)

    @cached_property
    def denies(self) -> bool:
        """The text says that the known one has ended, or its opposite, and nothing else."""
        ended = signs.END.search(self.text) or (self.fact.tense != "past" and self.opposed)
        return bool(ended) and self.shares_word and not self.adds

    @cached_property
    def is_denied(self) -> bool:
        """The text denies all of the known one, which the clauses name; they say an end, a change, or "I ... not" of a
        limit. "Is not allergic to all nuts" denies a part."""
        limit = self.other.is_hard_limit
        i_not = limit and self.in_first_person and signs.NEGATION.search(self.clause)
        shown = not self.opposed or self.says_end or self.says_change or i_not
        part = signs.PARTLY.search(self.text) or (limit and not self.covers)
        return bool(self.denies and self.names_known and shown and not part)

    @cached_property
    def is_end_of_it(self) -> bool:
        """What is over is the known fact: the text denies it, names the same, or its names and nearly the same."""
        named = frozenset(word for word in self.known_words if holds(self.said, word))
        same = named == self.known_words or (named and names_in(self.other) <= named and self.cosine >= SAME)
        return self.denies or bool(same and not self.opposed)  # "Smoked as a student", "Doesn't smoke"

    @cached_property
    def tells_it(self) -> bool:
        """The text names the known value, of which it says no more or has the verb."""
        verbs = zip(words(self.other.text)[:1], words(self.fact.text)[:1], strict=False)
        same_verb = any(is_verb(*pair) for pair in verbs)
        told = self.names_known and any(holds(self.fact.text, word) for word in self.value)
        quiet = self.other.is_hard_limit and not self.says_end
        return told and not quiet and (self.denies or same_verb or not self.adds)

    @cached_property
    def is_end_of_part(self) -> bool:
        """Something that the known text names has ended, in so many words."""
        return self.says_end and self.shares_word and not self.opposed

    @cached_property
    def is_ended(self) -> bool:
        """The clauses say the end of what the known text names and of nothing else, as the new text does not: "sold the
        Civic, I bike everywhere", but not "sold the roof box of the Civic"."""
        ended = [content(re.split(r"[,.;:!?]", self.clause[end.end() :])[0]) for end in signs.END.finditer(self.clause)]
        named = any(words and all(holds(self.known_text, word) for word in words) for words in ended)
        return named and self.one_value and not signs.END.search(self.text)

    @cached_property
    def is_next_step(self) -> bool:
        """What comes next in a life: single, engaged; pregnant, a newborn; unemployed, a job."""
        return any(before.search(self.known_text) and after.search(self.said) for before, after in signs.STEPS)

    @cached_property
    def step_is_said(self) -> bool:
        """By the user, of a limit."""
        return self.in_first_person or not self.other.is_hard_limit

    @cached_property
    def other_diet(self) -> bool:
        """A change of diet is said, and the texts do not both deny something: "Is vegan", "Eats meat"."""
        both_deny = signs.NEGATION.search(self.text) and signs.NEGATION.search(self.known_text)
        diet = "diet" in (self.fact.attribute, self.other.attribute) and self.cosine >= LOW
        return diet and self.shows_change and not both_deny

    @cached_property
    def drops_diet(self) -> bool:
        """It is said to hold again, or the message denies the known diet."""
        return self.other_diet and bool(signs.AGAIN.search(self.said) or denied_in(self.other, normalize(self.message)))

    # Why it may say nothing against it.

    @cached_property
    def is_rest(self) -> bool:
        """The text says a part, and the message that the other part is gone: "Sold the cello, it's just piano now"."""
        return self.says_less and self.says_change and self.names_old

    @cached_property
    def is_part(self) -> bool:
        """The text says something else of a name in the known one, "Works 20 hours at Bolt", or holds in some places or
        at some times only, "Uses Vim at work"."""
        if self.same_frame and signs.WHERE.search(self.text) and not signs.WHERE.search(self.known_text):
            return True
        if not names_in(self.fact) & names_in(self.other) or self.is_stated or self.says_switch:
            return False
        first = words(self.fact.text)[:1]
        return first != words(self.other.text)[:1] or not (self.begin_alike or {*first} & signs.COPULAS)

    @cached_property
    def is_facet(self) -> bool:
        """The new attribute and text name something that the known fact does not: "opera seat", "Prefers aisle seats at
        the opera", beside "seat", "Prefers window seats"."""
        new = [word for word in content(self.fact.attribute) if holds(self.fact.text, word)]
        named = any(not holds(f"{self.other.text} {self.other.attribute}", word) for word in new)
        return named and not (self.begin_alike or self.names_old or self.tells_slot)

    @cached_property
    def names_somebody(self) -> bool:
        """One text names somebody first, of whom it says what the other says of the user: "Brother lives in Rome",
        "Lives in Lima"; but not "Girlfriend is Ann", "Is single"."""
        if self.fact.subject != USER or self.tells_slot:
            return False
        for long, short in ((self.fact, self.other), (self.other, self.fact)):
            text, verb = words(long.text), words(short.text)[:2]
            if len(text) == len(verb) == 1 and KANA_AND_HAN.match(text[0]):  # "弟弟住在重庆", "住在成都"; or "妻は..."
                ahead = text[0].rpartition("は")[0] or text[0].rpartition(verb[0][:2])[0]
            elif verb[:1] and verb[0] in text and not {*verb} & signs.COPULAS:
                ahead = " ".join(text[: text.index(verb[0])])
            else:
                continue
            named, quote = content(signs.CHANGE.sub(" ", ahead)), long.quote
            own = subject_name(ahead) == USER or (signs.SAYS_I.search(normalize(quote)) and not named & content(quote))
            if named and not own and not signs.END.search(ahead):
                return True
        return False

    @cached_property
    def leaves_alone(self) -> bool:
        """The fact says nothing against the known one."""
        return self.stands_aside or self.names_somebody or self.is_liking


def _of_user(said: str) -> str:
    """What somebody says of himself, as a text says it: "is based in rome", for "i'm based in rome"."""
    return FIRST_PERSON.sub(lambda match: "is " if match[1] else "", said)
