"""What the offline model reads in a message, as tables: what it takes, what it leaves, and when things held."""

from datetime import date
from time import process_time

import pytest

from agent.offline.dates import resolve_point
from agent.offline.extract import ExtractionInput, Known, Message, classify, extract_by_rules
from agent.offline.reader import read
from agent.offline.replies import reply
from agent.offline.rules import RULES, SLOTS
from memory.learn.extract import Extraction

SAID_ON = date(2026, 11, 22)  # a Sunday


def texts(message: str) -> list[str]:
    return [statement.text for statement in read(message, SAID_ON).said if statement.holds]


def extract(message: str, *known: str) -> Extraction:
    facts = [
        Known(number=number, subject=classify(text)[0], attribute=classify(text)[1], text=text)
        for number, text in enumerate(known, 1)
    ]
    said = Message(number=1, said_at="Sunday 2026-11-22 09:48 UTC", text=message)
    return extract_by_rules(ExtractionInput(messages=[said], known=facts))


STATEMENTS = [
    ("my name is Ada", "name", ["Name is Ada"]),
    ("Hello there! My name's Ada.", "name", ["Name is Ada"]),
    ("call me Ada", "name", ["Name is Ada"]),
    ("I'm Ada, nice to meet you!", "name", ["Name is Ada"]),
    ("I live in San Francisco", "home city", ["Lives in San Francisco"]),
    ("i live in austin", "home city", ["Lives in austin"]),
    ("I live in Austin, Texas.", "home city", ["Lives in Austin, Texas"]),
    ("I live in St. Louis", "home city", ["Lives in St. Louis"]),
    ("I live in the Netherlands", "home city", ["Lives in the Netherlands"]),
    ("I'm based in Berlin with my wife", "home city", ["Lives in Berlin"]),
    ("I moved from San Francisco to Austin", "home city", ["Lives in Austin"]),
    ("Moved to Lisbon last month.", "home city", ["Lives in Lisbon"]),
    ("We live in Oslo now", "home city", ["Lives in Oslo"]),
    ("I've lived in Oslo for 3 years", "home city", ["Lives in Oslo"]),
    ("I'm from Ohio", "origin", ["Is from Ohio"]),
    ("I'm 34", "age", ["Is 34 years old"]),
    ("My birthday is 3 May", "birthday", ["Birthday is 3 May"]),
    ("I work for Google in Zurich", "employer", ["Works at Google"]),
    ("I work at a fintech startup", "employer", ["Works at a fintech startup"]),
    ("I joined Netflix", "employer", ["Works at Netflix"]),
    ("I work as a nurse", "occupation", ["Is a nurse"]),
    ("I'm a software engineer.", "occupation", ["Is a software engineer"]),
    ("I like Italian food", "likes", ["Likes Italian food"]),
    ("I love fish and chips", "likes", ["Loves fish and chips"]),
    ("I enjoy hiking, sailing and chess", "likes", ["Enjoys hiking", "Enjoys sailing", "Enjoys chess"]),
    ("I'm a big fan of jazz", "likes", ["Likes jazz"]),
    ("My favorite food is sushi", "favourite food", ["Favourite food is sushi"]),
    ("I can't stand coriander", "dislikes", ["Dislikes coriander"]),
    ("I hate olives", "dislikes", ["Hates olives"]),
    ("I prefer dark mode in all my apps", "preference", ["Prefers dark mode in all apps"]),
    ("I'm allergic to shellfish and nuts", "allergy", ["Is allergic to shellfish", "Is allergic to nuts"]),
    ("I’m allergic to peanuts", "allergy", ["Is allergic to peanuts"]),
    ("I have a severe nut allergy", "allergy", ["Has a severe nut allergy"]),
    ("I'm lactose intolerant", "allergy", ["Is lactose intolerant"]),
    ("I told you I'm vegetarian", "diet", ["Is vegetarian"]),
    ("I don't eat pork", "diet", ["Does not eat pork"]),
    ("I no longer eat meat", "diet", ["Does not eat meat"]),
    ("I use vim", "tool", ["Uses vim"]),
    ("I primarily use Python and Go", "tool", ["Uses Python", "Uses Go"]),
    ("Still using Python for the API layer though.", "tool", ["Uses Python for the API layer"]),
    ("I switched from vim to Emacs", "tool", ["Uses Emacs"]),
    ("I moved from Python to Rust", "tool", ["Uses Rust"]),
    ("I now use Emacs instead of vim", "tool", ["Uses Emacs"]),
    ("I speak French and a little German", "spoken language", ["Speaks French", "Speaks German"]),
    (
        "I'm building a FastAPI backend with PostgreSQL",
        "project",
        ["Is building a FastAPI backend with PostgreSQL"],
    ),
    (
        "Currently working on a microservices migration at a fintech startup.",
        "project",
        ["Is working on a microservices migration at a fintech startup"],
    ),
    ("my sister Anna is allergic to nuts", "allergy", ["Anna (sister) is allergic to nuts"]),
    ("My parents live in Rome and love opera", "home city", ["Parents live in Rome"]),
    ("my boss lives in Rome", "home city", ["Boss lives in Rome"]),
    ("my dog is called Rex", "relation", ["Has a dog called Rex"]),
    ("Anna is my sister", "relation", ["Has a sister called Anna"]),
    ("I have two kids", "relation", ["Has two kids"]),
    ("Remember that my car is in garage 4", "note", ["Car is in garage 4"]),
    ("Remember that I parked on level 3", "note", ["Parked on level 3"]),
    ("Remember that I see a dentist tomorrow", "note", ["Sees a dentist on 2026-11-23"]),
    ("Please remember that I'm vegan", "diet", ["Is vegan"]),
    ("I'm moving to Berlin next month", "plan", ["Is moving to Berlin"]),
]


@pytest.mark.parametrize(("message", "attribute", "expected"), STATEMENTS)
def test_a_plain_statement_is_taken_in_its_slot_with_a_verbatim_quote(
    message: str, attribute: str, expected: list[str]
) -> None:
    said = [statement for statement in read(message, SAID_ON).said if statement.holds]
    assert [statement.text for statement in said] == expected
    assert {statement.attribute for statement in said} == {attribute}
    assert all(statement.quote and statement.quote in message for statement in said)


NOTHING = [
    "Do I live in Paris?",
    "I live in Paris?",
    "I live in Paris, right?",
    "I live in Rome, don't I?",
    "where do I live",
    "What if I moved to Rome?",
    "if I lived in Rome, I'd love opera",
    "Suppose I live in Rome.",
    "I might move to Rome",
    "I'd like to live in Rome",
    "I want to live in Rome",
    "I wish I lived in Rome",
    "I used to live in Rome",
    "I lived in Rome",
    "I think I'm allergic to nuts",
    "Tom says I live in Rome",
    "He said 'I live in Paris'",
    'He said "I live in Paris".',
    '"I live in Paris"',
    "> I live in Paris",
    "```\nI live in Paris\n```",
    "He said, I live in Paris",
    "According to Tom, I work at Google",
    "In my novel, I live in Rome",
    'The song goes "la la la", I love Paris, "la la la"',
    "Translate this: I live in Rome",
    "Write a poem about me: I live in Rome and I hate cats",
    "Tom lives in Rome",
    "She is allergic to nuts",
    "You are allergic to nuts",
    "I don't live in Paris",
    "I'm not Ada",
    "My name is hard to pronounce",
    "My name is not Bob",
    "I'm German",
    "Hi, I'm Italian",
    "I'm Sorry",
    "I'm so happy",
    "I live in fear",
    "I live in the moment",
    "I moved on",
    "I moved to tears",
    "I went from happy to sad",
    "I joined the call",
    "I work from home",
    "I work at night",
    "I'm talking to my manager",
    "I'm working on it",
    "I'm writing to ask about my order",
    "I like it",
    "I love you",
    "I like how you write",
    "My wife is pregnant",
    "My computer is slow",
    "from now on always answer in French",
    "Remember: always answer in French",
    "I prefer that you answer in French",
    "Remember to call mum",
    "My password is hunter2 and I live in Rome",
    "Remember that my API key is sk-abcdefghijklmnop1234",
    "my card is 4111 1111 1111 1111",
    "Forget it",
    "",
    "?!",
]


@pytest.mark.parametrize("message", NOTHING)
def test_what_the_user_does_not_plainly_state_of_themselves_yields_no_fact(message: str) -> None:
    assert texts(message) == []


SEVERAL = [
    (
        "I live in San Francisco and I'm allergic to shellfish.",
        ["Lives in San Francisco", "Is allergic to shellfish"],
    ),
    ("Hi, I'm Ada and I live in Lima; I hate olives", ["Name is Ada", "Lives in Lima", "Hates olives"]),
    ("I live in Austin, Texas, and work for Dell", ["Lives in Austin, Texas", "Works at Dell"]),
    ("I'm a backend engineer at Stripe", ["Is a backend engineer", "Works at Stripe"]),
    (
        "I'm a backend engineer who primarily uses Python and Go.",
        ["Is a backend engineer", "Uses Python", "Uses Go"],
    ),
    ("I live in Paris and my brother lives in Rome", ["Lives in Paris", "Brother lives in Rome"]),
    (
        "My sister Anna lives in Rome and is allergic to nuts",
        ["Anna (sister) lives in Rome", "Anna (sister) is allergic to nuts"],
    ),
    ("I'm allergic to shellfish, can you recommend a restaurant?", ["Is allergic to shellfish"]),
    ("I live in Rome. Do you like it?", ["Lives in Rome"]),
    ("> I live in Rome\nI like tea", ["Likes tea"]),
    ("I hate coriander, but I love basil", ["Hates coriander", "Loves basil"]),
]


@pytest.mark.parametrize(("message", "expected"), SEVERAL)
def test_a_message_of_several_clauses_gives_a_fact_for_each_statement(message: str, expected: list[str]) -> None:
    assert texts(message) == expected


WHEN = [
    ("I moved to Austin last month", "2026-10-22", None),
    ("Last week I joined Google", "2026-11-15", None),
    ("I moved to Austin yesterday", "2026-11-21", None),
    ("I moved to Austin two years ago", "2024-11-22", None),
    ("I moved to Austin in March", "2026-03-01", None),
    ("I moved to Austin on 3 May 2026", "2026-05-03", None),
    ("I moved to Austin on May 3rd, 2026", "2026-05-03", None),
    ("I moved to Austin last Friday", "2026-11-20", None),
    ("I have lived in Rome since 2019", "2019-01-01", None),
    ("Since December I work at SAP", "2025-12-01", None),
    ("I've been using vim for ten years", "2016-11-22", None),
    ("I live in Berlin until Friday", None, "2026-11-27"),
    ("I live in Berlin until March", None, "2027-03-01"),
    ("I live in Berlin until the end of the month", None, "2026-11-30"),
    ("I live in Berlin", None, None),
    ("I like skiing in March", None, None),
    ("I moved to Austin on 31 February", None, None),
]


@pytest.mark.parametrize(("message", "since", "until"), WHEN)
def test_time_words_become_dates_against_the_day_they_were_said(
    message: str, since: str | None, until: str | None
) -> None:
    assert [(said.valid_from, said.valid_until) for said in read(message, SAID_ON).said] == [(since, until)]


def test_a_month_before_the_31st_of_march_ends_in_february() -> None:
    assert resolve_point("last month", date(2026, 3, 31)) == "2026-02-28"


RELATIONS = [
    ("I moved to Austin", ["Lives in San Francisco"], {"Lives in Austin": [(1, "replaces")]}, []),
    ("I live in San Francisco", ["Lives in San Francisco"], {"Lives in San Francisco": [(1, "duplicate")]}, []),
    ("I live in Austin, Texas", ["Lives in Austin"], {"Lives in Austin, Texas": [(1, "refines")]}, []),
    ("I love jazz", ["Likes jazz", "Likes tea"], {"Loves jazz": [(1, "duplicate")]}, []),
    ("I like jazz clubs", ["Likes jazz"], {"Likes jazz clubs": []}, []),
    ("I like tea", ["Likes jazz"], {"Likes tea": []}, []),
    ("my boss lives in Rome", ["Lives in Paris"], {"Boss lives in Rome": []}, []),
    ("I switched from vim to Emacs", ["Uses vim", "Uses Go"], {"Uses Emacs": [(1, "replaces")]}, []),
    ("I switched from Google to Apple", ["Works at Google"], {"Works at Apple": [(1, "replaces")]}, []),
    (
        "Actually, I just switched from Python to Rust for the performance-critical services. "
        "Still using Python for the API layer though.",
        ["Uses Python", "Uses Go"],
        {"Uses Rust for the performance-critical services": [], "Uses Python for the API layer": [(1, "refines")]},
        [],
    ),
    ("I don't like jazz any more", ["Likes tea", "Likes jazz"], {}, [2]),
    ("I no longer work at Google", ["Works at Google"], {}, [1]),
    ("I quit my job", ["Works at Google", "Lives in Rome"], {}, [1]),
    ("I left Google and joined Apple", ["Works at Google"], {"Works at Apple": [(1, "replaces")]}, [1]),
    ("I stopped using vim", ["Uses vim", "Uses Emacs"], {}, [1]),
    ("I'm not allergic to nuts", ["Is allergic to nuts"], {}, [1]),
    ("I don't live in Paris", ["Lives in Rome"], {}, []),
    ("I don't like jazz", ["Likes jazz"], {"Dislikes jazz": []}, [1]),
    ("Forget that I live in Rome", ["Lives in Rome", "Is from Rome"], {}, [1]),
    ("forget where I live", ["Lives in Rome", "Is from Ohio"], {}, [1]),
    ("Forget my allergy to nuts.", ["Anna (sister) is allergic to nuts", "Is allergic to nuts"], {}, [2]),
    ("forget my sister's allergy", ["Anna (sister) is allergic to nuts", "Is allergic to nuts"], {}, [1]),
    ("forget everything I told you about jazz", ["Likes jazz", "Likes tea"], {}, [1]),
    ("forget my passport", ["Lives in Rome", "Likes tea"], {}, []),
    ("I love jazz. I no longer like jazz.", [], {}, []),
    ("I don't like jazz any more. No, I like jazz.", ["Likes jazz"], {"Likes jazz": [(1, "duplicate")]}, []),
]


@pytest.mark.parametrize(("message", "known", "facts", "retracted"), RELATIONS)
def test_a_statement_is_related_to_the_known_facts_of_its_slot_only(
    message: str, known: list[str], facts: dict[str, list[tuple[int, str]]], retracted: list[int]
) -> None:
    extraction = extract(message, *known)
    found = {
        fact.text: [(relation.known, relation.relation) for relation in fact.relations] for fact in extraction.facts
    }
    assert found == facts
    assert [taken.known for taken in extraction.retracted] == retracted
    assert all(taken.quote in message for taken in extraction.retracted)


def test_constraints_are_as_important_as_the_name_and_slots_of_one_value_say_so() -> None:
    facts = extract("My name is Ada. I live in Rome and I'm allergic to nuts, and I like tea.").facts
    assert [(fact.category, fact.importance, fact.exclusive) for fact in facts] == [
        ("identity", 0.9, True),
        ("location", 0.8, True),
        ("constraint", 0.9, False),
        ("preference", 0.5, False),
    ]


def test_a_message_full_of_statements_yields_no_more_than_an_extraction_may() -> None:
    many = " ".join(f"I like the number {number}." for number in range(500))
    assert len(extract(many).facts) == 20


def test_each_rule_names_a_slot_that_exists() -> None:
    attributes = {fact.split(": ")[0] for _, *facts in RULES for fact in facts}
    assert attributes - set(SLOTS) == {"favourite {kind}"}


HOSTILE = [
    "a ", "I ", "I live in ", "I like x, ", "I like tea. ", "so, ", "my sister ", "'a ", '"', "“", "```", "> ", ". x",
    "....", "1 ", "4-", "-eyJaaaaaaaaaa", "remember that ", "forget ", "from a to b to ", " and", "\n", "if ", "x:",
]  # fmt: skip


@pytest.mark.parametrize("ending", ["", "?", "x"])
@pytest.mark.parametrize("unit", HOSTILE)
def test_a_message_of_32000_characters_does_not_take_long_whatever_it_holds(unit: str, ending: str) -> None:
    message = (unit * 32_000)[:32_000] + ending
    started = process_time()
    extract(message, "Lives in Rome", "Likes jazz")
    extracted = process_time()
    reply("<memory>\n- Lives in Rome\n</memory>", [message])
    assert extracted - started < 5
    assert process_time() - extracted < 5
