"""Facts as rows of plain values: a third of the memory, and nothing that the garbage collector has to walk through."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any, overload

from memory.facts.fact import Fact, Source

FIELDS = tuple(name for name in Fact.model_fields if name != "source")
SOURCE = tuple(Source.model_fields)
ID, SAID_AGAIN = FIELDS.index("id"), FIELDS.index("said_again_at")
SUBJECT, ATTRIBUTE = FIELDS.index("subject"), FIELDS.index("attribute")
TEXT, QUOTE, RECORDED = FIELDS.index("text"), FIELDS.index("quote"), FIELDS.index("recorded_at")
REPEATED = ("subject", "attribute", "category")
"""What many facts have in common is kept once."""

Row = tuple[Any, ...]
"""The values of FIELDS, and those of its SOURCE."""

_values_of, _source_of = itemgetter(*FIELDS), itemgetter(*SOURCE)


class Facts(Sequence[Fact]):
    """A sequence of facts that makes each when it is asked for; never changed, only followed by another."""

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self._rows = rows

    def extended(self, facts: Iterable[Fact]) -> "Facts":
        """With more facts."""
        return Facts([*self._rows, *map(packed, facts)])

    def kept(self, positions: Iterable[int]) -> "Facts":
        """With those at these positions alone."""
        return Facts([self._rows[position] for position in positions])

    def said_again(self, moments: Mapping[int, datetime | None]) -> "Facts":
        """With when some of them, by position, were last said again: of a fact that stays nothing else changes."""
        return Facts([
            (*row[:SAID_AGAIN], moments[at], *row[SAID_AGAIN + 1 :]) if at in moments else row
            for at, row in enumerate(self._rows)
        ])  # fmt: skip

    def id_at(self, position: int) -> str:
        """A fact's id, without making the fact."""
        return str(self._rows[position][ID])

    def said_again_at(self, position: int) -> datetime | None:
        """When a fact was last said again."""
        moment: datetime | None = self._rows[position][SAID_AGAIN]
        return moment

    def ids(self) -> list[str]:
        """All of their ids."""
        return [row[ID] for row in self._rows]

    def recorded(self) -> dict[str, datetime]:
        """Id -> when the fact was recorded, in order."""
        return {row[ID]: row[RECORDED] for row in self._rows}

    @cached_property
    def characters(self) -> int:
        """How long their texts are together, one beyond ASCII counted as three."""
        texts = (text for row in self._rows for text in (row[TEXT], row[QUOTE], *row[-1]))
        return sum(len(text) if text.isascii() else 3 * len(text) for text in texts)

    @cached_property
    def slots(self) -> dict[tuple[str, str], list[int]]:
        """Subject and attribute -> the positions of the facts of that slot."""
        slots: dict[tuple[str, str], list[int]] = {}
        for at, row in enumerate(self._rows):
            slots.setdefault((row[SUBJECT], row[ATTRIBUTE]), []).append(at)
        return slots

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, position: int) -> Fact: ...
    @overload
    def __getitem__(self, position: slice) -> "Facts": ...
    def __getitem__(self, position: int | slice) -> "Fact | Facts":
        return Facts(self._rows[position]) if isinstance(position, slice) else unpacked(self._rows[position])


def packed(fact: Fact) -> Row:
    """A fact's values in a row."""
    values = fact.__dict__ | {name: sys.intern(getattr(fact, name)) for name in REPEATED}
    if fact.key == fact.id:
        values["key"] = fact.id
    row: Row = _values_of(values) + _source_of(fact.source.__dict__)
    return row


def unpacked(row: Row) -> Fact:
    """The fact again, as it was: its values were checked when it was made."""
    source = Source.model_construct(**dict(zip(SOURCE, row[len(FIELDS) :], strict=True)))
    return Fact.model_construct(**dict(zip(FIELDS, row, strict=False)), source=source)
