"""The moments at which something is killed: before or after a method call, during a write of Chroma, or at random.

Each moment has `arm(pids)`, which the victim calls at the start of the turn, the batch or the import in question.
"""

import os
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Any, Literal

from agent.settings import read_settings

Target = Literal["process", "postgres", "index", "supervisors", "everything"]
"""What is killed: the process that runs the turn; Postgres, or the server of the index, each with its supervisor if it
has one; the supervisors; or all of these."""

Part = Literal["repair", "turn", "background", "batch", "import"]
"""What the victim does at that moment. During a repair of the previous round, only the victim is killed."""


@dataclass(frozen=True)
class Point:
    """A moment: right before or right after the `nth` call of a method, in one part of the round."""

    name: str
    method: str
    """ "module:function" or "module:Class.method"; it has to be async."""
    when: Literal["before", "after"]
    part: Part = "turn"
    nth: int = 1
    target: Target = "process"

    def __str__(self) -> str:
        return f"{self.name}: {self.target}" if self.target != "process" else self.name

    def arm(self, pids: Sequence[int]) -> None:
        """Kill `pids` at this moment; calls are counted from now on."""
        module, _, path = self.method.partition(":")
        *owners, name = path.split(".")
        owner: Any = import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        original: Callable[..., Awaitable[Any]] = getattr(owner, name)
        calls = 0

        @wraps(original)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            now = calls == self.nth
            if now and self.when == "before":
                strike(pids)
            result = await original(*args, **kwargs)
            if now and self.when == "after":
                strike(pids)
            return result

        setattr(owner, name, wrapped)


@dataclass(frozen=True)
class InPersist:
    """The moment when Chroma starts to write its vectors to disk, file by file."""

    name: str = "inside Chroma's persist"
    part: Part = "turn"
    target: Target = "index"

    def __str__(self) -> str:
        return f"{self.name}: {self.target}"

    def arm(self, pids: Sequence[int]) -> None:
        data = read_settings().data_dir / "chroma" / "data"

        def written() -> dict[str, int]:
            return {str(path): path.stat().st_mtime_ns for path in data.glob("*/header.bin")}

        before = written()

        def watch() -> None:
            while written() == before:  # without a pause: the whole write takes a millisecond
                pass
            strike(pids)

        threading.Thread(target=watch, daemon=True).start()


@dataclass(frozen=True)
class AtRandom:
    """A point in time, which may be in the middle of anything."""

    seconds: float
    """Counted from the start of the round, or of the process that repairs."""
    target: Target
    part: Part = "turn"
    name: str = "at a random moment"

    def __str__(self) -> str:
        return f"{self.name}{' of a repair' if self.part == 'repair' else ''}: {self.target}"

    def arm(self, pids: Sequence[int]) -> None:
        """Do nothing: the rig kills with a timer."""


Moment = Point | InPersist | AtRandom


def strike(pids: Sequence[int]) -> None:
    """kill -9."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


SAVE = "memory.threads.saver:ThreadSaver.aput"
SAVE_WRITES = "memory.threads.saver:ThreadSaver.aput_writes"
COMMIT = "memory.threads.group_commit:GroupCommitter._write"
TOKEN = "tests.torture.victim:show"  # noqa: S105 - a function's name
SCHEDULE = "agent.turn.extraction_schedule:schedule_in_process"
EXTRACT = "memory.learn.learner:extract"
LEARN = "memory.learn.learner:Learner.learn"
RETIRE = "memory.ledger.transaction:Transaction.retire"
INSERT = "memory.ledger.transaction:Transaction.add"
WRITE = "memory.ledger.transaction:Transaction.write"
RESTORE = "memory.learn.writes:restore"
INDEX = "memory.items.store:FactStore.update_index"
PUT = "memory.index.queue:IndexQueue._write"

CHECKPOINTS = ("the input", "the message", "recall", "respond", "extraction", "reconcile")
"""What each checkpoint of a turn saves, in order. Nothing more is saved between one and the next point below, so a kill
right after a checkpoint would leave the same, and so would one before recall, before the first write of a transaction,
or in the background before its commit."""

PROCESS_POINTS: tuple[Moment, ...] = (
    *(Point(f"before the checkpoint of {what}", SAVE, "before", nth=n) for n, what in enumerate(CHECKPOINTS, 1)),
    Point("after a group commit, before any call returns", COMMIT, "after", nth=4),
    Point("in the middle of the reply", TOKEN, "before", nth=2),
    Point("after the reply is shown, before it is saved", SAVE_WRITES, "before", nth=2),
    Point("before the extraction request", EXTRACT, "before"),
    Point("between the extraction and the ledger", EXTRACT, "after"),
    Point("in the transaction, after the old fact is retired, before the new one is added", RETIRE, "after"),
    Point("in the transaction, before its commit", WRITE, "after"),
    Point("between the ledger and the index", INDEX, "before"),
    Point("during a repair: after the index is written, before the queue", PUT, "after", "repair"),
    Point("between the write to the index and the deletion from the queue", PUT, "after"),
    Point("after learning, before it is reported", LEARN, "after"),
    Point("before the background extraction is scheduled", SCHEDULE, "before", "background"),
    Point("after the background extraction is scheduled, before it starts", SCHEDULE, "after", "background"),
    Point("in the background, before its commit", WRITE, "after", "background"),
    Point("in the background, after learning, before its checkpoint", LEARN, "after", "background"),
    Point("in a batch, before its commit", WRITE, "after", "batch"),
    Point("in a batch, before its second chunk", PUT, "before", "batch", nth=2),
    Point("in a batch, after its second chunk", PUT, "after", "batch", nth=2),
    Point("in an import, before its commit", INSERT, "after", "import"),
    Point("in an import, after its commit", RESTORE, "after", "import"),
    Point("in an import, before its second chunk", PUT, "before", "import", nth=2),
)

SERVER_POINTS: tuple[Moment, ...] = (
    Point("before the checkpoint of respond", SAVE, "before", nth=4, target="postgres"),
    Point("after a group commit, before any call returns", COMMIT, "after", nth=4, target="postgres"),
    Point("in the transaction, before its commit", WRITE, "after", target="postgres"),
    Point("between the write to the index and the deletion from the queue", PUT, "after", target="postgres"),
    Point("between the ledger and the index, after embedding", PUT, "before", target="index"),
    Point("between the write to the index and the deletion from the queue", PUT, "after", target="index"),
    Point("in a batch, after its second chunk", PUT, "after", "batch", nth=2, target="index"),
    Point("between the ledger and the index", INDEX, "before", target="supervisors"),
    Point("in the transaction, before its commit", WRITE, "after", target="everything"),
    InPersist(),
    Point("during a repair: after a possible rebuild", INDEX, "before", "repair"),
)

POINTS: tuple[Moment, ...] = (*PROCESS_POINTS, *SERVER_POINTS)
