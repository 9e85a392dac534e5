"""Compares what was acknowledged with what a new process finds: what is lost, duplicated or wrong. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.torture.script import HOME, facts_of
from tests.torture.victim import Ack, Findings, Row

FaultKind = Literal["lost", "duplicated", "wrong"]


@dataclass(frozen=True)
class Fault:
    """A broken promise."""

    kind: FaultKind
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def judge(acks: Sequence[Ack], findings: Findings) -> list[Fault]:
    """Every broken promise of one round."""
    return [*_messages(acks, findings), *_facts(acks, findings), *home_faults(findings.rows), *_recall(findings)]


def _messages(acks: Sequence[Ack], findings: Findings) -> Iterator[Fault]:
    """A message that was saved or answered is in its thread exactly once."""
    there = [text for texts in findings.messages.values() for text in texts]
    promised = {ack.text for ack in acks if ack.kind in ("kept", "shown")}
    yield from _once(promised, there, "message")


def _facts(acks: Sequence[Ack], findings: Findings) -> Iterator[Fault]:
    """The remembered facts and those of every saved message are in the ledger once; retired facts stay retired."""
    kept = [text for texts in findings.messages.values() for text in texts if not text.startswith("Noted: ")]
    promised = {ack.text for ack in acks if ack.kind == "remembered"}.union(*map(facts_of, kept))
    yield from _once(promised, [row.text for row in findings.rows], "fact")
    current = {row.text for row in findings.rows if row.is_current}
    for ack in acks:
        if ack.kind == "retired" and ack.text in current:
            yield Fault("wrong", f"fact {ack.text!r} was retired and is current")


def _once(promised: set[str], there: Sequence[str], kind: str) -> Iterator[Fault]:
    for text in sorted(promised - set(there)):
        yield Fault("lost", f"{kind} {text!r}")
    for text, count in Counter(there).items():
        if count > 1:
            yield Fault("duplicated", f"{kind} {text!r} is there {count} times")


def home_faults(rows: Iterable[Row]) -> Iterator[Fault]:
    """The exclusive slot holds the latest value, and the successors of all other values lead to it."""
    homes = {row.id: row for row in rows if row.attribute == HOME}
    current = [row for row in homes.values() if row.is_current]
    if len(current) != 1:
        yield Fault("wrong", f"{len(current)} home cities are current")
        return
    for row in homes.values():
        if row.observed_at > current[0].observed_at:
            yield Fault("wrong", f"{row.text!r} was said after {current[0].text!r}, which is current")
        end, seen = row, set[str]()
        while end.successor in homes and end.id not in seen:
            seen.add(end.id)
            end = homes[end.successor]
        if end.id != current[0].id:
            yield Fault("wrong", f"the successors of {row.text!r} do not lead to {current[0].text!r}")


def _recall(findings: Findings) -> Iterator[Fault]:
    """Recall finds every current fact, and the index holds exactly these facts as current."""
    current = {row.id: row.text for row in findings.rows if row.is_current}
    for text in sorted(set(current.values()) - findings.recalled):
        yield Fault("lost", f"fact {text!r} is not recalled")
    for fact_id in sorted(current.keys() - findings.indexed):
        yield Fault("lost", f"fact {current[fact_id]!r} is not in the index")
    if stale := findings.indexed - current.keys():
        yield Fault("wrong", f"{len(stale)} facts are current in the index only")
    if findings.queued:
        yield Fault("wrong", f"{findings.queued} facts are still queued for the index")
