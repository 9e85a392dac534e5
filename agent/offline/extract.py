"""The extraction call, answered by rules: messages and known facts in, candidates with their relations out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Literal

from pydantic import BaseModel

from agent.offline.reader import Reading, read
from agent.offline.rules import RELATIVE, Statement, parse, parse_denial, slot_of
from agent.offline.words import base_form, stems
from memory.facts.fact import normalize, slot_name
from memory.learn.extract import MAX_CANDIDATES, Candidate, Extraction, Relation, Retraction


class Message(BaseModel):
    """One of `messages` in the input that `memory.learn.extract.extraction_input` writes."""

    number: int
    said_at: str
    text: str

    @property
    def said_on(self) -> date:
        found = re.search(r"\d{4}-\d{2}-\d{2}", self.said_at)
        return date.fromisoformat(found[0]) if found else datetime.now(UTC).date()


class Known(BaseModel):
    """One of `known` in the same input."""

    number: int
    subject: str
    attribute: str
    text: str


class ExtractionInput(BaseModel):
    """What `memory.learn.extract.extraction_input` writes, read back."""

    messages: list[Message]
    known: list[Known]


def extract_by_rules(given: ExtractionInput) -> Extraction:
    """The facts in the messages, and which known ones they repeat, refine, replace or take back."""
    return extract_from(
        {message.number: read(message.text, message.said_on) for message in given.messages}, given.known
    )


def extract_from(readings: Mapping[int, Reading], known: Sequence[Known]) -> Extraction:
    """The same from messages already read, by number, the oldest first."""
    facts: list[Candidate] = []
    retracted: dict[int, Retraction] = {}
    for message, reading in readings.items():
        for what in reading.forget:
            retracted |= _retractions(message, what, [fact for fact in known if concerns(what, fact)])
            facts = [fact for fact in facts if not concerns(what, _as_known(fact))]
        for statement in reading.said:
            if not statement.holds:
                denied = [fact for fact in known if takes_back(statement, fact)]
                retracted |= _retractions(message, statement.quote, denied)
                facts = [fact for fact in facts if not takes_back(statement, _as_known(fact))]
                continue
            fact = _candidate(_recast(statement, known), message, known)
            said_again = {relation.known for relation in fact.relations if relation.relation == "duplicate"}
            retracted = {number: taken for number, taken in retracted.items() if number not in said_again}
            if not any(_same(fact, other) for other in facts):
                facts.append(fact)
    return Extraction(facts=facts[:MAX_CANDIDATES], retracted=[retracted[number] for number in sorted(retracted)])


def _retractions(message: int, quote: str, facts: Sequence[Known]) -> dict[int, Retraction]:
    return {fact.number: Retraction(known=fact.number, message=message, quote=quote) for fact in facts}


def _as_known(fact: Candidate) -> Known:
    return Known(number=0, subject=fact.subject, attribute=fact.attribute, text=fact.text)


def _same(one: Candidate, other: Candidate) -> bool:
    return (one.subject, one.attribute, normalize(one.text)) == (other.subject, other.attribute, normalize(other.text))


def _candidate(statement: Statement, message: int, known: Sequence[Known]) -> Candidate:
    slot = slot_of(statement.attribute)
    relations = [(fact.number, relation(statement, fact)) for fact in known]
    return Candidate(
        text=statement.text,
        quote=statement.quote,
        message=message,
        subject=statement.subject,
        attribute=statement.attribute,
        exclusive=slot.exclusive,
        category=slot.category,
        importance=slot.importance,
        valid_from=statement.valid_from,
        valid_until=statement.valid_until,
        relations=[Relation(known=number, relation=found) for number, found in relations if found],
    )


# --- how a statement relates to a known fact ----------------------------------------------------------------

_LEAD = re.compile(
    r"(?:(?:lives?|resides|is based|is living) in|is (?:originally )?from|(?:is|works) employed at|works (?:at|"
    r"for)|is (?:severely )?allergic to|is intolerant to|does not (?:eat|drink)|(?:really )?(?:likes|loves|"
    r"enjoys|adores)|(?:dislikes|hates|detests|loathes)|(?:primarily |mainly |mostly )?uses|speaks|prefers|"
    r"name is|birthday is|is learning|is (?:building|developing|creating|working on)|is an?|is)(?: |$)",
    re.IGNORECASE,
)
_NARROWS = re.compile(r"(?:,| for | with | in | on | when )")


def what_of(text: str) -> str:
    """What a fact says without its verb: "Austin" of "Lives in Austin"."""
    said = text.removeprefix(subject_label(text)).lstrip()
    lead = _LEAD.match(said)
    return said[lead.end() :] if lead else said


def relation(statement: Statement, known: Known) -> Literal["duplicate", "refines", "replaces"] | None:
    """How the statement relates to a known fact of the same slot, where it does."""
    if (normalize(known.subject), slot_name(known.attribute)) != (statement.subject, statement.attribute):
        return None
    mine, theirs = normalize(what_of(statement.text)), normalize(what_of(known.text))
    if mine == theirs:
        return "duplicate"
    if mine.startswith(theirs) and _NARROWS.match(mine, len(theirs)):
        return "refines"
    if slot_of(statement.attribute).exclusive or theirs == given_up(statement):
        return "replaces"
    return None


def given_up(statement: Statement) -> str | None:
    """What a switch leaves behind: for "from Python to Rust for the services" it is Python for the services only."""
    if statement.instead_of is None:
        return None
    _, purpose, what_for = what_of(statement.text).partition(" for ")
    return normalize(statement.instead_of + purpose + what_for)


def _recast(statement: Statement, known: Sequence[Known]) -> Statement:
    """ "I switched from Google to Apple": what is known of Google tells that an employer was changed, not a tool."""
    old = given_up(statement)
    for fact in known:
        what = what_of(fact.text)
        if fact.subject == statement.subject and normalize(what) == old and fact.attribute != statement.attribute:
            text = fact.text.removesuffix(what) + what_of(statement.text)
            return replace(statement, text=text, attribute=slot_name(fact.attribute))
    return statement


def takes_back(denied: Statement, known: Known) -> bool:
    """Whether a denied statement is what the known fact says, or the general case of it."""
    if (normalize(known.subject), slot_name(known.attribute)) != (denied.subject, denied.attribute):
        return False
    mine, theirs = normalize(what_of(denied.text)), normalize(what_of(known.text))
    return mine in ("", theirs) or (theirs.startswith(mine) and bool(_NARROWS.match(theirs, len(mine))))


# --- what a request to forget is about ----------------------------------------------------------------------

_ALSO_CALLED = {
    "home city": "home city town address live living place location moved",
    "employer": "job work employer company",
    "occupation": "job work occupation profession role",
    "allergy": "allergy allergies allergic",
    "diet": "diet eating",
    "tool": "tool use",
    "project": "project building",
    "likes": "like love taste",
    "dislikes": "dislike hate",
    "preference": "preference prefer",
    "spoken language": "language speak",
    "origin": "origin from",
}
_ABOUT = re.compile(
    r"(?:(?:everything|anything|all|what) (?:i (?:have )?(?:ever )?(?:said|told you|mentioned) about|"
    r"you know about|about) |about |where |that |which |who |the fact that )+",
    re.IGNORECASE,
)


def concerns(what: str, known: Known) -> bool:
    """Whether "forget ..." means this fact: it states it, or all its words are the fact's."""
    clause = re.sub(r"^i['’]?m\b", "I am", what.strip(" ."), flags=re.IGNORECASE)
    stated = parse(clause) + parse_denial(clause)
    if stated:
        return any(takes_back(statement, known) for statement in stated)
    wanted = stems(_ABOUT.sub("", what, count=1))
    about = stems(f"{known.text} {known.attribute} {_ALSO_CALLED.get(known.attribute, '')}")
    if not wanted or not wanted <= about:
        return False
    return known.subject == "user" or bool(wanted & stems(subject_label(known.text) + " " + known.subject))


# --- facts in words, read back ------------------------------------------------------------------------------

_LABEL = re.compile(
    rf"(?P<label>\S+(?: \S+)? \((?P<kin>[^()]+)\)|{RELATIVE}) (?P<rest>[a-z].*)", re.IGNORECASE | re.DOTALL
)


def subject_label(text: str) -> str:
    """The words for somebody else at the start of a fact: "Anna (sister)", "Boss"; empty for the user's own."""
    label = _LABEL.fullmatch(text)
    return label["label"] if label else ""


def classify(text: str) -> tuple[str, str]:
    """Subject and attribute of a fact of which only the sentence is left, read as if the user had said it."""
    if label := _LABEL.fullmatch(text):
        who = label["label"].partition(" (")[0] if label["kin"] else ""
        clause = f"My {label['kin'] or label['label']} {who + ' ' if who else ''}{label['rest']}"
    else:
        verb, _, rest = text.partition(" ")
        clause = f"I {base_form(verb)} {rest}"
    said = parse(clause) or parse("My " + text[:1].lower() + text[1:])
    return (said[0].subject, said[0].attribute) if said else ("user", "note")
