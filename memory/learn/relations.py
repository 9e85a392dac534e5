"""Judges which of the relations count that a model claims between facts: its word alone retires nothing. Pure.

A known fact gives way to one about the same subject if the new text denies it or gives another number, or if the two
are about one thing and the message shows a change: in so many words, or by naming the old value. `_ends` has all the
rules, and says how sure they are. Where they are not, or the message may be meant in another way (`is_ambiguous`,
`is_of_another`), both facts are kept and the user is asked. By hand, since no library judges this offline;
tests/evals/README.md has the rates.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Literal

from memory.facts.changes import RelationKind
from memory.facts.content import KANA_AND_HAN, LIGHT_VERBS, content, holds, is_verb, words
from memory.facts.fact import Fact
from memory.facts.slots import MANY_VALUED, USER, is_exclusive, names_of, subject_name
from memory.facts.text import normalize
from memory.learn.comparison import (
    adds_to,
    are_opposed,
    begins_alike,
    both_deny,
    defines,
    denies,
    is_about_value,
    is_owned,
    names_in,
    other_number,
    said_in,
    same_frame,
    says_the_same,
    shares_word,
    value_of,
    words_told,
)
from memory.learn.quotes import clause_of, clauses_around, is_ambiguous, is_of_another
from memory.learn.retractions import denied_in
from memory.learn.signs import (
    AGAIN,
    ALSO,
    ANIMAL,
    CHANGE,
    COPULAS,
    CORRECTION,
    END,
    LIKING,
    LIMITED,
    MINE,
    NEGATION,
    NOT,
    PARTLY,
    SAYS_I,
    STEPS,
    SWITCH,
    UNREAL,
    VEGGIE,
    WANTED,
    WHERE,
    WISH,
)
from memory.learn.support import QUESTION, Cosines, Pair

# Cosines of the local embedder from which on two facts have something in common, may be of one kind, are about one
# thing, say the same.
LOW, AKIN, NEAR, SAME = 0.2, 0.4, 0.45, 0.66
Verdict = Literal["sure", "likely"] | None


def claimed_changes(claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact], message: str) -> list[Pair]:
    """The pairs of texts whose cosines `counted` needs: of facts that the model says are replaced and words do not.

    `message` is the whole message that the fact was said in, here and below.
    """
    claimed = (other for other in known if claims.get(other.id) in ("replaces", "refines"))
    by_words = ((other, _relation(claims[other.id], fact, other, message, 0.0)) for other in claimed)
    return [_pair(other, fact) for other, kind in by_words if kind in (None, "doubtful")]


def counted(
    claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact], message: str, cosines: Cosines
) -> tuple[dict[str, RelationKind], frozenset[str]]:
    """Of what a model claims, the relations of the fact to known ones that count: id of a known fact -> relation.

    And the ids of the known facts that may be over since this one, of which the user is to be asked.
    """
    relations, doubtful = dict[str, RelationKind](), set[str]()
    for other in known:
        claim, cosine = claims.get(other.id, "unrelated"), cosines.get(_pair(other, fact), 0.0)
        kind = _relation(claim, fact, other, message, cosine)
        if kind == "doubtful" or (claim == "unrelated" and _may_end_unclaimed(fact, other, message)):
            doubtful.add(other.id)
        elif kind:
            relations[other.id] = kind
        elif fact.slot == other.slot and (claim == "replaces" or _is_possible(fact, message)):
            relations[other.id] = "beside"
    return relations, frozenset(doubtful)


def takes_slot(fact: Fact, other: Fact) -> bool:
    """Whether a fact takes the place of another in their slot of one value, although no model says so.

    It gives another number; or something changed, and the attribute has one value or both texts say the same of it;
    or all but the change is true, and the user said it in these words.
    """
    if _leaves_alone(fact, other) or _is_part(fact, other):
        return False
    one_value, frame = is_exclusive(fact.attribute, None) or defines(fact, other), same_frame(fact, other)
    changed = _says_change(fact) and (one_value or frame)
    return other_number(fact, other) or changed or (one_value and frame and _is_stated(fact))


def says_end(fact: Fact) -> bool:
    """Whether text or quote say in so many words that something ended, or gave way to another."""
    return bool(END.search(said_in(fact)) or SWITCH.search(said_in(fact)))


def _pair(other: Fact, fact: Fact) -> Pair:
    return f"{other.attribute}: {other.text}", f"{fact.attribute}: {fact.text}"


def _relation(
    claim: RelationKind, fact: Fact, other: Fact, message: str, cosine: float
) -> RelationKind | Literal["doubtful"] | None:
    if fact.subject != other.subject:
        return None
    if claim in ("duplicate", "refines") and (fact.is_past > other.is_past or denies(fact, other)):
        claim = "replaces"  # "Is not allergic to nuts" does not refine "Is allergic to nuts"
    less = content(fact.text) < content(other.text)
    if less and claim == "replaces" and _says_change(fact) and _names_old(message, fact, other):
        return "doubtful" if _is_doubted(fact, other, message) else claim  # "Sold the cello, it's just piano now"
    if less and fact.slot == other.slot and fact.exclusive:
        return "duplicate"  # "Lives in Texas" takes nothing from "Lives in Austin, Texas"
    match claim:
        case "duplicate":
            return claim if says_the_same(fact, other) else None
        case "refines":
            covers = all(holds(fact.text, word) for word in value_of(other)) and not are_opposed(fact, other)
            return claim if covers and (fact.slot == other.slot or cosine >= NEAR) else None
        case "replaces":
            verdict = _ends(fact, other, message, cosine)
            if verdict and _is_asked(fact, message):
                return "doubtful"
            if not verdict or not _is_doubted(fact, other, message):
                return claim if verdict == "sure" else verdict and "doubtful"
            named = any(holds(message, word) for word in content(other.text)) or other_number(fact, other)
            return "doubtful" if named or is_ambiguous(fact.quote, message) else None
        case "beside":
            return claim
    return None


def _ends(fact: Fact, other: Fact, message: str, cosine: float) -> Verdict:
    """Whether the message shows that the known fact no longer holds. The first line that applies decides."""
    clause, opposed, frame = clause_of(fact.quote, message), are_opposed(fact, other), same_frame(fact, other)
    named = any(holds(clause, word) for word in content(other.text) - content(other.subject))
    ended, same_slot = END.search(clause), fact.slot == other.slot
    if fact.tense == "past":
        if denies(fact, other) or _is_it(fact, other, cosine):
            same_verb = any(is_verb(verb, word) for verb in words(other.text)[:1] for word in words(fact.text)[:1])
            # "We lived in Rome before Oslo" names Oslo, but says nothing of it
            told = named and any(holds(fact.text, word) for word in value_of(other))
            certain = told and (ended or not other.is_hard_limit)
            return "sure" if certain and (same_verb or denies(fact, other) or not adds_to(fact, other)) else "likely"
        return "likely" if not opposed and shares_word(fact, other) and says_end(fact) else None
    if (possible := _is_possible(fact, message)) or _stands_aside(fact, other):
        counts = not possible and other_number(fact, other)  # "We have another cat": three instead of two
        return "likely" if counts or (other.is_hard_limit and denies(fact, other)) else None
    if fact.is_temporary and not other.is_temporary and (fact.tense == "temporary" or not says_end(fact)):
        return None
    changed = _says_change(fact) or bool(CHANGE.search(clause))
    if other_number(fact, other):
        return "sure"
    if denies(fact, other):
        shown = changed or bool(ended or (SAYS_I.search(clause) and NOT.search(clause)))
        all_of_it = not PARTLY.search(normalize(fact.text)) and (
            not other.is_hard_limit or all(holds(fact.text, word) for word in value_of(other))
        )
        return "sure" if named and all_of_it and (shown or not opposed) else "likely"
    if same_slot and opposed and fact.attribute not in MANY_VALUED and not other.is_hard_limit:
        return "sure" if changed else "likely"
    if _leaves_alone(fact, other):
        return None
    named_old = _names_old(message, fact, other)
    shown = changed or named_old or bool(shares_word(fact, other) and says_end(fact))
    if any(before.search(normalize(other.text)) and after.search(said_in(fact)) for before, after in STEPS):
        return "sure" if not other.is_hard_limit or SAYS_I.search(clause) or MINE.search(clause) else "likely"
    if other.is_hard_limit:  # an allergy is only denied, a diet may also change; not "Eats no pork", by "Eats no beef"
        diet = "diet" in (fact.attribute, other.attribute) and cosine >= LOW and not both_deny(fact, other)
        animals = VEGGIE.search(normalize(other.text)) and ANIMAL.search(normalize(fact.text))
        if diet and shown:
            return (
                "sure"
                if (animals and AGAIN.search(said_in(fact))) or denied_in(other, normalize(message))
                else "likely"
            )
        return "likely" if same_slot and named_old and SWITCH.search(clause) else None
    if _is_facet(fact, other):
        return None
    one_value = fact.exclusive and (other.exclusive or is_exclusive(other.attribute, None))
    if same_slot and not one_value:
        switched = SWITCH.search(said_in(fact)) and frame
        return ("sure" if named_old else "likely") if switched else None
    if is_owned(fact) and is_owned(other) and not (changed and one_value):
        return "sure" if _names_old(fact.quote, fact, other) else None
    near = LOW if one_value and fact.category == other.category else NEAR
    stated = frame and one_value and is_exclusive(fact.attribute, None) and _is_stated(fact)
    covered = same_slot and all(holds(fact.text, word) for word in value_of(other))
    defined = defines(fact, other) and not same_slot
    if (same_slot or frame or cosine >= near) and (shown or stated or covered or defined):
        begins = one_value and changed and begins_alike(fact, other)  # "Lives in": two names of one slot
        like_it = frame or covered or _is_like(fact, other) if same_slot else cosine >= NEAR or named_old or begins
        return "sure" if like_it and not _is_part(fact, other) else "likely"
    of_kind = changed and fact.category == other.category != "fact"
    akin = cosine >= (AKIN if one_value else SAME) or (one_value and (of_kind or (same_slot and frame)))
    return "likely" if akin and not fact.is_planned else None


def _may_end_unclaimed(fact: Fact, other: Fact, message: str) -> bool:
    """Whether a fact may end another of one value, where no model says so and it is not sure."""
    if fact.subject != other.subject or not other.exclusive or fact.is_planned:
        return False
    if fact.is_past:
        return fact.words == other.words and _is_doubted(fact, other, message)
    if fact.slot != other.slot:
        return other_number(fact, other)
    if not fact.exclusive or fact.is_temporary != other.is_temporary or _leaves_alone(fact, other):
        return False
    doubted = _is_asked(fact, message) or _is_doubted(fact, other, message)
    return doubted if takes_slot(fact, other) else same_frame(fact, other)


def _is_possible(fact: Fact, message: str) -> bool:
    """Whether the words around the quote say what may be, or holds for a while: "If I lived in Rome"."""
    before, quote, after = clause_of(fact.quote, message).partition(normalize(fact.quote))
    limited = LIMITED.search(before + quote + after) and not fact.is_temporary
    return bool(limited or WISH.search(before) or WANTED.search(before + quote) or UNREAL.search(before + quote))


def _is_asked(fact: Fact, message: str) -> bool:
    """Whether the quote is part of a question: "Can I move to Rome now?"."""
    return bool(QUESTION.search(clauses_around(fact.quote, message)[-1]))


def _is_doubted(fact: Fact, other: Fact, message: str) -> bool:
    """Whether the quote may not be meant, or not of what the facts are about."""
    _, _, rest = fact.text.partition(" ")  # "Neighbour drives a Tesla" is about a neighbour
    about = f"{rest} {other.text} {names_of(fact.attribute)} {names_of(other.attribute)}"
    return is_ambiguous(fact.quote, message) or is_of_another(fact.quote, message, fact.subject, about)


def _is_stated(fact: Fact) -> bool:
    """Whether the quote says it with the words of the text: "I live in Rome", not "Rome is lovely"."""
    quote, text = words(fact.quote), words_told(fact)
    if CORRECTION.match(fact.quote) or ({*text[:1]} & COPULAS and SAYS_I.match(normalize(fact.quote))):
        return True
    said = normalize(fact.quote)
    mine = [] if NEGATION.search(said) else [found[1] for found in MINE.finditer(said) if said.endswith(found[1])]
    if any(all(holds(names_of(fact.attribute), word) for word in content(name)) for name in mine):
        return True  # "Rome is my home"
    same_verb = (text[1:2] == [after] and is_verb(text[0], verb) for verb, after in pairwise(quote))
    return normalize(fact.text) in normalize(fact.quote) or any(same_verb)


def _is_like(fact: Fact, other: Fact) -> bool:
    """Whether a text has a verb that says little, or that of the known one, or a change: not "Sings in a choir"."""
    first, last = (words_told(fact) or [""])[0], words(fact.text)[-1:]
    known = (
        first in COPULAS or {first, *last} & LIGHT_VERBS or any(is_verb(first, word) for word in words(other.text)[:1])
    )
    switched = SWITCH.search(said_in(fact)) or CHANGE.search(normalize(fact.text))
    ended = END.search(normalize(fact.quote)) and not END.search(normalize(fact.text))  # not "Closed the bakery early"
    return bool(known or switched or ended or not first.isascii())


def _is_part(fact: Fact, other: Fact) -> bool:
    """Whether a text says something else of a name in the known one, "Works 20 hours at Bolt", or holds in some places
    or at some times only, "Uses Vim at work"."""
    if same_frame(fact, other) and WHERE.search(normalize(fact.text)) and not WHERE.search(normalize(other.text)):
        return True
    if not names_in(fact) & names_in(other) or _is_stated(fact) or SWITCH.search(said_in(fact)):
        return False
    first = words(fact.text)[:1]
    return first != words(other.text)[:1] or not (begins_alike(fact, other) or {*first} & COPULAS)


def _says_change(fact: Fact) -> bool:
    """Whether text or quote say in so many words that something has changed, or since when it holds."""
    return bool(CHANGE.search(said_in(fact)) or SWITCH.search(said_in(fact)))


def _names_old(message: str, fact: Fact, other: Fact) -> bool:
    """Whether the message names what the known fact says, and the new one does not: "Denise left, it's Omar now"."""
    return any(holds(message, word) for word in value_of(other) if not holds(f"{fact.text} {fact.attribute}", word))


def _is_it(fact: Fact, other: Fact, cosine: float) -> bool:
    """Whether a fact that is over is the known one: it names the same, or all its names and says nearly the same."""
    known = content(other.text) - content(other.subject)
    named = frozenset(word for word in known if holds(said_in(fact), word))
    if are_opposed(fact, other):
        return False  # "Smoked as a student", "Doesn't smoke"
    return named == known or bool(named and names_in(other) <= named and cosine >= SAME)


def _leaves_alone(fact: Fact, other: Fact) -> bool:
    """Whether a fact says nothing against another: it stands aside, is a remark on it, or one may like both."""
    aside = _stands_aside(fact, other) or is_about_value(fact, other) or _begin_apart(fact, other)
    return aside or bool(LIKING.search(normalize(fact.text)))


def _stands_aside(fact: Fact, other: Fact) -> bool:
    """Whether the fact holds for a while or if something else does, is a wish, comes in addition, or is about somebody
    or something that the user calls "my ..."."""
    said, text = said_in(fact), normalize(fact.text)
    also = ALSO.search(said) and not END.search(said)
    wish = (WISH.search(text) or WANTED.search(said)) and not WISH.search(normalize(other.text))
    limited = LIMITED.search(normalize(fact.quote)) and not fact.is_temporary
    return bool(limited or also or wish)


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
    return named and not begins_alike(fact, other) and not _names_old(fact.quote, fact, other)
