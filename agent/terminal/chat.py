"""The chat in a terminal: one line a message, the reply as it is generated, then what memory did."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from langchain_core.messages import AIMessage, HumanMessage
from rich.console import Console

from agent.agent_graph import Graph
from agent.context import Context
from agent.identity import AgentStore
from agent.providers import NoReply
from agent.state import MemoryChanges, memory_changes
from agent.terminal.app import explained, failure_of
from agent.terminal.change import kept_line
from agent.terminal.output import (
    cell,
    changes_line,
    counted,
    day_of,
    dropped_line,
    held_line,
    local_zone,
    minute_of,
    own_command,
    printable,
)
from agent.terminal.threads import task_row, titled_threads
from agent.turn.extraction_schedule import catch_up_thread, message_problem, waiting_utterances
from memory.errors import AgentMemoryError, BadInput, Unavailable, cause_of, quoted
from memory.extraction.extract import ExtractionFailed
from memory.extraction.utterances import SAID_AT
from memory.facts.changes import Changes, Held
from memory.ledger.locks import answered
from memory.ledger.rows import stored_id
from memory.ledger.waiting import within
from memory.logs import Event
from memory.threads.saver import ThreadSaver
from memory.threads.tasks import active_tasks
from memory.threads.threads import background_thread, list_threads
from memory.user_memory import UserMemory

log = logging.getLogger(__name__)

HELP = """\
/new          start a new thread; memories are kept
/threads      list your threads
/resume ID    continue one of them; the first characters of its id are enough
/tasks        list the open tasks of your threads
/memories     show what is known about you
/held         show what is held back as doubtful; /held keep N, /held drop N and /held drop all decide
/help         show this list
/quit         leave, as Ctrl-D does; Ctrl-C stops a reply\
"""


@dataclass
class Chat:
    """One person's conversation with the agent."""

    graph: Graph
    saver: ThreadSaver
    memory: UserMemory
    out: Console  # for replies and what memory did
    err: Console  # for errors
    thread_id: str
    failed: bool = False  # whether any message or command failed
    _used: dict[str, None] = field(default_factory=dict)  # the threads in which something was said, in order
    _busy: bool = False  # with a line: what is learned in the background meanwhile is printed after it
    _learned: list[Changes] = field(default_factory=list)  # by extractions in the background; not printed yet
    _held: list[Held] = field(default_factory=list)  # the last list of it, by whose numbers it is kept or dropped

    def __post_init__(self) -> None:
        self.store.learned_later = self._note_later

    @property
    def store(self) -> AgentStore:
        return cast(AgentStore, self.graph.store)

    async def handle(self, line: str) -> bool:
        """Carry out one line; returns False for the last one."""
        self._busy = True
        try:
            return await self._carried_out(line.strip())
        finally:
            self._busy = False
            self._note_learned()

    async def _carried_out(self, text: str) -> bool:
        try:
            if text.startswith("/"):
                return await answered(self._command(text))
            if problem := message_problem(text, self.store.settings.max_message_chars):
                raise BadInput(problem)
            await self._turn(text)
        except NoReply as error:
            self.fail(f"{error} Your message is kept; go on, or ask again.")
        except AgentMemoryError as error:
            self.fail(str(error))
        except asyncio.CancelledError:
            self.out.out("")  # ends the line of the reply
            raise
        except Exception as error:
            ids = {"thread": self.thread_id, "user": self.memory.user_id}
            log.warning(Event("turn failed", **ids, cause=cause_of(error)))
            self.fail(f"No reply: {turn_failure(error)}")
        return True

    def fail(self, message: str) -> None:
        self.failed = True
        self.err.print(f"error: {printable(message)}", style="red", markup=False, soft_wrap=True)

    def note(self, line: str, console: Console | None = None) -> None:
        (console or self.out).print(printable(line), style="dim", markup=False, highlight=False, soft_wrap=True)

    async def _command(self, text: str) -> bool:
        name, _, argument = text.partition(" ")
        marks, user, lines, empty = {self.thread_id: "*"}, self.memory.user_id, list[str](), ""
        match name:
            case "/new":
                self.thread_id = str(uuid.uuid4())
                self.note("new thread")
            case "/threads":
                threads, empty = await titled_threads(self.saver, user), "no threads yet"
                lines = [f"{marks.get(t.id, ' ')} {t.id}  {minute_of(t.last_at)}  {title}" for t, title in threads]
            case "/resume":
                await self._resume_prefix(argument.strip())
            case "/tasks":
                tasks, empty = await active_tasks(self.saver.pool, self.saver.serde, user), "no task is open"
                lines = [f"{marks.get(t.thread_id, ' ')} {'  '.join(map(cell, task_row(t)))}" for t in tasks]
            case "/memories":
                facts, empty = await self.memory.current(), "no facts yet"
                lines = [f"- {printable(f.text)}  ({f.category}, {day_of(f.observed_at)})" for f in facts]
            case "/held":
                lines, empty = await self._decided(argument.split()), "nothing is held back"
            case "/help":
                lines = [HELP]
            case "/quit":
                return False
            case _:
                raise BadInput(f"Unknown command {quoted(name)}: /help lists them.")
        for line in lines:
            self.out.out(line, highlight=False)
        if empty and not lines:
            self.note(empty)
        return True

    async def _decided(self, arguments: list[str]) -> list[str]:
        """Keep or drop what has these numbers in the last list of what is held back; without arguments, a new list."""
        if not arguments:
            self._held = await self.memory.held()
            return [f"{n}  {cell(str(item))}  {cell(item.quote)!r}" for n, item in enumerate(self._held, 1)]
        if arguments == ["drop", "all"]:
            what, ids = "drop", [item.id for item in await self.memory.held()]
        else:
            what, *numbers = arguments
            by_number = {str(n): item.id for n, item in enumerate(self._held, 1)}
            if what not in ("keep", "drop") or not numbers or not by_number.keys() >= {*numbers}:
                raise BadInput("Write /held keep N, /held drop N or /held drop all, with numbers that /held shows.")
            ids = [by_number[number] for number in numbers]
        if what == "keep":
            return [printable(kept_line(await self.memory.keep_held(ids)))]
        return [f"{len(await self.memory.drop_held(ids))} dropped"]

    async def _resume_prefix(self, prefix: str) -> None:
        if not prefix:
            raise BadInput("Which thread? /resume ID; /threads lists them.")
        threads = await list_threads(self.saver.pool, self.memory.user_id, 1_000)
        found = [thread.id for thread in threads if thread.id.startswith(prefix)]
        if len(found) != 1:
            problem = "No thread" if not found else "More than one thread"
            raise BadInput(f"{problem} of yours begins with {quoted(prefix)}: /threads lists them.")
        self.thread_id = found[0]
        self.note(f"thread {self.thread_id}")

    async def _turn(self, text: str) -> None:
        """Send one message, print the reply as it is generated, and then what memory did."""
        self._used[self.thread_id] = None
        said_at = {SAID_AT: datetime.now(local_zone()).isoformat()}
        stream = self.graph.astream(
            {"messages": [HumanMessage(text, id=str(uuid.uuid4()), additional_kwargs=said_at)]},
            {"configurable": {"thread_id": self.thread_id}},
            context=Context(user_id=self.memory.user_id),
            stream_mode=["messages", "updates"],
            durability="sync",  # the message is in the database before it is answered
        )
        shown = ""  # the notice; the one after extraction begins with that of the reply
        replying = ""  # the node that streams the reply: model calls tagged "nostream" are not among the messages
        async for mode, payload in cast(AsyncIterator[tuple[str, Any]], stream):  # as `stream_mode` says
            if mode == "messages":
                message, metadata = payload
                if isinstance(message, AIMessage) and message.text:
                    self.out.out(printable(message.text), end="", highlight=False)
                    replying = metadata["langgraph_node"]
                continue
            if replying in payload:
                self.out.out("")
                replying = ""
            for update in payload.values():  # by node
                if isinstance(update, dict):
                    if notice := update.get("notice"):
                        self.note(notice.removeprefix(shown).strip())
                        shown = notice
                    self._note_changes(update.get("changes"))

    def _note_changes(self, changes: MemoryChanges | None) -> None:
        if changes:
            for line in filter(None, (changes_line(changes), held_line(changes, "/held"), dropped_line(changes))):
                self.note(line)

    def _note_later(self, changes: Changes) -> None:
        """Print what an extraction in the background has changed, but not into a reply."""
        self._learned.append(changes)
        if not self._busy:
            self._note_learned()

    def _note_learned(self) -> None:
        while self._learned:
            self._note_changes(memory_changes(self._learned.pop(0)))

    async def finish(self) -> None:
        """Extract what waits in the threads of this chat, as far as it ends within AFTER_REPLY_TIMEOUT; report what is
        left, and how to go on."""
        again = own_command("catch-up", self.memory.user_id)
        try:
            if waiting := await answered(self._waiting()):
                self.note(f"learning from what was said; Ctrl-C leaves that to {again}", self.err)
                failures = await self._extract_in_time(waiting)
                for thread_id, count in (await answered(self._waiting())).items():
                    failure = failures.get(thread_id)
                    reason = f" ({explained(failure).rstrip('.')})" if isinstance(failure, AgentMemoryError) else ""
                    left = f"Nothing was learned yet from {counted(count, 'message')} of thread {thread_id}{reason}"
                    self.fail(f"{left}: {again} tries again.")
            if given_up := await answered(self._given_up()):
                command = own_command("given-up", self.memory.user_id)
                self.note(f"no facts could be taken from {counted(given_up, 'message')}: see {command}", self.err)
        except Unavailable as error:
            self.fail(f"{error} {again} learns from what waits.")
        except Exception as error:
            log.warning(Event("chat not finished", user=self.memory.user_id, cause=cause_of(error)))
            self.fail(turn_failure(error))

    async def _waiting(self) -> dict[str, int]:
        """The threads of this chat in which messages wait to be extracted, and how many."""
        waiting, max_chars = {}, self.store.settings.max_message_chars
        for thread_id in self._used:
            said = await waiting_utterances(self.store, self.saver, thread_id, max_chars)
            ids = [str(utterance.source.message_id) for utterance in said]
            if due := await self.memory.learner.unextracted(thread_id, ids):
                waiting[thread_id] = len(due)
        return waiting

    async def _given_up(self) -> int:
        """How many messages of this chat's threads were given up."""
        used = {stored_id(thread_id) for thread_id in self._used}
        return sum(entry.thread_id in used for entry in await self.memory.given_up()) if used else 0

    async def _extract_in_time(self, thread_ids: Iterable[str]) -> dict[str, Exception]:
        """Learn from what waits in the threads; the errors by thread."""
        seconds, failures = self.store.settings.after_reply_timeout, dict[str, Exception]()
        try:
            await within(seconds, self._extract(thread_ids, failures))
        except TimeoutError:
            late = Unavailable(f"it takes longer than AFTER_REPLY_TIMEOUT, {seconds:g} s")
            failures = dict.fromkeys(thread_ids, late) | failures
        return failures

    async def _extract(self, thread_ids: Iterable[str], failures: dict[str, Exception]) -> None:
        """Learn from what waits in one thread after the other, and add the errors to `failures`."""
        settings = self.store.settings
        if settings.extract == "background":
            failed = await self.store.debouncer.flush()
            keys = {background_thread(self.memory.user_id, thread_id): thread_id for thread_id in thread_ids}
            failures |= {keys[key]: error for key, error in failed.items() if key in keys}
            return
        for thread_id in thread_ids:
            try:
                max_chars = settings.max_message_chars
                changes = await catch_up_thread(self.store, self.saver, self.memory, thread_id, max_chars)
                self._note_changes(memory_changes(changes))
            except AgentMemoryError as error:
                log.warning(Event("not extracted", thread=thread_id, cause=cause_of(error)))
                failures[thread_id] = error
                if isinstance(error, ExtractionFailed):
                    self._note_changes(memory_changes(error.learned))


def turn_failure(error: Exception) -> str:
    """An error of a turn as a sentence, without what was said in it."""
    if (failure := failure_of(error)) and "database" in failure:
        return f"{failure} What you wrote may not be saved."
    return failure or f"{type(error).__name__} in a part of the turn; LOG_LEVEL=WARNING shows where."
