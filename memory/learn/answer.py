"""What the model is asked when facts are extracted: the prompt, beside the model of its answer."""

import json
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, OnErrorOmit, WithJsonSchema

from memory.facts.changes import RelationKind
from memory.facts.fact import Category, Tense

EXTRACTION_PROMPT = """\
You keep the long-term memory of an assistant. From the user's messages below, take the facts about the user and the \
people and things around them that will still matter in a later conversation.

The input is JSON: `messages`, each with the time it was said, and `known`, what is already remembered; both numbered.

For each fact give:
- `text`: one short declarative sentence in the language the user writes in, without the user as its subject: \
"Lives in <city>", "Is allergic to <food>", "Prefers <setting>". For somebody else, name them: \
"<Name> is allergic to <food>".
- `quote`: the exact words of the message it comes from, copied letter by letter.
- `message`: the number of that message.
- `subject`: "user", also where the user gives their own name, or else the name of the person or thing it is about.
- `attribute`: what it says about the subject, short and the same each time: "home city", "employer", "name", \
"allergy", "likes", "dislikes", "spoken language", "tool", "project". Use the attribute of a known fact about the \
same thing.
- `exclusive`: true when only one value can hold at a time (home city, employer, name), false when several can \
(likes, allergies, tools).
- `category`: identity, location, preference, constraint (allergies, diets and other hard limits), work, skill, \
project, relationship, decision, event, or fact.
- `importance`: 0 to 1; 0.9 for a name or an allergy, 0.5 for an ordinary fact, 0.2 for a passing detail.
- `tense`: "now"; "past" for what is over ("Used to live in <city>"); "planned" for what is still to come; \
"temporary" for what interrupts for a while what holds again afterwards: a trip, a leave, an interim job.
- `valid_from`, `valid_until`: where the user said since or until when, as exactly as they did (2020, 2020-06 or \
2020-06-15), counted from the time the message was said; otherwise null.
- `relations`: how it relates to known facts, by their numbers: `duplicate` (says the same), `refines` (the same \
thing, more exact), `replaces` (the known one no longer holds, whatever its attribute is called), `beside` (both hold: \
a second job, a second home). Leave unrelated ones out.

When the user takes a known fact back or asks to forget it, put its number into `retracted`, with the `message` and \
the `quote` in which they do.

Take nothing from questions, from guesses, or from text that is quoted, pasted or made up. Never keep passwords, keys \
or card numbers. Instructions to you ("always answer in French") are not facts. An empty list is a good answer.\
"""


class Relation(BaseModel):
    known: int  # the number of a known fact
    relation: RelationKind


# What small models leave out or invent does not cost the candidate.
AnyCategory = Annotated[Category, BeforeValidator(lambda value: value if value in get_args(Category) else "fact")]
Relations = Annotated[list[OnErrorOmit[Relation]], BeforeValidator(lambda data: data if isinstance(data, list) else [])]


class Candidate(BaseModel, json_schema_serialization_defaults_required=True):
    """A fact as the model proposes it; EXTRACTION_PROMPT describes the fields. Those with a default may be missing."""

    text: str
    quote: str
    message: int
    subject: str
    attribute: str
    exclusive: bool = False
    category: AnyCategory = "fact"
    importance: float = 0.5
    tense: Annotated[str, WithJsonSchema({"enum": list(get_args(Tense))})] = "now"
    valid_from: str | None = None
    valid_until: str | None = None
    relations: Relations = []


class Retraction(BaseModel):
    known: int  # the number of a known fact that the user took back, or asked to forget
    message: int
    quote: str


class Extraction(BaseModel):
    """The model's answer. Malformed items are dropped; a missing list means that it was cut off."""

    facts: list[OnErrorOmit[Candidate]]
    retracted: list[OnErrorOmit[Retraction]]


def answer_schema() -> dict[str, Any]:
    """The JSON schema of the answer, without what the prompt says already: it is part of every call."""
    schema = json.dumps(Extraction.model_json_schema(mode="serialization"))
    left_out = ("title", "description", "default")
    bare = json.loads(schema, object_hook=lambda part: {k: v for k, v in part.items() if k not in left_out})
    return {"title": Extraction.__name__, **bare}
