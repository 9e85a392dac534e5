"""A task by example: a trip is booked over several turns, two threads and several processes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Run
from tests.openai_server import ScriptedOpenAI, Text, ToolCalls
from tests.processes import chat


class Desk:
    """A user at the terminal. Each call opens everything anew, so that only saved state is left."""

    def __init__(self, run: Run, user: str) -> None:
        self._run, self._user = run, user

    def thread(self, name: str) -> str:
        return f"{name} of {self._user}"

    def say(self, thread: str, line: str) -> list[str]:
        """The output while this line is typed into a thread."""
        result = self._run("--thread", self.thread(thread), typed=f"{line}\n")
        assert result.code == 0, result.err
        return result.out.splitlines()

    def tasks(self, *options: str) -> list[list[Any]]:
        """Type, status, thread and data of each task."""
        result = self._run("tasks", "--json", *options)
        assert result.code == 0, result.err
        return [
            [task["type"], task["status"], task["thread_id"].partition(" ")[0], task["data"]] for task in result.json
        ]


@pytest.fixture
def desk(run: Run, user: str) -> Desk:
    return Desk(run, user)


def test_a_trip_is_booked_across_restarts(
    desk: Desk, openai: ScriptedOpenAI, environment: dict[str, str], tmp_path: Path, user: str
) -> None:
    def prompt() -> str:
        """The system message of the last reply request."""
        return str([request for request in openai.requests if request.kind == "reply"][-1].messages[0]["content"])

    start = ("start_task", {"type": "trip", "data": {"to": "Lisbon"}, "hours": 48})
    openai.reply(ToolCalls([start]), Text("To Lisbon. When?"))
    assert desk.say("lisbon", "Book a trip to Lisbon") == ["To Lisbon. When?"]

    changes = [{"from": "2027-05-03", "until": "2027-05-10"}, {"people": 2}]
    openai.reply(ToolCalls([("update_task", {"changes": change}) for change in changes]), Text("A week for two."))
    there = ("--user", user, "--thread", desk.thread("lisbon"))
    elsewhere = chat("3 to 10 May, two people\n", environment, tmp_path, *there)  # in another process
    assert elsewhere.stdout.splitlines() == ["A week for two."], elsewhere.stderr
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
