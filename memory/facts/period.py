"""Dates as people say them, to the span of time that they name: "2020", "2020-06", "summer 2019", "last spring". Pure.

By hand, since dateparser, the usual library, knows no seasons and guesses: it reads "may" and "sun" as dates.
"""

import re
from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # the first of three months, in the north
DAYS = {"yesterday": -1, "today": 0, "tonight": 0, "tomorrow": 1}
THIRDS = {"early": 0, "beginning": 0, "start": 0, "mid": 1, "middle": 1, "late": 2, "end": 2}
NUMBERS = ("a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

YEAR, DAY = "([12][0-9]{3})", "([0-9]{1,2})(?:st|nd|rd|th)?"
MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
NUMBER = f"([0-9]{{1,3}}|one|{'|'.join(NUMBERS)})"
SEASON = "(spring|summer|autumn|fall|winter)"
WEEKDAY = "(mon|tue|wed|thu|fri|sat|sun)(?:day|sday|nesday|rsday|urday)"

Span = tuple[date, date]  # the first day, and the last


class Period(NamedTuple):
    """A span of time in UTC, both ends included: a day ends with its last second."""

    start: datetime
    end: datetime


def period(text: str, said_at: datetime) -> Period | None:
    """The span that a date names, in the time zone of `said_at`; None if it cannot be read for certain.

    It reads ISO dates, whole or in part, ISO times, and in English: a month or season with its year, decades, parts as
    in "early 2020", and what counts from `said_at`, as "yesterday", "last spring", "next month" and "two weeks ago" do.
    """
    words = " ".join(re.sub(r"[\s,]+|\bof\b|\bthe\b", " ", text.casefold()).split())
    try:
        if re.match(r"\d{4}-\d\d-\d\d[t ]\d\d:", words):
            moment = datetime.fromisoformat(text.strip())
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=said_at.tzinfo)).astimezone(UTC)
            return Period(moment, moment)
        if span := _absolute(words) or _relative(words, said_at.date()) or _third(words, said_at):
            first, last = (datetime.combine(day, time(), said_at.tzinfo).astimezone(UTC) for day in span)
            return Period(first, last + timedelta(days=1, seconds=-1))
    except (ValueError, OverflowError):  # a day that its month does not have, a year that Python does not have
        pass
    return None


def _absolute(words: str) -> Span | None:
    """The days of a date that names its year."""
    if match := re.fullmatch(f"{YEAR}(?:-([0-9]{{2}})(?:-([0-9]{{2}}))?)?", words):
        return _whole(*(int(part) for part in match.groups() if part is not None))
    if match := re.fullmatch(f"{YEAR}[- ]?q([1-4])", words):
        return _months(int(match[1]), 3 * int(match[2]) - 2, 3)
    if match := re.fullmatch(f"{MONTH} {YEAR}", words):
        return _whole(int(match[2]), MONTHS.index(match[1]) + 1)
    if match := re.fullmatch(f"{DAY} {MONTH} {YEAR}", words):
        return _whole(int(match[3]), MONTHS.index(match[2]) + 1, int(match[1]))
    if match := re.fullmatch(f"{MONTH} {DAY} {YEAR}", words):
        return _whole(int(match[3]), MONTHS.index(match[1]) + 1, int(match[2]))
    if match := re.fullmatch(f"{SEASON} {YEAR}", words):
        return _months(int(match[2]), SEASONS[match[1]], 3)
    if match := re.fullmatch("([12][0-9]{2})0s", words):
        decade = int(match[1]) * 10
        return date(decade, 1, 1), date(decade + 9, 12, 31)
    return None


def _relative(words: str, today: date) -> Span | None:
    """The days of a date that counts from today. "Last" is the latest that is over, "next" the first to come."""
    if words in DAYS:
        day = today + timedelta(DAYS[words])
        return day, day
    if match := re.fullmatch(f"{NUMBER} (day|week|month|year)s?( ago)?", words.removeprefix("in ")):
        number = int(match[1]) if match[1].isdigit() else NUMBERS.index(match[1].replace("one", "a")) + 1
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
    match unit:
        case "day":
            first = last = today + timedelta(number)
        case "week":
            first = today + timedelta(7 * number - today.weekday())
            last = first + timedelta(6)
        case "month":
            first, last = _months(today.year, today.month + number, 1)
        case _:
            first, last = _whole(today.year + number)
    return first, last


def _third(words: str, said_at: datetime) -> Span | None:
    """The first, middle or last third of a span, as in "early 2020" and "end of March 2026"."""
    part, _, rest = words.replace("-", " ", 1).partition(" ")
    span = _absolute(rest) or _relative(rest, said_at.date()) if part in THIRDS else None
    if span is None:
        return None
    first, days = span[0], (span[1] - span[0]).days + 1
    start, end = (first + timedelta(days * third // 3) for third in (THIRDS[part], THIRDS[part] + 1))
    return start, end - timedelta(1)


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
    match which:
        case "last":
            return next((span for span in reversed(ordered) if span[1] < today), None)
        case "next":
            return next((span for span in ordered if span[0] > today), None)
        case _:
            return next((span for span in ordered if span[0] <= today <= span[1]), None)
