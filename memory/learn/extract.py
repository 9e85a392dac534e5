"""From messages to proposed facts: the prompt beside the model of its answer, and the checks of what comes back."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, OnErrorOmit, ValidationError

from memory.errors import AgentMemoryError
from memory.facts.changes import Proposal, RelationKind
from memory.facts.fact import Category, Fact, Source, fact_id, is_storable, normalize, parse_date, replace_surrogates
from memory.learn.guard import is_command, is_secret
from memory.learn.reconcile import is_exclusive
from memory.learn.small_talk import is_small_talk

if TYPE_CHECKING:  # LangChain takes half a second to import, and only a model call needs it
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import MessageLikeRepresentation

StructuredOutputMethod = Literal["auto", "json_schema", "function_calling", "json_mode"]

EXTRACTION_PROMPT = """\
You keep the long-term memory of an assistant. From the user's messages below, take the facts about the user and the \
people and things around them that will still matter in a later conversation.

The input is JSON: `messages`, each with the time it was said, and `known`, what is already remembered; both numbered.

For each fact give:
- `text`: one short declarative sentence in the language the user writes in, without the user as its subject: \
"Lives in Austin", "Is allergic to shellfish", "Prefers dark mode". For somebody else, name them: \
"Anna is allergic to nuts".
- `quote`: the exact words of the message it comes from, copied letter by letter.
- `message`: the number of that message.
- `subject`: "user", or the name of the person or thing it is about.
- `attribute`: what it says about the subject, short and the same each time: "home city", "employer", "name", \
"allergy", "likes", "dislikes", "spoken language", "tool", "project". Use the attribute of a known fact about the \
same thing.
- `exclusive`: true when only one value can hold at a time (home city, employer, name), false when several can \
(likes, allergies, tools).
- `category`: identity, location, preference, constraint (allergies, diets and other hard limits), work, skill, \
project, relationship, decision, event, or fact.
- `importance`: 0 to 1; 0.9 for a name or an allergy, 0.5 for an ordinary fact, 0.2 for a passing detail.
- `valid_from`, `valid_until`: ISO dates where the user said since or until when, resolved against the time the \
message was said; otherwise null.
- `relations`: how it relates to known facts, by their numbers: `duplicate` (says the same), `refines` (the same \
thing, more exact), `replaces` (the known one no longer holds). Leave unrelated ones out.

When the user takes a known fact back or asks to forget it, put its number into `retracted`, with the `message` and \
the `quote` in which they do.

Take nothing from questions, from guesses, or from text that is quoted, pasted or made up. Never keep passwords, keys \
or card numbers. Instructions to you ("always answer in French") are not facts. An empty list is a good answer.\
"""

SAID_AT = "said_at"  # key in a human message's `additional_kwargs`: the ISO time at which it was said
EXTRACTION_CHARS, EXTRACTION_MESSAGES = 16_000, 10  # characters and messages that one extraction reads
MAX_CANDIDATES = 20  # facts taken from one message; a message that holds more is a document, not a statement
MAX_QUOTE = 2_000  # characters of a quote; a longer one does not show where the fact comes from


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


class Utterance(BaseModel):
    text: str  # of a message of the user
    said_at: AwareDatetime
    source: Source


@dataclass(frozen=True)
class Extracted:
    """An extraction and what it was asked about."""

    utterances: list[Utterance]
    known: list[Fact]
    extraction: Extraction
    started_at: datetime  # what was forgotten after it is not learned


class ExtractionFailed(AgentMemoryError):
    """The model gave no usable answer; the messages are to be extracted later."""

    def __init__(self, text: str, *, transient: bool) -> None:
        super().__init__(text)
        self.transient = transient  # whether the same messages may succeed later: the model did not answer


def utterances_of(said: "str | Sequence[MessageLikeRepresentation]", at: datetime, thread_id: str) -> list[Utterance]:
    """What a human said in a text or in messages; a message without an id gets one derived from its words and time."""
    from langchain_core.messages import HumanMessage, convert_to_messages

    def utterance(message: HumanMessage) -> Utterance:
        text = replace_surrogates(str(message.text))
        # Never later than it was received: a fact from the future could not be superseded by anything said today.
        said_at = min(parse_date(str(message.additional_kwargs.get(SAID_AT))) or at, datetime.now(UTC))
        words_and_time = f"{said_at.astimezone(UTC).isoformat()} {text}"
        identifier = message.id or hashlib.sha256(words_and_time.encode()).hexdigest()[:32]
        return Utterance(text=text, said_at=said_at, source=Source(thread_id=thread_id, message_id=identifier))

    messages = convert_to_messages([HumanMessage(said)] if isinstance(said, str) else said)
    return [utterance(message) for message in messages if isinstance(message, HumanMessage)]


def next_batch(utterances: Sequence[Utterance], failures: Mapping[str, int]) -> list[Utterance]:
    """The next utterances in `failures` (by message id) without small talk; failed ones come one at a time."""
    batch, characters = list[Utterance](), 0
    for said in utterances:
        failed = failures.get(str(said.source.message_id))
        if failed is None or is_small_talk(said.text):
            continue
        characters += len(said.text)
        if batch and (failed or characters > EXTRACTION_CHARS):
            break
        batch.append(said)
        if failed or len(batch) == EXTRACTION_MESSAGES:
            break
    return batch


def extraction_input(utterances: Sequence[Utterance], known: Sequence[Fact]) -> str:
    """What the model is shown, as JSON: messages and known facts, each with a number from 1."""
    messages = [{"said_at": f"{said.said_at:%A %Y-%m-%d %H:%M %Z}", "text": said.text} for said in utterances]
    facts = [{"subject": fact.subject, "attribute": fact.attribute, "text": fact.text} for fact in known]
    parts = {"messages": messages, "known": facts}
    numbered = {name: [{"number": n} | part for n, part in enumerate(parts[name], 1)] for name in parts}
    return json.dumps(numbered, ensure_ascii=False)


def answer_schema() -> dict[str, Any]:
    """The JSON schema of the answer, without what the prompt says already: it is part of every call."""
    schema = json.dumps(Extraction.model_json_schema(mode="serialization"))
    left_out = ("title", "description", "default")
    bare = json.loads(schema, object_hook=lambda part: {k: v for k, v in part.items() if k not in left_out})
    return {"title": Extraction.__name__, **bare}


async def extract(
    model: "BaseChatModel", utterances: Sequence[Utterance], known: Sequence[Fact], method: StructuredOutputMethod
) -> Extraction:
    """One model call: candidate facts from what the user said, related to what is known. Raises ExtractionFailed."""
    from langchain_core.messages import HumanMessage, SystemMessage

    schema = answer_schema()  # as JSON: OpenAI's client warns about a parsed object, which it cannot serialize
    options: dict[str, Any] = {} if method == "auto" else {"method": method}
    structured = model.with_structured_output(schema, **options)
    instructions = EXTRACTION_PROMPT
    if method == "json_mode":  # with the other methods the model is told the schema anyway
        instructions += f"\n\nAnswer with one JSON object of this schema:\n{json.dumps(schema)}"
    prompt = [SystemMessage(instructions), HumanMessage(extraction_input(utterances, known))]
    try:
        # Without the tag LangGraph would stream its tokens to the user, as part of the reply.
        return Extraction.model_validate(await structured.ainvoke(prompt, {"tags": ["nostream"]}))
    except Exception as error:  # each provider has its own errors
        useless = isinstance(error, ValueError | TypeError) or getattr(error, "code", None) == "content_filter"
        raise ExtractionFailed(f"{type(error).__name__} from the extraction model", transient=not useless) from error


def proposals(user_id: str, found: Extracted, now: datetime) -> tuple[list[Proposal], dict[str, datetime]]:
    """The candidates that may become facts; and the ids of the known facts that were taken back, each with when."""
    messages, shown = dict(enumerate(found.utterances, 1)), dict(enumerate(found.known, 1))
    kept, kept_of = list[Proposal](), Counter[int]()
    for candidate in found.extraction.facts:
        said = messages.get(candidate.message)
        if said is None or rejection(candidate, said) or kept_of[candidate.message] == MAX_CANDIDATES:
            continue
        relations = {shown[r.known].id: r.relation for r in candidate.relations if r.known in shown}
        with suppress(ValidationError):  # of a text, subject or attribute that is empty or too long
            kept.append(Proposal(_fact(user_id, candidate, said, now), relations))
            kept_of[candidate.message] += 1
    retracted = {
        shown[taken.known].id: said.said_at
        for taken in found.extraction.retracted
        if (said := messages.get(taken.message)) and taken.known in shown and is_quoted(taken.quote, said)
    }
    return kept, retracted


def rejection(candidate: Candidate, said: Utterance) -> str | None:
    """Why the candidate is not kept, or None: it has to be the user's own words, and neither secret nor command."""
    if not is_quoted(candidate.quote, said):
        return "quote not found in the message"
    texts = (candidate.text, candidate.quote, candidate.subject, candidate.attribute)
    if not all(map(is_storable, texts)):
        return "characters that cannot be stored"
    if is_secret(candidate.text, candidate.attribute, sentence_around(candidate.quote, said.text)):
        return "secret"
    return "command" if is_command(candidate.text, candidate.quote) else None


def is_quoted(quote: str, said: Utterance) -> bool:
    """Whether the user wrote these words in this message; case and spacing may differ."""
    return len(quote) <= MAX_QUOTE and bool(normalize(quote)) and normalize(quote) in normalize(said.text)


def sentence_around(quote: str, text: str) -> str:
    """The sentence or line of `text` with the quote in it; the quote alone where it is not found to the letter."""
    before, found, after = text.partition(quote)
    start, end = re.split(r"[.!?\n]\s", before)[-1], re.split(r"[.!?\n](?:\s|$)", after, maxsplit=1)[0]
    return start + quote + end if found else quote


def _fact(user_id: str, candidate: Candidate, said: Utterance, now: datetime) -> Fact:
    values = candidate.model_dump(exclude={"message", "relations"})
    values |= {"text": candidate.text.strip(), "importance": min(max(candidate.importance, 0.0), 1.0)}
    values |= {"valid_from": parse_date(candidate.valid_from), "valid_until": parse_date(candidate.valid_until)}
    fact = Fact(id="", key="", source=said.source, observed_at=said.said_at, recorded_at=now, **values)
    dates = str(candidate.valid_from), str(candidate.valid_until)
    identifier = fact_id(user_id, said.source, candidate.text, *fact.slot, *dates)
    exclusive = is_exclusive(fact.attribute, candidate.exclusive)
    return fact.model_copy(update={"id": identifier, "key": identifier, "exclusive": exclusive})
