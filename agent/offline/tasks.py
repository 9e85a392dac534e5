"""The one task the offline model can hold: a trip, noted step by step. It books nothing, and says so."""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

TRIP = "trip booking"
TASK_TOOLS = frozenset({"start_task", "update_task", "finish_task"})
BOOKS_NOTHING = "I'm a rule-based model and have booked nothing: that takes a real model, and a tool that books."
MAX_CHARS = 300
"""What is longer is prose; the bound keeps every pattern quick."""

_I = re.IGNORECASE
_BLOCK = re.compile(r"<task>\n[^\n]*\n(?P<type>[^\n]*?): (?P<data>\{[^\n]*\})\n</task>")
_ENDED = re.compile(r"Task \w+ is (?P<how>\w+): (?P<data>\{.*\})", re.DOTALL)

_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]{0,6}"
_DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?|\d{{4}}-\d\d-\d\d)"
_SPAN = re.compile(rf"\b(?:from )?(?P<start>{_DAY})(?: to | until | till | ?[-–] ?)(?P<end>{_DAY})\b", _I)
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PEOPLE = re.compile(
    rf"\b(?:for |we are |we're |there are )?(?:the )?(?P<count>[1-9]\d?|{'|'.join(_NUMBERS)})"
    r"(?: people| persons?| adults| travell?ers| of us)\b",
    _I,
)
_COUNT_ALONE = re.compile(rf"(?:for |we are |we're )?(?P<count>[1-9]\d?|{'|'.join(_NUMBERS)})", _I)
_FILLER = re.compile(r"\b(?:and|please|then|ok|okay|yes|also)\b|[\s,.!]+", _I)
_BOOK = re.compile(
    r"(?:(?:please|ok|okay|hi|hello|hey|now)[, ]+)*(?:(?:can|could|would|will) you (?:please )?|(?:i'd|i would) like "
    r"(?:you )?to |i (?:want|need) (?:you )?to |let's |help me )?(?:book|plan|arrange|organi[sz]e)(?: me| us)?"
    r"(?: an?| my| our| the)?(?: \w+)? (?:trip|holiday|vacation|journey|flight) to "
    r"(?P<to>[^\W\d][\w'’ -]{0,40}?)(?=$|[,.!?]| from | for | on | in | with | please)",
    _I,
)
_CLOSING = r"(?:that's (?:all|it)|that is (?:all|it)|book (?:it|(?:the|my|our|this) trip)|go ahead)"
_DONE = re.compile(
    rf"(?:(?:ok|okay|yes|great|perfect)[,. ]+)*{_CLOSING}(?:[,. ]+(?:and |please |now )?{_CLOSING})?", _I
)
_CANCEL = re.compile(
    r"(?:(?:please|ok|okay|no|actually)[, ]+)*(?:never ?mind|(?:cancel|drop|forget|stop)(?: about)? "
    r"(?:it|that|(?:the|my|our|this) (?:trip|holiday|vacation|journey|flight|booking|task)))",
    _I,
)
_WHERE_WE_ARE = re.compile(
    r"where were we|how far are we|what(?:'s| is) (?:the |my )?(?:open )?task|what am i (?:booking|planning)", _I
)


@dataclass(frozen=True)
class OpenTask:
    """The open task, as the prompt shows it."""

    type: str
    data: dict[str, JsonValue]


@dataclass(frozen=True)
class Call:
    """A task tool, and what to call it with."""

    tool: str
    arguments: dict[str, JsonValue]


def open_task_in(prompt: str) -> OpenTask | None:
    """The task in the `<task>` block of a system prompt; the last one, where the agent's own prompt shows one too."""
    blocks = list(_BLOCK.finditer(prompt))
    if not blocks:
        return None
    kind, data = (html.unescape(part) for part in blocks[-1].group("type", "data"))
    try:
        return OpenTask(kind, json.loads(data))
    except ValueError:  # words of the agent's own prompt that only look like a task
        return None


def work_on(task: OpenTask | None, text: str) -> Call | str | None:
    """What a message means for the open task: a tool's call, a reply, or None where it is about something else."""
    said = text.strip().rstrip(".!? ").replace("’", "'")
    if len(said) > MAX_CHARS:
        return None
    if booking := _BOOK.match(said):
        if task:
            return f'{_sentence(task)} is still open: say "book it" or "cancel the trip" first.'
        data: dict[str, JsonValue] = {"destination": booking["to"], **_details(said[booking.end() :])[0]}
        return Call("start_task", {"type": TRIP, "data": data})
    if task is None:
        return None
    if _DONE.fullmatch(said):
        return Call("finish_task", {"status": "done"})
    if _CANCEL.fullmatch(said):
        return Call("finish_task", {"status": "cancelled"})
    if _WHERE_WE_ARE.fullmatch(said):
        return f"{_sentence(task)} is open. {_next_question(task)}"
    changes, rest = _details(said)
    if not changes and (alone := _COUNT_ALONE.fullmatch(rest)):
        changes, rest = {"people": _number(alone["count"])}, ""
    return Call("update_task", {"changes": changes}) if task.type == TRIP and changes and not rest else None


def reply_on_task(task: OpenTask | None, results: Sequence[tuple[str | None, str]]) -> str:
    """What to say once a task tool answered; `task` is what is open now."""
    name, told = results[-1]
    if name == "finish_task" and (ended := _ENDED.fullmatch(told)):
        trip = _sentence(OpenTask(TRIP, json.loads(ended["data"])))
        if ended["how"] == "done":
            return f"{trip}: that is all noted. {BOOKS_NOTHING}"
        return f"Cancelled: {_lower(trip)}."
    if task is None or not told.startswith("Task "):
        return told
    return f"Noted: {_lower(_sentence(task))}. {_next_question(task)}"


def _details(text: str) -> tuple[dict[str, JsonValue], str]:
    """When, and for how many, as a message says; and what is left of it."""
    found: dict[str, JsonValue] = {}
    if span := _SPAN.search(text):
        found |= {"from": span["start"], "until": span["end"]}
        text = text[: span.start()] + " " + text[span.end() :]
    if people := _PEOPLE.search(text):
        found["people"] = _number(people["count"])
        text = text[: people.start()] + " " + text[people.end() :]
    return found, _FILLER.sub(" ", text).strip()


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS.index(word.lower()) + 1


def _sentence(task: OpenTask) -> str:
    """ "A trip to Lisbon, from 3 May to 10 May, for 2 people"; of a task of another kind its type and data."""
    data = task.data
    if task.type != TRIP or "destination" not in data:
        return f"The task {task.type!r}, with {json.dumps(data, ensure_ascii=False)},"
    parts = [f"A trip to {data['destination']}"]
    if "from" in data:
        parts.append(f"from {data['from']} to {data.get('until')}")
    if "people" in data:
        parts.append(f"for {data['people']} {'person' if data['people'] == 1 else 'people'}")
    return ", ".join(parts)


def _next_question(task: OpenTask) -> str:
    if task.type == TRIP and "from" not in task.data:
        return "From when to when?"
    if task.type == TRIP and "people" not in task.data:
        return "For how many people?"
    return 'Say "book it" when that is all, or "cancel the trip".'


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
