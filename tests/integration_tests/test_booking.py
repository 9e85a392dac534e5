"""A task by example: a trip is booked over several turns, two threads and several processes."""

import json
from pathlib import Path
from typing import Any

import pytest

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


def test_a_trip_is_booked_across_restarts(desk: Desk, openai: ScriptedOpenAI) -> None:
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
