"""Dates as people say them, to the span of time that they name: "2020", "2020-06", "summer 2019", "last spring". Pure.

By hand, since dateparser, the usual library, knows no seasons and guesses: it reads "may" and "sun" as dates.
"""

import re
from calendar import monthrange
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

MAX_LENGTH = 100  # of a date, in characters
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # the first of three months, in the north
DAYS = {"day before yesterday": -2, "yesterday": -1, "today": 0, "tonight": 0, "tomorrow": 1, "day after tomorrow": 2}
DAYS |= {"last night": -1, "this morning": 0, "this afternoon": 0, "this evening": 0}
THIRDS = {"early": 0, "beginning": 0, "start": 0, "mid": 1, "middle": 1, "late": 2, "end": 2}
WORDS = ("a", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NUMBERS = dict(zip(WORDS, (1, *range(1, 13)), strict=True)) | {"a couple": 2, "another": 1}

YEAR, TWO_DIGITS, DAY = "([12][0-9]{3})", "([0-9]{1,2})", "([0-9]{1,2})(?:st|nd|rd|th)?"
MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
NUMBER = f"([0-9]{{1,3}}|{'|'.join(NUMBERS)})"
SEASON = "(spring|summer|autumn|fall|winter)"
WEEKDAY = "(mon|tue|wed|thu|fri|sat|sun)(?:day|sday|nesday|rsday|urday)"
WEEKDAY_AHEAD = re.compile(rf"\b{WEEKDAY}?\.? (?=[0-9]+[-./ ][0-9a-z])")  # of a date: "Mon 7 December"
UNKNOWN_PART = re.compile("(?<=[0-9])(?:-(?:00|xx|[?]{2}))+$")  # "2020-06-XX"
THIRD = f"({'|'.join(THIRDS)})[- ]"
# Without a year, only the exact names of months count: "marriage" and "decade" are no dates.
MONTH_NAME = "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
MONTH_NAME += r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
WITHOUT_YEAR = re.compile(f"(?:{THIRD})?{MONTH_NAME}|{DAY} {MONTH_NAME}|{MONTH_NAME} {DAY}")
LENGTH = re.compile(f"(?:(?:for|until|till|about|around) )*(?:next )?{NUMBER} (?:more )?(day|week|month|year)s?")
RANGE = re.compile("(.+?)(?: (?:to|until|till|through|-) | ?[–—] ?)(.+)|([0-9]{4})-([0-9]{4})")
PREPOSITIONS = re.compile(r"^(?:(?:until|till|through|since|from|by|on|around|about|circa|ca\.?) |~ ?)+")

Span = tuple[date, date]  # the first day, and the last


class Period(NamedTuple):
    """A span of time in UTC, both ends included: a day ends with its last second."""

    start: datetime
    end: datetime


def period(text: str, said_at: datetime, *, ahead: bool, after: datetime | None = None) -> Period | None:
    """The span that a date names, in the time zone of `said_at`; None if it cannot be read for certain.

    It reads ISO dates, whole or in part, ISO times, and in English: a month or season with its year, decades, parts as
    in "early 2020", ranges, and what counts from `said_at`, as "yesterday", "last spring" and "two weeks ago" do.
    A preposition or weekday before it is ignored; "before 2020" is the last day of 2019. Of other words that name a
    year which is over, as "Christmas 2019" does, it is that year.

    A day or month without a year is the next one if `ahead` (for plans and ends), else the latest; it may be going on.
    The same holds for a weekday, but it is never today: "Friday", said on a Friday, is the one before or after.
    Lengths, as "two weeks", are read if `ahead`. Both count from `after` where that is later than `said_at`.
    """
    words = _words(text)
    with suppress(ValueError, OverflowError):  # a day that its month does not have, a year that Python does not have
        if re.match("[12][0-9]{3}-[0-9]{2}-[0-9]{2}[t ][0-9]{2}:", plain := PREPOSITIONS.sub("", words)):
            moment = datetime.fromisoformat(plain.replace(" utc", "").upper())
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=said_at.tzinfo)).astimezone(UTC)
            return Period(moment, moment)
        origin = max(said_at, after or said_at).astimezone(said_at.tzinfo).date()
        if span := _named(plain, said_at.date()) or _open(words, origin, ahead) or _past_year(words, said_at.date()):
            first, last = (datetime.combine(day, time(), said_at.tzinfo).astimezone(UTC) for day in span)
            return Period(first, last + timedelta(days=1, seconds=-1))
    return None


def is_range(text: str) -> bool:
    """Whether the date gives both a start and an end, as "2018 to 2020" does."""
    return RANGE.fullmatch(PREPOSITIONS.sub("", _words(text))) is not None


def _words(text: str) -> str:
    """The words that count; none of a text that is too long for a date."""
    if len(text := text.strip()) > MAX_LENGTH:
        return ""
    words = " ".join(re.sub(r"[\s,]+|\bof\b|\bthe\b", " ", text.casefold()).split())
    return UNKNOWN_PART.sub("", WEEKDAY_AHEAD.sub("", words))


def _named(words: str, today: date) -> Span | None:
    """The days of a date, or from the first to the last day of a range of two."""
    if match := RANGE.fullmatch(words):
        first, last = (_one(part, today) for part in match.groups() if part)
        return (first[0], last[1]) if first and last and first[0] <= last[0] and first[1] <= last[1] else None
    if words.startswith("before "):
        span = _one(words.removeprefix("before "), today)
        return span and (span[0] - timedelta(1), span[0] - timedelta(1))
    return _one(words, today)


def _one(words: str, today: date) -> Span | None:
    """The days of a date that is no range, or of their first, middle or last third."""
    bare = words.removeprefix("in ")
    if not (match := re.fullmatch(f"{THIRD}(.+)", bare)):
        return _absolute(bare) or _relative(words, today)
    named = f"this {match[2]}" if match[2] in ("week", "month", "year") else match[2]
    if not (span := _absolute(named) or _relative(named, today)):
        return None
    first, days, third = span[0], (span[1] - span[0]).days + 1, THIRDS[match[1]]
    return first + timedelta(days * third // 3), first + timedelta(days * (third + 1) // 3 - 1)


def _open(words: str, origin: date, ahead: bool) -> Span | None:
    """The days of a date whose year is left open, or the last day of a length of time from `origin` on."""
    if ahead and (match := LENGTH.fullmatch(words)):
        return (day := _later(int(NUMBERS.get(match[1]) or match[1]), match[2], origin)), day
    bare = PREPOSITIONS.sub("", words).removeprefix("in ")
    if re.fullmatch(WEEKDAY, bare):
        return _relative(f"{'next' if ahead else 'last'} {bare}", origin)
    if match := re.fullmatch("([0-9]{1,2})(?:st|nd|rd|th)", bare):
        return _day_of_month(int(match[1]), origin, ahead)
    if words.rstrip(".") == "may" or not WITHOUT_YEAR.fullmatch(bare):
        return None
    spans = list[Span]()
    for year in range(origin.year - 8, origin.year + 9):
        with suppress(ValueError):  # most years have no 29 February
            spans += filter(None, [_one(f"{bare} {year}", origin)])
    if ahead:
        return next((span for span in spans if span[1] >= origin), None)
    return next((span for span in reversed(spans) if span[0] <= origin), None)


def _past_year(words: str, today: date) -> Span | None:
    """The year in words that cannot be read otherwise, if it is over: "Christmas 2019", "Sommer 2019"."""
    match = re.fullmatch(r"(?!after|now|not)(?:[^\W\d]+[ .'’]+)+([12][0-9]{3})", words)
    return _whole(int(match[1])) if match and int(match[1]) < today.year else None


def _day_of_month(number: int, origin: date, ahead: bool) -> Span | None:
    """The next such day from `origin` on, or the latest one."""
    days = (origin + timedelta(n if ahead else -n) for n in range(62))
    return next(((day, day) for day in days if day.day == number), None)


def _absolute(words: str) -> Span | None:
    """The days of a date that names its year."""
    if match := re.fullmatch(rf"{YEAR}(?:([/-]){TWO_DIGITS}(?:\2{TWO_DIGITS})?)?", words):
        return _whole(*(int(part) for part in match.group(1, 3, 4) if part is not None))
    if match := re.fullmatch(f"{TWO_DIGITS}[./-]{YEAR}", words):
        return _whole(int(match[2]), int(match[1]))
    if match := re.fullmatch(rf"{TWO_DIGITS}([./-]){TWO_DIGITS}\2{YEAR}", words):
        one, two, year = int(match[1]), int(match[3]), int(match[4])
        if match[2] == "." or one > 12:
            return _whole(year, two, one)
        return _whole(year, one, two) if two > 12 else None  # 1/2/2020: nobody knows which is the month
    if match := re.fullmatch(f"{YEAR}[- ]?q([1-4])|q([1-4])[- ]?{YEAR}", words):
        return _months(int(match[1] or match[4]), 3 * int(match[2] or match[3]) - 2, 3)
    if match := re.fullmatch(f"(?:{DAY} )?{MONTH} {YEAR}|{MONTH} {DAY} {YEAR}", words):
        day, month, of = match.group(1, 2, 3) if match[2] else match.group(5, 4, 6)
        return _whole(int(of), MONTHS.index(month) + 1, int(day) if day else None)
    if match := re.fullmatch(f"{SEASON} {YEAR}", words):
        return _months(int(match[2]), SEASONS[match[1]], 3)
    if match := re.fullmatch("([12][0-9]|['’]?(?=[5-9]))([0-9])0['’]?s", words):  # "the 30s" may be an age
        return _months(int((match[1].strip("'’") or "19") + match[2] + "0"), 1, 120)
    return None


def _relative(words: str, today: date) -> Span | None:
    """The days of a date that counts from today. "Last" is the latest that is over, "next" the first to come."""
    if (whole := re.sub("^(yesterday|today|tomorrow) (?:morning|afternoon|evening|night)$", r"\1", words)) in DAYS:
        return (day := today + timedelta(DAYS[whole])), day
    if match := re.fullmatch("(last|this) weekend", words):
        saturday = today + timedelta(5 - today.weekday() - (7 if match[1] == "last" else 0))
        return saturday, saturday + timedelta(1)
    if match := re.fullmatch(f"{NUMBER} (day|week|month|year)s?( ago)?", words.removeprefix("in ")):
        number = int(NUMBERS.get(match[1]) or match[1])
        if bool(match[3]) != words.startswith("in "):
            return _counted(-number if match[3] else number, match[2], today)
    if match := re.fullmatch(f"(last|this|next) (?:(week|month|year)|{SEASON}|{MONTH}|{WEEKDAY})", words):
        which, unit, season, month, weekday = match.groups()
        if unit:
            return _counted({"last": -1, "this": 0, "next": 1}[which], unit, today)
        if weekday:
            first = today - timedelta(today.weekday() - WEEKDAYS.index(weekday) + 14)
            return _nearest(((day, day) for week in range(5) if (day := first + timedelta(7 * week))), which, today)
        start, count = (SEASONS[season], 3) if season else (MONTHS.index(month) + 1, 1)
        return _nearest((_months(today.year + year, start, count) for year in (-2, -1, 0, 1, 2)), which, today)
    return None


def _counted(number: int, unit: str, today: date) -> Span:
    """The day, week (from Monday), month or year that comes `number` after that of today."""
    if unit == "day":
        return (day := today + timedelta(number)), day
    if unit == "week":
        return (first := today + timedelta(7 * number - today.weekday())), first + timedelta(6)
    return _months(today.year, today.month + number, 1) if unit == "month" else _whole(today.year + number)


def _later(number: int, unit: str, day: date) -> date:
    """The day that comes this many days, weeks, months or years after `day`."""
    if unit in ("day", "week"):
        return day + timedelta(number * (7 if unit == "week" else 1))
    _, last = _months(day.year, day.month + number * (12 if unit == "year" else 1), 1)
    return last.replace(day=min(day.day, last.day))


def _whole(year: int, month: int | None = None, day: int | None = None) -> Span:
    """A year, a month or a day."""
    first = date(year, 1 if month is None else month, 1 if day is None else day)
    return (first, first) if day is not None else _months(year, first.month, 12 if month is None else 1)


def _months(year: int, first: int, count: int) -> Span:
    """`count` months from month `first` on, which may be more than 12."""
    year, first = year + (first - 1) // 12, (first - 1) % 12 + 1
    last_year, last = year + (first + count - 2) // 12, (first + count - 2) % 12 + 1
    return date(year, first, 1), date(last_year, last, monthrange(last_year, last)[1])


def _nearest(spans: Iterable[Span], which: str, today: date) -> Span | None:
    """Of spans in order of time: the last that is over, the one of today, or the first that is to come."""
    ordered = list(spans)
    if which == "last":
        return next((span for span in reversed(ordered) if span[1] < today), None)
    if which == "next":
        return next((span for span in ordered if span[0] > today), None)
    return next((span for span in ordered if span[0] <= today <= span[1]), None)
