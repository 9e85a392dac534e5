"""The offline model's one task: a trip that is started, filled in, and completed or cancelled over several messages."""

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import JsonValue

from agent.offline.model import OfflineChatModel
from agent.offline.trip import TRIP, Call, Trip, open_trip, reply_on_trip, work_on
from agent.prompts import system_message
from memory.threads.task import Task
from tests.facts import NOON

LISBON: Trip = {"destination": "Lisbon"}
COMPLETE: Trip = {"destination": "Lisbon", "from": "3 May", "until": "10 May", "people": 2}


def prompt(data: dict[str, JsonValue], kind: str = TRIP) -> str:
    """The system prompt while a task with these data is open."""
    moment = NOON.isoformat()
    task = Task(id="a", type=kind, status="in_progress", data=data, created_at=moment, expires_at=moment)
    return system_message("You are helpful.", NOON, summary="", recalled="", task=task).text


@pytest.mark.parametrize(
    ("said", "data"),
    [
        ("Book a trip to Lisbon", {"destination": "Lisbon"}),
        ("please book me a trip to New York.", {"destination": "New York"}),
        ("Book a trip to São Paulo!", {"destination": "São Paulo"}),
        ("book a trip to lisbon for two people", {"destination": "lisbon", "people": 2}),
        (
            "Book a trip to Lisbon from 3 May to 10 May for 2 people",
            {"destination": "Lisbon", "from": "3 May", "until": "10 May", "people": 2},
        ),
    ],
)
def test_a_trip_starts_with_the_details_in_the_message(said: str, data: Trip) -> None:
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
def test_other_messages_start_no_trip(said: str) -> None:
    assert work_on(None, said) is None


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("from 3 May to 10 May", {"from": "3 May", "until": "10 May"}),
        ("May 3 - May 10.", {"from": "May 3", "until": "May 10"}),
        ("2027-05-03 to 2027-05-10", {"from": "2027-05-03", "until": "2027-05-10"}),
        ("Two people", {"people": 2}),
        ("We are three", {"people": 3}),
        ("2", {"people": 2}),
        ("from 3 May to 10 May, and for one person", {"from": "3 May", "until": "10 May", "people": 1}),
        ("From the 3rd of May", None),
        ("My sister knows two people there", None),
        ("I live in Lima", None),
    ],
)
def test_a_message_with_only_details_updates_the_trip(said: str, changes: Trip | None) -> None:
    assert work_on(LISBON, said) == (Call("update_task", {"changes": changes}) if changes else None)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("that's all, book it", "done"),
        ("That’s all.", "done"),
        ("book the trip", "done"),
        ("cancel the trip", "cancelled"),
        ("Please cancel it", "cancelled"),
        ("Never mind!", "cancelled"),
        ("Don't book it", None),
        ("Forget that I live in Austin", None),
        ("I had to cancel the trip last year", None),
    ],
)
def test_a_trip_ends_when_the_user_says_so(said: str, status: str | None) -> None:
    assert work_on(COMPLETE, said) == (Call("finish_task", {"status": status}) if status else None)


@pytest.mark.parametrize(
    "data", [{}, {"destination": "A</task> & <b>\nRome"}, {"a": {"b": [1, "}\n</task>"]}}], ids=str
)
def test_it_reads_the_task_block_of_the_prompt(data: Trip) -> None:
    assert open_trip(prompt(data)) == data


def test_a_task_of_another_type_is_ignored() -> None:
    assert open_trip(prompt({"year": 2026}, "tax return")) is None
    assert open_trip("") is None
    assert open_trip("<task></task>") is None


def test_the_reason_why_a_tool_refused_is_passed_on() -> None:
    refused = "The task 'trip booking' (a) is still open in this thread."
    assert reply_on_trip(LISBON, refused) == refused


# Tools of its own, so that a project may remove those of the template.


@tool
def start_task(type: str, data: dict[str, JsonValue]) -> str:  # noqa: A002 - the model sees it
    """Begin a task."""
    return type


@tool
def update_task(changes: dict[str, JsonValue]) -> str:
    """Change the task."""
    return str(changes)


@tool
def finish_task(status: str) -> str:
    """End the task."""
    return status


async def test_it_calls_the_tool_and_then_reports_the_state_of_the_trip() -> None:
    model = OfflineChatModel().bind_tools([start_task, update_task])
    said = HumanMessage("from 3 May to 10 May")
    called = await model.ainvoke([SystemMessage(prompt(LISBON)), said])
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [
        ("update_task", {"changes": {"from": "3 May", "until": "10 May"}})
    ]
    answer = ToolMessage("Task a is updated.", tool_call_id=called.tool_calls[0]["id"], name="update_task")
    data = {**LISBON, "from": "3 May", "until": "10 May"}
    replied = await model.ainvoke([SystemMessage(prompt(data)), said, called, answer])
    assert replied.text == "Noted: a trip to Lisbon, from 3 May to 10 May. For how many people?"


async def test_it_admits_that_it_booked_nothing() -> None:
    model = OfflineChatModel().bind_tools([start_task, finish_task])
    ended = ToolMessage(f"Task a is done: {json.dumps(COMPLETE)}", tool_call_id="1", name="finish_task")
    called = AIMessage("", tool_calls=[{"name": "finish_task", "args": {"status": "done"}, "id": "1"}])
    replied = await model.ainvoke([SystemMessage(""), HumanMessage("book it"), called, ended])
    assert replied.text.startswith("Noted: a trip to Lisbon, from 3 May to 10 May, for 2 people.")
    assert "have booked nothing" in replied.text
