"""The moments at which something is killed: before or after calls of methods, and others.

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

Target = Literal["process", "postgres", "chroma", "supervisors", "everything"]
"""What is killed: the process that runs the turn; a server with its supervisor; both supervisors; or all of these."""

Part = Literal["mend", "turn", "background", "batch", "import"]
"""What the victim does at that moment: repair the round before (then only the victim is killed), a turn, and so on."""


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
        """Kill `pids` at this moment, counted from now."""
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
    """The moment when Chroma begins to write its vectors to disk, one file after the other."""

    name: str = "inside Chroma's persist"
    part: Part = "turn"
    target: Target = "chroma"

    def __str__(self) -> str:
        return f"{self.name}: {self.target}"

    def arm(self, pids: Sequence[int]) -> None:
        data = read_settings().data_dir / "chroma" / "data"

        def written() -> dict[str, int]:
            return {str(path): path.stat().st_mtime_ns for path in data.glob("*/header.bin")}

        before = written()

        def watch() -> None:
            while written() == before:  # without a pause: all of it takes a millisecond
                pass
            strike(pids)

        threading.Thread(target=watch, daemon=True).start()


@dataclass(frozen=True)
class AtRandom:
    """A point in time, which may be in the middle of anything."""

    seconds: float
    """Since the start of the round, or of the process that repairs."""
    target: Target
    part: Part = "turn"
    name: str = "at a random moment"

    def __str__(self) -> str:
        return f"{self.name}{' of mending' if self.part == 'mend' else ''}: {self.target}"

    def arm(self, pids: Sequence[int]) -> None:
        """The rig kills, by the clock."""


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
RECALL = "memory.user_memory:UserMemory.recall"
HAND_OVER = "agent.extraction_schedule:schedule_in_process"
EXTRACT = "memory.learn.learner:extract"
LEARN = "memory.learn.learner:Learner.learn"
RETIRE = "memory.ledger.transaction:Transaction.retire"
INSERT = "memory.ledger.transaction:Transaction.add"
WRITE = "memory.ledger.transaction:Transaction.write"
RESTORE = "memory.learn.writes:restore"
INDEX = "memory.store:FactStore.update_index"
PUT = "memory.index.chroma:ChromaIndex.put"

CHECKPOINTS = ("the input", "the message", "recall", "respond", "extraction", "reconcile")
"""What each checkpoint of a turn saves, in order."""

PROCESS_POINTS: tuple[Moment, ...] = (
    *(Point(f"before the checkpoint of {what}", SAVE, "before", nth=n) for n, what in enumerate(CHECKPOINTS, 1)),
    *(Point(f"after the checkpoint of {what}", SAVE, "after", nth=n) for n, what in enumerate(CHECKPOINTS, 1)),
    Point("committed, before any call returns", COMMIT, "after", nth=4),
    Point("in recall", RECALL, "before"),
    Point("in the middle of the reply", TOKEN, "before", nth=2),
    Point("the reply shown, not saved", SAVE_WRITES, "before", nth=2),
    Point("before the extraction is asked for", EXTRACT, "before"),
    Point("between the model's answer and the ledger", EXTRACT, "after"),
    Point("in the transaction, before its first write", WRITE, "before"),
    Point("in the transaction, the old fact retired and the new one missing", RETIRE, "after"),
    Point("in the transaction, before its commit", WRITE, "after"),
    Point("between ledger and collection", INDEX, "before"),
    Point("while it is mended: the collection written, the queue not", PUT, "after", "mend"),
    Point("between the collection and the queue's deletion", PUT, "after"),
    Point("all is learnt, before it is reported", LEARN, "after"),
    Point("before it is handed over to the background", HAND_OVER, "before", "background"),
    Point("handed over to the background, and nothing begun", HAND_OVER, "after", "background"),
    Point("in the background, before the extraction is asked for", EXTRACT, "before", "background"),
    Point("in the background, between the model's answer and the ledger", EXTRACT, "after", "background"),
    Point("in the background, before its commit", WRITE, "after", "background"),
    Point("in the background, all learnt and its checkpoint missing", LEARN, "after", "background"),
    Point("in a batch, before its commit", WRITE, "after", "batch"),
    Point("in a batch, before its second chunk", PUT, "before", "batch", nth=2),
    Point("in a batch, after its second chunk", PUT, "after", "batch", nth=2),
    Point("in an import, before its commit", INSERT, "after", "import"),
    Point("in an import, after its commit", RESTORE, "after", "import"),
    Point("in an import, before its second chunk", PUT, "before", "import", nth=2),
)

SERVER_POINTS: tuple[Moment, ...] = (
    Point("before the checkpoint of respond", SAVE, "before", nth=4, target="postgres"),
    Point("committed, before any call returns", COMMIT, "after", nth=4, target="postgres"),
    Point("in the transaction, before its commit", WRITE, "after", target="postgres"),
    Point("between the collection and the queue's deletion", PUT, "after", target="postgres"),
    Point("between ledger and collection, the facts embedded", PUT, "before", target="chroma"),
    Point("between the collection and the queue's deletion", PUT, "after", target="chroma"),
    Point("in a batch, after its second chunk", PUT, "after", "batch", nth=2, target="chroma"),
    Point("between ledger and collection", INDEX, "before", target="supervisors"),
    Point("in the transaction, before its commit", WRITE, "after", target="everything"),
    InPersist(),
    Point("while it is mended: after what may be a rebuild", INDEX, "before", "mend"),
)

POINTS: tuple[Moment, ...] = (*PROCESS_POINTS, *SERVER_POINTS)
