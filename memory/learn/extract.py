"""Messages to candidate facts: the prompt, beside the model of its answer, and the one call that joins them."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from pydantic import AwareDatetime, BaseModel, ValidationError

from memory.errors import AgentMemoryError
from memory.facts.changes import Proposal, RelationKind
from memory.facts.fact import (
    MAX_FACT_TEXT,
    Category,
    Fact,
    Source,
    fact_id,
    is_storable,
    mended,
    normalize,
    parse_date,
    slot_name,
    utc_now,
)
from memory.learn.guard import is_command, is_secret
from memory.learn.reconcile import is_exclusive
from memory.learn.small_talk import says_nothing

if TYPE_CHECKING:  # LangChain takes half a second to import, and only a model call needs it
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import MessageLikeRepresentation
    from langchain_core.runnables import RunnableConfig

StructuredOutputMethod = Literal["auto", "json_schema", "function_calling", "json_mode"]

MAX_CANDIDATES = 20
"""Facts one message may yield; one that holds more is a document, not a statement."""

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


SAID_AT = "said_at"
"""Key in a human message's `additional_kwargs`: the ISO moment it was said."""

EXTRACTION_CHARS = 16_000
EXTRACTION_MESSAGES = 10
"""Characters and messages one extraction looks at."""

MAX_FAILURES = 3
"""Useless answers after which a message is given up; those after the first were about it alone."""

Shape = TypeVar("Shape", bound=BaseModel)

MAX_QUOTE = 2_000
"""Characters of a quote; a longer one says nothing about where the fact comes from."""


class Relation(BaseModel):
    """How a candidate relates to one of the known facts it was shown with."""

    known: int
    """Number of the known fact."""
    relation: RelationKind


class Candidate(BaseModel):
    """A fact as the model proposes it; code decides what becomes of it."""

    text: str
    """One short declarative sentence, without the user as its subject."""
    quote: str
    """The exact words of the message it comes from."""
    message: int
    """Number of the message it comes from."""
    subject: str
    """ "user", or the name of whom or what it is about."""
    attribute: str
    """What it says about the subject, such as "home city"."""
    exclusive: bool
    """Whether only one value can hold at a time."""
    category: Category
    importance: float
    """0 to 1."""
    valid_from: str | None
    """ISO date since when it holds, or null."""
    valid_until: str | None
    """ISO date until when it holds, or null."""
    relations: list[Relation]
    """How it relates to known facts; unrelated ones left out."""


class Retraction(BaseModel):
    """A known fact that the user took back, or asked to forget."""

    known: int
    """Number of the known fact."""
    message: int
    """Number of the message that takes it back."""
    quote: str
    """The exact words of the message that take it back."""


class Extraction(BaseModel):
    """The answer of the extraction call."""

    facts: list[Candidate]
    retracted: list[Retraction]


class Utterance(BaseModel):
    """Something the user said, with when and where."""

    text: str
    said_at: AwareDatetime
    source: Source


def utterances_of(
    content: "str | Sequence[MessageLikeRepresentation]", at: datetime, thread_id: str
) -> list[Utterance]:
    """What a human said in a text or in messages; a message without an id gets one derived from its words and time."""
    from langchain_core.messages import HumanMessage, convert_to_messages

    messages = convert_to_messages([HumanMessage(content)] if isinstance(content, str) else content)
    utterances = []
    for message in messages:
        if isinstance(message, HumanMessage):
            text = mended(str(message.text))
            # Never later than it was received: a fact from the future could not be superseded by anything said today.
            said_at = min(parse_date(str(message.additional_kwargs.get(SAID_AT))) or at, utc_now())
            moment = said_at.astimezone(UTC).isoformat()
            identifier = message.id or hashlib.sha256(f"{moment} {text}".encode()).hexdigest()[:32]
            source = Source(thread_id=thread_id, message_id=identifier)
            utterances.append(Utterance(text=text, said_at=said_at, source=source))
    return utterances


def batches(utterances: Iterable[Utterance]) -> Iterator[list[Utterance]]:
    """The utterances in order, as many together as one extraction takes, and at least one."""
    batch: list[Utterance] = []
    for said in utterances:
        full = len(batch) == EXTRACTION_MESSAGES or sum(map(len, (u.text for u in (*batch, said)))) > EXTRACTION_CHARS
        if batch and full:
            yield batch
            batch = []
        batch.append(said)
    if batch:
        yield batch


def next_batch(utterances: Iterable[Utterance], failures: Mapping[str, int]) -> list[Utterance]:
    """What the next extraction takes of the utterances: the first of those that `failures` has as not extracted yet.

    One for which an answer was of no use before is tried alone, so that a message no model can read does not keep the
    rest waiting. What says nothing is passed over.
    """
    due = [u for u in utterances if u.source.message_id in failures and not says_nothing(u.text)]
    if due and failures[str(due[0].source.message_id)]:
        return due[:1]
    return next(batches(takewhile(lambda said: not failures[str(said.source.message_id)], due)), [])


@dataclass(frozen=True)
class Extracted:
    """What one extraction gave, next to what it was asked about."""

    utterances: list[Utterance]
    known: list[Fact]
    extraction: Extraction
    started_at: datetime
    """What was forgotten since then is not learnt."""


class ExtractionFailed(AgentMemoryError):
    """The model gave no usable answer; the messages are to be extracted later."""

    def __init__(self, text: str, *, transient: bool) -> None:
        super().__init__(text)
        self.transient = transient
        """Whether the model may do better with the same messages another time: it was away, or is set up wrongly."""


def extraction_input(utterances: Sequence[Utterance], known: Sequence[Fact]) -> str:
    """What the model is shown, as JSON: messages and known facts, each with a number from 1."""
    return json.dumps(
        {
            "messages": [
                {
                    "number": number,
                    "said_at": said.said_at.strftime("%A %Y-%m-%d %H:%M %Z"),
                    "text": said.text,
                }
                for number, said in enumerate(utterances, 1)
            ],
            "known": [
                {"number": number, "subject": fact.subject, "attribute": fact.attribute, "text": fact.text}
                for number, fact in enumerate(known, 1)
            ],
        },
        ensure_ascii=False,
    )


def answer_schema() -> dict[str, Any]:
    """The shape of the answer as JSON schema, without the titles and descriptions, which the prompt gives: each call
    pays for it."""

    def bare(part: Any, *, named: bool = False) -> Any:
        """`named` is for an object whose keys are names that are free, such as a fact's fields."""
        if isinstance(part, list):
            return [bare(item) for item in part]
        if not isinstance(part, dict):
            return part
        kept = part if named else {key: value for key, value in part.items() if key not in ("title", "description")}
        return {key: bare(value, named=key in ("properties", "$defs")) for key, value in kept.items()}

    return {"title": Extraction.__name__, **bare(Extraction.model_json_schema())}


async def extract(
    model: "BaseChatModel",
    utterances: Sequence[Utterance],
    known: Sequence[Fact],
    *,
    method: StructuredOutputMethod = "auto",
    config: "RunnableConfig | None" = None,
) -> Extraction:
    """One model call: what the user said, next to what is known, to candidate facts.

    A fact that the model gives in another shape is dropped, and the rest kept. Raises ExtractionFailed when the model
    refuses, times out, or answers in another shape altogether.
    """
    from langchain_core.messages import HumanMessage, SystemMessage

    schema = answer_schema()  # as JSON: OpenAI's client warns about a parsed object, which it cannot serialize
    asked: dict[str, Any] = {} if method == "auto" else {"method": method}
    structured = model.with_structured_output(schema, **asked)
    instructions = EXTRACTION_PROMPT
    if method == "json_mode":  # the only one in which the model is not told the schema anyway
        instructions += f"\n\nAnswer with one JSON object of this schema:\n{json.dumps(schema)}"
    prompt = [SystemMessage(instructions), HumanMessage(extraction_input(utterances, known))]
    try:
        return usable(await structured.ainvoke(prompt, config))
    except Exception as error:  # every provider has its own errors; the caller needs only one
        useless = isinstance(error, ValueError | TypeError) or getattr(error, "code", None) == "content_filter"
        raise ExtractionFailed(f"{type(error).__name__} from the extraction model", transient=not useless) from error


def usable(answer: object) -> Extraction:
    """What of a model's answer has the right shape, small faults mended. Raises ValueError where it has none at all.

    Both lists have to be there: LangChain reads what was cut off in the middle as far as it goes.
    """
    if not isinstance(answer, dict) or not all(isinstance(answer.get(name), list) for name in Extraction.model_fields):
        raise ValueError("the answer is not whole")
    facts = [mended for raw in answer["facts"] if (mended := _mended_candidate(raw))]
    return Extraction(facts=facts, retracted=_each(Retraction, answer["retracted"]))


def _mended_candidate(raw: object) -> Candidate | None:
    """The candidate, with what small models leave out or make up replaced by what says nothing."""
    if not isinstance(raw, dict):
        return None
    category = raw.get("category")
    mended = {"valid_from": None, "valid_until": None, "exclusive": False, "importance": 0.5, **raw}
    mended["category"] = category if category in get_args(Category) else "fact"
    mended["relations"] = _each(Relation, raw.get("relations"))
    return next(iter(_each(Candidate, [mended])), None)


def _each(kind: type[Shape], raw: object) -> list[Shape]:
    """Those of the items that have the shape."""
    items = []
    for item in raw if isinstance(raw, list) else []:
        with suppress(ValidationError):
            items.append(kind.model_validate(item))
    return items


def proposals(
    user_id: str,
    extraction: Extraction,
    utterances: Sequence[Utterance],
    known: Sequence[Fact],
    now: datetime,
) -> tuple[list[Proposal], dict[str, datetime]]:
    """What of the model's answer may be considered: proposals, and which known facts were taken back, and when.

    Dropped are: a candidate or a retraction whose quote the user did not write, a candidate that is a secret or a
    command, numbers of messages or known facts that were not shown, and what is past MAX_CANDIDATES.
    """
    kept = []
    taken_from: Counter[int] = Counter()
    for candidate in extraction.facts:
        if not 1 <= candidate.message <= len(utterances):
            continue
        said = utterances[candidate.message - 1]
        if taken_from[candidate.message] == MAX_CANDIDATES or not is_admissible(candidate, said):
            continue
        taken_from[candidate.message] += 1
        relations = {known[r.known - 1].id: r.relation for r in candidate.relations if 1 <= r.known <= len(known)}
        kept.append(Proposal(_fact(user_id, candidate, said, now), relations))
    retracted = {
        known[taken.known - 1].id: utterances[taken.message - 1].said_at
        for taken in extraction.retracted
        if 1 <= taken.known <= len(known)
        and 1 <= taken.message <= len(utterances)
        and is_quoted(taken.quote, utterances[taken.message - 1])
    }
    return kept, retracted


def is_quoted(quote: str, said: Utterance) -> bool:
    """Whether the user wrote these words in this message, but for case and spacing."""
    return 0 < len(quote) <= MAX_QUOTE and normalize(quote) in normalize(said.text) and bool(normalize(quote))


def is_admissible(candidate: Candidate, said: Utterance) -> bool:
    """Whether the candidate can be a fact: said by the user in this message, whole, and neither secret nor command."""
    texts = (candidate.text, candidate.quote, candidate.subject, candidate.attribute)
    return (
        is_quoted(candidate.quote, said)
        and 0 < len(candidate.text.strip()) <= MAX_FACT_TEXT
        and 0 < len(slot_name(candidate.subject)) <= 100
        and 0 < len(slot_name(candidate.attribute)) <= 100
        and all(is_storable(text) for text in texts)
        and not is_secret(candidate.text, candidate.attribute, sentence_around(candidate.quote, said.text))
        and not is_command(candidate.text, candidate.quote)
    )


def sentence_around(quote: str, text: str) -> str:
    """The sentence or line of `text` that the quote stands in; the quote itself where it is not found to the letter."""
    start = text.find(quote)
    if start < 0:
        return quote
    before, after = text[:start], text[start + len(quote) :]
    return re.split(r"[.!?\n]\s", before)[-1] + quote + re.split(r"[.!?\n](?:\s|$)", after, maxsplit=1)[0]


def _fact(user_id: str, candidate: Candidate, said: Utterance, now: datetime) -> Fact:
    slot = slot_name(candidate.subject), slot_name(candidate.attribute)
    dates = str(candidate.valid_from), str(candidate.valid_until)
    identifier = fact_id(user_id, said.source, candidate.text, *slot, *dates)
    return Fact(
        id=identifier,
        key=identifier,
        text=candidate.text.strip(),
        subject=candidate.subject,
        attribute=candidate.attribute,
        exclusive=is_exclusive(slot_name(candidate.attribute), candidate.exclusive),
        category=candidate.category,
        importance=min(max(candidate.importance, 0.0), 1.0),
        quote=candidate.quote,
        source=said.source,
        valid_from=parse_date(candidate.valid_from),
        valid_until=parse_date(candidate.valid_until),
        observed_at=said.said_at,
        recorded_at=now,
    )
