"""Extractions from servers that refuse a method of structured output, or answer with more than JSON."""

import json
from collections.abc import Callable

import pytest

from agent.agent_graph import Graph
from agent.chat_models.by_name import open_model
from agent.identity import AgentStore
from memory.extraction.extract import ExtractionFailed, StructuredOutputMethod, extract
from memory.extraction.utterances import Utterance
from memory.facts.fact import Source, utc_now
from memory.items.store import FactStore
from tests.collecting import known
from tests.conftest import Setting
from tests.conversation import HOME, INTRODUCTION, found, say
from tests.openai_server import Answer, Request, ScriptedOpenAI, Status, Text, ToolCalls
from tests.openai_wire import forced_tool, response_format

WHOLE = json.dumps(found(HOME).value)
ORDER = ["json_schema", "function_calling", "json_mode"]


def method_of(request: Request) -> str:
    """How a request asks for structured output."""
    asked = {"json_schema": "json_schema", "json_object": "json_mode", "text": "function_calling"}
    assert forced_tool(request.body) or response_format(request.body) != "text"
    return asked[response_format(request.body)]


def methods(openai: ScriptedOpenAI) -> list[str]:
    return [method_of(request) for request in openai.requests if request.kind == "extraction"]


def refusing(*refused: str, status: int = 400) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        refuses = method_of(request) in refused
        return Status(status, "No zanzibar here.", retry_after=0.01) if refuses else found(HOME)

    return answer


@pytest.mark.parametrize("method", ["auto", *ORDER])
@pytest.mark.parametrize(
    "text",
    [f"<think>{{}}</think>Here it is:\n```json\n{WHOLE}\n```", json.dumps({"name": "Extraction", "arguments": WHOLE})],
    ids=["prose", "written call"],
)
async def test_facts_are_read_from_an_answer_that_is_not_only_json(
    graph: Graph, openai: ScriptedOpenAI, user: str, store: FactStore, setting: Setting, method: str, text: str
) -> None:
    setting(structured_output=method)
    openai.extraction(Text(text))
    turn = await say(graph, user, INTRODUCTION)
    assert turn.reply == "OK."
    assert await known(store, user) == ["Lives in San Francisco"]
    assert openai.calls("extraction") == 1


@pytest.mark.parametrize("status", [400, 404, 422, 501])
async def test_a_server_that_refuses_json_schema_is_asked_again_once(
    graph: Graph, openai: ScriptedOpenAI, user: str, store: FactStore, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    openai.defaults["extraction"] = refusing("json_schema", status=status)
    await say(graph, user, INTRODUCTION)
    assert await known(store, user) == ["Lives in San Francisco"]
    assert [*dict.fromkeys(methods(openai))] == ORDER[:2]
    before = openai.calls("extraction")
    await say(graph, user, "I live in San Francisco, as I said.")
    assert methods(openai)[before:] == ["function_calling"]
    line = f"structured output refused with status {status} model='scripted': function_calling from now on"
    assert caplog.text.count(line) == 1
    assert "zanzibar" not in caplog.text


async def test_internal_errors_count_as_a_refusal_when_they_come_twice_in_a_row(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    passing: list[Answer] = [Status(500, "overloaded", retry_after=0.01)] * 3
    for _ in range(2):
        openai.extraction(*passing, found(HOME), found(HOME))
        await say(graph, user, INTRODUCTION)
        before = openai.calls("extraction")
        await say(graph, user, "I live in San Francisco, as I said.")
        assert methods(openai)[before:] == ["json_schema"]
    openai.defaults["extraction"] = refusing("json_schema", status=500)
    for _ in range(3):
        before = openai.calls("extraction")
        await say(graph, user, "I live in San Francisco, as I said.")
    assert methods(openai)[before:] == ["function_calling"]


async def test_json_mode_comes_last(graph: Graph, openai: ScriptedOpenAI, user: str, store: FactStore) -> None:
    openai.defaults["extraction"] = refusing("json_schema", "function_calling")
    await say(graph, user, INTRODUCTION)
    await say(graph, user, "I live in San Francisco, as I said.")
    assert methods(openai) == [*ORDER, "json_mode"]
    assert await known(store, user) == ["Lives in San Francisco"]


async def test_a_server_that_ignores_function_calling_is_asked_in_json_mode(
    graph: Graph, openai: ScriptedOpenAI, user: str, store: FactStore
) -> None:
    refuses = refusing("json_schema")
    openai.defaults["extraction"] = lambda r: Text("Fine.") if method_of(r) == "function_calling" else refuses(r)
    await say(graph, user, INTRODUCTION)
    assert methods(openai) == ORDER
    assert await known(store, user) == ["Lives in San Francisco"]


@pytest.mark.parametrize("ignored", [ORDER[:1], ORDER[:2]])
@pytest.mark.parametrize("text", ["Fine, zanzibar.", ""], ids=["prose", "empty"])
async def test_a_server_that_answers_in_prose_is_asked_another_way_once(
    graph: Graph, openai: ScriptedOpenAI, user: str, store: FactStore, caplog: pytest.LogCaptureFixture,
    ignored: list[str], text: str,
) -> None:  # fmt: skip
    openai.defaults["extraction"] = lambda r: Text(text) if method_of(r) in ignored else found(HOME)
    await say(graph, user, INTRODUCTION)
    assert await known(store, user) == ["Lives in San Francisco"]
    works = ORDER[len(ignored)]
    assert methods(openai) == [*ignored, works]
    await say(graph, user, "I live in San Francisco, as I said.")
    assert methods(openai) == [*ignored, works, works]
    assert caplog.text.count(f"structured output ignored model='scripted': {works} from now on") == 1
    assert "zanzibar" not in caplog.text


async def test_prose_of_a_server_whose_method_has_worked_is_a_useless_answer(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    openai.extraction(found(HOME), Text("Fine."))
    for _ in range(2):
        await say(graph, user, INTRODUCTION)
    assert methods(openai) == ["json_schema"] * 2


async def test_a_model_that_only_writes_prose_is_asked_in_every_way_once(
    graph: Graph, openai: ScriptedOpenAI, user: str
) -> None:
    openai.defaults["extraction"] = Text("Fine.")
    for _ in range(2):
        await say(graph, user, INTRODUCTION)
    assert methods(openai)[:4] == [*ORDER, "json_schema"]
    assert {*methods(openai)[4:]} <= {"json_schema"}


@pytest.mark.parametrize("status", [400, 500])
async def test_a_server_that_refuses_every_method_keeps_the_first(
    graph: Graph, openai: ScriptedOpenAI, user: str, store: FactStore, status: int
) -> None:
    openai.defaults["extraction"] = refusing(*ORDER, status=status)
    await say(graph, user, INTRODUCTION)
    assert [*dict.fromkeys(methods(openai))] == ORDER
    openai.defaults["extraction"] = found(HOME)
    before = openai.calls("extraction")
    await say(graph, user, INTRODUCTION)
    assert methods(openai)[before:] == ["json_schema"]
    assert await known(store, user) == ["Lives in San Francisco"]


@pytest.mark.parametrize(
    "answer",
    [Status(401), Status(403), Status(429, retry_after=0.01), Status(400, code="content_filter"),
     Status(404, code="model_not_found")],
    ids=repr,
)  # fmt: skip
async def test_other_errors_are_no_refusal_of_the_method(
    graph: Graph, openai: ScriptedOpenAI, user: str, answer: Answer
) -> None:
    openai.defaults["extraction"] = answer
    await say(graph, user, INTRODUCTION)
    assert {*methods(openai)} == {"json_schema"}


@pytest.mark.parametrize("method", ORDER)
async def test_a_method_of_the_settings_is_not_changed(
    graph: Graph, openai: ScriptedOpenAI, user: str, setting: Setting, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    setting(structured_output=method)
    openai.defaults["extraction"] = refusing(*ORDER)
    await say(graph, user, INTRODUCTION)
    assert methods(openai) == [method]
    assert f"The extraction model's server answered 400 to STRUCTURED_OUTPUT={method}: try auto" in caplog.text
    assert "zanzibar" not in caplog.text


@pytest.mark.parametrize("streamed", [True, False])
async def test_the_arguments_of_a_call_may_be_an_object(
    store: AgentStore, openai: ScriptedOpenAI, streamed: bool
) -> None:
    openai.extraction(ToolCalls([("Extraction", found(HOME).value)], strict=False))
    said = Utterance(text=INTRODUCTION, said_at=utc_now(), source=Source())
    model = open_model("openai:scripted", store.settings).model_copy(update={"streaming": streamed})
    (fact,) = (await extract(model, [said], [], "function_calling")).facts
    assert fact.text == "Lives in San Francisco"


@pytest.mark.parametrize("method", ORDER)
@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_an_answer_that_is_cut_off_counts_as_useless(
    store: AgentStore, openai: ScriptedOpenAI, finish: str, method: StructuredOutputMethod
) -> None:
    """The same messages would be cut off again, and hold up what was said later."""
    openai.defaults["extraction"] = Text(WHOLE[:-9], finish=finish)
    said = Utterance(text=INTRODUCTION, said_at=utc_now(), source=Source())
    with pytest.raises(ExtractionFailed) as error:
        await extract(open_model("openai:scripted", store.settings), [said], [], method)
    assert not error.value.transient
    assert openai.calls("extraction") == 1
