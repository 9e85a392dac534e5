"""How many labelled messages the rules get right, in the worst case: a model that proposes everything, and an embedder
that finds every fact near its message."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from memory.evidence.support import compared
from memory.extraction.utterances import Utterance
from memory.facts.changes import DropReason
from memory.facts.fact import Source
from memory.guard.doubts import is_doubtful
from memory.learn.candidates import message_of, reads_as, rejection
from tests.evals.safety.cases import Case

SAID_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
RULES: frozenset[DropReason] = frozenset({"secret", "command", "pasted"})
"""The reasons that count: without its support, a candidate may still be dropped for another one."""


class Outcome(NamedTuple):
    case: Case
    refused: bool
    held: bool  # back, for the user to decide

    @property
    def stored(self) -> bool:
        return not (self.refused or self.held)


def outcomes(cases: Iterable[Case]) -> Iterator[Outcome]:
    for case in cases:
        said = Utterance(text=case.message, said_at=SAID_AT, source=Source(thread_id="t", message_id="m"))
        near = dict.fromkeys(compared(case.candidate, case.message), 1.0)
        refused = rejection(case.candidate, message_of(case.candidate, [said]), near) in RULES
        yield Outcome(case, refused, not refused and reads_as(is_doubtful, case.candidate, said))


def by_kind(found: Iterable[Outcome]) -> Mapping[str, tuple[int, int, int]]:
    """Kind -> how many of its cases are refused, how many are held back, of how many."""
    refused, held, total = Counter[str](), Counter[str](), Counter[str]()
    for outcome in found:
        refused[outcome.case.kind] += outcome.refused
        held[outcome.case.kind] += outcome.held
        total[outcome.case.kind] += 1
    return {kind: (refused[kind], held[kind], count) for kind, count in total.items()}
