"""No user sees or changes the memory of another: the results of random operations are compared with a Python model."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from agent.persistence import open_store
from memory.errors import BadInput
from memory.extraction.answer import Extraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.fact import Source, owner_key, utc_now
from memory.items.item import facts_namespace
from memory.items.store import FactStore
from memory.language.text import same_words
from memory.user_memory import UserMemory
from tests.conversation import candidate

USERS = [
    "ada", "ad", "ada.", "ada%", "ad_", "ADA", "\u0430da", "ada ", "ada\n", "a'b\"; drop table facts", "🦊", "%", "*",
    "-", "facts", "..", "x" * 990, "x" * 989 + "y", "😀" * 990,
]  # fmt: skip
"""Prefixes of each other, look-alikes, and characters with a meaning in SQL, LIKE, namespaces and paths."""

TEXTS = ["Lives in Lima", "Lives in Rome", "Likes tea", "Likes jazz", "Is vegan"]
KEYS = ["a", "b", "a.b", "%"]

Kind = Literal["put", "delete", "learn", "search", "forget", "forget category", "forget everything", "import"]


@dataclass(frozen=True)
class Operation:
    kind: Kind
    user: int
    other: int
    """For an import: the user whose export it is."""
    key: str
    text: str
    message: int


KINDS: list[Kind] = [
    "put", "put", "put", "learn", "learn", "learn", "delete", "search", "search", "forget", "forget category",
    "forget everything", "import", "import",
]  # fmt: skip
"""Repeated according to how often each is drawn. Frequent deletions would leave too few facts to mix up."""

PLAYERS = 4
"""The number of users in one example."""

players = st.permutations(USERS).map(lambda users: users[:PLAYERS])
operations = st.lists(
    st.builds(
        Operation,
        kind=st.sampled_from(KINDS),
        user=st.integers(0, PLAYERS - 1),
        other=st.integers(0, PLAYERS - 1),
        key=st.sampled_from(KEYS),
        text=st.sampled_from(TEXTS),
        message=st.integers(0, 3),
    ),
    min_size=20,
    max_size=40,
)


PHASES = [Phase.explicit, Phase.generate]
"""No shrinking: it would take minutes, and an example is readable without it."""


def slot_of(text: str) -> str:
    return "home city" if text.startswith("Lives") else "likes"


def category_of(text: str) -> str:
    return "location" if text.startswith("Lives") else "preference"


@dataclass
class Expected:
    """What a user's memory should hold."""

    current: dict[str, str] = field(default_factory=dict)
    """Key -> text."""
    retired: list[str] = field(default_factory=list)
    """Texts of the history."""
    extracted: set[int] = field(default_factory=set)

    def retire(self, key: str) -> None:
        self.retired.append(self.current.pop(key))

    def add(self, key: str, text: str) -> None:
        for other in [k for k, t in self.current.items() if k == key or slot_of(text) == slot_of(t) == "home city"]:
            self.retire(other)
        self.current[key] = text

    def drop_category(self, category: str) -> None:
        self.current = {key: text for key, text in self.current.items() if category_of(text) != category}
        self.retired = [text for text in self.retired if category_of(text) != category]


class World:
    """All users of one example, and what each memory should hold."""

    def __init__(self, store: FactStore, users: Sequence[str]) -> None:
        self.store = store
        self.memories = [UserMemory(store, user) for user in users]
        self.expected = [Expected() for _ in users]

    async def do(self, op: Operation) -> None:
        memory, expected = self.memories[op.user], self.expected[op.user]
        space = facts_namespace(memory.user_id)
        match op.kind:
            case "put":
                if expected.current.get(op.key) != op.text:
                    expected.add(op.key, op.text)
                await self.store.aput(space, op.key, value_of(op.text))
            case "delete":
                if op.key in expected.current:
                    expected.retire(op.key)
                await self.store.adelete(space, op.key)
            case "learn":
                await self.learn(memory, expected, op)
            case "search":
                hits = [hit.fact for hit in await memory.search(op.text)]
                assert {(fact.key, fact.text) for fact in hits} <= set(expected.current.items())
                assert any(same_words(op.text) == same_words(fact.text) for fact in hits) == (
                    op.text in expected.current.values()
                )
            case "forget":
                for fact in [fact for fact in await memory.current() if fact.text == op.text][:1]:
                    del expected.current[fact.key]
                    assert await memory.forget(fact=fact.id) == 1
            case "forget category":
                expected.drop_category(category_of(op.text))
                await memory.forget(category="location" if op.text.startswith("Lives") else "preference")
            case "forget everything":
                self.expected[op.user] = Expected()
                await memory.forget_everything()
            case "import":
                await self.import_(op)

    async def learn(self, memory: UserMemory, expected: Expected, op: Operation) -> None:
        source = Source(thread_id="t", message_id=str(op.message))
        said = Utterance(text=op.text, said_at=utc_now(), source=source)
        values = {"exclusive": slot_of(op.text) == "home city", "category": category_of(op.text)}
        fact = candidate(op.text, op.text, slot_of(op.text), **values)
        extraction = Extraction.model_validate({"facts": [fact], "retracted": []})
        changes = await memory.learner.learn(Extracted([said], [], extraction, utc_now()))
        if op.message not in expected.extracted:
            expected.extracted.add(op.message)
            if op.text not in expected.current.values():
                expected.add(changes.added[0].key, op.text)

    async def import_(self, op: Operation) -> None:
        """Import one user's export into the memory of another, including facts with the same ids."""
        memory, expected, theirs = self.memories[op.user], self.expected[op.user], self.expected[op.other]
        before = {fact.id for fact in await memory.all()}
        lines = [line async for line in self.memories[op.other].export()]
        brought = {fact.id for fact in await self.memories[op.other].all()}
        await memory.import_(lines)
        facts = await memory.all()
        assert {fact.id for fact in facts} == before | brought
        current = {fact.key: fact.text for fact in facts if fact.retired_at is None}
        assert set(current.values()) <= set(expected.current.values()) | set(theirs.current.values())
        retired = [fact.text for fact in facts if fact.retired_at]
        self.expected[op.user] = Expected(current, retired, expected.extracted | theirs.extracted)

    async def check_ledger(self) -> None:
        for memory, expected in zip(self.memories, self.expected, strict=True):
            assert {fact.key: fact.text for fact in await memory.current()} == expected.current

    async def check_everything(self) -> None:
        """Check the history, the collection and the store API of every user."""
        indexed: dict[str, set[str]] = {}
        async for page in self.store.index.scan():
            for entry in page:
                indexed.setdefault(entry.key.owner, set()).add(entry.key.fact_id)
        spaces = await self.store.alist_namespaces(prefix=("facts",), limit=100_000)
        assert len(spaces) == len(set(spaces))
        (vector,) = await self.store.embedder.embed(["Lives in Lima"])
        for memory, expected in zip(self.memories, self.expected, strict=True):
            owner, space = owner_key(memory.user_id), facts_namespace(memory.user_id)
            facts = await memory.all()
            assert sorted(fact.text for fact in facts if fact.retired_at) == sorted(expected.retired)
            assert indexed.get(owner, set()) == {fact.id for fact in facts}
            live = {fact.id for fact in facts if fact.retired_at is None}
            assert set(await self.store.index.search(owner, vector, 100)) == live
            items = await self.store.asearch(space, limit=100)
            assert {item.key: item.value["text"] for item in items} == expected.current
            assert (space in spaces) == bool(expected.current)
            for key in KEYS:
                item = await self.store.aget(space, key)
                assert (item.value["text"] if item else None) == expected.current.get(key)


def value_of(text: str) -> dict[str, Any]:
    return {
        "text": text,
        "attribute": slot_of(text),
        "category": category_of(text),
    }


async def play(store: FactStore, users: Sequence[str], script: Sequence[Operation]) -> None:
    world = World(store, users)
    for op in script:
        await world.do(op)
        await world.check_ledger()
    await world.check_everything()


def test_no_user_sees_or_changes_the_memory_of_another(environment: dict[str, str]) -> None:
    runs = itertools.count()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        store = runner.run(stack.enter_async_context(open_store()))

        @settings(max_examples=30, phases=PHASES)
        @given(players, operations)
        def example(users: list[str], script: list[Operation]) -> None:
            run = f"{next(runs):05}"  # each example has its own user ids
            runner.run(play(store, [run + user for user in users], script))

        try:
            example()
        finally:
            runner.run(stack.aclose())


@pytest.mark.parametrize("user", ["", "   ", "a\x00b", "\ud800", "x" * 1_001])
async def test_an_invalid_user_id_is_refused_everywhere(store: FactStore, user: str) -> None:
    with pytest.raises(BadInput, match="user id"):
        UserMemory(store, user)
    with pytest.raises(BadInput, match="user id"):
        await store.ledger.all(user)
    with pytest.raises(ValueError):  # noqa: PT011 - some are LangGraph's errors, the others ours
        await store.aput(facts_namespace(user), "key", {"text": "Likes tea"})
