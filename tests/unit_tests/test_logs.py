"""JSON logs: one line an event, its details as fields, and hashes in place of users and threads."""

import io
import json
import logging
from typing import Any

import pytest
import structlog

from agent.logs import write_json
from agent.settings import Settings
from memory.logs import Event

THREAD = "01a22392-c9fc-70b0-9764-320b62e3d767"
LEARNED = Event("learned", user="ana", thread=THREAD, added=2, dropped={"secret": 1})


class Log:
    """A logger of a test, and what it has written."""

    def __init__(self, formatter: logging.Formatter | None = None) -> None:
        self.stream, self.logger = io.StringIO(), logging.Logger("agent.turn.nodes")
        self._handler = logging.StreamHandler(self.stream)
        self._handler.setFormatter(formatter)
        self.logger.addHandler(self._handler)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def server_formatter() -> logging.Formatter:
    """Like that of LangGraph's server, which adds the thread of the run after its other processors."""

    def with_context(_logger: object, _method: str, fields: Any) -> Any:
        return {**fields, "thread_id": THREAD, "run_id": THREAD, "path": f"/threads/{THREAD}/runs"}

    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(processors=[remove, with_context, structlog.processors.JSONRenderer()])


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LOG_KEY", "salt")
    return Settings()


def test_an_event_is_a_line_of_text_with_quoted_ids() -> None:
    assert str(LEARNED) == f"learned user='ana' thread='{THREAD}' added=2 dropped={{'secret': 1}}"


def test_an_event_is_one_json_line_with_its_details_and_hashed_ids(settings: Settings) -> None:
    log = Log()
    write_json(log.logger, settings)
    log.logger.info(LEARNED)
    log.logger.warning("The thread %s has a line\nbreak", THREAD)
    try:
        raise ValueError("wrong")
    except ValueError:
        log.logger.exception(Event("failed", user="ana"))
    learned, text, failed = log.lines
    assert (learned["event"], learned["added"], learned["dropped"]) == ("learned", 2, {"secret": 1})
    assert (learned["level"], learned["logger"]) == ("info", "agent.turn.nodes")
    assert learned["user"] == failed["user"] == "b22761a912b678b4"
    assert text["event"] == f"The thread {learned['thread']} has a line\nbreak"
    assert failed["exception"].endswith("ValueError: wrong")
    assert THREAD not in log.stream.getvalue()


def test_a_servers_own_json_gets_the_details_and_hides_the_ids_it_adds(settings: Settings) -> None:
    log = Log(server_formatter())
    write_json(log.logger, settings)
    log.logger.info(LEARNED)
    log.logger.info("Created run")
    learned, created = log.lines
    assert (learned["event"], learned["added"]) == ("learned", 2)
    assert learned["user"] == "b22761a912b678b4"
    assert learned["thread"] == learned["thread_id"] == created["thread_id"] != THREAD
    assert created["path"] == f"/threads/{created['thread_id']}/runs"
    assert created["run_id"] == THREAD


def test_without_a_key_each_process_has_other_hashes() -> None:
    first, second = Log(), Log()
    for log in (first, second):
        write_json(log.logger, Settings())
        log.logger.info(LEARNED)
    assert first.lines[0]["user"] != second.lines[0]["user"]
