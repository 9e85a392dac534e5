"""JSON logs: one line an event, in which users and threads are keyed hashes (LOG_JSON and LOG_KEY)."""

import hmac
import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from agent.settings import Settings
from memory.logs import IDS, Event

HIDDEN = {*IDS, "user_id", "thread_id", "path_params", "query_string"}  # fields of this project and of servers
KEPT = {"run_id", "request_id", "assistant_id", "timestamp", "req_header", "res_header"}
"""Fields that identify no user and no thread."""
IN_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)  # the ids that servers give threads

Fields = dict[str, Any]
Hide = Callable[[object], str]


def write_json(logger: logging.Logger, settings: Settings) -> None:
    """Let the handlers of this logger write JSON. Those of a server, which writes JSON itself, only get the fields."""
    key = settings.log_key.get_secret_value().encode() if settings.log_key else secrets.token_bytes(32)

    def hide(value: object) -> str:
        return hmac.new(key, str(value).encode(), "sha256").hexdigest()[:16]

    for handler in logger.handlers:
        formatter: Any = handler.formatter
        if hasattr(formatter, "processors"):  # structlog's
            *others, render = formatter.processors
            formatter.processors = (_with_details, *others, partial(_without_ids, hide), render)
        else:
            handler.setFormatter(JsonFormatter(hide))


def details_of(record: logging.LogRecord) -> Fields:
    """What happened, as `event`, and its details."""
    event = record.msg
    return {"event": event.name, **event.details} if isinstance(event, Event) else {"event": record.getMessage()}


def hidden(fields: Mapping[str, Any], hide: Hide) -> Fields:
    """The fields with hashes in place of users, threads and other ids, also inside of texts such as a path."""

    def shown(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {inner: shown(name, part) for inner, part in value.items()}
        if name in HIDDEN:
            return hide(value) if value else value
        if isinstance(value, str) and name not in KEPT:
            return IN_TEXT.sub(lambda found: hide(found[0]), value)
        return value

    return {name: shown(name, value) for name, value in fields.items()}


class JsonFormatter(logging.Formatter):
    def __init__(self, hide: Hide) -> None:
        super().__init__()
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat()
        fields = {**details_of(record), "logger": record.name, "level": record.levelname.lower(), "timestamp": moment}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(hidden(fields, self._hide), ensure_ascii=False, default=str)


# structlog's processors, which a server's formatter calls in order: (logger, method, fields) -> fields


def _with_details(_logger: object, _method: str, fields: Fields) -> Fields:
    record = fields.get("_record")
    return fields | details_of(record) if record and isinstance(record.msg, Event) else fields


def _without_ids(hide: Hide, _logger: object, _method: str, fields: Fields) -> Fields:
    return hidden(fields, hide)
