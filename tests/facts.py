"""Facts for tests, in one line each."""

from datetime import UTC, datetime
from typing import Any

from memory.facts.fact import Fact, Source, fact_id
from memory.facts.slots import attribute_name, is_exclusive

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def make_fact(
    text: str, attribute: str = "note", *, user_id: str = "ada", message_id: str = "m1", **values: Any
) -> Fact:
    """A fact that `user_id` stated in message `message_id` of thread t1."""
    source = Source(thread_id="t1", message_id=message_id)
    identifier = fact_id(user_id, source, text)
    defaults: dict[str, Any] = {
        "id": identifier,
        "key": identifier,
        "text": text,
        "attribute": attribute,
        "exclusive": is_exclusive(attribute_name(attribute), None),
        "quote": text,
        "source": source,
        "observed_at": NOON,
        "recorded_at": NOON,
    }
    return Fact.model_validate(defaults | values)
