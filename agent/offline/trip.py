"""The one task the offline model can hold: a trip, noted step by step. It books nothing, and says so."""

import html
import json
import re
from typing import NamedTuple

from pydantic import JsonValue

TRIP = "trip booking"
BOOKS_NOTHING = "I'm a rule-based model and have booked nothing: that takes a real model, and a tool that books."

_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_DAY = rf"(?:\d{{1,2}} {_MONTH}|{_MONTH} \d{{1,2}}|\d{{4}}-\d\d-\d\d)"
_NUMBERS = ("one", "two", "three", "four", "five", "six")
_DETAILS = (
    rf"(?:(?:^| )(?:from )?(?P<from>{_DAY})(?: to | until | - )(?P<until>{_DAY}))?"
    rf"(?:(?:^|,? )(?:and )?(?:for |we are )?(?P<people>[1-9]|{'|'.join(_NUMBERS)})(?: people| persons?)?)?"
)
_BOOK = rf"(?:please )?book (?:me )?a trip to (?P<destination>[^\W\d][^\d,.]{{0,40}}?){_DETAILS}"
_BLOCK = re.compile(rf"<task>\n[^\n]*\n{TRIP}: (\{{[^\n]*\}})\n</task>")

Trip = dict[str, JsonValue]


class Call(NamedTuple):
    """A tool, and what to call it with."""

    tool: str
    arguments: dict[str, JsonValue]


def open_trip(prompt: str) -> Trip | None:
    """The trip in the last `<task>` block of a system prompt."""
    blocks: list[str] = _BLOCK.findall(prompt)
    return dict(json.loads(html.unescape(blocks[-1]))) if blocks else None


def work_on(trip: Trip | None, text: str) -> Call | None:
    """The tool's call that a message about the open trip asks for; None where it is about something else."""
    said = text.strip(" .!?").replace("’", "'") if len(text) < 200 else ""
    if booking := re.fullmatch(_BOOK, said, re.IGNORECASE):
        return Call("start_task", {"type": TRIP, "data": _data(booking)})
    if trip is None or not said:
        return None
    if re.fullmatch("(?:that's all, )?book (?:it|the trip)|that's all", said, re.IGNORECASE):
        return Call("finish_task", {"status": "done"})
    if re.fullmatch("(?:please )?cancel (?:it|the trip)|never ?mind", said, re.IGNORECASE):
        return Call("finish_task", {"status": "cancelled"})
    details = re.fullmatch(_DETAILS, said, re.IGNORECASE)
    return Call("update_task", {"changes": _data(details)}) if details else None


def _data(found: re.Match[str]) -> Trip:
    data: Trip = {key: value for key, value in found.groupdict().items() if value}
    if count := found["people"]:
        data["people"] = int(count) if count.isdigit() else _NUMBERS.index(count.casefold()) + 1
    return data


def reply_on_trip(trip: Trip | None, result: str) -> str:
    """What to say once a tool has answered; `trip` is what is open now."""
    if ended := re.fullmatch(r"Task \w+ is (?P<how>\w+): (?P<data>\{.*\})", result, re.DOTALL):
        noted = _summary(json.loads(ended["data"]))
        return f"Noted: {noted}. {BOOKS_NOTHING}" if ended["how"] == "done" else f"Cancelled: {noted}."
    if trip is None or not result.startswith("Task "):
        return result
    missing = "From when to when?" if "from" not in trip else "For how many people?" if "people" not in trip else ""
    return f"Noted: {_summary(trip)}. " + (missing or 'Say "book it" when that is all, or "cancel the trip".')


def _summary(trip: Trip) -> str:
    """ "a trip to Lisbon, from 3 May to 10 May, for 2 people"."""
    dates = f", from {trip['from']} to {trip.get('until')}" if "from" in trip else ""
    people = f", for {trip['people']} {'person' if trip['people'] == 1 else 'people'}" if "people" in trip else ""
    return f"a trip to {trip.get('destination')}{dates}{people}"
