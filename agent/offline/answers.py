"""The offline model's replies: what it noted, and the recalled facts that answer a question, in the second person."""

import html
import re
from collections.abc import Iterable, Sequence

from agent.offline import NOTICE
from agent.offline.statements import read
from agent.offline.words import RELATIVES, ROLES
from memory.learn.reconcile import SINGLE_VALUED
from memory.learn.small_talk import is_small_talk
from memory.recall.render import PAST_HEADING
from memory.recall.words import FIRST_PERSON, asks_about_past, stems

DONT_KNOW = "I don't know that yet."
NOT_TAKEN_IN = "I didn't take that in; a real model would."

_REGULAR = "collects dislikes drinks eats enjoys hates likes lives loves owns plays prefers speaks uses wants works"
_VERBS = {"is": "are", "has": "have", "does": "do", **{verb: verb[:-1] for verb in _REGULAR.split()}}
"""The verbs that facts about the user begin with, and their forms in the second person."""
_NOUNS = {"name", "age", "birthday", "favourite", "favorite"}
"""The nouns that they begin with."""


def recalled(text: str) -> tuple[list[str], list[str]]:
    """The current and the past facts in the last `<memory>` block of a text, best first, without their dates."""
    block = (re.findall(r"<memory>\n(.*?)</memory>", text, re.DOTALL) or [""])[-1]
    current, _, past = block.partition(f"\n{PAST_HEADING}\n")
    fact = re.compile(r"^- (.+?)(?: \((?:since|until|said) [^()]*\))?$", re.MULTILINE)
    return list(map(html.unescape, fact.findall(current))), list(map(html.unescape, fact.findall(past)))


def second_person(text: str, *, past: bool = False) -> str:
    """A fact as said to the user: "Lives in Austin" -> "you live in Austin", or "you used to live in Austin"."""
    text = text.rstrip(". ")
    first, _, rest = text.partition(" ")
    if verb := _VERBS.get(first.casefold()):
        rest = re.sub(r"\btheir\b", "your", rest)
        return f"you used to {'be' if verb == 'are' else verb} {rest}" if past else f"you {verb} {rest}"
    said = f"your {first.casefold()} {rest}" if first.casefold() in {*_NOUNS, *RELATIVES} else text
    return re.sub(r"\bis\b", "used to be", said, count=1) if past else said


def reply(prompt: str, message: str) -> str:
    """The reply to a message, given the system prompt with its `<memory>` block."""
    reading = read(message)
    known, past = recalled(prompt)
    noted = [said.text for said in reading.statements if not said.retracts]
    taken_back = {said.text for said in reading.statements if said.retracts}
    replaced = {said.text.split()[0] for said in reading.statements if said.attribute in SINGLE_VALUED} - {"Is"}
    current = [text for text in known if text not in taken_back and text.split()[0] not in replaced] + noted
    parts = [f"Noted: {_joined(noted)}."] if noted else []
    if taken_back:
        found = taken_back.intersection(known)
        parts.append("All right, I will forget that." if found else "I have nothing like that in memory.")
    if not reading.understood and not is_small_talk(message):
        parts.append(NOT_TAKEN_IN)
    parts += [answer(question, current, past) for question in reading.questions]
    if parts:
        return " ".join(dict.fromkeys(parts))
    if re.search(r"\b(?:thanks|thank you|thx|cheers)\b", message, re.IGNORECASE):
        return "You're welcome."
    return "Hello! Tell me something about yourself, or ask me what I know about you."


_LEAD_IN = re.compile(r"^(?:(?:do|can|could|would) you )?(?:please )?(?:tell me|show me|remind me|know|remember)\b,? ")
_EVERYTHING = re.compile(r"(?:what|everything) (?:do )?you (?:know|remember)(?: about me)?|about me")
_RESTRICTION = r".*\b(?:allerg|intoleran)|is (?:vegan|vegetarian|pescatarian)|does not eat"
_TOPICS = (
    (r"(?:what is )?my (?:full )?name|who (?:am i|i am)|what am i called", "name is "),
    (r"what (?:do|did) i do(?: for .*)?|what is my job", rf"works |is an? (?:\w+ )*(?:{'|'.join(ROLES)})$"),
    (r"where (?:am|do) i (?:come )?from", "is from "),
    (r"what are my allergies|do i have (?:any )?allergies|what (?:can't|don't) i eat", _RESTRICTION),
)  # fmt: skip
"""Questions that share no word with the facts that answer them, and what those facts begin with."""
_FOOD = re.compile(r".*\b(?:recommend|suggest|find|book|good|any)\b.*\b(?P<what>restaurant|recipe|meal)", re.DOTALL)
_NOT_ABOUT_FACTS = re.compile(r"\b(?:you|your|he|she|they|his|her|their|him|them|it|should|would|why|when|not)\b|n't")
_IGNORED = frozenset({"call", "city", "country", "ever", "language", "many", "much", "name", "s", "tool", "town"})


def answer(question: str, current: Sequence[str], past: Sequence[str]) -> str:
    """The recalled facts that answer a question, as sentences: those that have all of its words."""
    asked = re.sub(r"(?<=[a-z])'s\b", " is", question.replace("’", "'").casefold()).strip(" ?.!")
    asked = _LEAD_IN.sub("", asked.replace("used to ", "").replace("use to ", ""))
    if re.fullmatch("(?:who|what) are you|what can you do|help", asked):
        return NOTICE
    if _EVERYTHING.fullmatch(asked):
        return _sentences(map(second_person, current))
    before = asks_about_past(asked) and "still" not in asked
    facts = past if before else current
    for asks, answers in _TOPICS:
        if re.fullmatch(asks, asked):
            found = [text for text in facts if _is_own(text) and re.match(answers, text, re.IGNORECASE)]
            return _sentences(second_person(text, past=before) for text in found)
    if food := _FOOD.match(asked):
        return _advice_on_food(food["what"], current)
    words = _words(asked) - _words("again before currently now previously still today")
    if not words or _NOT_ABOUT_FACTS.search(asked):
        return DONT_KNOW
    own = bool(FIRST_PERSON & set(asked.split()))
    found = [text for text in facts if words <= _words(text) and _is_about(text, words, own=own)]
    return _sentences(second_person(text, past=before) for text in found)


def _words(text: str) -> set[str]:
    return set(stems(text.replace("favorite", "favourite"), without=_IGNORED))


def _is_own(text: str) -> bool:
    """Whether a fact is about the user: "Lives in Austin", and not "Anna lives in Rome"."""
    return text.partition(" ")[0].casefold() in {*_VERBS, *_NOUNS}


def _is_about(text: str, words: set[str], *, own: bool) -> bool:
    """Whether a fact is about the person or thing that a question names, or `own`: about the user."""
    if _is_own(text):
        return own or " called " in text
    first, second, *_ = f"{text} .".split()
    return bool(words & _words(f"{first} {second}" if first.casefold() in RELATIVES else first))


def _advice_on_food(wanted: str, current: Sequence[str]) -> str:
    """That it knows no restaurant and no recipe, and what has to be considered."""
    restrictions = [text for text in current if _is_own(text) and re.match(_RESTRICTION, text, re.IGNORECASE)]
    home = next((f" in {text.removeprefix('Lives in ')}" for text in current if text.startswith("Lives in ")), "")
    mind = f" For a {wanted}{home}, keep in mind: {_joined(restrictions)}." if restrictions else ""
    return f"I can't look up {wanted}s: I'm a rule-based model.{mind}"


def _joined(facts: Sequence[str]) -> str:
    """ "you live in Austin, you like tea, and you are vegan"."""
    *others, last = map(second_person, facts)
    return f"{', '.join(others)}, and {last}" if others else last


def _sentences(texts: Iterable[str]) -> str:
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in texts) or DONT_KNOW
