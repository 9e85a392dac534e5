"""A task by example: a trip is booked over several turns, two threads and several processes."""

import json
from pathlib import Path
from typing import Any

import pytest

from memory.store import FactStore
from memory.user_memory import UserMemory
from tests.openai_server import ScriptedOpenAI, Text, ToolCalls
from tests.processes import chat


class Desk:
    """A user at the terminal. Each call is a new process, so that only saved state is left."""

    def __init__(self, variables: dict[str, str], directory: Path, user: str) -> None:
        self._where, self._user = (variables, directory), user

    def say(self, thread: str, *lines: str) -> list[str]:
        """The output while these lines are typed into a thread."""
        typed = "".join(f"{line}\n" for line in lines)
        result = chat(typed, *self._where, "--user", self._user, "--thread", f"{thread} of {self._user}")
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    def tasks(self, *options: str) -> list[list[Any]]:
        """Type, status, thread and data of each task."""
        result = chat("", *self._where, "tasks", "--json", "--user", self._user, *options)
        assert result.returncode == 0, result.stderr
        return [
            [task["type"], task["status"], task["thread_id"].partition(" ")[0], task["data"]]
            for task in json.loads(result.stdout)
        ]


@pytest.fixture
def desk(environment: dict[str, str], tmp_path: Path, user: str) -> Desk:
    return Desk(environment, tmp_path, user)


@pytest.fixture
def offline_desk(environment: dict[str, str], offline_model: None, tmp_path: Path, user: str) -> Desk:
    return Desk({**environment, "CHAT_MODEL": "offline", "LOG_LEVEL": "WARNING"}, tmp_path, user)


async def test_a_trip_is_booked_across_restarts_with_the_offline_model(
    offline_desk: Desk, store: FactStore, user: str
) -> None:
    desk = offline_desk
    assert desk.say("lisbon", "Book a trip to Lisbon", "I'm vegan.") == [
        "Noted: a trip to Lisbon. From when to when?",
        "Noted: you are vegan.",
        "remembered: is vegan",
    ]
    noted, listed = desk.say("lisbon", "From 3 May to 10 May", "/tasks")
    assert noted == "Noted: a trip to Lisbon, from 3 May to 10 May. For how many people?"
    assert listed.startswith(f"* trip booking  in_progress  lisbon of {user}  ")
    assert desk.say("rome", "Two people", "Book a trip to Rome")[-1] == ("Noted: a trip to Rome. From when to when?")
    assert desk.tasks() == [
        ["trip booking", "in_progress", "rome", {"destination": "Rome"}],
        ["trip booking", "in_progress", "lisbon", {"destination": "Lisbon", "from": "3 May", "until": "10 May"}],
    ]
    assert desk.say("rome", "Cancel the trip") == ["Cancelled: a trip to Rome."]
    assert desk.say("lisbon", "Two people", "That's all, book it") == [
        'Noted: a trip to Lisbon, from 3 May to 10 May, for 2 people. Say "book it" when that is all, or "cancel the '
        'trip".',
        "Noted: a trip to Lisbon, from 3 May to 10 May, for 2 people. I'm a rule-based model and have booked nothing: "
        "that takes a real model, and a tool that books.",
    ]
    assert desk.tasks() == []
    assert [task[:3] for task in desk.tasks("--all")] == [
        ["trip booking", "cancelled", "rome"],
        ["trip booking", "done", "lisbon"],
    ]
    assert [fact.text for fact in await UserMemory(store, user).all()] == ["Is vegan"]


def test_a_trip_is_booked_across_restarts_with_an_openai_model(desk: Desk, openai: ScriptedOpenAI) -> None:
    def prompt() -> str:
        """The system message of the last reply request."""
        return str([request for request in openai.requests if request.kind == "reply"][-1].messages[0]["content"])

    start = ("start_task", {"type": "trip", "data": {"to": "Lisbon"}, "hours": 48})
    openai.reply(ToolCalls([start]), Text("To Lisbon. When?"))
    assert desk.say("lisbon", "Book a trip to Lisbon") == ["To Lisbon. When?"]

    changes = [{"from": "2027-05-03", "until": "2027-05-10"}, {"people": 2}]
    openai.reply(ToolCalls([("update_task", {"changes": change}) for change in changes]), Text("A week for two."))
    assert desk.say("lisbon", "3 to 10 May, two people") == ["A week for two."]
    held = {"to": "Lisbon", "from": "2027-05-03", "until": "2027-05-10", "people": 2}
    assert f"trip: {json.dumps(held, sort_keys=True)}" in prompt()

    openai.reply(Text("Hello."))
    desk.say("another", "Hello")
    assert "<task>" not in prompt()
    assert desk.tasks() == [["trip", "in_progress", "lisbon", held]]

    openai.reply(ToolCalls([("finish_task", {"status": "done"})]), Text("Booked."))
    assert desk.say("lisbon", "That's all, book it") == ["Booked."]
    assert "<task>" not in prompt()
    assert (desk.tasks(), desk.tasks("--all")) == ([], [["trip", "done", "lisbon", held]])
