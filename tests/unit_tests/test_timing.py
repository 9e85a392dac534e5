"""When a candidate holds: its tense, its dates and whether it may take the place of another fact, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from memory.evidence.timing import Timing, checked, timing
from memory.facts.fact import Tense

SAID_AT = datetime(2026, 11, 28, 12, tzinfo=UTC)

TIMINGS = [
    # tense, from, until -> tense, from, until, whether it is certain
    ("now", None, None, ("now", None, None, True)),
    ("now", "2020", None, ("now", "2020-01-01", None, True)),
    ("now", "2026-11-27", None, ("now", "2026-11-27", None, True)),
    ("now", "null", "present", ("now", None, None, True)),
    ("now", None, "2020", ("past", None, "2020-12-31", True)),
    ("now", "2018-06", "2020-03", ("past", "2018-06-01", "2020-03-31", True)),
    ("now", None, "2099-03", ("now", None, "2099-03-31", True)),
    ("now", "2099", None, ("now", "2099-01-01", None, True)),
    ("now", None, "the flood", ("temporary", None, "2027-02-26", False)),
    ("now", None, "{'year': 2020}", ("temporary", None, "2027-02-26", False)),
    ("now", None, "1/2/2020", ("temporary", None, "2027-02-26", False)),
    ("now", None, "recently", ("temporary", None, "2027-02-26", False)),
    ("now", "recently", "false", ("now", None, None, True)),
    ("now", "a few years ago", None, ("now", None, None, True)),
    ("now", None, "a few years ago", ("past", None, None, True)),
    ("now", None, "Christmas 2019", ("past", None, "2019-12-31", True)),
    ("now", "in May", None, ("now", "2026-05-01", None, True)),
    ("now", "since 2020", None, ("now", "2020-01-01", None, True)),
    ("now", None, "unknown", ("now", None, None, True)),
    ("now", None, "Not specified.", ("now", None, None, True)),
    ("now", None, "since 2020", ("now", None, None, False)),
    ("now", None, "from June 2020", ("now", None, None, False)),
    ("now", "until 2020", None, ("now", None, None, False)),
    ("now", "before 2020", None, ("now", None, None, False)),
    ("now", "since before 2020", None, ("now", None, None, False)),
    ("now", None, "before 2020", ("past", None, "2019-12-31", True)),
    ("now", "2018-2020", "2018-2020", ("past", "2018-01-01", "2020-12-31", True)),
    ("now", "2018-2020", None, ("past", "2018-01-01", "2020-12-31", True)),
    ("now", None, "from 2018 to 2020", ("past", None, "2020-12-31", True)),
    ("now", None, "March 31", ("now", None, "2027-03-31", True)),
    ("now", None, "for two weeks", ("now", None, "2026-12-12", True)),
    ("now", "two weeks", None, ("now", None, None, False)),
    ("now", "someday", None, ("now", None, None, False)),
    ("now", "2021", "2020", ("now", None, None, False)),
    ("", None, None, ("now", None, None, False)),
    ("gnomic", None, None, ("now", None, None, False)),
    ("Holds_now", None, None, ("now", None, None, True)),
    ("past", None, None, ("past", None, None, True)),
    ("over", None, "2026", ("past", None, "2026-11-28", True)),
    ("past", None, "the flood", ("past", None, None, True)),
    ("past", "last spring", None, ("past", "2026-03-01", None, True)),
    ("past", "in December", "in March", ("past", "2025-12-01", "2026-03-31", True)),
    ("past", None, "2099", ("temporary", None, "2099-12-31", False)),
    ("planned", None, None, ("planned", None, None, True)),
    ("planned", "2099-05", None, ("planned", "2099-05-01", None, True)),
    ("planned", "2026", None, ("planned", "2026-12-31", None, True)),
    ("planned", "2020", None, ("planned", None, None, True)),
    ("planned", "2026-11-28T12:00:00+00:00", None, ("now", None, None, False)),
    ("planned", "in May", None, ("planned", "2027-05-01", None, True)),
    ("planned", "November", None, ("planned", "2026-11-30", None, True)),
    ("planned", "in May", "two weeks", ("planned", "2027-05-01", "2027-05-15", True)),
    ("planned", "in March", "in January", ("planned", "2027-03-01", "2028-01-31", True)),
    ("temporary", None, None, ("temporary", None, "2027-02-26", True)),
    ("temporary", "2026-11", None, ("temporary", "2026-11-01", "2027-02-26", True)),
    ("temporary", "2099-01", None, ("temporary", "2099-01-01", "2099-04-01", True)),
    ("temporary", None, "a while", ("temporary", None, "2027-02-26", False)),
    ("temporary", "2021", "2020", ("temporary", None, "2027-02-26", False)),
    ("temporary", None, "until the end of March", ("temporary", None, "2027-03-31", True)),
    ("temporary", None, "a week", ("temporary", None, "2026-12-05", True)),
    ("temporary", "9999-12-31T10:00", "9" * 10_000_000, ("temporary", None, "2027-02-26", False)),
    ("temporary", "2026-11", "2026-12", ("temporary", "2026-11-01", "2026-12-31", True)),
    ("temporary", None, "yesterday", ("past", None, "2026-11-27", True)),
]  # fmt: skip

IN_A_SLOT_OF_ONE_VALUE = [
    # attribute, text, quote -> tense, whether it is certain
    ("home city", "Lives in Rome", "I moved to Rome", "now", True),
    ("home city", "Lives in Oslo", "I used to live in Rome, now I live in Oslo", "now", True),
    ("home city", "Lives in Rome", "I used to live in Rome", "now", False),
    ("home city", "Lives in Rome", "Oh, I used to live in Rome!", "now", False),
    ("home city", "Lives in Rome", "I lived in Rome, I have a house in Rome", "now", True),
    ("employer", "Works at Bolt", "Back when I was at Bolt, lunch was free", "now", False),
    ("home city", "Is back home", "I'm back home", "now", False),
    ("home city", "Is back in Rome", "I'm back in Rome", "now", True),
    ("home city", "Lives in Rome", "I'm in Rome until the end of May", "temporary", True),
    ("home city", "Wohnt in Rom", "Ich bin bis Ende Mai in Rom", "temporary", True),
    ("home city", "Lives in Rome", "I lived in Rome until May", "now", False),
    ("home city", "Lives in Rome", "I didn't live in Rome until May", "now", True),
    ("home city", "Used to live in Rome", "Rome was my home", "now", False),
    ("home city", "Lived in Rome", "Rome was my home", "now", False),
    ("home city", "Is used to the cold", "I am used to the cold", "now", True),
    ("home city", "Is in Rome", "hello from Rome", "temporary", True),
    ("home city", "Lives in Rome", "I'm in Rome for two weeks", "temporary", True),
    ("home city", "Stays with her aunt in Rome", "at my aunt's", "temporary", True),
    ("employer", "Is on parental leave", "on leave until May", "temporary", True),
    ("employer", "Has a second job at a bar", "a second job", "now", False),
    ("employer", "Also works at a bar", "I work at a bar as well", "now", False),
    *(
        ("home city", "Lives in Rome", quote, "now", False)
        for quote in (
            "I lived in Rome", "I'd lived in Rome", "I once lived in Rome", "prior to that it was Rome",
            "I'm from Rome", "my twenties in Rome", "I left Rome", "my old flat in Rome", "I'd move to Rome",
            "we might go to Rome",
        )
    ),
    *(
        ("home city", "Lives in Rome", quote, "now", True)
        for quote in (
            "I've lived in Rome since May", "I live in Rome", "I moved to Rome in May", "I left Oslo for Rome",
            "I lived in Oslo, Rome is my home", "I'd say I'm a Roman",
            "back in the Rome office",
        )
    ),
    *(
        ("home city", "Lives in Rome", quote, "temporary", True)
        for quote in (
            "on secondment to Rome for six months", "house-sitting in Rome", "crashing at a friend's in Rome",
            "spending August in Rome", "spending the whole summer in Rome", "in Rome for the time being",
        )
    ),
    ("employer", "Works at a bar", "a summer job at a bar", "temporary", True),
    ("employer", "Works at a bar", "temping at a bar", "temporary", True),
    ("employer", "Works at a bar", "I started at a bar on Monday", "now", True),
    ("employer", "Works at a bar", "at a bar on Mondays", "now", False),
    ("home city", "Lives in Rome", "back in 2015 I was in Rome", "now", False),
    ("home city", "Lives in Rome", "we were living in Rome", "now", False),
    ("home city", "Lives in Rome", "I'm considering Rome", "now", False),
    ("home city", "Ist in Rom", "ich mache gerade Urlaub in Rom", "temporary", True),
    ("home city", "È a Roma", "sono in vacanza a Roma", "temporary", True),
    ("employer", "Works at a bar", "I moonlight at a bar", "now", False),
    ("employer", "Arbeitet in einer Bar", "samstags in einer Bar", "now", False),
    ("employer", "Trabaja en un bar", "los sábados trabajo en un bar", "now", False),
    ("marital status", "Is in a relationship", "I'm seeing someone", "now", True),
]  # fmt: skip


@pytest.mark.parametrize(("tense", "start", "end", "expected"), TIMINGS)
def test_tense_and_dates_of_a_candidate(
    tense: str, start: str | None, end: str | None, expected: tuple[Tense, str | None, str | None, bool]
) -> None:
    found = timing(tense, (start, end), SAID_AT)
    days = [moment and f"{moment:%Y-%m-%d}" for moment in (found.valid_from, found.valid_until)]
    assert (found.tense, *days, found.certain) == expected


@pytest.mark.parametrize(("attribute", "text", "quote", "tense", "certain"), IN_A_SLOT_OF_ONE_VALUE)
def test_signs_that_a_fact_takes_no_place(attribute: str, text: str, quote: str, tense: Tense, certain: bool) -> None:
    found = checked(Timing("now", None, None), attribute, text, quote, SAID_AT)
    assert (found.tense, found.certain) == (tense, certain)
    assert (found.valid_until is not None) == (tense == "temporary")


@pytest.mark.parametrize(
    ("quote", "end"),
    [
        ("I'm in Madrid for a year", "2027-11-28"),
        ("I’m in Madrid for the next 18 months.", "2028-05-28"),
        ("staying until the end of March, for work", "2027-03-31"),
        ("in Rome till Friday", "2026-12-04"),
        ("here for a couple of weeks", "2026-12-12"),
        ("for my brother until June", "2027-06-30"),
        ("I've been in Madrid for a year", "2027-02-26"),
        ("I'm in Madrid for work", "2027-02-26"),
        ("until further notice", "2027-02-26"),
        ("until 2020", "2027-02-26"),
    ],
)
@pytest.mark.parametrize(("tense", "until"), [("temporary", None), ("now", "who knows")])
def test_what_is_temporary_ends_when_its_quote_says(quote: str, end: str, tense: str, until: str | None) -> None:
    found = timing(tense, (None, until), SAID_AT, quote)
    assert (found.tense, f"{found.valid_until:%Y-%m-%d}") == ("temporary", end)


@pytest.mark.parametrize(
    ("text", "quote", "tense"),
    [
        ("Used to live in Rome", "I used to live in Rome", "past"),
        ("Lived in Rome", "Rome was my home", "past"),
        ("Formerly worked at Bolt", "I was at Bolt", "past"),
        ("Lived in Rome since 2020", "I moved to Rome in 2020", "now"),
        ("Lived in Rome for ten years", "I've lived in Rome for ten years", "now"),
        ("Used to the cold", "I'm used to the cold", "now"),
        ("Lives in Rome", "I used to live in Rome", "now"),
    ],
)
def test_a_text_that_says_that_it_is_over_is_past(text: str, quote: str, tense: Tense) -> None:
    assert timing("now", (None, None), SAID_AT, quote, text).tense == tense


def test_no_hard_limit_lapses_for_a_date_that_cannot_be_read() -> None:
    assert timing("now", (None, "the flood"), SAID_AT, is_limit=True) == Timing("now", None, None, certain=False)
    assert timing("temporary", (None, None), SAID_AT, "I'm allergic", is_limit=True) == Timing("now", None, None)
    found = timing("temporary", (None, None), SAID_AT, "no solid food until 5 December", is_limit=True)
    assert (found.tense, f"{found.valid_until:%Y-%m-%d}") == ("temporary", "2026-12-05")


def test_what_words_show_to_be_temporary_keeps_a_known_end() -> None:
    end = SAID_AT + timedelta(days=3)
    found = checked(Timing("now", None, end), "home city", "Is in Rome", "hello from Rome", SAID_AT)
    assert (found.tense, found.valid_until) == ("temporary", end)


@pytest.mark.parametrize("tense", ["past", "planned", "temporary"])
def test_a_tense_that_the_model_gave_stays(tense: Tense) -> None:
    given = Timing(tense, None, None)
    assert checked(given, "home city", "Is in Rome", "used to live in Rome", SAID_AT) == given
