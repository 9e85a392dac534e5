"""Reading dates, as tables."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from memory.facts.period import period

SAID_AT = datetime(2026, 11, 28, 20, 15, tzinfo=timezone(timedelta(hours=-8)))  # a Saturday; in UTC it is the 29th

READABLE = [
    ("2020", "2020-01-01", "2020-12-31"),
    ("2020-06", "2020-06-01", "2020-06-30"),
    (" 2020-06-15 ", "2020-06-15", "2020-06-15"),
    ("2024-02", "2024-02-01", "2024-02-29"),
    ("2020-Q2", "2020-04-01", "2020-06-30"),
    ("June 2020", "2020-06-01", "2020-06-30"),
    ("Sept. 2020", "2020-09-01", "2020-09-30"),
    ("15 June 2020", "2020-06-15", "2020-06-15"),
    ("the 1st of May 2020", "2020-05-01", "2020-05-01"),
    ("June 15th, 2020", "2020-06-15", "2020-06-15"),
    ("summer 2019", "2019-06-01", "2019-08-31"),
    ("Winter 2019", "2019-12-01", "2020-02-29"),
    ("early 2020", "2020-01-01", "2020-05-01"),
    ("mid-2019", "2019-05-02", "2019-08-31"),
    ("the end of March 2027", "2027-03-21", "2027-03-31"),
    ("the 1990s", "1990-01-01", "1999-12-31"),
    ("today", "2026-11-28", "2026-11-28"),
    ("yesterday", "2026-11-27", "2026-11-27"),
    ("tomorrow", "2026-11-29", "2026-11-29"),
    ("last spring", "2026-03-01", "2026-05-31"),
    ("next winter", "2026-12-01", "2027-02-28"),
    ("last autumn", "2025-09-01", "2025-11-30"),
    ("this fall", "2026-09-01", "2026-11-30"),
    ("last March", "2026-03-01", "2026-03-31"),
    ("next march", "2027-03-01", "2027-03-31"),
    ("last year", "2025-01-01", "2025-12-31"),
    ("this month", "2026-11-01", "2026-11-30"),
    ("next month", "2026-12-01", "2026-12-31"),
    ("last week", "2026-11-16", "2026-11-22"),
    ("last Tuesday", "2026-11-24", "2026-11-24"),
    ("next saturday", "2026-12-05", "2026-12-05"),
    ("two weeks ago", "2026-11-09", "2026-11-15"),
    ("a year ago", "2025-01-01", "2025-12-31"),
    ("in three months", "2027-02-01", "2027-02-28"),
    ("in 2 days", "2026-11-30", "2026-11-30"),
]

UNREADABLE = [
    "", "now", "someday", "may", "sun", "in March", "2020-13", "2020-02-31", "2020-00", "0000", "0001-01", "99999",
    "9999-12-31", "31 June 2020", "two weeks", "12 years", "in two weeks ago", "last", "next end", "early",
    "early early 2020", "2020-2022", "٢٠٢٠", "summer", "1\x00", "null", "2020-06-15T25:00", "9" * 10_000,
    "early " * 5_000,
]  # fmt: skip


@pytest.mark.parametrize(("text", "first", "last"), READABLE)
def test_a_date_is_the_days_that_it_names_in_the_speakers_zone(text: str, first: str, last: str) -> None:
    span = period(text, SAID_AT)
    assert span is not None
    start, end = (moment.astimezone(SAID_AT.tzinfo) for moment in span)
    assert (f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%Y-%m-%d %H:%M:%S}") == (f"{first} 00:00:00", f"{last} 23:59:59")
    assert span.start.tzinfo is span.end.tzinfo is UTC


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_date_for_certain_is_none(text: str) -> None:
    assert period(text, SAID_AT) is None


def test_a_time_is_a_moment_in_its_own_zone_or_else_the_speakers() -> None:
    for text, moment in [
        ("2026-11-28T10:30", datetime(2026, 11, 28, 18, 30, tzinfo=UTC)),
        ("2026-11-28T10:30:00+01:00", datetime(2026, 11, 28, 9, 30, tzinfo=UTC)),
        ("2026-11-28 10:30:00Z", datetime(2026, 11, 28, 10, 30, tzinfo=UTC)),
    ]:
        assert period(text, SAID_AT) == (moment, moment)
