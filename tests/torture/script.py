"""The messages of a round and the facts that follow from them: shared by the model, the victim and the judge."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.conversation import candidate, found
from tests.openai_server import Answer, Request, Text

HOME = "home city"
"""An exclusive slot, which every round changes."""

BATCH = 8  # facts per batch


def home(name: str) -> str:
    """A sentence that changes the home city."""
    return f"I moved to {name}."


def items(*names: str) -> str:
    """Sentences that each give one fact, none of which replaces another."""
    return " ".join(f"I collect {name}." for name in names)


def candidates(text: str, message: int = 1) -> Iterator[dict[str, Any]]:
    """What a good model would extract from a message. The text of each fact is unique to the message."""
    for quote, name in re.findall(r"(I moved to (\S+))\.", text):
        yield candidate(f"Lives in {name}", quote, HOME, exclusive=True, message=message)
    for quote, name in re.findall(r"(I collect (\S+))\.", text):
        yield candidate(f"Collects {name}", quote, "collection", message=message)


def facts_of(text: str) -> set[str]:
    """The texts of the facts that a message must give."""
    return {found["text"] for found in candidates(text)}


def extraction(request: Request) -> Answer:
    """The scripted model's answer to an extraction: the facts of the messages it was shown."""
    shown = json.loads(request.messages[-1]["content"])
    return found(*[fact for said in shown["messages"] for fact in candidates(said["text"], said["number"])])


def reply(request: Request) -> Answer:
    """The scripted model's reply, long enough to be interrupted."""
    return Text(f"Noted: {request.messages[-1]['content']}")
