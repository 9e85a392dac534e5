"""Judges which of the relations count that a model claims between facts: its word alone retires nothing. Pure.

`RULES` says what becomes of a known fact that a new one is said to replace, by the signals of
`memory.evidence.signals`. By hand, since no library judges this offline; tests/evals/README.md has the rates.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from memory.evidence.signals import NEAR, Signals
from memory.evidence.support import Cosines, Pair
from memory.facts.changes import RelationKind
from memory.facts.fact import Fact
from memory.facts.slots import is_exclusive
from memory.language import signs
from memory.language.text import normalize

Verdict = Literal["retire", "ask", "keep"]


class Rule(NamedTuple):
    name: str
    """The reason, in words that the user is shown where both facts are kept."""
    applies: Callable[[Signals], bool]
    verdict: Verdict


RULES = (
    # Is it said of the user, as true, and for good?
    Rule("said of somebody else", lambda s: s.of_another and not s.may_not_be_meant and not s.names_any, "keep"),
    Rule("the rest is gone", lambda s: s.is_rest, "retire"),
    Rule("a wish or a condition", lambda s: s.is_unreal, "keep"),
    Rule("the rest may be gone", lambda s: s.says_less and s.names_old, "ask"),
    Rule("it is over", lambda s: s.fact.tense == "past" and s.is_end_of_it and s.tells_it, "retire"),
    Rule("it may be over", lambda s: s.fact.tense == "past" and (s.is_end_of_it or s.is_end_of_part), "ask"),
    Rule("something else is over", lambda s: s.fact.tense == "past", "keep"),
    Rule("an addition", lambda s: s.is_added, "keep"),
    Rule("it holds for a while", lambda s: s.interrupts, "keep"),
    # Does it deny the known fact?
    Rule("another number", lambda s: s.other_number, "retire"),
    Rule("denied", lambda s: s.is_denied, "retire"),
    Rule("perhaps denied", lambda s: s.denies, "ask"),
    Rule("the opposite, since a change", lambda s: s.is_opposite and s.says_change, "retire"),
    Rule("the opposite", lambda s: s.is_opposite, "ask"),
    Rule("its end is said", lambda s: s.is_ended, "retire"),
    Rule("about two people", lambda s: s.names_somebody, "keep"),
    Rule("one may like both", lambda s: s.is_liking, "keep"),
    Rule("the next step of a life", lambda s: s.is_next_step and s.step_is_said, "retire"),
    Rule("perhaps the next step of a life", lambda s: s.is_next_step, "ask"),
    # A limit, such as an allergy, ends only where it is denied.
    Rule("a diet is dropped", lambda s: s.other.is_hard_limit and s.drops_diet, "retire"),
    Rule("another limit", lambda s: s.other.is_hard_limit and (s.other_diet or s.is_switched), "ask"),
    Rule("a limit is not denied", lambda s: s.other.is_hard_limit, "keep"),
    # Is it another value of the same thing?
    Rule("about something else", lambda s: s.is_facet and not s.says_end, "keep"),
    Rule("one of several gave way", lambda s: s.several and s.same_frame and s.is_switched, "retire"),
    Rule("one of several may have given way", lambda s: s.several and s.same_frame and s.says_end, "ask"),
    Rule("one of several", lambda s: s.several, "keep"),
    Rule("one may have both", lambda s: s.may_have_both, "keep"),
    Rule("another value", lambda s: s.about_one_thing and s.is_like_it and not s.is_part, "retire"),
    Rule("perhaps another value", lambda s: s.same_slot or s.about_one_thing or s.is_akin or s.is_end_of_part, "ask"),
    Rule("no change is said", lambda _: True, "keep"),
)
"""What becomes of the known fact, by the first rule that applies. Of what may not be meant, "retire" means "ask"."""


def claimed_changes(claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact]) -> list[Pair]:
    """The pairs of texts whose cosines `counted` needs."""
    return [_pair(other, fact) for other in known if claims.get(other.id) in ("replaces", "refines")]


class Counted(NamedTuple):
    """What counts of the relations that a model claims between a fact and known ones, by the ids of these."""

    relations: dict[str, RelationKind]
    doubtful: frozenset[str]
    """Known facts that may be over since the new one: the user is to be asked."""
    kept: dict[str, str]
    """Known facts that are not replaced although the model claims it, with the reason."""


def counted(
    claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact], message: str, cosines: Cosines
) -> Counted:
    """Judge what a model claims of a fact. `message` is the whole message that the fact was said in."""
    relations, doubtful, kept = dict[str, RelationKind](), set[str](), dict[str, str]()
    for other in known:
        if other.subject != fact.subject:
            continue
        claim = claims.get(other.id, "unrelated")
        signals = Signals(fact, other, message, cosines.get(_pair(other, fact), 0.0))
        kind, reason = _judge(claim, signals)
        if kind == "doubtful" or (claim == "unrelated" and _may_end_unclaimed(signals)):
            doubtful.add(other.id)
        elif kind:
            relations[other.id] = kind
        elif fact.slot == other.slot and (claim == "replaces" or signals.stands_aside):
            relations[other.id] = "beside"
        if claim == "replaces" and not kind and fact.words != other.words:
            kept[other.id] = reason
    return Counted(relations, frozenset(doubtful), kept)


def _judge(claim: RelationKind, s: Signals) -> tuple[RelationKind | Literal["doubtful"] | None, str]:
    """What counts of a claim, and the rule by which it was judged."""
    in_slot = s.fact.slot == s.other.slot
    if claim in ("duplicate", "refines") and (s.fact.is_past > s.other.is_past or s.denies):
        claim = "replaces"  # "Is not allergic to nuts" does not refine "Is allergic to nuts"
    if s.says_less and not s.opposed and in_slot and s.fact.exclusive and not (claim == "replaces" and s.is_rest):
        return "duplicate", ""  # "Lives in Texas" takes nothing from "Lives in Austin, Texas"
    match claim:
        case "duplicate" if s.says_the_same:
            return claim, ""
        case "refines" if s.says_known and not s.opposed and (in_slot or s.cosine >= NEAR):
            return claim, ""
        case "beside":
            return claim, ""
        case "replaces":
            rule = next(rule for rule in RULES if rule.applies(s))
            doubtful = rule.verdict == "ask" or s.is_doubted
            return None if rule.verdict == "keep" else "doubtful" if doubtful else claim, rule.name
    return None, ""


def takes_slot(fact: Fact, other: Fact) -> bool:
    """Whether a fact takes the place of another in their slot of one value, although no model says so."""
    return _takes_slot(Signals(fact, other, fact.quote))


def _takes_slot(s: Signals) -> bool:
    if s.leaves_alone or s.is_part:
        return False
    one_value = is_exclusive(s.fact.attribute, None) or s.defines
    changed = s.says_change and (one_value or s.same_frame)
    return s.other_number or changed or (one_value and s.same_frame and s.is_stated)


def says_end(fact: Fact) -> bool:
    """Whether text or quote say in so many words that something ended, or gave way to another."""
    return Signals(fact, fact, fact.quote).says_end


def says_plan(fact: Fact) -> bool:
    """Whether it is a plan, or says one: "Plans to visit Japan"."""
    return fact.is_planned or bool(signs.WISH.search(normalize(fact.text)))


def _pair(other: Fact, fact: Fact) -> Pair:
    return f"{other.attribute}: {other.text}", f"{fact.attribute}: {fact.text}"


def _may_end_unclaimed(s: Signals) -> bool:
    """Whether a fact may end another of one value, where no model says so and it is not sure."""
    fact, other = s.fact, s.other
    if not other.exclusive or fact.is_planned:
        return False
    if fact.is_past:
        return fact.words == other.words and s.is_doubted
    if fact.slot != other.slot:
        return s.other_number
    if not fact.exclusive or fact.is_temporary != other.is_temporary or s.leaves_alone:
        return False
    return s.is_doubted if takes_slot(fact, other) else s.same_frame
