"""A fact: one sentence known about a user, with its subject, its dates and its source.

A fact is never edited, only retired, once. Its *valid time* is when it held in the world, its *record time* when it was
known here: the bitemporal model of Snodgrass, "Developing Time-Oriented Database Applications in SQL" (1999).
"""

import hashlib
import re
import uuid
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from memory.errors import BadInput, quoted
from memory.facts.slots import HARD_LIMITS, MAX_SLOT_NAME, NOTE, USER, attribute_name, subject_name
from memory.language.text import normalize, same_words

MAX_USER_ID = MAX_FACT_TEXT = 1_000  # characters, as the limits below
MAX_KEY = 255
MAX_PREVIOUS, MAX_HINT = 3, 300  # messages that a source keeps of those before it, and characters of each
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)  # dates that every time zone has

Category = Literal[  # "constraint" is for what must never be overlooked: an allergy, a diet, a disability
    "identity", "location", "preference", "constraint", "work", "skill", "project", "relationship", "decision",
    "event", "fact",
]  # fmt: skip
Tense = Literal["now", "past", "planned", "temporary"]
RetiredReason = Literal["superseded", "refined", "retracted", "expired"]


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError before FIRST and after LAST: Python may fail to read those."""
    if not (1 < moment.year < 9999 or FIRST <= moment <= LAST):  # comparing years is faster
        raise ValueError(f"{moment.isoformat()} is before {FIRST.date()} or after {LAST.date()}")
    return moment.astimezone(UTC)


def iso_moment(text: str) -> datetime:
    """The moment that an ISO date or time names, by default in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_date(text: str | None) -> datetime | None:
    """An ISO date or time in UTC; None for anything else."""
    try:
        return in_utc(iso_moment(text or ""))
    except ValueError:
        return None


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]  # in UTC; one without a time zone is refused
Named = Field(min_length=1, max_length=MAX_SLOT_NAME)
Hints = Annotated[tuple[str, ...], AfterValidator(lambda said: tuple(text[:MAX_HINT] for text in said[-MAX_PREVIOUS:]))]


class Source(BaseModel, frozen=True, hide_input_in_errors=True):
    """The message a fact was said in; both ids are None for a fact that was stored by hand."""

    thread_id: str | None = None
    message_id: str | None = None
    previous: Hints = Field(default=(), exclude_if=lambda texts: not texts)
    """The messages just before, the latest last: they help to find an answer ("Since May.") and are never shown."""


class Fact(BaseModel, frozen=True, hide_input_in_errors=True):
    """One thing known about a user, which held from `valid_from` until `valid_until` as far as that was said."""

    id: str
    """Derived from user, source message and text (`fact_id`), so that a repeated write is the same write."""
    key: str
    text: str = Field(pattern=r"\S", max_length=MAX_FACT_TEXT)
    """One declarative sentence in the user's language, without the user as its subject: "Lives in Austin"."""
    subject: Annotated[str, AfterValidator(subject_name), Named] = USER
    attribute: Annotated[str, AfterValidator(attribute_name), Named]
    """What it says about the subject ("user", or a name): "home city". The two together are the *slot*."""
    exclusive: bool = False
    """Whether the slot holds one value at a time (home city), so that a new one supersedes the old."""
    category: Category = "fact"
    importance: float = Field(default=0.5, ge=0, le=1)
    quote: str = ""
    source: Source = Source()
    tense: Tense = "now"
    """When it was said: whether it held, was over, was planned, or held for a while and interrupts what held before."""
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    observed_at: Instant  # when the user said it
    recorded_at: Instant
    retired_at: Instant | None = None
    retired_reason: RetiredReason | None = None
    successor: str | None = None  # the id of the fact that replaced it
    ended_at: Instant | None = None  # when it stopped holding in the world, as far as is known since it was retired
    retired_by: Source | None = Field(default=None, exclude_if=lambda source: source is None)
    """The message that retired it; None if that was done by hand, or on its own date."""
    rolled_back_at: Instant | None = Field(default=None, exclude_if=lambda moment: moment is None)
    """Since when it counts neither now nor in the past: what had taught or retired it was rolled back."""
    restores: str | None = Field(default=None, exclude_if=lambda fact_id: fact_id is None)
    """The id of the fact in whose place it was written, when the retirement of that one was rolled back."""
    said_again_at: Instant | None = Field(default=None, exclude=True)

    @property
    def slot(self) -> tuple[str, str]:
        return self.subject, self.attribute

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The subject and the words of the text; facts of the same words say the same."""
        return self.subject, *same_words(self.text)

    @property
    def starts_at(self) -> datetime:
        """When it began or is to begin; a plan without a date has not begun before LAST."""
        start = self.valid_from or self.observed_at
        return LAST if self.tense == "planned" and start <= self.observed_at else start

    @property
    def last_said_at(self) -> datetime:
        return max(self.observed_at, self.said_again_at or self.observed_at)

    @property
    def is_planned(self) -> bool:
        """Whether it began after it was said: "I move to Berlin in January"."""
        return self.starts_at > self.observed_at

    @property
    def is_past(self) -> bool:
        """Whether it was over when it was said: "I lived in Lima until 2019"."""
        return self.tense == "past" or (self.valid_until is not None and self.valid_until <= self.observed_at)

    @property
    def is_temporary(self) -> bool:
        """Whether it interrupts what its slot holds, which holds again afterwards: "I'm in Madrid until March"."""
        return self.tense == "temporary" or (self.valid_until is not None and self.valid_until > self.observed_at)

    @property
    def was_true(self) -> bool:
        """Whether it is retired and once held: not taken back, refined, rolled back, or a plan that was given up."""
        given_up = self.is_planned and self.ended_at is not None and self.ended_at <= self.starts_at
        return self.retired_reason in ("superseded", "expired") and not given_up and not self.rolled_back_at

    @property
    def is_hard_limit(self) -> bool:
        """Whether it must never be overlooked: an allergy, a diet, a disability."""
        return self.category == "constraint" or self.attribute in HARD_LIMITS

    @property
    def speaker(self) -> str:
        """Who wrote the text, if it is kept verbatim and the user did not write it; otherwise ""."""
        return self.subject if self.attribute == NOTE and self.subject != USER else ""

    @property
    def searchable(self) -> str:
        """What is embedded: the sentence, between the slot's name and the quote, which bring questions nearer to it."""
        about = self.speaker or (self.attribute if self.subject == USER else f"{self.subject}, {self.attribute}")
        said = f" ({self.quote})" if normalize(self.quote) != normalize(self.text) and self.quote else ""
        return f"{about}: {self.text}{said}"

    @property
    def searchable_with_previous(self) -> str:
        """The same, then the messages before it: at the end they change the vector least."""
        return f"{self.searchable} ({' '.join(self.source.previous)})" if self.source.previous else self.searchable

    @property
    def matched_text(self) -> str:
        """What the words of a question are compared with: the fact's texts, the messages before it and its date."""
        day = f"{self.starts_at:%A %B %Y}"
        return f"{self.subject} {self.attribute} {self.text} {self.quote} {day} {' '.join(self.source.previous)}"


class Repeat(BaseModel, frozen=True, hide_input_in_errors=True):
    """One time that a known fact was said again."""

    thread_id: str
    message_id: str
    observed_at: Instant
    recorded_at: Instant | None = Field(default=None, exclude=True)  # None for one of which it was not yet kept
    rolled_back_at: Instant | None = Field(default=None, exclude_if=lambda moment: moment is None)


def check_user_id(user_id: str) -> str:
    """Return `user_id`. Raises BadInput if it is no string, empty, too long, or cannot be stored in Postgres."""
    if not isinstance(user_id, str):
        raise BadInput(f"The user id {user_id!r} is not a string: give each user a string such as 'ana'.")
    if not user_id.strip():
        raise BadInput(f"The user id {user_id!r} is empty: give each user a non-empty id.")
    return check_text("user id", user_id, MAX_USER_ID)


def check_text(name: str, text: str, max_length: int) -> str:
    """Return `text`. Raises BadInput if it is too long or cannot be stored in Postgres."""
    if len(text) > max_length:
        raise BadInput(f"The {name} {quoted(text)} has {len(text):,} characters: at most {max_length:,} are accepted.")
    if not is_storable(text):
        raise BadInput(f"The {name} {quoted(text)} holds a NUL or a lone surrogate: remove it.")
    return text


def key_forms(key: str) -> list[str]:
    """The key and, of a UUID, its other form: facts that are learned have one without dashes, langmem writes dashes."""
    if re.fullmatch("[0-9a-f]{32}", key):
        return [key, str(uuid.UUID(key))]
    return [key, key.replace("-", "")] if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key) else [key]


def is_storable(text: str) -> bool:
    """Whether Postgres can store the text: it has no NUL and no lone surrogates."""
    return not re.search("[\x00\ud800-\udfff]", text)


def replace_surrogates(text: str) -> str:
    """The text with pairs of surrogates joined to characters, and lone ones replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def owner_key(user_id: str) -> str:
    """32 hex digits for the user in tables and indexes, so that no user id becomes searchable text."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:32]


def fact_id(seed: str, source: Source, text: str, *about: str) -> str:
    """32 hex digits derived from the user, the message and what is said: SHA-256 of the length-prefixed parts. `seed`
    stands for the user: the user's id or, with a key, what `Cipher.seed` makes of it."""
    parts = (seed, source.thread_id or "", source.message_id or "", *about, normalize(text))
    encoded = (part.encode(errors="surrogatepass") for part in parts)
    return hashlib.sha256(b"".join(len(data).to_bytes(8, "big") + data for data in encoded)).hexdigest()[:32]


def utc_now() -> datetime:
    return datetime.now(UTC)
