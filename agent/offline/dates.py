"""Time words to dates, for the offline model: "last month" and "since 2019", against the day they were said."""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NUMBERS = {
    **{"a": 1, "an": 1, "one": 1, "two": 2, "a couple of": 2, "three": 3, "a few": 3, "four": 4, "five": 5},
    **{"six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "twenty": 20},
}

_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_NUMBER = rf"(?P<number>\d{{1,3}}|{'|'.join(NUMBERS)})"
_UNIT = r"(?P<unit>day|week|month|year)"
_WEEKDAY = rf"(?P<weekday>{'|'.join(WEEKDAYS)})"

Resolver = Callable[[re.Match[str], date, bool], date | None]
"""From a match, the day it was said, and whether the phrase looks ahead ("until May") to a date."""


@dataclass(frozen=True)
class When:
    """The dates a clause names, each an ISO date or None."""

    since: str | None = None
    until: str | None = None
    on: str | None = None
    """A bare point in time: "last month", "on 3 May". What it means depends on the verb beside it."""


def months_later(day: date, months: int) -> date:
    """The same day of another month, or that month's last day: one month before 31 March is 28 February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def shift(day: date, number: int, unit: str) -> date:
    """The day `number` units later, or earlier where it is negative."""
    match unit:
        case "day" | "week":
            return day + timedelta(days=number * (7 if unit == "week" else 1))
        case _:
            return months_later(day, number * (12 if unit == "year" else 1))


def _of_month(match: re.Match[str], said: date, ahead: bool) -> date | None:
    groups = match.groupdict()
    month = MONTHS.index(match["month"][:3].casefold()) + 1
    day = int(groups.get("day") or 1)
    if groups.get("year"):
        return date(int(match["year"]), month, day)
    this_year = date(said.year, month, day)
    if ahead:
        return this_year if this_year > said else this_year.replace(year=said.year + 1)
    return this_year if this_year <= said else this_year.replace(year=said.year - 1)


def _weekday(match: re.Match[str], said: date, ahead: bool) -> date:
    wanted = WEEKDAYS.index(match["weekday"].casefold())
    if ahead:
        return said + timedelta(days=(wanted - said.weekday() - 1) % 7 + 1)
    return said - timedelta(days=(said.weekday() - wanted - 1) % 7 + 1)


def _relative(match: re.Match[str], said: date, _ahead: bool) -> date:
    number = {"last": -1, "past": -1, "this": 0, "next": 1}[match["which"].casefold()]
    return shift(said, number, match["unit"].casefold())


def _ago(match: re.Match[str], said: date, _ahead: bool) -> date:
    word = match["number"].casefold()
    return shift(said, -(NUMBERS.get(word) or int(word)), match["unit"].casefold())


def _end_of(match: re.Match[str], said: date, _ahead: bool) -> date:
    day = shift(said, 1 if (match["which"] or "").casefold() == "next" else 0, match["unit"].casefold())
    match match["unit"].casefold():
        case "week":
            return day + timedelta(days=6 - day.weekday())
        case "month":
            return day.replace(day=calendar.monthrange(day.year, day.month)[1])
        case _:
            return date(day.year, 12, 31)


POINTS: tuple[tuple[str, Resolver], ...] = (
    (r"(?P<iso>\d{4}-\d\d-\d\d)", lambda match, _said, _ahead: date.fromisoformat(match["iso"])),
    (rf"(?:the )?{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR})?", _of_month),
    (rf"{_MONTH} (?:the )?{_DAY}(?:,? {_YEAR})?", _of_month),
    (rf"(?:early |late |mid-)?{_MONTH}(?:,? (?:of )?{_YEAR})?", _of_month),
    (rf"(?:early |late |mid-)?{_YEAR}", lambda match, _said, _ahead: date(int(match["year"]), 1, 1)),
    (r"today|tonight|this morning", lambda _match, said, _ahead: said),
    (r"yesterday", lambda _match, said, _ahead: said - timedelta(days=1)),
    (r"tomorrow", lambda _match, said, _ahead: said + timedelta(days=1)),
    (rf"(?P<which>last|past|this|next) {_UNIT}", _relative),
    (rf"{_NUMBER} {_UNIT}s? ago", _ago),
    (rf"(?:last |next |this )?{_WEEKDAY}", _weekday),
    (rf"the end of (?:the |(?P<which>this|next) )?{_UNIT}", _end_of),
)
"""Every way to name a point in time, and how it is resolved."""

_POINTS = tuple((re.compile(pattern, re.IGNORECASE), resolve) for pattern, resolve in POINTS)
_ANY_POINT = "|".join(re.sub(r"\?P<\w+>", "?:", pattern) for pattern, _ in POINTS)
_DURATION = re.compile(rf"{_NUMBER} {_UNIT}s?(?: now)?", re.IGNORECASE)

_SINCE = rf"(?:since|as of|starting) (?P<since>{_ANY_POINT})"
_FOR = rf"for (?P<lasting>{re.sub(r'[?]P<[a-z]+>', '?:', _DURATION.pattern)})"
_UNTIL = rf"(?:until|till) (?P<until>{_ANY_POINT})"
_ON = rf"(?:(?:back in|in|on) )?(?P<on>{_ANY_POINT})"


def _at_either_end(phrase: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return (
        re.compile(rf"^{phrase},? (?=\S)", re.IGNORECASE),
        re.compile(rf",? {phrase}$", re.IGNORECASE),
    )


_RELATIVE_DAY = re.compile(
    rf" (?:on )?(?P<day>today|tonight|tomorrow|yesterday|(?:last |next |this )?(?:{'|'.join(WEEKDAYS)}))$",
    re.IGNORECASE,
)
_ALWAYS = (*_at_either_end(_SINCE), *_at_either_end(_UNTIL))
_LASTING = _at_either_end(_FOR)
_BARE = _at_either_end(_ON)


def resolve_point(phrase: str, said: date, *, ahead: bool = False) -> str | None:
    """The ISO date of a point in time such as "last month", or None where there is no such day."""
    for pattern, resolve in _POINTS:
        if match := pattern.fullmatch(phrase.strip()):
            try:
                day = resolve(match, said, ahead)
            except (ValueError, OverflowError):  # 31 February, or a year no calendar has
                return None
            return day.isoformat() if day else None
    return None


def pin_down(clause: str, said: date) -> str:
    """The clause with a relative day at its end as a date: "tomorrow" means nothing the day after."""
    match = _RELATIVE_DAY.search(clause)
    day = resolve_point(match["day"], said, ahead=not match["day"].casefold().startswith("last")) if match else None
    return f"{clause[: match.start()]} on {day}" if match and day else clause


def take_dates(clause: str, said: date, *, bare: bool = False, lasting: bool = False) -> tuple[str, When]:
    """The clause without the time phrases at its two ends, and what they mean.

    `bare` takes points without "since" or "until" as well, `lasting` takes "for three years": both are dates only
    beside certain verbs.
    """
    found: dict[str, str] = {}
    patterns = _ALWAYS + (_LASTING if lasting else ()) + (_BARE if bare else ())
    for pattern in patterns:
        match = pattern.search(clause)
        if match is None:
            continue
        name, phrase = next((name, phrase) for name, phrase in match.groupdict().items() if phrase)
        if name == "lasting":
            duration = _DURATION.fullmatch(phrase)
            name, day = "since", _ago(duration, said, False).isoformat() if duration else None
        else:
            day = resolve_point(phrase, said, ahead=name == "until" or phrase.casefold().startswith("next "))
        if day and name not in found:
            found[name] = day
            clause = (clause[: match.start()] + clause[match.end() :]).strip(" ,")
    return clause, When(found.get("since"), found.get("until"), found.get("on"))
