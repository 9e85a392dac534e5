"""A message to what it states, takes back and asks to forget, for the offline model: sentences, clauses, plain form.

What is not the user's own plain statement is left out here, before the grammar (`rules`) sees it: questions,
hypotheses, reported speech, quotations and pasted text, secrets, commands. A false memory is worse than none.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date

from agent.offline.dates import When, pin_down, take_dates
from agent.offline.rules import RELATIVE, Statement, parse, parse_denial
from agent.offline.words import base_form, third_form, third_person
from memory.learn.guard import is_command, is_secret

MAX_SENTENCE, MAX_CLAUSE = 2_000, 300
"""Characters; what is longer is prose, and the bounds keep every pattern linear in the message."""

MAX_STATEMENTS = 100
"""Statements one message may make; a message that makes more is a document."""

_I = re.IGNORECASE
_HIDDEN = "\x00"


@dataclass
class Reading:
    """What one message says."""

    said: list[Statement] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    """What the user asks to forget, in their words."""
    questions: list[str] = field(default_factory=list)
    secret: bool = False
    """Whether a password, a key or a card number is in it; nothing of that sentence is read."""


# --- what is not the user's own statement -------------------------------------------------------------------

_NOT_OWN_WORDS = re.compile(
    r"```.*?(?:```|\Z)|^[ \t]*>[^\n]*|\"[^\"\n]{0,400}\"|[“„«][^”»\n]{0,400}[”»]|`[^`\n]{0,400}`|"
    r"(?<!\w)['‘](?:[^'’\n]|['’](?=\w)){0,400}['’](?!\w)",
    re.DOTALL | re.MULTILINE,
)
_HANDED_OVER = re.compile(
    r"\b(?:translate|summari[sz]e|proof-?read|rewrite|rephrase|paraphrase|correct|fix|edit|review|analy[sz]e|"
    r"explain|read|repeat|classify|continue|complete|check|improve|format|convert|write|draft|email|letter|text|"
    r"article|story|poem|bio|quote|example|sentence|following|says|said|wrote)\b[^:\n]{0,80}:",
    _I,
)
_NOT_MEANT = re.compile(
    r"\b(?:if|whether|unless|suppose|supposing|imagine|pretend|assum(?:e|ing)|hypothetically|let'?s say|"
    r"for (?:example|instance)|joking|kidding|(?:in|for) (?:my|the|a|this) (?:\w+ )?(?:dream|story|novel|game|"
    r"movie|film|book)|what if|(?:said|says|say|told|tells|claim(?:s|ed)|thinks?|believes?|thought|wrote|writes|"
    r"asked|asks|insists?|heard|reckons?|according|maybe|perhaps|possibly|not sure|might|i guess|i wish|"
    r"role-?play))\b",
    _I,
)
_TO_THE_AGENT = re.compile(
    r"\b(?:you|your|yourself|system prompt|instructions?)\b|^(?:always|never|make sure|use|to)\b", _I
)

# --- how a sentence begins ----------------------------------------------------------------------------------

_QUESTION = re.compile(
    r"(?:(?:and|but|so|ok|okay|hey|hi|hello|well|then|also|now|please)[, ]+)*(?:who|what|where|why|how|which|"
    r"whose|who's|what's|where's|when's|how's|when(?! (?:i|i'm|we|my)\b)|does|is|are|can|could|would|should|"
    r"shall|(?:do|did|am|was|were|have|has|will|may) (?:not )?(?:i|we|you|he|she|it|they|my|our|your|the|any)|"
    r"recommend|suggest|tell me|list|show me|find me|give me|look up|search|any)\b(?!,)",
    _I,
)
_TAG = re.compile(
    r"(?:right|correct|no|yes|eh|huh|true|(?:is|are|do|did|have|has|was|am)(?: ?n['’]t)? (?:i|it|that|you))\W*$", _I
)
_ASIDE = re.compile(
    r"(?:(?:hi|hello|hey)(?: there)?|actually|well|so|oh|ok(?:ay)?|good (?:morning|evening|afternoon)|also|and|"
    r"but|by the way|btw|fyi|just so you know|for your information|to be (?:honest|clear)|honestly|now|currently|"
    r"right now|these days|nowadays|at the moment|for the record|(?:as|like) i (?:said|told you|mentioned)|"
    r"i (?:have )?(?:already )?(?:told you|said|mentioned)(?: already| before)?(?: that)?|"
    r"you should know(?: that)?|note(?: that)?|anyway|sorry|correction|update|please|again|i mean|still|just|"
    r"recently|no(?=,)|yes(?=,)|yeah|no wait|wait|in fact|personally|thanks|thank you)[,:!.]*\s+",
    _I,
)
_REMEMBER = re.compile(
    r"(?:(?:please|hey|ok|also|and|can you|could you|will you|would you),? )*(?P<verb>remember|note|keep in mind|"
    r"don['’]?t forget|do not forget|never forget|memori[sz]e|make a note|save|store)(?: please)?(?P<that> that|"
    r" this|:)*:? (?P<what>.+)",
    _I | re.DOTALL,
)
_MY_IS = re.compile(r"(?:my|our) .*\b(?:is|are)\b", _I)
_FORGET = re.compile(
    r"(?:(?:please|hey|ok|also|and|can you|could you|will you|would you|actually),? )*(?:forget(?: about)?|"
    r"(?:delete|remove|erase)(?= .*\bmemory\b))(?: that| the fact that)? (?P<what>.+?)(?: from (?:your |my |"
    r"the )?memory)?",
    _I,
)
_NEVER_MIND = re.compile(r"(?:it|that|this|things|to .*)", _I)

# --- where a clause begins ----------------------------------------------------------------------------------

_OWN_START = (
    rf"(?:(?:i|i['’]?m|i['’]ve|ive|we|we['’]re|we['’]ve)\b|(?:my|our) {RELATIVE}\b|(?:my|"
    rf"our)(?: [\w'’-]{{1,20}}){{1,4}}? "
    r"(?:is|are|has|have)\b|call me\b|(?:still |currently )(?:using|working|building))"
)
_SHARED_VERB = (
    r"(?:am|have|live|work|use|like|love|hate|enjoy|dislike|prefer|speak|moved|joined|switched|started|left|"
    r"do not|don['’]t|can['’]t|cannot)\b"
)
_PARTED = r"(?:\s*[,;:–—]\s*|\s-+\s)"
_CONJUNCTION = r"(?:and|but|so|because|while|whereas|plus|then|although|though|however|since)\s+"
_BOUNDARY = re.compile(
    rf"(?:{_PARTED}(?:{_CONJUNCTION})?|\s{_CONJUNCTION})(?:(?:also|then|now|currently|actually|"
    rf"just)\s+)?(?={_OWN_START})|,?\s(?:and|but)\s+(?:(?:also|now|just)\s+)?(?P<shared>(?={_SHARED_VERB}))"
    r"|,\s*(?=(?:so|because|but|although|though|please|can|could|would|do|does|what|where|how|who|which|any|"
    r"and (?:what|where|how|can|could|do))\b)|\s(?=(?:because|although)\b)|\s(?=so (?:please|can|could|what|"
    r"where)\b)|\s-+\s|\s*[;–—]\s*",
    _I,
)
_ENDS = re.compile(r"(?<![.!?…])[.!?…]+[\"')\]”’]*(?=\s|$)|\n+")
_ABBREVIATED = re.compile(r"(?:\b(?:St|Dr|Mr|Mrs|Ms|Prof|Mt|Ft|vs|e\.g|i\.e|Jr|Sr|No|[A-Z])|\.[A-Z])$")

# --- the plain form of a clause -----------------------------------------------------------------------------

_PLAIN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, _I), plain)
    for pattern, plain in (
        (r"[’`]", "'"),
        (r"\s+", " "),
        (r"\bi'?m\b", "I am"),
        (r"\b(i|we)'?ve\b", r"\1 have"),
        (r"^we're\b", "we are"),
        (r"\b(do|does|did|is|are|was|have|has)n't\b|\b(do|does|did|is)nt\b", r"\1\2 not"),
        (r"\b(?:can't|cannot|cant)\b", "can not"),
        (r"\bname's\b", "name is"),
        (r"^we are\b", "I am"),
        (r"^we\b", "I"),
        (r"^our\b", "my"),
        (r"^i\b", "I"),
        (r"^(I(?: am| have)?) (?:(?:actually|also|currently|now|just|still|really|absolutely|primarily|mostly|"
         r"mainly|usually|generally|typically|recently|always|truly|finally|already|originally|personally|"
         r"temporarily|often|definitely|quite|severely|deathly|highly|extremely|very|badly|strongly|only|both|"
         r"then|generally) )+", r"\1 "),
        (r"^I have been (living|using|working|building|developing|learning|writing)\b", r"I am \1"),
        (r"^(my [\w' -]{1,60}?)'s ((?:allergic|called|named|from|in|an?|vegan|vegetarian)\b)", r"\1 is \2"),
    )
)  # fmt: skip
_ELIDED = re.compile(r"(?:using|working|building|developing|based|living|allergic|learning|originally from)\b", _I)
_ELIDED_PAST = re.compile(r"(?:moved|relocated|switched|joined|quit|stopped|left)\b", _I)
_FOR_SO_LONG = re.compile(r"I (?:have|am)\b")
_PARTICIPLES = {"lived": "live", "worked": "work", "used": "use", "loved": "love", "liked": "like", "spoken": "speak"}
_STILL_DONE = re.compile(rf"^I have ({'|'.join(_PARTICIPLES)})\b", _I)
_ENDED = re.compile(r" any ?(?:more|longer)$|^I no longer\b|^I am no longer\b", _I)
_WHO_DOES = re.compile(r"(?P<am>I am an? .{2,80}?),? who (?:\w+ly )?(?P<verb>[a-z]+s) (?P<rest>.+)")
_TAIL = re.compile(
    r",? (?:though|too|as well|also|now|right now|currently|these days|nowadays|at the moment|at present|btw|"
    r"by the way|actually|instead|again|please|you know|lol|haha|so far|very much|a lot|so much|just so you know|"
    r"fyi|for now|nice to meet you|pleased to meet you)$",
    _I,
)
_CHANGE = re.compile(
    r"\b(?:moved|relocated|joined|started|switched|changed|migrated|became|got|went|left|quit|stopped|moving|"
    r"replaced)\b",
    _I,
)


def read(message: str, said_on: date) -> Reading:
    """All that a message says, each statement with the words it comes from."""
    reading = Reading()
    own_subject = True
    for sentence in _sentences(message):
        if len(reading.said) >= MAX_STATEMENTS:
            break
        own_subject = _read_sentence(sentence, said_on, own_subject, reading)
    return reading


def plain(clause: str) -> str:
    """The clause in the form the rules are written in: "I'm currently" -> "I am", no asides, no closing mark."""
    clause = _without_asides(clause.strip(" \t\n.,;:!?()[]*-–—…"))
    for pattern, replacement in _PLAIN:
        clause = pattern.sub(replacement, clause)
    while match := _TAIL.search(clause):
        clause = clause[: match.start()]
    return clause.strip(" .,;:!?")


def _without_asides(text: str) -> str:
    while match := _ASIDE.match(text):
        text = text[match.end() :]
    return text


def _sentences(message: str) -> Iterator[str]:
    """The sentences, letter by letter as they stand; those with a quotation or pasted text in them are left out."""
    own = _NOT_OWN_WORDS.sub(lambda quoted: quoted[0] if len(quoted[0].split()) < 3 else f" {_HIDDEN} ", message)
    if handed_over := _HANDED_OVER.search(own):
        own = own[: 1 + max(own.rfind(mark, 0, handed_over.start()) for mark in ".!?\n")]
    start = 0
    ends = [match.end() for match in _ENDS.finditer(own) if not _is_abbreviation(own, match)]
    for end in [*ends, len(own)]:
        sentence = own[start:end].strip()
        start = end
        if sentence and _HIDDEN not in sentence:
            yield sentence


def _is_abbreviation(text: str, end: re.Match[str]) -> bool:
    return end[0] == "." and bool(_ABBREVIATED.search(text[max(0, end.start() - 6) : end.start()]))


def _read_sentence(sentence: str, said_on: date, own_subject: bool, reading: Reading) -> bool:
    """Adds what the sentence says; returns whether the user is its subject, for a next one without a subject."""
    if len(sentence) > MAX_SENTENCE:
        return False
    if is_secret(sentence):
        reading.secret = True
        return False
    body = sentence.rstrip(" .!?")
    if match := _FORGET.fullmatch(body):
        if not _NEVER_MIND.fullmatch(match["what"]):
            reading.forget.append(match["what"])
        return False
    remember = _REMEMBER.fullmatch(body)
    if remember is None and (sentence.endswith("?") or _QUESTION.match(sentence)):
        statement, question = _before_question(sentence)
        reading.questions.append(question)
        if not statement:
            return False
        sentence = statement
    if _NOT_MEANT.search(_without_asides(sentence)):
        return False
    if remember:
        _read_clauses(
            remember["what"], said_on, True, reading, asked=bool(remember["that"] or _MY_IS.match(remember["what"]))
        )
        return False
    return _read_clauses(sentence, said_on, own_subject, reading)


def _before_question(sentence: str) -> tuple[str, str]:
    """ "I'm vegan, any ideas?" -> the statement and the question; a sentence that asks as a whole states nothing."""
    if not _QUESTION.match(sentence):
        for boundary in _BOUNDARY.finditer(sentence):
            rest = sentence[boundary.end() :]
            if _QUESTION.match(rest) and not _TAG.match(rest):
                return sentence[: boundary.start()], rest
    return "", sentence


def _clauses(sentence: str) -> Iterator[tuple[str, bool]]:
    """The clauses letter by letter, each with whether it goes on with the subject of the one before."""
    start, shared = 0, False
    for boundary in _BOUNDARY.finditer(sentence):
        yield sentence[start : boundary.start()], shared
        start, shared = boundary.end(), boundary["shared"] is not None
    yield sentence[start:], shared


def _read_clauses(text: str, said_on: date, own_subject: bool, reading: Reading, *, asked: bool = False) -> bool:
    for words, shared in _clauses(text):
        quote = words.strip(" \t\n.,;:!?-–—")
        clause = plain(words)
        if not clause or len(clause) > MAX_CLAUSE:
            own_subject = False
            continue
        if own_subject and shared:
            clause = plain("I " + clause)
        elif own_subject and _ELIDED.match(clause):
            clause = plain("I am " + clause)
        elif own_subject and _ELIDED_PAST.match(clause):
            clause = plain("I " + clause)
        own_subject = clause.startswith("I ")
        _read_clause(clause, quote, said_on, reading, asked=asked)
    return own_subject


def _read_clause(clause: str, quote: str, said_on: date, reading: Reading, *, asked: bool) -> None:
    if is_command(clause) or _TO_THE_AGENT.search(clause):
        return
    if (who := _WHO_DOES.fullmatch(clause)) and parse(who["am"]):  # "a nurse who likes tea" says two things
        _read_clause(who["am"], quote, said_on, reading, asked=False)
        clause = plain(f"I {base_form(who['verb'])} {who['rest']}")
    undated, when = take_dates(
        clause, said_on, bare=bool(_CHANGE.search(clause)), lasting=bool(_FOR_SO_LONG.match(clause))
    )
    if when.since:
        undated = _STILL_DONE.sub(lambda verb: f"I {_PARTICIPLES[verb[1].casefold()]}", undated)
    for candidate, dates in ((plain(undated), when), (clause, When())):  # "in May" may be no date: "I live in May"
        ended = bool(_ENDED.search(candidate))
        denied = parse_denial(candidate)
        said = [] if denied and ended else parse(_not_now(candidate) if ended else candidate)
        if said or denied:
            reading.said += [replace(statement, quote=quote, holds=False) for statement in denied]
            reading.said += [_at(statement, quote, dates) for statement in said]
            return
    if asked and (note := _note(clause, said_on)):
        reading.said.append(replace(note, quote=quote))


def _not_now(clause: str) -> str:
    """ "I no longer eat meat", where nothing is taken back by it, is a plain "I do not eat meat"."""
    return re.sub(r"^I no longer\b", "I do not", re.sub(r" any ?(?:more|longer)$", "", clause))


def _at(statement: Statement, quote: str, when: When) -> Statement:
    return replace(statement, quote=quote, valid_from=when.since or when.on, valid_until=when.until)


def _note(clause: str, said_on: date) -> Statement | None:
    """What the user asked to remember and no rule knows: kept as it is, with the user taken out of it."""
    text, when = take_dates(clause, said_on)
    text = pin_down(text, said_on)
    if match := re.fullmatch(r"I (\w+) (.+)", text):
        text = f"{third_form(match[1])} {third_person(match[2])}"
    else:
        text = third_person(re.sub(r"^my ", "", text, flags=_I))
    if len(text.split()) < 2:
        return None
    return Statement(text[0].upper() + text[1:], "note", valid_from=when.since, valid_until=when.until)
