"""The offline model's one task: a trip that is begun, filled in, and closed or dropped, message by message."""

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import JsonValue

from agent.offline.model import OfflineChatModel
from agent.offline.tasks import TRIP, Call, OpenTask, open_task_in, reply_on_task, work_on
from agent.prompts import system_message
from agent.tools import TOOLS
from memory.threads.task import Task
from tests.facts import NOON

LISBON = OpenTask(TRIP, {"destination": "Lisbon"})
COMPLETE = OpenTask(TRIP, {"destination": "Lisbon", "from": "3 May", "until": "10 May", "people": 2})


def prompt(data: dict[str, JsonValue], kind: str = TRIP) -> str:
    """The system prompt while a task with these data is open."""
    moment = NOON.isoformat()
    task = Task(id="a", type=kind, status="in_progress", data=data, created_at=moment, expires_at=moment)
    return system_message("You are helpful.", summary="", recalled="", task=task).text


@pytest.mark.parametrize(
    ("said", "data"),
    [
        ("Book a trip to Lisbon", {"destination": "Lisbon"}),
        ("please book me a flight to New York.", {"destination": "New York"}),
        ("I'd like to plan a trip to São Paulo!", {"destination": "São Paulo"}),
        ("Can you book a trip to lisbon for two people, please?", {"destination": "lisbon", "people": 2}),
        (
            "I want to book a trip to Lisbon from 3 May to 10 May for 2 people",
            {"destination": "Lisbon", "from": "3 May", "until": "10 May", "people": 2},
        ),
        ("Book a weekend trip to Rome for my birthday", {"destination": "Rome"}),
    ],
)
def test_a_trip_is_begun_with_what_is_said_of_it(said: str, data: dict[str, JsonValue]) -> None:
    assert work_on(None, said) == Call("start_task", {"type": TRIP, "data": data})


@pytest.mark.parametrize(
    "said",
    [
        "Don't book a trip to Lisbon",
        "I booked a trip to Lisbon",
        "Why should I book a trip to Lisbon?",
        "My boss said: book a trip to Lisbon",
        "Book a table for two people",
        "Where do I live?",
        "from 3 May to 10 May",
        "two people",
        "book it",
        "cancel the trip",
        "Book a trip to " + "x" * 1_000,
        "",
    ],
)
def test_nothing_else_begins_one(said: str) -> None:
    assert work_on(None, said) is None


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("from 3 May to 10 May", {"from": "3 May", "until": "10 May"}),
        ("May 3 - May 10, please.", {"from": "May 3", "until": "May 10"}),
        ("2027-05-03 to 2027-05-10", {"from": "2027-05-03", "until": "2027-05-10"}),
        ("Two people", {"people": 2}),
        ("We are three", {"people": 3}),
        ("2", {"people": 2}),
        ("From the 3rd of May", None),
        ("from 3 May to 10 May, and for one person", {"from": "3 May", "until": "10 May", "people": 1}),
        ("My sister knows two people there", None),
        ("I live in Lima", None),
    ],
)
def test_a_message_of_details_alone_fills_it_in(said: str, changes: dict[str, JsonValue] | None) -> None:
    assert work_on(LISBON, said) == (Call("update_task", {"changes": changes}) if changes else None)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("that's all, book it", "done"),
        ("That’s it.", "done"),
        ("Ok, book the trip", "done"),
        ("cancel the trip", "cancelled"),
        ("Please cancel it", "cancelled"),
        ("Never mind!", "cancelled"),
        ("Don't book it", None),
        ("Forget that I live in Austin", None),
        ("I had to cancel the trip last year", None),
    ],
)
def test_it_is_closed_or_dropped_where_the_user_says_so(said: str, status: str | None) -> None:
    assert work_on(COMPLETE, said) == (Call("finish_task", {"status": status}) if status else None)


def test_a_second_trip_waits_for_the_first_to_end() -> None:
    assert work_on(LISBON, "Book a trip to Rome") == (
        'A trip to Lisbon is still open: say "book it" or "cancel the trip" first.'
    )


def test_asked_where_we_are_it_tells_the_task_and_what_is_missing() -> None:
    assert work_on(LISBON, "Where were we?") == "A trip to Lisbon is open. From when to when?"
    assert work_on(OpenTask("tax return", {"year": 2026}), "where were we?") == (
        'The task \'tax return\', with {"year": 2026}, is open. Say "book it" when that is all, or "cancel the trip".'
    )


def test_a_task_of_another_kind_is_ended_but_not_filled_in() -> None:
    taxes = OpenTask("tax return", {})
    assert work_on(taxes, "two people") is None
    assert work_on(taxes, "cancel it") == Call("finish_task", {"status": "cancelled"})


@pytest.mark.parametrize(
    "data", [{}, {"destination": "A</task> & <b>\nRome"}, {"a": {"b": [1, "}\n</task>"]}}], ids=str
)
def test_it_reads_the_block_that_the_prompt_carries(data: dict[str, JsonValue]) -> None:
    assert open_task_in(prompt(data, "a <b> & c")) == OpenTask("a <b> & c", data)


@pytest.mark.parametrize("text", ["", "<task>\nWhatever\ntrip: {broken}\n</task>", "<task></task>"])
def test_a_prompt_without_a_task_has_none(text: str) -> None:
    assert open_task_in(text) is None


def test_what_a_tool_refused_is_passed_on() -> None:
    assert reply_on_task(LISBON, [("update_task", "The task's data would have 5,000 characters.")]) == (
        "The task's data would have 5,000 characters."
    )


async def test_it_calls_the_tool_and_says_afterwards_how_the_task_stands() -> None:
    model = OfflineChatModel().bind_tools(TOOLS)
    said = HumanMessage("from 3 May to 10 May")
    called = await model.ainvoke([SystemMessage(prompt(LISBON.data)), said])
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [
        ("update_task", {"changes": {"from": "3 May", "until": "10 May"}})
    ]
    answer = ToolMessage("Task a is updated.", tool_call_id=called.tool_calls[0]["id"], name="update_task")
    data = {**LISBON.data, "from": "3 May", "until": "10 May"}
    told = await model.ainvoke([SystemMessage(prompt(data)), said, called, answer])
    assert told.text == "Noted: a trip to Lisbon, from 3 May to 10 May. For how many people?"


async def test_it_admits_that_it_booked_nothing() -> None:
    model = OfflineChatModel().bind_tools(TOOLS)
    ended = ToolMessage(f"Task a is done: {json.dumps(COMPLETE.data)}", tool_call_id="1", name="finish_task")
    called = AIMessage("", tool_calls=[{"name": "finish_task", "args": {"status": "done"}, "id": "1"}])
    told = await model.ainvoke([SystemMessage(""), HumanMessage("book it"), called, ended])
    assert told.text.startswith("A trip to Lisbon, from 3 May to 10 May, for 2 people: that is all noted.")
    assert "have booked nothing" in told.text
