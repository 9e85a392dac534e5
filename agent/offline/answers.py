"""The offline model's replies: what it noted, and the recalled facts that answer a question, in the second person."""

import html
import re
from collections.abc import Iterable, Sequence

from agent.offline import NOTICE
from agent.offline.statements import read
from agent.offline.words import RELATIVES, ROLES
from memory.facts.slots import SINGLE_VALUED
from memory.learn.small_talk import is_small_talk
from memory.recall.render import PAST_HEADING
from memory.recall.words import asks_about_past, stems

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
    reading = read(message)
    known, past = recalled(prompt)
    noted = [said.text for said in reading.statements if not said.retracts]
    taken_back = {said.text for said in reading.statements if said.retracts}
    replaced = {_kind(said.text) for said in reading.statements if said.attribute in SINGLE_VALUED}
    gone = taken_back | {said.opposite for said in reading.statements}
    current = [text for text in known if text not in gone and _kind(text) not in replaced] + noted
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


def _kind(text: str) -> str:
    """The same for two texts of which one replaces the other: "Lives", "Is 0 years old"."""
    plain = re.sub("married|single|divorced", "single", re.sub(r"\d+", "0", text))
    return plain if plain.startswith("Is ") else plain.partition(" ")[0]


_LEAD_IN = re.compile(r"^(?:(?:do|can|could|would) you )?(?:please )?(?:tell me|show me|remind me|know|remember)\b,? ")
_EVERYTHING = re.compile(r"(?:what|everything) (?:do )?you (?:know|remember)(?: about me)?|about (?:me|myself)")
_ABOUT = re.compile(r"(?:(?:(?:what|everything) (?:do )?(?:you|i) (?:know|remember) )?about|who is) (?P<who>.+)")
_RESTRICTION = r".*\b(?:allerg|intoleran)|is (?:vegan|vegetarian|pescatarian)|does not eat"
_TOPICS = (
    (r"(?:what is )?my (?:full )?name|who (?:am i|i am)|what am i called", "name is "),
    (r"(?:what is )?my age|how old (?:am i|i am)", r"is \d+ years old"),
    (r"(?:what (?:do|did) i do|what i do)(?: for .*)?|what is my job",
     rf"works |is an? (?:\w+ )*(?:{'|'.join(ROLES)})$"),
    (r"where (?:am|do) i (?:come )?from", "is from "),
    (r"(?:what|which) are my allergies|(?:what|which) allergies do i have|do i have (?:any )?allergies"
     r"|am i allergic to any(?:thing| food)|what (?:can't|can|don't) i eat|can i eat .+", _RESTRICTION),
)  # fmt: skip
"""Questions that share no word with the facts that answer them, and what those facts begin with."""
_FOOD = re.compile(r".*\b(?:recommend|suggest|find|book|good|any)\b.*\b(?P<what>restaurant|recipe|meal)", re.DOTALL)
_NOT_ABOUT_FACTS = re.compile(r"\b(?:you|your|he|she|they|his|her|their|him|them|it|should|would|why|when|not)\b|n't")
_IGNORED = frozenset({"call", "city", "country", "ever", "language", "many", "much", "name", "s", "tool", "town"})
_SHAPES = (
    (r"\bmy (name|age|birthday|favourite)\b", r"\1 "),
    (r"\b(?:do|did) i (?:\w+ )?(?:have|own)\b|\bhave i got\b", "(?:has|owns) "),
    (r"\b(?:am|was) i\b", "(?:is|was) "),
)
"""Parts of a question about the user, and how the facts that answer it begin."""


def answer(question: str, current: Sequence[str], past: Sequence[str]) -> str:
    """The recalled facts that answer a question, as sentences: those that have all of its words."""
    asked = re.sub(r"(?<=[a-z])'s\b|(?<=^what)s\b", " is", question.replace("’", "'").casefold()).strip(" ?.!")
    asked = _LEAD_IN.sub("", asked.replace("used to ", "").replace("use to ", "")).removesuffix(" again")
    if re.fullmatch("(?:who|what) are you|what can you do|help", asked):
        return NOTICE
    if _EVERYTHING.fullmatch(asked):
        return _sentences(map(second_person, current))
    before = asks_about_past(asked) and not re.search("still|born", asked)
    facts = past if before else current
    for asks, answers in _TOPICS:
        if re.fullmatch(asks, asked):
            return _sentences(second_person(text, past=before) for text in _own(facts, answers))
    if food := _FOOD.match(asked):
        return _advice_on_food(food["what"], current)
    about = _ABOUT.fullmatch(asked)
    asked = _spelled(about["who"] if about else asked)
    words = _words(asked) - _words("again before currently now previously still today")
    if not words or (not about and _NOT_ABOUT_FACTS.search(asked)):
        return DONT_KNOW
    if re.match("(?:do|did) i (?:really |still )?(?:dis)?like ", asked):  # "no" is an answer to these, too
        facts = [text for text in facts if _spelled(text).startswith(("likes ", "dislikes "))]
        words -= _words("like dislike")
        found = _own(facts, ".*")
    elif re.search(r"\bi\b|\bmy (?:name|age|birthday|favourite)\b", asked):
        shape = next((part.expand(begins) for asks, begins in _SHAPES if (part := re.search(asks, asked))), ".*")
        found = _own(facts, shape)
    else:
        names = bool(re.search(r"\b(?:name|called)\b", asked))
        found = [text for text in facts if _is_about(text, words, names=names)]
    return _sentences(second_person(text, past=before) for text in found if words <= _words(text))


def _spelled(text: str) -> str:
    """A text in lower case, with one word for each of several that mean the same."""
    text = re.sub(r"\bhate(?=s?\b)", "dislike", re.sub(r"\b(?:love|enjoy)(?=s?\b)", "like", text.casefold()))
    return text.replace("favorite", "favourite").replace("color", "colour").replace("languages", "language")


def _words(text: str) -> set[str]:
    return set(stems(_spelled(text), without=_IGNORED))


def _own(facts: Sequence[str], begins: str) -> list[str]:
    """The facts about the user ("Lives in Austin", and not "Anna lives in Rome") that begin with a pattern."""
    own = [text for text in facts if text.partition(" ")[0].casefold() in {*_VERBS, *_NOUNS}]
    return [text for text in own if re.match(begins, _spelled(text))]


def _is_about(text: str, words: set[str], *, names: bool) -> bool:
    """Whether a fact is about the person or thing that a question names. `names`: and says a name."""
    if " called " in text or (names and " name is " in text):
        return True
    first, second, *_ = f"{text} .".split()
    subject = f"{first} {second}" if first.casefold() in RELATIVES and second[0].isupper() else first
    return not names and bool(words & _words(subject))


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
