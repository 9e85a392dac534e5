"""The offline model's replies: what it noted, and the recalled facts that answer a question, in the second person."""

import html
import re
from collections.abc import Iterable, Sequence

from agent.offline import NOTICE
from agent.offline.statements import read
from agent.offline.words import RELATIVES, ROLES
from memory.extraction.small_talk import is_small_talk
from memory.recall.render import PAST_HEADING
from memory.recall.words import asks_about_past
from memory.stems import stems

HELLO = "Hello! Tell me something about yourself, or ask me what I know about you."
DONT_KNOW = "I don't know that yet."
NOT_TAKEN_IN = "I didn't take that in; a real model would."

_REGULAR = "collect dislike drink drive eat hate like live love need own play prefer speak use want work enjoy"
_VERBS = {"is": "are", "was": "were", "has": "have", "does": "do", **{f"{verb}s": verb for verb in _REGULAR.split()}}
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
    if is_small_talk(message):
        return "You're welcome." if "thank" in message.casefold() else HELLO
    reading = read(message)
    current, past = recalled(prompt)
    parts = [] if reading.understood else [NOT_TAKEN_IN]
    if noted := [said.text for said in reading.statements if not said.retracts]:
        parts.append(f"Noted: {_joined(noted)}.")
    if taken_back := {said.text for said in reading.statements if said.retracts}:
        found = taken_back.intersection(current)
        parts.append("All right, I will forget that." if found else "I have nothing like that in memory.")
    parts += [answer(question, current, past) for question in reading.questions]
    return " ".join(dict.fromkeys(parts))


_LEAD_IN = re.compile(r"^(?:what )?(?:(?:do|can) you )?(?:please )?(?:tell me|know|remember)\b(?: about)? ?")
_RESTRICTION = r".*\b(?:allerg|intoleran)|is (?:vegan|vegetarian|pescatarian)|does not eat"
_TOPICS = (
    (r"(?:what(?: is|'?s) )?my name|who am i", "name is "),
    (r"what(?: is|'s) my age|how old am i", r"is \d+ years old"),
    (r"what(?: is|'s) my job|what do i do(?: for a living)?", rf"works |is an? (?:\w+ )*(?:{'|'.join(ROLES)})$"),
    (r"what(?: are my allergies| allergies do i have)|(?:what )?can(?:'t)? i eat\b.*", _RESTRICTION),
)  # fmt: skip
"""Questions that share no word with the facts that answer them, and what those facts begin with."""
_FOOD = re.compile(r".*\b(?:recommend|suggest|find)\b.*\b(?P<what>restaurant|recipe)", re.DOTALL)
_NOT_ABOUT_FACTS = re.compile(r"\b(?:you|your|he|she|they|his|her|their|him|them|it|should|would|why|when|not)\b|n't")
_IGNORED = frozenset(
    {"again", "anything", "before", "city", "currently", "language", "languages", "now", "s", "still", "today"}
)
_SAME = {"hate": "dislik", "love": "like", "enjoy": "like", "call": "name", "favorit": "favourit", "color": "colour"}
"""Stems, and the ones that mean the same."""


def answer(question: str, current: Sequence[str], past: Sequence[str]) -> str:
    """The recalled facts that answer a question, as sentences: those that have all of its words."""
    asked = _LEAD_IN.sub("", question.replace("’", "'").casefold().strip(" ?.!"))
    if asked in ("who are you", "what are you", "what can you do"):
        return NOTICE
    if asked in ("", "me", "everything you know about me"):
        return _sentences(map(second_person, current))
    if food := _FOOD.match(asked):
        return _advice_on_food(food["what"], current)
    before = asks_about_past(asked)
    facts = past if before else current
    words = _words(re.sub(r"\bused? to\b", "", asked))
    if topic := next((begins for asks, begins in _TOPICS if re.fullmatch(asks, asked)), ""):
        found = _own(facts, topic)
    elif not words or _NOT_ABOUT_FACTS.search(asked):
        found = []
    else:
        if re.search(r"\bi\b|\bmy (?:birthday|favou?rite)\b", asked):
            facts = _own(facts, "is " if "am i " in asked else "has " if " have" in asked else "")
        else:  # facts about the person in the question, or that give a name
            facts = [text for text in facts if " called " in text or words & _words(text.partition(" ")[0])]
        found = [text for text in facts if words <= _words(text)]
    return _sentences(second_person(text, past=before) for text in found)


def _words(text: str) -> set[str]:
    return {_SAME.get(stem, stem) for stem in stems(text, without=_IGNORED)}


def _own(facts: Sequence[str], begins: str) -> list[str]:
    """The facts about the user ("Lives in Austin", not "Anna lives in Rome") that match `begins` at their start."""
    own = [text for text in facts if text.partition(" ")[0].casefold() in {*_VERBS, *_NOUNS}]
    return [text for text in own if re.match(begins, text, re.IGNORECASE)]


def _advice_on_food(wanted: str, current: Sequence[str]) -> str:
    """That it knows no restaurant and no recipe, and what has to be considered."""
    restrictions = _own(current, _RESTRICTION)
    home = next((f" in {text.removeprefix('Lives in ')}" for text in current if text.startswith("Lives in ")), "")
    mind = f" For a {wanted}{home}, keep in mind: {_joined(restrictions)}." if restrictions else ""
    return f"I can't look up {wanted}s: I'm a rule-based model.{mind}"


def _joined(facts: Sequence[str]) -> str:
    """ "you live in Austin, you like tea, and you are vegan"."""
    *others, last = map(second_person, facts)
    return f"{', '.join(others)}, and {last}" if others else last


def _sentences(texts: Iterable[str]) -> str:
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in texts) or DONT_KNOW
