"""The chat in a terminal: one line a message, the reply as it is made, then what memory did."""

import logging
import shlex
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from rich.console import Console

from agent.context import Context
from agent.extraction_schedule import background_key, catch_up_thread, message_problem, unextracted_utterances
from agent.nodes import summary_of
from agent.providers import NoReply
from agent.settings import read_settings
from agent.state import MemoryChanges
from agent.terminal.app import explained
from agent.terminal.output import cell, counted, printable, quoted
from agent.terminal.tasks import row_of
from agent.terminal.threads import titled_threads
from agent.thread_lock import Graph
from memory.errors import AgentMemoryError, BadInput, cause_of
from memory.ledger.pool import Pool
from memory.store import FactStore
from memory.threads.tasks import active_tasks
from memory.threads.threads import check_thread_is_own, list_threads
from memory.user_memory import UserMemory

log = logging.getLogger(__name__)

HELP = """\
/new          start a new thread; what is remembered stays
/threads      list your threads
/resume ID    go on in one of them; the first characters of its id will do
/tasks        list the tasks that your threads are in the middle of
/memories     show what is remembered about you
/help         show this
/quit         leave (so does Ctrl-D); Ctrl-C breaks off a reply\
"""


@dataclass
class Chat:
    """One person's conversation with the agent."""

    graph: Graph
    saver: AsyncPostgresSaver
    memory: UserMemory
    out: Console
    """Replies and what memory did."""
    err: Console
    """Errors."""
    thread_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    failed: bool = False
    """Whether any message or command came to nothing."""
    _used: dict[str, None] = field(default_factory=dict)
    """The threads in which something was said, in that order."""

    @property
    def pool(self) -> Pool:
        return cast(Pool, self.saver.conn)

    async def handle(self, line: str) -> bool:
        """Carry out one line; False when it was the last."""
        text = line.strip()
        try:
            if text.startswith("/"):
                return await self._command(text)
            if fault := message_problem(text):
                raise BadInput(fault)
            await self._turn(text)
        except NoReply as error:
            self.fail(f"{error} Your message is kept; go on, or ask again.")
        except AgentMemoryError as error:
            self.fail(str(error))
        except Exception as error:
            log.warning("turn failed thread=%r user=%r cause=%s", self.thread_id, self.memory.user_id, cause_of(error))
            self.fail(f"No reply: {explain(error)}")
        return True

    def fail(self, message: str) -> None:
        self.failed = True
        self.err.print(f"error: {printable(message)}", style="red", markup=False, soft_wrap=True)

    async def resume(self, thread_id: str) -> None:
        """Go on in a thread of this user; an id that nobody has used begins one. Raises BadInput."""
        await check_thread_is_own(self.pool, self.memory.user_id, thread_id)
        self.thread_id = thread_id

    async def _command(self, text: str) -> bool:
        name, _, argument = text.partition(" ")
        match name:
            case "/new":
                self.thread_id = str(uuid.uuid4())
                self.note("new thread")
            case "/threads":
                await self._list_threads()
            case "/resume":
                await self._resume_prefix(argument.strip())
            case "/tasks":
                await self._list_tasks()
            case "/memories":
                await self._list_memories()
            case "/help":
                self.out.out(HELP, highlight=False)
            case "/quit":
                return False
            case _:
                raise BadInput(f"Unknown command {quoted(name)}: /help lists them.")
        return True

    async def _turn(self, text: str) -> None:
        """Send one message, show the reply as it is made, and then what memory did."""
        replying = False
        self._used[self.thread_id] = None
        async for node, part in self._stream(text):
            if isinstance(part, BaseMessage):
                self.out.out(printable(str(part.text)), end="", highlight=False)
                replying = True
            elif node == "respond" and replying:
                self.out.out("")
                replying = False
            elif node == "reconcile":
                self._note_changes(part)

    async def finish(self) -> None:
        """Take in what is not remembered yet; say what is left then, and how to go on."""
        try:
            await self._take_in()
        except Exception as error:
            log.warning("not finished user=%r cause=%s", self.memory.user_id, cause_of(error))
            self.fail(explain(error))

    async def _take_in(self) -> None:
        store = cast(FactStore, self.graph.store)
        left = await self._left(store)
        if not left:
            return
        self.note("remembering what was said; Ctrl-C leaves it for `python -m agent catch-up`", self.err)
        failures = await self._take_in_threads(store, left)
        for thread_id, count in (await self._left(store)).items():
            failure = failures.get(thread_id)
            reason = f" ({explained(failure).rstrip('.')})" if isinstance(failure, AgentMemoryError) else ""
            self.fail(
                f"Nothing was learnt yet from {counted(count, 'message')} of thread {thread_id}{reason}: "
                f"`python -m agent catch-up --user {shlex.quote(self.memory.user_id)}` tries again."
            )

    async def _take_in_threads(self, store: FactStore, threads: Iterable[str]) -> dict[str, Exception | None]:
        """Learn from what waits in the threads; why that failed, by thread."""
        if read_settings().extract == "background":
            failed = await store.debouncer.flush()
            return {thread_id: failed.get(background_key(self.memory.user_id, thread_id)) for thread_id in threads}
        failures: dict[str, Exception | None] = {}
        for thread_id in threads:
            try:
                self._note_changes(summary_of(await catch_up_thread(store, self.saver, self.memory, thread_id)))
            except AgentMemoryError as error:
                log.warning("not remembered thread=%r cause=%s", thread_id, cause_of(error))
                failures[thread_id] = error
        return failures

    async def _left(self, store: FactStore) -> dict[str, int]:
        """The threads of this chat in which messages wait to be learnt from, and how many."""
        left = {}
        for thread_id in self._used:
            ids = [str(said.source.message_id) for said in await unextracted_utterances(store, self.saver, thread_id)]
            if waits := await self.memory.learner.unextracted(thread_id, ids):
                left[thread_id] = len(waits)
        return left

    async def _stream(self, text: str) -> AsyncIterator[tuple[str, BaseMessage | MemoryChanges | None]]:
        """Pairs of a node and what it gave: parts of the reply, or the changes it made to memory."""
        stream = self.graph.astream(
            {"messages": [HumanMessage(text, id=str(uuid.uuid4()))]},
            self._config(),
            context=Context(user_id=self.memory.user_id),
            stream_mode=["messages", "updates"],
            durability="sync",  # what was said is in the database before it is answered
        )
        async for mode, payload in cast(AsyncIterator[tuple[str, Any]], stream):  # as `stream_mode` says
            if mode == "messages":
                message, metadata = payload
                if metadata["langgraph_node"] == "respond" and isinstance(message, AIMessage) and message.text:
                    yield "respond", message
            else:
                for node, update in payload.items():
                    yield node, update.get("changes") if isinstance(update, dict) else None

    def _config(self) -> RunnableConfig:
        return {"configurable": {"thread_id": self.thread_id}}

    async def _list_threads(self) -> None:
        threads = await titled_threads(self.saver, self.memory.user_id)
        if not threads:
            self.note("no threads yet")
        for thread, title in threads:
            here = "*" if thread.id == self.thread_id else " "
            self.out.out(f"{here} {thread.id}  {thread.last_at:%Y-%m-%d %H:%M}  {title}", highlight=False)

    async def _resume_prefix(self, prefix: str) -> None:
        if not prefix:
            raise BadInput("Which thread? /resume ID; /threads lists them.")
        found = [t.id for t in await list_threads(self.pool, self.memory.user_id, 1_000) if t.id.startswith(prefix)]
        if len(found) != 1:
            problem = "No thread" if not found else "More than one thread"
            raise BadInput(f"{problem} of yours begins with {quoted(prefix)}: /threads lists them.")
        await self.resume(found[0])
        self.note(f"thread {self.thread_id}")

    async def _list_tasks(self) -> None:
        tasks = await active_tasks(self.pool, self.saver.serde, self.memory.user_id)
        if not tasks:
            self.note("no task is open")
        for entry in tasks:
            here = "*" if entry.thread_id == self.thread_id else " "
            self.out.out(f"{here} {'  '.join(map(cell, row_of(entry)))}", highlight=False)

    async def _list_memories(self) -> None:
        facts = await self.memory.current()
        if not facts:
            self.note("nothing is remembered yet")
        for fact in facts:
            self.out.out(f"- {printable(fact.text)}  ({fact.category}, {fact.observed_at:%Y-%m-%d})", highlight=False)

    def _note_changes(self, changes: MemoryChanges | BaseMessage | None) -> None:
        if line := changes_line(changes):
            self.note(line)

    def note(self, line: str, on: Console | None = None) -> None:
        """A dim line that is not the agent's words."""
        (on or self.out).print(printable(line), style="dim", markup=False, highlight=False, soft_wrap=True)


def changes_line(changes: MemoryChanges | BaseMessage | None) -> str:
    """ "remembered: lives in Austin; retired: lives in San Francisco"; "" when nothing changed."""
    if not changes or isinstance(changes, BaseMessage):
        return ""
    shown = {
        "remembered": changes["added"],
        "remembered as history": changes["history"],
        "known already": changes["reinforced"],
        "retired": changes["retired"],
    }
    return "; ".join(f"{verb}: {', '.join(map(lower_first, texts))}" for verb, texts in shown.items() if texts)


def lower_first(text: str) -> str:
    """The text with a small first letter, unless its first word is an abbreviation or a name in capitals."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


DATABASE_ERRORS = {"OperationalError", "PoolTimeout"}


def explain(error: Exception) -> str:
    """An error of a turn as a sentence, without what was said in it."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if "DiskFull" in names:
        return "the disk of the database is full; what you wrote may not be saved."
    if DATABASE_ERRORS.intersection(names):
        return "the database does not answer; what you wrote may not be saved."
    return f"{names[0]} from a part of the turn; LOG_LEVEL=WARNING shows where."
