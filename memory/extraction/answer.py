"""What the model is asked when facts are extracted: the prompt, beside the model of its answer."""

import json
import math
import re
from functools import cache
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, BeforeValidator, ModelWrapValidatorHandler, OnErrorOmit, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from memory.facts.changes import RelationKind
from memory.facts.fact import Category, Tense

EXTRACTION_PROMPT = """\
You keep the long-term memory of an assistant. From the user's messages below, take the facts about the user and the \
people and things around them that will matter in later conversations.

The input is JSON: `known`, what is already remembered, and `messages`, each with the time it was said; both numbered.

For each fact give:
- `text`: one short declarative sentence in the language the user writes in, without the user as its subject: \
"Lives in <city>", "Is allergic to <food>". For somebody else, name them: "<Name> is allergic to <food>".
- `quote`: the words of the message it comes from, verbatim.
- `message`: its number.
- `subject`: "user" (also for the user's own name), or the name of the person or thing it is about.
- `attribute`: what it says about the subject, short and the same each time: "home city", "employer", "name", \
"allergy", "likes", "tool". Use the attribute of a known fact about the same thing.
- `exclusive`: true when only one value can hold at a time (home city, name), false when several can (likes, tools).
- `category`: identity, location, preference, constraint (allergies, diets and other hard limits), work, skill, \
project, relationship, decision, event, or fact.
- `importance`: 0.9 for a name or an allergy, 0.5 as a rule, 0.2 for a detail.
- `tense`: "now", "past" (it is over: "Used to live in <city>"), "planned", or "temporary" (for a while, then what it \
interrupts holds again: a trip, a leave, an interim job).
- `valid_from`, `valid_until`: since or until when, as exactly as it was said (2020, 2020-06 or 2020-06-15), \
counted from the time of the message; otherwise null.
- `relations` to known facts, by their numbers: `duplicate` (says the same), `refines` (the same, more exact), \
`replaces` (by this message it holds no longer, whatever its attribute), `beside` (both hold: a second job \
or home). Leave unrelated ones out.

When the user takes a known fact back or asks to forget it, put its number into `retracted`, with the `message` and \
the `quote` in which they do.

Take nothing from questions, guesses, irony, or quoted, pasted or made-up text, and no passwords, keys or card \
numbers. Set `instruction` for an order to the assistant ("always answer in French"): it is no fact. An empty list \
is fine.\
"""
TASK = "Take the facts from the messages alone, and none that is known and not in them."


class Relation(BaseModel):
    known: int  # the number of a known fact
    relation: RelationKind


# What small models leave out, invent or write in words is mended: it does not cost the candidate.

IMPORTANCE = {"critical": 0.9, "very high": 0.9, "high": 0.9, "low": 0.2, "very low": 0.2}  # other words: 0.5
CATEGORIES: dict[object, Category] = {name: name for name in get_args(Category)}
CATEGORIES |= dict.fromkeys(("allergy", "allergies", "diet", "dietary", "health", "medical"), "constraint")
ALLERGY = re.compile(  # in a text, whatever category it is given
    r"\b(?:allerg(?!ist|olog)|al[eé]rgi|intoleran|аллерг|alerji)|アレルギー|过敏|過敏|알레르기|حساسي", re.IGNORECASE
)


def _importance(value: object) -> float:
    """From a number, "0.9", "90%" or "high"; 0.5 for anything else."""
    text = str(value).strip().lower()
    number = re.fullmatch(r"(-?\d*\.?\d+(?:e-?\d+)?)\s*(%?)", text)
    given = float(number[1]) / (100 if number[2] else 1) if number else IMPORTANCE.get(text, 0.5)
    return min(max(given, 0.0), 1.0)


def _number(value: object) -> int:
    """From 2, 2.0, "2", "message 2" or [2]; 0, which numbers nothing, for anything else."""
    if (isinstance(value, float) and not math.isfinite(value)) or isinstance(value, bool):
        return 0
    found = re.search(r"(?<![\d.-])\d{1,9}(?!\d)", str(value))
    return int(found[0]) if found else 0


def _category(value: object) -> Category:
    return CATEGORIES.get(str(value).strip().lower(), "fact")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _subject(value: object) -> str:
    return _text(value) if _text(value).strip() else "user"


def _date(value: object) -> str | None:
    """As text, of whatever shape: what cannot be read is doubt, and does not mean that there is no date."""
    if value is None or value is False or value == "":
        return None
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _flag(value: object) -> bool:
    return str(value).strip().lower() in ("true", "yes", "1", "1.0")


def _items(value: object, *fields: str) -> list[object] | None:
    """The items of a list, of {"1": {...}, "2": {...}}, or of one item, which has these fields; None for the rest."""
    if isinstance(value, dict) and value:
        one = all(field in value for field in fields)
        return [value] if one else [*value.values()] if all(isinstance(v, dict) for v in value.values()) else None
    return value if isinstance(value, list) else None


def _relations(value: object) -> list[object]:
    return _items(value, "known", "relation") or []


ONE: list[list[type]] = [[str], [int], [float]]  # the types of the items of a list that holds one text or number
Text = Annotated[str, BeforeValidator(_text)]
Number = Annotated[int, BeforeValidator(_number)]
Date = Annotated[str | None, BeforeValidator(_date)]
Relations = Annotated[list[OnErrorOmit[Relation]], BeforeValidator(_relations)]


class Lenient(BaseModel, json_schema_serialization_defaults_required=True):
    """Fields with a default may be missing or null in the answer; its schema asks for all of them."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        """Also with the one text or number of a list in place of the list."""
        if not isinstance(data, dict):
            return data
        values = {k: v[0] if isinstance(v, list) and [*map(type, v)] in ONE else v for k, v in data.items()}
        return {k: v for k, v in values.items() if v is not None}


class Candidate(Lenient):
    """A fact as the model proposes it; EXTRACTION_PROMPT describes the fields."""

    text: str
    quote: Text = ""
    message: Number = 0
    subject: Annotated[str, BeforeValidator(_subject)] = "user"
    attribute: Text = ""
    exclusive: Annotated[bool | None, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})] = None
    category: Annotated[Category, BeforeValidator(_category)] = "fact"
    importance: Annotated[float, BeforeValidator(_importance)] = 0.5
    tense: Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": "string", "enum": get_args(Tense)})] = "now"
    valid_from: Date = None
    valid_until: Date = None
    relations: Relations = []
    instruction: Annotated[bool, BeforeValidator(_flag)] = False  # it tells the assistant what to do

    @model_validator(mode="after")
    def _mended(self) -> Self:
        """Without an attribute, the category stands for it, and holds several values: nothing is replaced by mistake.

        It is not NOTE, which says that somebody wrote the text themselves. An allergy is always a constraint.
        """
        if ALLERGY.search(self.text):
            self.category = "constraint"
        if not self.attribute.strip():
            self.attribute, self.exclusive = "place" if self.category == "location" else self.category, False
        return self


class Retraction(Lenient):
    known: Number  # the number of a known fact that the user took back, or asked to forget
    message: Number = 0
    quote: Text = ""


class Extraction(BaseModel):
    """The model's answer. One without the two lists may have been cut off, and is refused."""

    facts: list[OnErrorOmit[Candidate]]
    retracted: list[OnErrorOmit[Retraction]]
    unreadable: SkipJsonSchema[int] = 0  # items in the two lists that could not be mended

    @model_validator(mode="wrap")
    @classmethod
    def _counted(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, dict) or "retracted" not in data:
            return handler(data)
        retracted = _items(data["retracted"], "known") or []
        facts = data.get("facts", "missing")
        facts = [] if facts in (None, {}) else _items(facts, "text")
        answer = handler({"facts": facts, "retracted": retracted})
        answer.unreadable = len(facts or ()) + len(retracted) - len(answer.facts) - len(answer.retracted)
        return answer


@cache  # to make it takes 2 ms of CPU
def answer_schema() -> dict[str, Any]:
    """The JSON schema of the answer, without what the prompt says already: it is part of every call."""
    schema = json.dumps(Extraction.model_json_schema(mode="serialization"))
    left_out = ("title", "description", "default")
    bare = json.loads(schema, object_hook=lambda part: {k: v for k, v in part.items() if k not in left_out})
    return {"title": Extraction.__name__, **bare}
