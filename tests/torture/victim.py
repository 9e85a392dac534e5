"""The process that is killed: it repairs what the previous one left, reports its findings, and runs until it is killed.

It runs the agent as the terminal does, on a data directory. It reports each change that a user can see at the moment
the user can see it. It is forked from a process that has imported everything, because that takes 4 s.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata

import memory.index.chroma
import memory.index.queue
from agent.agent_graph import CompiledAgentGraph, Graph
from agent.context import Context
from agent.identity import AgentStore
from agent.persistence import open_checkpointer, open_store
from agent.state import BackgroundInput, BackgroundOutput, BackgroundState, MemoryChanges
from agent.turn.extraction_schedule import background_input, unextracted_messages
from graphs.background_extraction import builder as background_builder
from graphs.chat import builder
from memory.embedded.connect import ServerName, embedded_servers
from memory.errors import cause_of
from memory.extraction.answer import Extraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance, utterances_of
from memory.facts.fact import Fact, Source, fact_id, owner_key, utc_now
from memory.facts.portable import dump
from memory.threads.saver import ThreadSaver
from memory.threads.threads import background_thread
from memory.user_memory import UserMemory
from tests.conversation import config_of
from tests.torture.points import Moment, Part
from tests.torture.script import BATCH, candidates, facts_of, home, items

CHUNK = 4
"""Facts sent to the index at a time, so that a batch has several chunks."""
PERSIST = 12
"""Writes after which Chroma persists, so that it does in each round."""
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
"""When the batch was said: before the turns, so that its home city is an older statement that arrives late."""
log = logging.getLogger(__name__)

BackgroundGraph: TypeAlias = CompiledAgentGraph[BackgroundState, Context, BackgroundInput, BackgroundOutput]

AckKind = Literal["kept", "shown", "remembered", "retired"]


@dataclass(frozen=True)
class Ack:
    """An acknowledgement to a user: a message was saved or answered, or a fact remembered or retired (`text`)."""

    kind: AckKind
    text: str


@dataclass(frozen=True)
class Row:
    """A fact as stored in the ledger."""

    id: str
    text: str
    attribute: str
    observed_at: datetime
    is_current: bool
    successor: str | None


@dataclass(frozen=True)
class Findings:
    """What a new process finds of a round, after one more message in each of its threads."""

    messages: dict[str, list[str]]
    """Thread -> texts of its messages, in order."""
    rows: list[Row]
    recalled: set[str]
    """Texts of current facts that a search for them finds."""
    indexed: set[str]
    """Ids that a search of the index finds as current."""
    queued: int
    """Facts that are still queued for the index."""


@dataclass(frozen=True)
class Orders:
    """What a victim has to do."""

    directory: str
    environment: dict[str, str]
    number: int
    """The number of the round. Each round has its own user."""
    repair: tuple[int, ...]
    """The previous rounds that this process repairs."""
    moment: Moment | None
    """When something is killed; None for a process that only repairs."""


@dataclass
class Round:
    """The user of one round, and everything that this user does."""

    number: int
    graph: Graph
    store: AgentStore
    connection: Connection

    @property
    def user(self) -> str:
        return f"user {self.number}"

    @property
    def background_graph(self) -> BackgroundGraph:
        """The graph that a server runs in the background."""
        return background_builder.compile(checkpointer=self.graph.checkpointer, store=self.store)

    @property
    def memory(self) -> UserMemory:
        return UserMemory(self.store, self.user)

    def name(self, thing: str) -> str:
        """A word that is unique in the data directory."""
        return f"{thing}{self.number}"

    def thread(self, name: str) -> str:
        return f"{self.number}-{name}"

    async def turn(self, thread: str, text: str) -> None:
        """Send one message and follow the stream to its end, as a client does."""
        stream = self.graph.astream(
            {"messages": [HumanMessage(text)]},
            config_of(self.thread(thread)),
            context=Context(user_id=self.user),
            stream_mode=["messages", "updates"],
            durability="sync",
        )
        async for mode, payload in stream:
            if mode == "messages":
                message, _ = cast(tuple[Any, Any], payload)
                if isinstance(message, AIMessage):
                    await show(str(message.text))
                continue
            for node, update in cast(dict[str, dict[str, Any] | None], payload).items():
                if node == "respond":
                    self.tell("shown", text)
                if changes := cast(MemoryChanges | None, (update or {}).get("changes")):
                    self.tell("remembered", *changes["added"])
                    self.tell("retired", *changes["retired"])

    async def background(self) -> None:
        """Send a message that is extracted later by the background graph, in a background thread."""
        inline = self.store.settings
        self.store.settings = inline.model_copy(update={"extract": "background", "extract_after": 3600})
        try:
            await self.turn("b", items(self.name("later")))
        finally:
            self.store.settings = inline
        thread, graph = self.thread("b"), self.background_graph
        state = (await self.graph.aget_state(config_of(thread))).values
        said = unextracted_messages(state)
        given: Any = background_input(thread, utterances_of(said, utc_now(), thread), utc_now())
        config, context = config_of(background_thread(self.user, thread)), Context(user_id=self.user)
        await graph.ainvoke(given, config, context=context)
        if not await self.memory.learner.unextracted(thread, [str(message.id) for message in said]):
            self.tell("remembered", *(fact for message in said for fact in facts_of(str(message.text))))

    async def learn_batch(self) -> None:
        """Learn many facts at once, one of which changes the home city."""
        text = f"{home(self.name('batchcity'))} {items(*(self.name(f'batch{n}of') for n in range(BATCH - 1)))}"
        source = Source(thread_id=self.thread("batch"), message_id=self.name("batch"))
        said = Utterance(text=text, said_at=EPOCH, source=source)
        extraction = Extraction.model_validate({"facts": list(candidates(text)), "retracted": []})
        changes = await self.memory.learner.learn(Extracted([said], [], extraction, utc_now()))
        self.tell("remembered", *facts_of(text))  # even if they were known before
        self.tell("retired", *(fact.text for fact in changes.retired))

    async def import_batch(self) -> None:
        """Import an export that was made elsewhere."""
        texts = [f"Owns {self.name(f'import{n}of')}" for n in range(BATCH)]
        await self.memory.import_(dump([self._imported(text) for text in texts], {}, []))
        self.tell("remembered", *texts)

    def _imported(self, text: str) -> Fact:
        source = Source(thread_id=self.thread("elsewhere"), message_id=text)
        identifier = fact_id(self.user, source, text)
        return Fact(
            id=identifier, key=identifier, text=text, attribute="owns", source=source, observed_at=EPOCH,
            recorded_at=EPOCH,
        )  # fmt: skip

    def tell(self, kind: AckKind, *texts: str) -> None:
        for text in texts:
            self.connection.send(Ack(kind, text))

    async def run(self, moment: Moment, pids: Sequence[int]) -> None:
        """Do everything that a user does in a round. At `moment`, `pids` are killed; nothing is repeated."""
        parts: list[tuple[Part | None, Any]] = [
            (None, lambda: self.turn("a", home(self.name("first")))),
            ("turn", lambda: self.turn("b", f"{home(self.name('second'))} {items(self.name('x'), self.name('y'))}")),
            ("background", self.background),
            ("batch", self.learn_batch),
            ("import", self.import_batch),
            (None, lambda: self.turn("a", home(self.name("third")))),
        ]
        for part, act in parts:
            if part == moment.part:
                moment.arm(pids)
            try:
                await act()
            except Exception as error:  # a server was killed: the user sees an error and goes on
                log.warning("not done part=%s cause=%s", part, cause_of(error))

    async def repair(self, by: int) -> Findings:
        """Send one more message in each thread and repeat the batches, like a user who got no answer; then report.

        `by` is the number of the round whose process repairs. If that process is killed, the next one repairs."""
        for thread in ("a", "b"):
            await self.turn(thread, items(self.name(f"after{by}{thread}of")))
        await self.learn_batch()
        await self.import_batch()
        return await self.findings()

    async def findings(self) -> Findings:
        messages = {}
        for thread in ("a", "b"):
            state = await self.graph.aget_state(config_of(self.thread(thread)))
            messages[thread] = [str(message.text) for message in state.values.get("messages", [])]
        current = await self.memory.current()
        found = await asyncio.gather(*(self.memory.search(fact.text, limit=len(current)) for fact in current))
        recalled = {
            fact.text for fact, hits in zip(current, found, strict=True) if fact.id in {hit.fact.id for hit in hits}
        }
        facts = await self.memory.all()
        return Findings(messages, rows_of(facts, current), recalled, await self._indexed(), await self._queued())

    async def _indexed(self) -> set[str]:
        """What searches of the index find, whatever they look for."""
        (vector,) = await self.store.embedder.embed(["city"])
        return {*await self.store.index.search(owner_key(self.user), vector, 1_000)}

    async def _queued(self) -> int:
        async with self.store.pool.connection() as connection:
            cursor = await connection.execute(
                "select count(*) as n from memory.index_queue where owner = %s", (owner_key(self.user),)
            )
            row = await cursor.fetchone()
            return int(row["n"]) if row else 0


def rows_of(facts: Iterable[Fact], current: Iterable[Fact]) -> list[Row]:
    """The facts as rows for the judge."""
    ids = {fact.id for fact in current}
    return [Row(f.id, f.text, f.attribute, f.observed_at, f.id in ids, f.successor) for f in facts]


async def show(token: str) -> None:
    """Called with each token of the reply that reaches the user, as a point to kill at."""


@asynccontextmanager
async def opened(connection: Connection) -> AsyncIterator[tuple[Graph, AgentStore]]:
    """The graph and the store, as the terminal opens them. Each message is acknowledged after its commit."""
    save, acknowledged = ThreadSaver.aput, set[str]()

    async def aput(
        self: ThreadSaver,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        saved = await save(self, config, checkpoint, metadata, new_versions)
        for message in checkpoint["channel_values"].get("messages", []):
            if message.id not in acknowledged:
                acknowledged.add(message.id)
                connection.send(Ack("kept", str(message.text)))
        return saved

    ThreadSaver.aput = aput  # type: ignore[method-assign]  # in this process only
    async with open_checkpointer() as saver, open_store() as store:
        yield builder.compile(checkpointer=saver, store=store), store


def live(connection: Connection, orders: Orders) -> None:
    """Run a victim from its orders to its end."""
    os.environ.update(orders.environment)
    os.chdir(orders.directory)
    logging.basicConfig(
        filename="victims.log", level="INFO", format="%(asctime)s %(process)d %(levelname)s %(message)s"
    )
    memory.index.queue.PAGE = CHUNK
    memory.index.chroma.SYNC_THRESHOLD = PERSIST
    try:
        asyncio.run(_live(connection, orders))
    except Exception:
        log.exception("a victim failed")


async def _live(connection: Connection, orders: Orders) -> None:
    repairs_only = orders.moment is None or orders.moment.part == "repair"
    if orders.moment and repairs_only:
        orders.moment.arm([os.getpid()])
    async with opened(connection) as (graph, store):
        for number in orders.repair:
            connection.send(await Round(number, graph, store, connection).repair(orders.number))
        if orders.moment is None or repairs_only:
            return
        pids = await asyncio.to_thread(connection.recv)  # sent after the judge has seen the findings
        await Round(orders.number, graph, store, connection).run(orders.moment, pids)


def hold(connection: Connection, directory: str, servers: Sequence[ServerName]) -> None:
    """Use these servers of a data directory until the connection closes, as another terminal would."""

    async def use() -> None:
        async with embedded_servers(Path(directory), frozenset(servers)):
            connection.send(True)
            with suppress(EOFError):
                await asyncio.to_thread(connection.recv)

    asyncio.run(use())
