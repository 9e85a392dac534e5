"""A user's memory as JSON lines, to take along or to back up: facts with history and provenance. Pure.

The first line names the format. Each further line is a fact, in the order they were recorded, with the times it was
said again; then come the messages that facts were taken from, so that they are not extracted twice elsewhere.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from memory.errors import BadInput
from memory.fact import Fact, Repeat, Source

FORMAT = {"format": "remembering-agent memory", "version": 1}


def dump(facts: Iterable[Fact], repeats: Mapping[str, Sequence[Repeat]], extracted: Iterable[Source]) -> Iterator[str]:
    """The lines, each without its line break."""
    yield json.dumps(FORMAT)
    for fact in facts:
        again = [repeat.model_dump(mode="json") for repeat in repeats.get(fact.id, ())]
        yield _line({"fact": fact.model_dump(mode="json"), "said_again": again})
    for source in extracted:
        yield _line({"extracted": source.model_dump(mode="json")})


def load(lines: Iterable[str]) -> tuple[list[Fact], dict[str, list[Repeat]], list[Source]]:
    """What `dump` wrote. Raises BadInput that names the line."""
    facts: list[Fact] = []
    repeats: dict[str, list[Repeat]] = {}
    extracted: list[Source] = []
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if number == 1:
                if record != FORMAT:
                    raise BadInput(f"Line 1 is not {json.dumps(FORMAT)}: this is no exported memory.")
            elif "fact" in record:
                fact = Fact.model_validate(record["fact"])
                facts.append(fact)
                repeats[fact.id] = [Repeat.model_validate(repeat) for repeat in record["said_again"]]
            else:
                extracted.append(Source.model_validate(record["extracted"]))
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(f"Line {number} is no line of an exported memory ({_problem(error)}).") from error
    if not number:
        raise BadInput("The export is empty: not even its first line is there.")
    return facts, repeats, extracted


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


def _problem(error: Exception) -> str:
    """What is wrong, without quoting the line."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
    return "it is not JSON" if isinstance(error, json.JSONDecodeError) else f"{type(error).__name__}"
