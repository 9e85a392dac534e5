"""A turn that is under way does not bring back what is forgotten meanwhile."""

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agent.agent_graph import Graph
from agent.context import Context
from agent.identity import AgentStore
from memory.errors import Unavailable
from memory.extraction.utterances import utterances_of
from memory.facts.fact import utc_now
from memory.threads.saver import ThreadSaver
from tests.collecting import known, wait_until
from tests.conftest import Setting
from tests.conversation import INTRODUCTION, candidate, config_of, found, say
from tests.leftovers import rows_of
from tests.memories import remembering
from tests.openai_server import After, Malformed, ScriptedOpenAI, Text
from tests.torture import script
from tests.torture.script import items


async def run(graph: Graph, user: str, thread: str, text: str, durability: Any) -> None:
    said: Any = {"messages": [HumanMessage(text)]}
    await graph.ainvoke(said, config_of(thread), context=Context(user_id=user), durability=durability)


@pytest.mark.parametrize(
    ("extract", "everything", "durability", "size"),
    [
        ("inline", True, "sync", 1),
        ("inline", False, "async", 50),  # so large that the saver does not commit it with others
        ("background", True, "exit", 1),
        ("background", False, "sync", 1),
    ],
)
async def test_a_turn_does_not_undo_a_forget_while_the_model_answers(
    graph: Graph,
    store: AgentStore,
    openai: ScriptedOpenAI,
    user: str,
    setting: Setting,
    extract: str,
    everything: bool,
    durability: str,
    size: int,
) -> None:
    setting(extract=extract, extract_after=0)
    memory, thread, answered = remembering(store, user), f"{user}/1", threading.Event()
    openai.defaults["extraction"] = script.extraction
    await run(graph, user, thread, items("stamps"), "sync")
    await store.debouncer.flush()
    assert await known(store, user) == ["Collects stamps"]

    openai.reply(After(answered, Text("Well, " * 1_000 * size)))
    turn = asyncio.ensure_future(run(graph, user, thread, items("coins"), durability))
    await wait_until(lambda: openai.calls("reply") == 2)
    assert await (memory.forget_everything() if everything else memory.forget(thread=thread)) == 1
    answered.set()
    await turn
    await store.debouncer.flush()
    assert await known(store, user) == []
    left = await rows_of(store.pool, user, thread)
    assert left == ({} if everything else {"memory.users": 1})

    await run(graph, user, thread, items("cups"), "sync")  # what is said afterwards is new
    await store.debouncer.flush()
    assert await known(store, user) == ["Collects cups"]
    assert len((await graph.aget_state(config_of(thread))).values["messages"]) == 2


async def test_what_was_being_saved_during_a_forget_is_deleted_by_the_run(
    graph: Graph, saver: ThreadSaver, store: AgentStore, openai: ScriptedOpenAI, user: str
) -> None:
    thread, answered = f"{user}/1", threading.Event()
    openai.reply(After(answered, Text("OK.")))
    turn = asyncio.ensure_future(run(graph, user, thread, "Hello", "sync"))
    await wait_until(lambda: openai.calls("reply") == 1)
    (saved,) = [saved async for saved in saver.alist(config_of(thread), limit=1)]
    await remembering(store, user).forget_everything()
    await saver.aput(config_of(thread) | saved.config, saved.checkpoint, saved.metadata, {})  # without a run's metadata
    assert await rows_of(store.pool, thread)
    answered.set()
    await turn
    assert await rows_of(store.pool, thread) == {}


async def test_a_forgotten_fact_or_category_is_not_learned_by_a_turn_under_way(
    graph: Graph, store: AgentStore, openai: ScriptedOpenAI, user: str
) -> None:
    memory, answered = remembering(store, user), threading.Event()
    tea = candidate("Likes tea", "I like tea", "likes", category="preference")
    work = candidate("Works at Acme", "I work at Acme", "employer", category="work")
    pet = candidate("Has a dog", "I have a dog", "pet", category="fact")
    openai.extraction(found(tea, work), found(tea, work, pet))
    await say(graph, user, "I like tea. I work at Acme.")
    (likes,) = [fact for fact in await memory.all() if fact.text == "Likes tea"]
    openai.reply(After(answered, Text("OK.")))
    turn = asyncio.ensure_future(say(graph, user, "I like tea. I work at Acme. I have a dog."))
    await wait_until(lambda: openai.calls("reply") == 2)
    assert await memory.forget(fact=likes.id) == 1
    assert await memory.forget(category="work") == 1
    answered.set()
    await turn
    assert await known(store, user) == ["Has a dog"]


async def test_a_useless_answer_about_a_forgotten_thread_leaves_no_row(
    store: AgentStore, openai: ScriptedOpenAI, user: str
) -> None:
    memory, answered, thread = remembering(store, user), threading.Event(), f"{user}/1"
    openai.extraction(After(answered, Malformed()), Malformed(), Malformed())
    said = utterances_of([HumanMessage(INTRODUCTION, id="1")], utc_now(), thread)
    learning = asyncio.ensure_future(memory.learner.extract_and_learn(said))
    await wait_until(lambda: openai.calls("extraction") == 1)
    await memory.forget_everything()
    answered.set()
    with pytest.raises(Unavailable):
        await learning
    assert await rows_of(store.pool, user, thread) == {}
