"""When a candidate holds: its tense and dates, from what the model gave and what the user wrote. Pure.

What cannot be read never means "now": a candidate that is not certain is kept beside what is known, never in its place.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from memory.facts.fact import Tense
from memory.facts.period import LENGTH, MAX_LENGTH, MONTH_NAME, WORDS, Period, is_range, period
from memory.language.content import content
from memory.language.signs import END, NEGATION, UNREAL
from memory.language.text import normalize

OPEN_END = timedelta(days=90)  # after which what is temporary lapses, if its end is not known

NO_DATE = frozenset({  # what models write where there is no date to give
    "", "-", "null", "none", "nil", "n/a", "na", "false", "present", "now", "current", "currently", "ongoing", "still",
    "always", "forever", "for ever", "lifelong", "for life", "permanent", "permanently", "indefinite", "indefinitely",
    "open", "open-ended", "no end", "no end date", "never", "unknown", "undefined", "unspecified", "not specified",
    "not mentioned", "not stated", "not given", "not applicable",
})  # fmt: skip
NO_START = NO_DATE | {  # of what has begun; "until recently" says that it is over
    "recently", "lately", "just now", "birth", "the other day", "earlier this year",
}  # fmt: skip
# "A few years ago": as a start it has begun, as an end it is over.
AGO = re.compile(r"\b(?:ago|a while back)$", re.IGNORECASE)
# A date with such a preposition belongs in the other field: "since 2020" is not the end of anything.
OF_AN_END = re.compile(r"(?:since |from )?(?:until|till|through|before)\b", re.IGNORECASE)
OF_A_START = re.compile(r"(?:since|from)\b", re.IGNORECASE)
STATED_END = re.compile(r"\b(?:for|until|till|through) ")
SO_FAR = re.compile(r"\b(?:have|has|had|been|was|were|lived|worked)\b|'(?:ve|d)\b")  # "I've been here for a year"

TENSES: dict[str, Tense] = {  # what models write -> the tense
    **dict.fromkeys(("now", "present", "current", "holds now", "ongoing", "still"), "now"),
    **dict.fromkeys(("past", "over", "is over", "ended", "former", "previous"), "past"),
    **dict.fromkeys(("planned", "is planned", "plan", "future", "upcoming"), "planned"),
    **dict.fromkeys(("temporary", "temporarily", "for a while", "holds for a while", "for now"), "temporary"),
}

# Signs in English texts that a fact does not take the place of another, whatever the model says.
PAST = re.compile(
    r"\bused to (?!it\b|the\b|this\b|that\b|being\b)|\b(?:formerly|previously|as a (?:kid|child|student))\b"
    r"|\b(?:when|while|before) i (?:was|lived|worked)\b|^(?:was|were|had|lived|worked)\b"
    r"|\b(?:i|we)(?:'d| had)? (?:\w+ly |once |first )?(?:lived|worked|studied)\b"
    r"|\b(?:i|we) (?:was|were) (?:\w+ )?(?:living|working|based|employed|studying)\b"
    r"|\b(?:originally|prior to|back (?:in (?:my|the day|(?:19|20)\d\d)|when))\b"
    r"|\bmy (?:\w+ )?(?:youth|childhood|teens|twenties|thirties)\b|\b(?:come|came|'m|am) (?:here )?from\b"
    r"|\bmy (?:first|last|old|former) (?:job|employer|home|flat|house|city)\b"
    r"|\b(?:früher|damals|autrefois|antes|un tempo|anni fa|dawniej|kiedyś|раньше|eskiden)\b|以前|昔|예전에"
)
# The text itself says that it is over: "Used to live in Rome", "Lived in Rome"; but not "Lived in Rome since 2020".
OVER = re.compile(r"(?:used to (?!it\b|the\b|this\b|that\b|being\b)|(?:formerly|previously|lived|worked|studied)\b)")
GOES_ON = re.compile(r"\b(?:have|has|been|since|still|always|all)\b|'ve\b")
BETWEEN_CLAUSES = re.compile(r"[,;.]|\b(?:now|but|today|until|then)\b")
UNTIL = re.compile(r"\b(?:until|till|bis|jusqu\w*|hasta|fino a|até|tot)\b")
AT_HOME = re.compile(  # names no home: "Is back home from Madrid"
    r"(?:(?:is|has|been|came|got|returned|arrived) )*(?:(?:back|safely|at|home|again|now) ?)+(?:from .*)?"
    r"|ist (?:wieder |zurück )*(?:zu ?hause|daheim|da|zurück)|est (?:de retour|rentré\w*)(?: .*)?"
    r"|(?:está|volvió) (?:de vuelta )?(?:en|a) casa"
)
BESIDE = re.compile(
    r"\b(?:second|2nd|another|additional|side|weekend|evening|part[- ]time) "
    r"(?:job|gig|business|employer|home|house|flat|apartment|passport|number)\b"
    r"|\balso (?:works?|lives?|has)\b|\bon the side\b|\bmoonlight\w*|\bin my (?:free|spare) time\b|\bvolunteer\w*"
    r"|\b(?:on \w+days|every \w+day|(?:at|on) (?:the )?weekends?|in the evenings?)\b"
    r"|\b(?:am wochenende|(?:mon|diens|donners|frei|sams|sonn)tags|mittwochs|abends|neben(?:bei|her|beruflich))\b"
    r"|\b(?:le (?:week-end|soir|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche))\b"
    r"|\b(?:los (?:lunes|martes|miércoles|jueves|viernes|sábados|domingos|fines de semana)|la (?:domenica|sera))\b"
)
TEMPORARY = re.compile(
    r"\b(?:visiting|travell?ing|temporar(?:y|ily)|tonight|at a hotel|(?:stay|crash)(?:s|es|ing)? (?:at|with))\b"
    r"|\bfor (?:now|the moment|the time being)\b|\bat the moment\b|\bthese weeks\b"
    r"|\b(?:house|pet|cat|dog)-? ?sit(?:s|ting)\b|\b(?:secondment|seconded|subletting|temping|interning|erasmus)\b"
    r"|\b(?:covering|filling in) (?:for|at)\b|\b(?:summer|winter|seasonal|holiday|temp|interim) (?:job|gig)\b"
    r"|\bon (?:\w+ ){0,2}(?:trip|holiday|vacation|leave|sabbatical)\b"
    rf"|\bfor (?:the|\d+|a few|a couple of|{'|'.join(WORDS)}) (?:\w+ )?"
    r"(?:while|night|day|week|weekend|month|summer|winter)s?\b"
    rf"|\bspend(?:s|ing) (?:(?:\w+ )?{MONTH_NAME}(?!\w)|(?:\w+ ){{1,2}}(?:week|weekend|month|summer|winter)s?\b)"
)
SOMEWHERE = re.compile(  # "Is in Madrid" is no home
    r"^(?:(?:is|ist|est|está|è|é|jest|är) )?(?:(?:currently|derzeit|gerade|actuellement|actualmente) )?"
    r"(?:in|at|à|en|a|em|w|i)\b"
)


class Timing(NamedTuple):
    """When a fact holds, and whether it may take the place of another one in its slot."""

    tense: Tense
    valid_from: datetime | None
    valid_until: datetime | None
    certain: bool = True


def timing(
    tense: str, dates: tuple[str | None, str | None], said_at: datetime, quote: str = "", text: str = "", *,
    is_limit: bool = False,
) -> Timing:  # fmt: skip
    """When a candidate holds that gives this tense, and these dates from and until which it does.

    Dates count in the time zone of `said_at`; "since 2020" is from its first second on, "until 2020" until its last.
    What is temporary ends when the quote says ("for a year"), otherwise OPEN_END after it was said, or after its later
    start. What has an end that cannot be read is temporary, unless it `is_limit`: an allergy is never lost for a date.
    For the same reason a limit is temporary only with an end. What the text itself calls over is past.
    """
    given = TENSES.get(normalize(tense).replace("_", " "))
    since, until = (date.strip() if date else "" for date in dates)
    text_is_over = OVER.match(normalize(text)) and not GOES_ON.search(f"{normalize(text)} {normalize(quote)}")
    begins, start_known = _read(since, "start", said_at, ahead=given == "planned")
    start = begins and begins.start
    if given == "planned":  # a plan for this year begins at its end, at the latest
        start = next((moment for moment in begins or () if moment > said_at), None)
        if begins and not start and said_at - begins.end < timedelta(days=1):  # it has begun: "from now on"
            return Timing("now", None, None, certain=False)
    if is_range(since) and _is_missing(until, "end"):
        until = since
    ends, end_known = _read(until, "end", said_at, ahead=given != "past", after=start)
    end = ends and ends.end
    if given == "temporary" and is_limit and not (end or _stated_end(normalize(quote), said_at, start)):
        given = "now"
    if given == "now" and not (end and end > said_at) and (text_is_over or (not end_known and AGO.search(until))):
        given = "past"
    certain = given is not None and start_known and end_known
    if given == "now" and not end_known and not OF_A_START.match(until) and not is_limit:
        given = "temporary"
    if given == "planned":
        return Timing("planned", start, end if end and end > said_at else None, certain)
    if start and end and end <= start:
        return _with_end(Timing(given or "now", None, None, certain=False), said_at, quote)
    if given == "past" and not (ends and ends.start > said_at):
        return Timing("past", start if start and start < said_at else None, min(end, said_at) if end else None)
    if given == "past":  # over, and yet to end
        return Timing("temporary", start, end, certain=False)
    if end and end <= said_at:
        return Timing("past", start, end)
    return _with_end(Timing(given or "now", start, end, certain), said_at, quote)


def checked(timing: Timing, attribute: str, text: str, quote: str, said_at: datetime) -> Timing:
    """The timing of a fact in a slot of one value, where neither text nor quote says otherwise."""
    if timing.tense != "now":
        return timing
    text, quote = normalize(text), normalize(quote)
    clauses = [clause.strip() for clause in BETWEEN_CLAUSES.split(quote)]
    if len(clauses) > 1:  # the others may say something else
        clauses = [clause for clause in clauses if content(clause) & content(text)]

    def says(sign: re.Pattern[str]) -> bool:
        return bool(sign.search(text) or (clauses and all(map(sign.search, clauses))))

    ends = UNTIL.search(quote) and not BETWEEN_CLAUSES.search(UNTIL.sub("", quote)) and not NEGATION.search(quote)
    somewhere = attribute == "home city" and SOMEWHERE.match(text)
    if says(TEMPORARY) or somewhere or (ends and not says(PAST)):
        return _with_end(timing._replace(tense="temporary"), said_at, quote)
    names_none = attribute == "home city" and AT_HOME.fullmatch(text)
    doubted = any(map(says, (PAST, UNREAL, BESIDE))) or names_none or _ends_itself(text, quote)
    return timing._replace(certain=timing.certain and not doubted)


def _ends_itself(text: str, quote: str) -> bool:
    """Whether the quote says the end of what the text says: "Lives in Rome", "I left Rome"."""
    after = (content(quote[sign.end() :].strip().split(" ")[0]) for sign in END.finditer(quote))
    return not END.search(text) and any(word & content(text) for word in after)


def _with_end(timing: Timing, said_at: datetime, quote: str) -> Timing:
    """With an end, if it is temporary."""
    if timing.tense != "temporary" or timing.valid_until:
        return timing
    start = max(timing.valid_from or said_at, said_at).astimezone(UTC)
    end = _stated_end(normalize(quote), said_at, timing.valid_from)
    return timing._replace(valid_until=end if end and end > start else start + OPEN_END)


def _stated_end(quote: str, said_at: datetime, start: datetime | None) -> datetime | None:
    """The end that words such as "for a year" or "until the end of May" name."""
    for found in STATED_END.finditer(quote):
        said = [word.strip(",;.") for word in quote[found.end() :].split()[:6] if word not in ("the", "of")]
        for date in (" ".join(said[:count]) for count in range(len(said), 0, -1)):
            is_length = LENGTH.fullmatch(date)
            if SO_FAR.search(quote[: found.start()]) or (found[0] == "for " and not is_length):
                continue
            if span := period(date, said_at, ahead=True, after=start):
                return span.end
    return None


def _read(
    date: str, field: Literal["start", "end"], said_at: datetime, *, ahead: bool, after: datetime | None = None
) -> tuple[Period | None, bool]:
    """The span of a date, and False if there is a date that cannot be read."""
    if _is_missing(date, field):
        return None, True
    misplaced = (OF_AN_END if field == "start" else OF_A_START).match(date) and not is_range(date)
    span = None if misplaced else period(date, said_at, ahead=ahead, after=after)
    return span, span is not None or (field == "start" and bool(AGO.search(date)))


def _is_missing(date: str, field: Literal["start", "end"]) -> bool:
    return len(date) <= MAX_LENGTH and normalize(date) in (NO_START if field == "start" else NO_DATE)
