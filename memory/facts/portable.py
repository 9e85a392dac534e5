"""A user's memory as JSON lines, for backups and moves: facts with their history and sources. Pure.

The first line names the format; then comes each fact with the times it was said again, then each extracted message,
then what is held back.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from memory.errors import BadInput, listed, problems_of
from memory.facts.changes import Changes, Held, Reinforcement, retired
from memory.facts.fact import MAX_KEY, Fact, Repeat, RetiredReason, Source, is_storable

FORMAT = {"format": "remembering-agent memory", "version": 1}

Claim = tuple[str, ...]  # something that only one current fact may have: an id, a key, a slot of one value
Repeats = Mapping[str, Sequence[Repeat]]  # the id of a fact -> the times it was said again


def json_line(value: Any) -> str:
    """The value as JSON on one line, with characters escaped that break lines or control a terminal."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def dump(
    facts: Iterable[Fact], repeats: Repeats, extracted: Iterable[Source], held: Iterable[Held] = ()
) -> Iterator[str]:
    """The lines, without line breaks."""
    yield json_line(FORMAT)
    for fact in facts:
        again = [repeat.model_dump(mode="json") for repeat in repeats.get(fact.id, ())]
        yield json_line({"fact": fact.model_dump(mode="json"), "said_again": again})
    for source in extracted:
        yield json_line({"extracted": source.model_dump(mode="json")})
    for item in held:
        yield json_line({"held": item.model_dump(mode="json")})


def load(lines: Iterable[str]) -> tuple[list[Fact], dict[str, list[Repeat]], list[Source], list[Held]]:
    """What `dump` wrote. Raises BadInput that names the line."""
    facts, repeats, extracted = list[Fact](), dict[str, list[Repeat]](), list[Source]()
    held = list[Held]()
    number, number_of = 0, dict[Claim, int]()
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if number == 1:
                if record != FORMAT:
                    raise BadInput(f"it is not {json.dumps(FORMAT)}")
            elif "fact" in record:
                fact = Fact.model_validate(record["fact"])
                _check(fact)
                for claim in claims(fact):
                    if number_of.setdefault(claim, number) != number:
                        raise BadInput(f"line {number_of[claim]} has the same {claim[0]}")
                repeats[fact.id] = [Repeat.model_validate(repeat) for repeat in record["said_again"]]
                counted = (repeat.observed_at for repeat in repeats[fact.id] if not repeat.rolled_back_at)
                last = max(counted, default=None)
                facts.append(fact.model_copy(update={"said_again_at": last}))
            elif "held" in record:
                held.append(Held.model_validate(record["held"]))
                _check(held[-1].fact.model_copy(update={"retired_reason": None}))
            else:
                source = Source.model_validate(record["extracted"])
                if source.thread_id is None or source.message_id is None:
                    raise BadInput("extracted: names no message")
                extracted.append(source)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise BadInput(f"Line {number} is no line of an exported memory: {_problem(error)}.") from error
    if not number:
        raise BadInput("The export is empty: its first line is missing.")
    for fact in facts:
        if fact.successor and ("id", fact.successor) not in number_of:
            raise BadInput(f"Line {number_of['id', fact.id]} names a successor that is on no line: lines are missing.")
    return facts, repeats, extracted, held


def merge(facts: Sequence[Fact], known: Iterable[Fact], repeats: Repeats) -> Changes:
    """Fit exported facts into a memory that has facts of its own, `known`, and lose none.

    Of two current facts that exclude each other, the one that was said later stays current.
    """
    here = {fact.id: fact for fact in known}
    holders: defaultdict[Claim, list[Fact]] = defaultdict(list)
    for fact in (fact for fact in here.values() if fact.retired_at is None):
        for claim in (*claims(fact), ("words", *fact.words)):
            holders[claim].append(fact)
    added, gone = list[Fact](), dict[str, Fact]()
    for fact in facts:
        if mine := here.get(fact.id):
            ended_at = fact.ended_at or fact.retired_at
            is_current = mine.retired_at is None and mine.id not in gone
            if is_current and fact.retired_reason and ended_at and mine.last_said_at <= ended_at:
                gone[mine.id] = retired(mine, fact.retired_reason, ended_at, fact.successor)
            continue
        if fact.retired_at is None:
            claimed = (*claims(fact), ("words", *fact.words))
            rivals = [rival for claim in claimed for rival in holders[claim] if rival.id not in gone]
            latest = max(rivals, key=lambda rival: (rival.last_said_at, rival.id), default=None)
            if latest and latest.last_said_at >= fact.last_said_at:
                fact = retired(fact, _reason(fact, latest), latest.starts_at, latest.id)
            else:
                gone |= {rival.id: retired(rival, _reason(rival, fact), fact.starts_at, fact.id) for rival in rivals}
        added.append(fact)
    reinforced = (Reinforcement(fact, repeat) for fact in facts for repeat in repeats.get(fact.id, ()))
    return Changes(tuple(added), tuple(reinforced), tuple(gone.values()))


def claims(fact: Fact) -> Iterator[Claim]:
    """What no other current fact may have beside this one."""
    yield "id", fact.id
    if fact.retired_at is None:
        yield "key", fact.key
        if fact.exclusive and not fact.is_planned:
            yield "slot", str(fact.is_temporary), *fact.slot


def _reason(earlier: Fact, later: Fact) -> RetiredReason:
    """A fact that was said again in the same words is refined, unless it was over in between."""
    over = earlier.valid_until is not None and earlier.valid_until <= later.observed_at
    return "refined" if earlier.words == later.words and not over else "superseded"


def _check(fact: Fact) -> None:
    """Raises BadInput if the fact cannot come from a ledger."""
    if not re.fullmatch(r"[0-9a-f]{32}", fact.id):
        raise BadInput("fact.id: not 32 hexadecimal digits")
    if not 0 < len(fact.key) <= MAX_KEY:
        raise BadInput(f"fact.key: not 1 to {MAX_KEY} characters")
    if fact.rolled_back_at and not fact.retired_at:
        raise BadInput("fact.rolled_back_at: there without fact.retired_at")
    if (fact.retired_at is None) != (fact.retired_reason is None):
        raise BadInput("fact.retired_at: there without fact.retired_reason, or the other way round")
    for name, value in fact:
        if isinstance(value, str) and not is_storable(value):
            raise BadInput(f"fact.{name}: holds a NUL or a lone surrogate")


def _problem(error: Exception) -> str:
    """What is wrong, without quoting the line."""
    if isinstance(error, ValidationError):
        return listed(problems_of(error.errors(include_input=False)))
    if isinstance(error, BadInput):
        return str(error)
    return "it is not JSON" if isinstance(error, json.JSONDecodeError) else type(error).__name__
