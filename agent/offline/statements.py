"""A message to the plain statements about the user in it, by rules that match whole clauses.

Precision comes before coverage: where any part of a message is neither a statement, a greeting nor one of a few
questions, nothing is taken from it, since that part may turn the rest into a joke, a quotation or a condition.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

from agent.offline import words
from memory.facts.fact import Category
from memory.facts.slots import SINGLE_VALUED
from memory.learn.guard import is_secret

MAX_CHARS = 1_000
"""Longer messages are not read: they are documents."""


@dataclass(frozen=True)
class Statement:
    """A fact that a message states or takes back."""

    text: str
    attribute: str
    category: Category
    quote: str
    """The words of the message it comes from, letter by letter."""
    replaces: bool
    """Whether it says that it takes the place of the one known before: "I now work at Acme"."""
    retracts: bool

    @property
    def opposite(self) -> str:
        """The text of the fact that this one contradicts: "Likes tea" for "Dislikes tea"; empty where none does."""
        verb, _, rest = self.text.partition(" ")
        return {"Likes": f"Dislikes {rest}", "Dislikes": f"Likes {rest}"}.get(verb, "")


@dataclass
class Reading:
    """What a message states and asks."""

    statements: list[Statement] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    understood: bool = True
    """Whether every part of the message was a question or a plain statement."""
    trusted: bool = True
    """Whether every question is one of the few that may stand beside a statement."""


def all_known(text: str, known: Mapping[str, str]) -> list[str]:
    """The parts of a list such as "nuts, milk and shellfish"; each of them has to be known."""
    parts = [text] if text.casefold() in known else re.split(r", (?:and )?| and ", text)
    return [known[part.casefold()] for part in parts] if all(part.casefold() in known for part in parts) else []


def given_name(text: str) -> list[str]:
    return [text] if text in words.GIVEN_NAMES.values() else []


def full_name(text: str) -> list[str]:
    """ "Ada", "Ada Lovelace"."""
    first, _, last = text.partition(" ")
    return [text] if given_name(first) and (not last or last in words.SURNAMES.values()) else []


def city(text: str) -> list[str]:
    """ "Austin", "Austin, Texas"."""
    name, comma, region = (part.casefold() for part in text.partition(", "))
    if name not in words.CITIES or (comma and region not in REGIONS):
        return []
    return [words.CITIES[name] + (f", {REGIONS[region]}" if comma else "")]


def employer(text: str) -> list[str]:
    """ "the BBC", "Acme Corp", "Oxford University", "a bank"."""
    name, _, form = text.rpartition(" ")
    known = text in words.COMPANIES.values() or text in words.WORKPLACES
    known |= form in words.COMPANY_FORMS.values() and name in words.COMPANIES.values()
    return [text] if known or (form == "University" and name in words.CITIES.values()) else []


def role(text: str) -> list[str]:
    """ "nurse", "senior backend engineer"."""
    rank, _, kind = text.partition(" ")
    return [text] if text in words.ROLES or (rank in words.RANKS and role(kind)) else []


REGIONS = words.COUNTRIES | words.STATES
PLACES = words.CITIES | REGIONS
VALUES: Mapping[str, Mapping[str, str] | Callable[[str], list[str]]] = {
    "allergens": words.ALLERGENS,
    "city": city,
    "collections": words.COLLECTIONS,
    "employer": employer,
    "foods": words.FOODS,
    "games": words.GAMES,
    "given_name": given_name,
    "left": PLACES,
    "languages": words.LANGUAGES,
    "member": words.RELATIVES | words.PETS,
    "name": full_name,
    "origin": PLACES,
    "role": role,
    "things": words.THINGS,
    "tool": words.TOOLS,
    "tools": words.TOOLS,
}


def values_of(kind: str, text: str) -> list[str]:
    known = VALUES.get(kind)
    return [text] if known is None else known(text) if callable(known) else all_known(text, known)


_WHEN = "(?: (?:recently|today|yesterday|this (?:week|month|year)|last (?:week|month|year)))?"
_RULES: tuple[tuple[Category, str, str, str], ...] = (
    ("identity", "name", "Name is {name}", r"my name(?: is|'s) (?P<name>.+)"),
    ("identity", "name", "Name is {given_name}", r"I'm (?P<given_name>.+)"),
    ("identity", "age", "Is {age} years old", r"I'm (?P<age>[1-9]\d)(?: years old)?"),
    ("identity", "comes from", "Is from {origin}", r"I(?:'m| come) from (?P<origin>.+)"),
    ("location", "home city", "Lives in {city}", r"I(?: now| currently)? live in (?P<city>.+?)(?: now)?"),
    ("location", "home city", "Lives in {city}",
     r"I(?:'ve)? (?:just |recently )?moved (?:from (?P<left>.+) )?to (?P<city>.+?)" + _WHEN),
    ("constraint", "allergy", "Is allergic to {allergens}", r"I'm (?:severely |very )?allergic to (?P<allergens>.+)"),
    ("constraint", "diet", "Is {diet}", r"I'm (?:a )?(?P<diet>vegan|vegetarian|pescatarian|lactose intolerant)"),
    ("constraint", "diet", "Does not eat {foods}", r"I (?:don't|never) eat (?P<foods>.+)"),
    ("work", "profession", "Is a {role}", r"I(?:'m| work as) an? (?P<role>.+)"),
    ("work", "workplace", "Works {at} {employer}",
     r"I (?:also |(?P<now>now ))?work (?P<at>at|for) (?P<employer>.+?)(?: (?P<still_now>now))?"),
    ("skill", "tool", "Uses {tools}", r"I (?:also |mainly |mostly |primarily )?(?:use|code in) (?P<tools>.+)"),
    ("skill", "spoken language", "Speaks {languages}", r"I (?:also )?speak (?P<languages>.+)"),
    ("project", "project", "Is building a {tool} {what} with {tools}",
     r"I'm building a (?P<tool>\S+) (?P<what>app|website|backend|frontend|bot) with (?P<tools>.+)"),
    ("preference", "likes", "Likes {things}", r"I (?:really |also )?(?:like|love|enjoy) (?P<things>.+)"),
    ("preference", "dislikes", "Dislikes {things}", r"I (?:dislike|hate|don't like|can't stand) (?P<things>.+)"),
    ("preference", "preference", "Prefers {things}", r"I prefer (?P<things>.+)"),
    ("preference", "preference", "Prefers {mode} mode in all apps",
     r"I prefer (?P<mode>dark|light) mode in all my apps"),
    ("preference", "hobby", "Plays {games}", r"I (?:also )?play (?:the )?(?P<games>.+)"),
    ("preference", "hobby", "Collects {collections}", r"I (?:also )?collect (?P<collections>.+)"),
    ("relationship", "family", "Has a {member} called {name}",
     r"(?:my (?P<member>.+?)(?: is called| is named|'s name is)) (?P<name>.+)"),
    ("relationship", "family", "Has a {member} called {name}",
     r"I have an? (?P<member>.+?) (?:called|named) (?P<name>.+)"),
    ("relationship", "family", "Has a {member}", r"I have an? (?P<member>.+)"),
    ("relationship", "family", "Has {number} {what}",
     r"I have (?P<number>two|three|four|five) (?P<what>brothers|cats|children|daughters|dogs|kids|sisters|sons)"),
    ("relationship", "marital status", "Is {status}", r"I'm (?P<status>married|single|divorced)"),
)  # fmt: skip
"""Category, attribute and text of a fact, and the whole clause that states it; each name in braces is a value."""


def statements_in(clause: str, quote: str, *, retracts: bool) -> list[Statement]:
    """What a clause states, by the first rule that fits and knows all of its values; nothing where none does."""
    for category, attribute, template, pattern in _RULES:
        match = re.fullmatch(pattern, clause)
        groups = {name: value for name, value in match.groupdict().items() if value} if match else {}
        choices = [values_of(name, value) for name, value in groups.items()]
        if groups and all(choices):
            replaces = bool(groups.keys() & {"now", "still_now"})
            texts = [template.format(**dict(zip(groups, chosen, strict=True))) for chosen in product(*choices)]
            texts = [re.sub(r"^(Is|Has) a (?=[aeiou])", r"\1 an ", text) for text in texts]
            return [Statement(text, attribute, category, quote, replaces, retracts) for text in dict.fromkeys(texts)]
    return []


_POLITE = re.compile(
    r"(?:(?:hi|hello|hey)(?: there| everyone| again)?|good (?:morning|afternoon|evening)|how are you"
    r"|thanks|thank you(?: (?:so|very) much)?|nice to meet you)[.!?]?", re.IGNORECASE
)  # fmt: skip
_LEAD_IN = re.compile(
    r"(?:(?:hi|hello|hey)(?: there)?|yes|no|ok|okay|by the way), |(?:also|actually),? ", re.IGNORECASE
)
_CLAUSE_END = re.compile(
    r"(?:,? and|,? but|;|,) (?=(?:[Ii](?:['’]m)?|my) )"
    r"|,? and (?=(?:live|work|like|love|hate|use|speak|play|collect) )"
    r"|, (?=(?:can|could) you (?:recommend|suggest) )"
)
_ASKS = "who|whats?|where|when|which|how|why|do|does|did|am|is|are|recommend|suggest|tell|remind|show|list|search|find"
_QUESTION = re.compile(rf"(?:(?:can|could|would) you |please )*(?:{_ASKS})\b.*[^!]", re.IGNORECASE)
_CAN_YOU = re.compile(r"(?:can|could) you (?:recommend|suggest) ")
_REQUEST = re.compile(
    r"(?:(?:can|could|would) you )?(?:please )?(?:recommend|suggest|find)(?: me)? (?:an? |some |any )?"
    r"(?:(?:good|nice|cheap|quick|healthy|vegan|vegetarian) )?(?:restaurant|recipe|meal)s?"
    rf"(?: (?:in (?:{'|'.join(words.CITIES)})|(?:for )?(?:tonight|today|lunch|dinner)|nearby|near me))?(?: please)?"
    r"|wh(?:at|ere) (?:can|should) i (?:eat|cook)(?: tonight| today)?"
)
"""The requests that may stand beside a statement."""
_CHECK = re.compile(
    r"wh(?:at|ere) do i (?:like|dislike|live|work|use|do)|what am i allergic to|how old am i"
    r"|what(?: is|'s) my (?:name|age|job)|what do you (?:know|remember) about me"
)
"""The questions that may follow one; in front of it, they may make it an answer in a riddle."""
_TAKEN_BACK = re.compile(r"(?P<i>I(?:'m)?) (?:no longer (?P<what>.+)|(?:don't|not) (?P<past>.+) any(?: ?more| longer))")
_FORGET = re.compile(r"(?:please )?forget (?:that )?(?=(?:I|my)\b)", re.IGNORECASE)


def read(message: str) -> Reading:
    """What a message states and asks. It states nothing where a part of it is not understood."""
    reading = Reading()
    if len(message) > MAX_CHARS or message.isupper() or is_secret(message):
        return Reading(understood=False)
    for sentence in re.split(r"(?<=[.!?]) +|\s*\n\s*", message.strip()):
        _read_sentence(sentence, reading)
    single = [s.attribute for s in reading.statements if s.attribute in SINGLE_VALUED and not s.retracts]
    if not reading.understood or len(set(single)) < len(single) or (reading.statements and not reading.trusted):
        return Reading(questions=reading.questions, understood=False)
    return reading


def _read_sentence(sentence: str, reading: Reading) -> None:
    """Add what a sentence states or asks to the reading."""
    while lead_in := _LEAD_IN.match(sentence):
        sentence = sentence[lead_in.end() :]
    if not sentence or _POLITE.fullmatch(sentence):
        return
    clauses = _CLAUSE_END.split(sentence)
    if sentence.endswith("?") or _QUESTION.fullmatch(sentence):
        last = clauses.pop()
        question, clauses = (last, clauses) if _CAN_YOU.match(last) else (sentence, [])
        asked = question.replace("’", "'").casefold().rstrip("?.")
        reading.trusted &= bool(_REQUEST.fullmatch(asked) or (reading.statements and _CHECK.fullmatch(asked)))
        reading.questions.append(question)
    forget = _FORGET.match(sentence)
    for number, quote in enumerate(clauses):
        clause = _plain(quote[forget.end() :] if forget else quote, elided=number > 0)
        taken_back = _TAKEN_BACK.fullmatch(clause)
        if taken_back:
            clause = f"{taken_back['i']} {taken_back['what'] or taken_back['past']}"
        clear = not forget or (len(clauses) == 1 and not taken_back)
        found = statements_in(clause, quote.strip(), retracts=bool(forget or taken_back)) if clear else []
        reading.statements += found
        reading.understood &= bool(found)


def _plain(clause: str, *, elided: bool) -> str:
    """A clause in the form of the rules: without its closing mark, "I am" contracted, an elided "I" put back."""
    text = " ".join(clause.replace("’", "'").split())
    text = text[:-1] if text.endswith((".", "!")) else text
    text = re.sub(r"^i(?=[ '])", "I", re.sub(r"^My ", "my ", text))
    text = f"I {text}" if elided and not re.match(r"I\b|my ", text) else text
    return re.sub(r"^I do not ", "I don't ", re.sub(r"^I am ", "I'm ", text))
