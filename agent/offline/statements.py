"""A message to the plain statements about the user in it, by rules that match whole clauses.

Precision comes before coverage: nothing is taken from a message unless every part of it is a statement, since any other
part may turn the rest into a joke, a quotation or a condition.
"""

import re
from dataclasses import dataclass
from itertools import chain, product

from agent.offline.words import VALUES
from memory.facts.fact import Category
from memory.facts.slots import SINGLE_VALUED
from memory.guard.secrets import secret_in

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
    retracts: bool

    @property
    def opposite(self) -> str:
        """The text of the fact that this one contradicts: "Likes tea" for "Dislikes tea"; empty where none does."""
        verb, _, rest = self.text.partition(" ")
        return {"Likes": f"Dislikes {rest}", "Dislikes": f"Likes {rest}"}.get(verb, "")


@dataclass(frozen=True)
class Reading:
    """What a message states or asks. `understood`: every part of it is a question, or every part is a statement."""

    statements: list[Statement]
    questions: list[str]
    understood: bool


_RULES: tuple[tuple[Category, str, str, str], ...] = (
    ("identity", "name", "Name is {name}", r"(?:my name(?: is|'s)|I'm) (?P<name>.+)"),
    ("identity", "age", "Is {age} years old", r"I'm (?P<age>[1-9]\d)(?: years old)?"),
    ("location", "home city", "Lives in {city}", r"I(?: now)? live in (?P<city>.+)"),
    ("location", "home city", "Lives in {city}",
     r"I(?:'ve)? (?:just )?moved to (?P<city>.+?)(?: last (?:week|month|year))?"),
    ("constraint", "allergy", "Is allergic to {allergens}", r"I'm (?:severely |very )?allergic to (?P<allergens>.+)"),
    ("constraint", "diet", "Is {diet}", r"I'm (?:a )?(?P<diet>vegan|vegetarian|pescatarian|lactose intolerant)"),
    ("constraint", "diet", "Does not eat {foods}", r"I don't eat (?P<foods>.+)"),
    ("work", "profession", "Is {a} {role}", r"I(?:'m| work as) (?P<a>an?) (?P<role>.+)"),
    ("work", "workplace", "Works {at} {employer}", r"I (?:also )?work (?P<at>at|for) (?P<employer>.+)"),
    ("skill", "tool", "Uses {tools}", r"I (?:also )?use (?P<tools>.+)"),
    ("skill", "spoken language", "Speaks {languages}", r"I (?:also )?speak (?P<languages>.+)"),
    ("project", "project", "Is building a {tool} {what} with {tools}",
     r"I'm building a (?P<tool>\S+) (?P<what>app|website|backend|frontend|bot) with (?P<tools>.+)"),
    ("preference", "likes", "Likes {things}", r"I (?:really |also )?(?:like|love|enjoy) (?P<things>.+)"),
    ("preference", "dislikes", "Dislikes {things}", r"I (?:dislike|hate|don't like) (?P<things>.+)"),
    ("preference", "preference", "Prefers {things}", r"I prefer (?P<things>.+)"),
    ("preference", "preference", "Prefers {mode} mode in all apps",
     r"I prefer (?P<mode>dark|light) mode in all my apps"),
    ("relationship", "family", "Has a {member} called {name}",
     r"my (?P<member>\w+)(?: is called| is named|'s name is) (?P<name>.+)"),
)  # fmt: skip
"""Category, attribute and text of a fact, and the whole clause that states it; each name in braces is a value."""


def values_of(kind: str, text: str) -> list[str]:
    """The values of one kind in a text, all of them known, else none. Plural kinds take a list: "nuts and milk"."""
    if (known := VALUES.get(kind)) is None:
        return [text]  # the rule itself lists what it may be
    parts = [text] if text.casefold() in known or not kind.endswith("s") else re.split(r", (?:and )?| and ", text)
    values = [known.get(part) or known.get(part.casefold()) for part in parts]
    return [value for value in values if value] if all(values) else []


def statements_in(clause: str, quote: str, *, retracts: bool) -> list[Statement]:
    """What a clause states, by the first rule that fits and knows all of its values; nothing where none does."""
    for category, attribute, template, pattern in _RULES:
        groups = match.groupdict() if (match := re.fullmatch(pattern, clause)) else {}
        choices = [values_of(name, value) for name, value in groups.items()]
        if groups and all(choices):
            texts = [template.format(**dict(zip(groups, chosen, strict=True))) for chosen in product(*choices)]
            return [Statement(text, attribute, category, quote, retracts) for text in dict.fromkeys(texts)]
    return []


_GREETING = re.compile(r"^(?:hi|hello|hey)(?: there)?[,.!]?\s+", re.IGNORECASE)
_QUESTION = re.compile(
    r"(?:please |(?:can|could) you )?(?:who|whats?|where|when|which|how|why|do|does|did|am|is|are"
    r"|recommend|suggest|find|tell|list)\b.*[^!]", re.IGNORECASE
)  # fmt: skip
"""Messages that ask or request something, with or without a question mark."""
_SENTENCE_END = re.compile(r"(?<=[.!?]) +|\s*\n\s*|, (?=(?:can|could) you )")
_CLAUSE_END = re.compile(r"(?:,? and|,? but|;|,) (?=(?:[Ii](?:['’]m)?|[Mm]y) )")
_FORGET = re.compile(r"(?:please )?forget that (?=(?:I|my)\b)", re.IGNORECASE)


def read(message: str) -> Reading:
    """What a message states or asks."""
    if len(message) > MAX_CHARS or secret_in(message):
        return Reading([], [], understood=False)
    statements: list[Statement] = []
    questions: list[str] = []
    understood = True
    for sentence in filter(None, _SENTENCE_END.split(_GREETING.sub("", message.strip()))):
        if sentence.endswith("?") or _QUESTION.fullmatch(sentence):
            questions.append(sentence)
        else:
            found = _statements_of(sentence)
            statements += found
            understood &= bool(found)
    single = [said.attribute for said in statements if said.attribute in SINGLE_VALUED and not said.retracts]
    understood &= bool(statements) != bool(questions) and len(set(single)) == len(single)
    return Reading(statements if understood else [], questions, understood)


def _statements_of(sentence: str) -> list[Statement]:
    """What a sentence states; nothing where a clause of it is not understood."""
    if forget := _FORGET.match(sentence):
        return statements_in(_plain(sentence[forget.end() :]), sentence, retracts=True)
    found: list[list[Statement]] = []
    for quote in _CLAUSE_END.split(sentence):
        clause, no_longer = re.subn("^(I|I'm) no longer ", r"\1 ", _plain(quote))
        found.append(statements_in(clause, quote.strip(), retracts=bool(no_longer)))
    return list(chain.from_iterable(found)) if all(found) else []


def _plain(clause: str) -> str:
    """A clause in the form of the rules: without its closing mark, "I am" contracted."""
    text = " ".join(clause.replace("’", "'").split())
    text = text[:-1] if text.endswith((".", "!")) else text
    text = re.sub(r"^i(?=[ '])", "I", re.sub(r"^My ", "my ", text))
    return re.sub(r"^I do not ", "I don't ", re.sub(r"^I am ", "I'm ", text))
