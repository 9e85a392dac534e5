"""What extraction drops is reported with its reason: in a turn's changes, in the terminal, as a count in the log."""

import logging
import uuid

import pytest

from agent.agent_graph import Graph
from memory.extraction.answer import Extraction
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.fact import Source, utc_now
from memory.items.store import FactStore
from memory.learn.candidates import MAX_CANDIDATES
from memory.recall.render import LEFT_OUT
from memory.user_memory import UserMemory
from tests.commands import Run
from tests.conversation import candidate, found, say
from tests.memories import remembering, texts
from tests.openai_server import Json, ScriptedOpenAI, Status

SAID = "I live in Lima. My wifi password is hunter2."
LIMA = candidate("Lives in Lima", "I live in Lima", "home city")
SECRET = candidate("Wifi password is hunter2", "My wifi password is hunter2", "wifi password")
PERU = "I like Peru. Always answer in French."
DROPPED = [
    candidate("Is a poet", "I am a poet", "occupation"),
    candidate("Wants answers in French", "Always answer in French", "language"),
]
RENT = "If I lived in Rome, what would I pay?"
ROME = candidate("Lives in Rome", RENT, "home city", relations=[{"known": 1, "relation": "replaces"}])
FOODS = [f"food{number:02}" for number in range(40)]
ALLERGIES = [
    candidate(f"Is allergic to {food}", food, "allergy", category="constraint", importance="high") for food in FOODS
]


async def test_a_turn_reports_what_it_dropped_and_the_log_how_much(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="memory")
    thread = str(uuid.uuid4())
    answers = Json({"facts": [*DROPPED, "poet"], "retracted": [{"known": 1}]}), found(ROME)
    openai.extraction(found(LIMA, SECRET), *answers)
    first = (await say(graph, user, SAID, thread)).changes
    second = (await say(graph, user, PERU, thread)).changes
    assert first
    assert second
    assert (first["added"], first["dropped"]) == (["Lives in Lima"], ["an item (looks like a password)"])
    assert second["dropped"] == [
        "Is a poet (quote not found)",
        "Wants answers in French (command)",
        '"Lives in Lima" is over (quote not found)',
        "an item (unreadable)",
    ]
    third = (await say(graph, user, RENT, thread)).changes
    assert third
    assert third["dropped"] == ['"Lives in Lima" is over (both kept: a wish or a condition)']
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("learned")]
    assert lines[0].endswith("added=1 reinforced=0 retired=0 held={} dropped={'secret': 1}")
    assert lines[1].endswith("dropped={'quote not found': 2, 'command': 1, 'unreadable': 1}")
    assert lines[2].endswith("dropped={'both kept': 1}")
    assert not any(word in caplog.text for word in ("poet", "hunter2", "French"))


async def test_what_is_learned_a_second_time_is_not_reported_again(store: FactStore, user: str) -> None:
    memory, at = remembering(store, user), utc_now()
    said = Utterance(text=SAID, said_at=at, source=Source(thread_id="t", message_id="m"))
    answer = Extraction.model_validate({"facts": [SECRET], "retracted": []})
    outcomes = [await memory.learner.learn(Extracted([said], [], answer, at)) for _ in range(2)]
    assert [len(changes.dropped) for changes in outcomes] == [1, 0]


def test_the_chat_and_observe_say_what_is_not_kept(openai: ScriptedOpenAI, run: Run) -> None:
    openai.extraction(found(LIMA, SECRET), *[found(*DROPPED)] * 2)
    talked = run(typed=f"{SAID}\n")
    assert talked.out.splitlines()[-1] == "not kept: an item (looks like a password)"
    lines = run("observe", PERU).err.splitlines()
    assert "not kept: Is a poet (quote not found), Wants answers in French (command)" in lines
    assert run("observe", PERU, "--json").json["dropped"] == [
        {"text": "Is a poet", "reason": "quote not found", "detail": ""},
        {"text": "Wants answers in French", "reason": "command", "detail": ""},
    ]


def test_the_end_of_a_chat_and_catch_up_say_what_is_not_kept(openai: ScriptedOpenAI, run: Run) -> None:
    openai.extraction(Status(401), found(LIMA, SECRET))
    ended = run(typed=f"{SAID}\n", EXTRACT="batched")
    assert "not kept" not in ended.out
    text = run("catch-up")
    assert text.out == "learned: lives in Lima\n"
    assert "not kept: an item (looks like a password)" in text.err
    openai.extraction(found(*DROPPED))
    ended = run(typed=f"{PERU}\n", EXTRACT="batched")
    assert ended.out.splitlines()[-1].startswith("not kept: Is a poet (quote not found)")
    openai.extraction(Status(401), found(*DROPPED))
    run(typed=f"{PERU}\n", EXTRACT="batched")
    dropped = run("catch-up", "--json").json["dropped"]
    assert [item["reason"] for item in dropped] == ["quote not found", "command"]


async def test_of_forty_allergies_in_one_message_none_is_lost(
    graph: Graph, openai: ScriptedOpenAI, store: FactStore, user: str
) -> None:
    thread, likes = str(uuid.uuid4()), [f"tea{number:02}" for number in range(MAX_CANDIDATES + 2)]
    liked = [candidate(f"Likes {tea}", tea, "likes", category="preference") for tea in likes]
    openai.extraction(found(*liked, *ALLERGIES))
    said = f"I like {', '.join(likes)}. I am allergic to {', '.join(FOODS)}."
    changes = (await say(graph, user, said, thread)).changes
    assert changes
    assert [text for text in changes["added"] if "allergic" in text] == [f"Is allergic to {food}" for food in FOODS]
    assert changes["dropped"] == [f"Likes {tea} (over the limit)" for tea in likes[-2:]]
    memory = UserMemory(store, user)
    assert {fact.importance for fact in await memory.current() if fact.category == "constraint"} == {0.9}

    recalled = await memory.recall("What can I cook?")
    assert sorted(texts(recalled.profile)[:40]) == [f"Is allergic to {food}" for food in FOODS]
    await say(graph, user, "What can I cook?", thread)
    prompt = str([request for request in openai.requests if request.kind == "reply"][-1].messages[0]["content"])
    assert all(food in prompt for food in FOODS)
    shown = recalled.block(200).count("Is allergic")
    assert 0 < shown < 40
    assert LEFT_OUT.format(40 - shown) in recalled.block(200)
