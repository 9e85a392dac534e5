"""Reading dates, as tables, whatever they are: of the past, of what is to come, or no dates at all."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from memory.facts.period import is_range, period

SAID_AT = datetime(2026, 11, 28, 20, 15, tzinfo=timezone(timedelta(hours=-8)))  # a Saturday; in UTC it is the 29th

READABLE = [
    ("2020", "2020-01-01", "2020-12-31"),
    ("2020-06", "2020-06-01", "2020-06-30"),
    (" 2020-06-15 ", "2020-06-15", "2020-06-15"),
    ("2024-02", "2024-02-01", "2024-02-29"),
    ("2020-6", "2020-06-01", "2020-06-30"),
    ("2020-6-15", "2020-06-15", "2020-06-15"),
    ("2020/06", "2020-06-01", "2020-06-30"),
    ("06/2020", "2020-06-01", "2020-06-30"),
    ("31.03.2026", "2026-03-31", "2026-03-31"),
    ("1.2.2020", "2020-02-01", "2020-02-01"),
    ("31/03/2026", "2026-03-31", "2026-03-31"),
    ("3/31/2026", "2026-03-31", "2026-03-31"),
    ("2020-Q2", "2020-04-01", "2020-06-30"),
    ("Q1 2020", "2020-01-01", "2020-03-31"),
    ("June 2020", "2020-06-01", "2020-06-30"),
    ("Sept. 2020", "2020-09-01", "2020-09-30"),
    ("15 June 2020", "2020-06-15", "2020-06-15"),
    ("the 1st of May 2020", "2020-05-01", "2020-05-01"),
    ("June 15th, 2020", "2020-06-15", "2020-06-15"),
    ("summer 2019", "2019-06-01", "2019-08-31"),
    ("Christmas 2019", "2019-01-01", "2019-12-31"),
    ("Sommer 2019", "2019-01-01", "2019-12-31"),
    ("2020-06-XX", "2020-06-01", "2020-06-30"),
    ("2020-00-00", "2020-01-01", "2020-12-31"),
    ("2020-00", "2020-01-01", "2020-12-31"),
    ("Winter 2019", "2019-12-01", "2020-02-29"),
    ("early 2020", "2020-01-01", "2020-05-01"),
    ("mid-2019", "2019-05-02", "2019-08-31"),
    ("the end of March 2027", "2027-03-21", "2027-03-31"),
    ("end of 2020-06", "2020-06-21", "2020-06-30"),
    ("the 1990s", "1990-01-01", "1999-12-31"),
    ("the 90s", "1990-01-01", "1999-12-31"),
    ("'80s", "1980-01-01", "1989-12-31"),
    ("2018-2020", "2018-01-01", "2020-12-31"),
    ("2018 to 2020", "2018-01-01", "2020-12-31"),
    ("from June 2018 – March 2020", "2018-06-01", "2020-03-31"),
    ("since 2020", "2020-01-01", "2020-12-31"),
    ("Until 2026-03-31", "2026-03-31", "2026-03-31"),
    ("from June 2020", "2020-06-01", "2020-06-30"),
    ("until about 2020", "2020-01-01", "2020-12-31"),
    ("in the summer of 2019", "2019-06-01", "2019-08-31"),
    ("since two weeks ago", "2026-11-09", "2026-11-15"),
    ("before 2020", "2019-12-31", "2019-12-31"),
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
    ("the day after tomorrow", "2026-11-30", "2026-11-30"),
    ("last night", "2026-11-27", "2026-11-27"),
    ("until tomorrow evening", "2026-11-29", "2026-11-29"),
    ("this weekend", "2026-11-28", "2026-11-29"),
    ("last weekend", "2026-11-21", "2026-11-22"),
    ("the end of the month", "2026-11-21", "2026-11-30"),
    ("the start of the year", "2026-01-01", "2026-05-01"),
    ("until the end of the week", "2026-11-27", "2026-11-29"),
    ("a couple of weeks ago", "2026-11-09", "2026-11-15"),
    ("Saturday, 2026-11-28", "2026-11-28", "2026-11-28"),
    ("Mon 7 Dec 2026", "2026-12-07", "2026-12-07"),
    ("12.2019", "2019-12-01", "2019-12-31"),
    ("~2020", "2020-01-01", "2020-12-31"),
]

WITHOUT_YEAR = [
    # the date -> the next one, and the latest one
    ("March 31", "2027-03-31", "2026-03-31"),
    ("until the 31st of March", "2027-03-31", "2026-03-31"),
    ("28 Nov.", "2026-11-28", "2026-11-28"),
    ("since December 1", "2026-12-01", "2025-12-01"),
    ("29 February", "2028-02-29", "2024-02-29"),
    ("until Friday", "2026-12-04", "2026-11-27"),
    ("Saturday", "2026-12-05", "2026-11-21"),
    ("the 15th", "2026-12-15", "2026-11-15"),
    ("until the 31st", "2026-12-31", "2026-10-31"),
]  # fmt: skip

PARTS_WITHOUT_YEAR = [
    # the date -> the first and the last day of the next one, and of the latest one
    ("in May", ("2027-05-01", "2027-05-31"), ("2026-05-01", "2026-05-31")),
    ("until November", ("2026-11-01", "2026-11-30"), ("2026-11-01", "2026-11-30")),
    ("end of March", ("2027-03-21", "2027-03-31"), ("2026-03-21", "2026-03-31")),
    ("early December", ("2026-12-01", "2026-12-10"), ("2025-12-01", "2025-12-10")),
]

LENGTHS = [
    # the length -> the day on which it ends
    ("two weeks", "2026-12-12"),
    ("for two weeks", "2026-12-12"),
    ("for about the next 10 days", "2026-12-08"),
    ("3 months", "2027-02-28"),
    ("a year", "2027-11-28"),
    ("a couple of days", "2026-11-30"),
    ("another month", "2026-12-28"),
    ("three more weeks", "2026-12-19"),
]

UNREADABLE = [
    "",
    "now",
    "someday",
    "may",
    "May.",
    "sun",
    "in sun",
    "2020-13",
    "2020-02-31",
    "0000",
    "0001-01",
    "99999",
    "9999-12-31",
    "9999-12-31T10:00",
    "31 June 2020",
    "31 June",
    "in two weeks ago",
    "since 2 weeks",
    "last",
    "next end",
    "early",
    "early early 2026",
    "Christmas 2026",
    "after Christmas 2019",
    "1/2/2020",
    "03.31.2020",
    "13/2020",
    "2020.6",
    "2018-20",
    "2020 to 2018",
    "2020-2018",
    "now to 2020",
    "June 2020 to 2019",
    "before now",
    "since marriage",
    "0th",
    "the 32nd",
    "monday friday",
    "Friday the 13th",
    "sun 2026",
    "week",
    "next weekend",
    "until Mary",
    "decade",
    "the 30s",
    "٢٠٢٠",
    "٢٠٢٠-٠١-٠١T١٠:٠٠",
    "summer",
    "1\x00",
    "\ud800",
    "null",
    "2020-06-15T25:00",
    "{'year': 2020}",
    "until " * 16,
    "2020 to " * 12,
    "9" * 10_000_000,
    "early " * 2_000_000,
]


def days(text: str, ahead: bool, after: datetime | None = None) -> tuple[str, str] | None:
    """The first and the last day, as the speaker counts them."""
    span = period(text, SAID_AT, ahead=ahead, after=after)
    return span and tuple(f"{moment.astimezone(SAID_AT.tzinfo):%Y-%m-%d}" for moment in span)  # type: ignore[return-value]


@pytest.mark.parametrize(("text", "first", "last"), READABLE)
def test_a_date_is_the_days_that_it_names_in_the_speakers_zone(text: str, first: str, last: str) -> None:
    for ahead in (True, False):
        span = period(text, SAID_AT, ahead=ahead)
        assert span is not None
        start, end = (moment.astimezone(SAID_AT.tzinfo) for moment in span)
        assert (f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%Y-%m-%d %H:%M:%S}") == (f"{first} 00:00:00", f"{last} 23:59:59")
        assert span.start.tzinfo is span.end.tzinfo is UTC


@pytest.mark.parametrize(("text", "coming", "latest"), WITHOUT_YEAR)
def test_a_day_without_a_year_is_the_next_or_the_latest(text: str, coming: str, latest: str) -> None:
    assert days(text, ahead=True) == (coming, coming)
    assert days(text, ahead=False) == (latest, latest)


@pytest.mark.parametrize(("text", "coming", "latest"), PARTS_WITHOUT_YEAR)
def test_a_month_without_a_year_is_the_next_or_the_latest(
    text: str, coming: tuple[str, str], latest: tuple[str, str]
) -> None:
    assert days(text, ahead=True) == coming
    assert days(text, ahead=False) == latest


@pytest.mark.parametrize(("text", "last"), LENGTHS)
def test_a_length_ends_that_long_after_it_was_said(text: str, last: str) -> None:
    assert days(text, ahead=True) == (last, last)
    assert days(text, ahead=False) is None


def test_a_length_or_a_day_without_a_year_counts_from_a_later_start() -> None:
    may, past = datetime(2027, 5, 1, 8, tzinfo=UTC), datetime(2020, 5, 1, 8, tzinfo=UTC)
    for text, from_may, from_now in [
        ("two weeks", "2027-05-15", "2026-12-12"),
        ("April 2", "2028-04-02", "2027-04-02"),
    ]:
        assert days(text, ahead=True, after=may) == (from_may, from_may)
        assert days(text, ahead=True, after=past) == (from_now, from_now)
    assert days("tomorrow", ahead=True, after=may) == ("2026-11-29", "2026-11-29")


@pytest.mark.parametrize(("text", "both"), [("2018-2020", True), ("from 2018 to 2020", True), ("until 2020-06", False)])
def test_a_range_gives_both_a_start_and_an_end(text: str, both: bool) -> None:
    assert is_range(text) == both


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: ascii(text[:20]))
def test_what_is_no_date_for_certain_is_none(text: str) -> None:
    for ahead in (True, False):
        assert period(text, SAID_AT, ahead=ahead) is None


def test_a_time_is_a_moment_in_its_own_zone_or_else_the_speakers() -> None:
    for text, moment in [
        ("2026-11-28T10:30", datetime(2026, 11, 28, 18, 30, tzinfo=UTC)),
        ("2026-11-28T10:30:00+01:00", datetime(2026, 11, 28, 9, 30, tzinfo=UTC)),
        ("2026-11-28 10:30:00Z", datetime(2026, 11, 28, 10, 30, tzinfo=UTC)),
        ("Saturday 2026-11-28 10:30 UTC", datetime(2026, 11, 28, 18, 30, tzinfo=UTC)),
        ("Saturday 2026-11-28 10:30 UTC-09:00", datetime(2026, 11, 28, 19, 30, tzinfo=UTC)),
        ("until 2026-11-28T10:30Z", datetime(2026, 11, 28, 10, 30, tzinfo=UTC)),
    ]:
        assert period(text, SAID_AT, ahead=True) == period(text, SAID_AT, ahead=False) == (moment, moment)
