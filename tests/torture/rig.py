"""Runs the torture test: a data directory with its servers, a scripted model, and one victim process after another.

Each victim repairs what the previous one left, is judged, and is then killed. The last victim only repairs.
"""

import multiprocessing
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from agent.settings import Settings
from memory.embedded.connect import ServerName
from memory.index.protocol import Backend
from tests.openai_server import ScriptedOpenAI
from tests.processes import alive, processes, server_pid
from tests.redis_server import RedisProcess, kept_running
from tests.torture import script
from tests.torture.judge import Fault, judge
from tests.torture.points import AtRandom, Moment, Target, strike
from tests.torture.victim import Ack, Findings, Orders, hold, live

ANSWER_TIMEOUT = 120
"""Seconds that a victim may take until its next message."""


@dataclass
class Outcome:
    """One kill and its result."""

    number: int
    moment: Moment
    acks: list[Ack] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    struck: bool = False
    """Whether something was killed. The victim may have ended before a random moment."""


class Rig:
    """A context manager that keeps the servers running while it is open, whatever is killed."""

    def __init__(self, directory: Path, backend: Backend = "chroma") -> None:
        self.directory, self._backend = directory, backend
        self._servers: list[ServerName] = ["postgres", "chroma"] if backend == "chroma" else ["postgres"]
        self.data = directory / "data"
        self._redis: RedisProcess | None = None
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.torture.loaded"])

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            model = stack.enter_context(ScriptedOpenAI())
            model.defaults |= {"extraction": script.extraction, "reply": script.reply}
            self._environment = dict.fromkeys((name.upper() for name in Settings.model_fields), "") | {
                "DATA_DIR": str(self.data),
                "INDEX": self._backend,
                "EMBEDDED_IDLE_TIMEOUT": "0",
                "OPENAI_API_KEY": "test",
                "OPENAI_BASE_URL": model.url,
                "CHAT_MODEL": "openai:scripted",
                "LANGSMITH_TRACING": "false",
            }
            if self._backend == "redis":
                # It loads what it saved a second ago, or earlier, after each kill.
                self._redis = stack.enter_context(kept_running(self.directory / "redis", "--save", "1 1"))
                self._environment["REDIS_URL"] = self._redis.url
            holder, connection = self._start(hold, str(self.data), self._servers)
            stack.callback(holder.join)
            stack.callback(connection.close)
            if not connection.poll(ANSWER_TIMEOUT):
                raise TimeoutError(f"The servers did not start: see {self.data}/*/server.log.")
            connection.recv()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def torture(self, moments: Iterable[Moment], progress: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
        """Kill at each of the moments, in order; `progress` gets each outcome once it is judged."""
        outcomes: list[Outcome] = []
        waiting: list[Outcome] = []
        for number, moment in enumerate(moments):
            outcomes.append(Outcome(number, moment))
            waiting = self._next(waiting, outcomes[-1], progress)
        self._next(waiting, None, progress)
        return outcomes

    def _next(
        self, waiting: list[Outcome], outcome: Outcome | None, progress: Callable[[Outcome], None]
    ) -> list[Outcome]:
        """Run one victim: it repairs the waiting rounds, and is then killed. Returns the rounds to repair next."""
        moment = outcome.moment if outcome else None
        number = outcome.number if outcome else 0
        orders = Orders(str(self.directory), self._environment, number, tuple(o.number for o in waiting), moment)
        process, connection = self._start(live, orders)
        with connection:
            if outcome and moment and moment.part == "repair":
                with self._killing(outcome, process, [process.pid or 0]):
                    waiting = self._judge(connection, waiting, progress)
                progress(outcome)
                return waiting
            for lost in self._judge(connection, waiting, progress):
                lost.faults.append(Fault("lost", "the agent does not start any more"))
                progress(lost)
            if outcome:
                pids = self._pids(outcome.moment.target, process)
                with self._killing(outcome, process, pids), suppress(BrokenPipeError, ConnectionResetError):
                    connection.send(pids)
                    self._listen(connection, outcome)
            process.join()
        return [outcome] if outcome else []

    def _judge(
        self, connection: Connection, waiting: list[Outcome], progress: Callable[[Outcome], None]
    ) -> list[Outcome]:
        """Judge the rounds that a victim repairs. Returns those that it did not reach before it was killed."""
        for done, outcome in enumerate(waiting):
            findings = self._listen(connection, outcome)
            if findings is None:
                return waiting[done:]
            outcome.faults += judge(outcome.acks, findings)
            progress(outcome)
        return []

    @contextmanager
    def _killing(self, outcome: Outcome, process: BaseProcess, pids: list[int]) -> Iterator[None]:
        """Kill `pids` at the moment of `outcome`, and leave the block after the victim has ended."""
        moment = outcome.moment
        clock = threading.Timer(moment.seconds, strike, [pids]) if isinstance(moment, AtRandom) else None
        if clock:
            clock.start()
        yield
        process.join()
        if clock and process.pid in pids:
            clock.cancel()  # its pid may be reused by now
        elif clock:
            clock.join()
        outcome.struck = process.exitcode != 0 if process.pid in pids else not alive(pids)
        if not clock and not outcome.struck:
            outcome.faults.append(Fault("wrong", "the moment was not reached"))

    def _pids(self, target: Target, victim: BaseProcess) -> list[int]:
        """The pids to kill, the victim's last. A server is killed with its supervisor, which
        would restart it with growing delays."""
        servers = self._servers
        if target in ("postgres", "index"):
            servers = [name for name in servers if (name == "postgres") == (target == "postgres")]
        elif target == "process":
            servers = []
        redis = [self._redis.process.pid] if self._redis and target in ("index", "everything") else []
        pids = [] if target == "supervisors" else [*redis, *(server_pid(self.data, name) for name in servers)]
        pids += [pid for name in servers for pid in processes(self.data / name, "memory.embedded.supervisor")]
        if target in ("process", "everything") and victim.pid:
            pids.append(victim.pid)
        return pids

    def _listen(self, connection: Connection, outcome: Outcome) -> Findings | None:
        """Collect what a victim reports, until its findings or its death. Raises TimeoutError if it hangs."""
        while connection.poll(ANSWER_TIMEOUT):
            try:
                report = connection.recv()
            except (EOFError, ConnectionResetError):  # the latter if it was killed before it had read what was sent
                return None
            if isinstance(report, Findings):
                return report
            outcome.acks.append(report)
        raise TimeoutError(
            f"No message for {ANSWER_TIMEOUT} s ({outcome.moment}): see {self.directory / 'victims.log'}."
        )

    def _start(self, life: Callable[..., None], *arguments: object) -> tuple[BaseProcess, Connection]:
        """Fork a process from one that has imported everything, and return it with the connection to it."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=life, args=(theirs, *arguments), daemon=True)
        process.start()
        theirs.close()
        return process, ours
