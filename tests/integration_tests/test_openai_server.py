"""The scripted server speaks OpenAI's protocol well enough for langchain-openai, and leaves nothing behind."""

import asyncio
import functools
import operator
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal
from urllib.parse import urlsplit

import openai
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import SecretStr

from memory.extraction.answer import Extraction
from memory.extraction.extract import ExtractionFailed, extract
from memory.extraction.utterances import Utterance
from memory.facts.fact import Source, utc_now
from tests.openai_server import After, Hang, Json, Malformed, Request, ScriptedOpenAI, Status, Text, ToolCalls

Method = Literal["json_schema", "function_calling", "json_mode"]
METHODS: list[Method] = ["json_schema", "function_calling", "json_mode"]

TAKEN_BACK = {"known": 2, "message": 1, "quote": "I live"}
LIVES_IN_AUSTIN = {
    "text": "Lives in Austin",
    "quote": "I live in Austin",
    "message": 1,
    "subject": "user",
    "attribute": "home city",
    "exclusive": True,
    "category": "location",
    "importance": 0.5,
    "valid_from": None,
    "valid_until": None,
    "relations": [],
}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI() as server:
        yield server


def chat(server: ScriptedOpenAI, *, key: str = "test", timeout: float = 30, max_retries: int = 2) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=server.url,
        api_key=SecretStr(key),
        model="scripted",
        timeout=timeout,
        max_retries=max_retries,
        use_responses_api=False,
        stream_usage=True,
    )


async def ask(server: ScriptedOpenAI) -> str:
    return (await chat(server).ainvoke("Hi")).text


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the server's thread makes it true
            await asyncio.sleep(0.01)


def total(chunks: Sequence[AIMessage]) -> AIMessage:
    """The sum of the chunks of a stream."""
    message = functools.reduce(operator.add, chunks)
    assert isinstance(message, AIMessage)
    return message


def tool(name: str) -> dict[str, object]:
    parameters = {"type": "object", "properties": {"query": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def thread_names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


async def test_an_answer_is_complete_with_usage_and_recorded(server: ScriptedOpenAI) -> None:
    server.reply(Text("Hello,  Ada.\n"))
    before = time.monotonic()
    answer = await chat(server).ainvoke([HumanMessage("Hi there")])
    assert answer.text == "Hello,  Ada.\n"
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0
    assert (server.calls(), server.calls("reply"), server.calls("extraction")) == (1, 1, 0)
    [request] = server.requests
    assert (request.path, request.kind, request.status) == ("/v1/chat/completions", "reply", 200)
    assert request.messages == [{"role": "user", "content": "Hi there"}]
    assert request.headers["authorization"] == "Bearer test"
    assert request.answered is not None
    assert request.finished is not None
    assert before <= request.at <= request.answered <= request.finished <= time.monotonic()
    assert not request.disconnected


async def test_answers_come_in_the_order_of_the_script_and_then_the_default(server: ScriptedOpenAI) -> None:
    server.reply(Text("one"), lambda request: Text(f"two: {request.messages[-1]['content']}"))
    answers = [await ask(server) for _ in range(3)]
    assert answers == ["one", "two: Hi", "OK."]


async def test_a_default_can_be_replaced_permanently(server: ScriptedOpenAI) -> None:
    server.defaults["reply"] = Status(500, retry_after=0.01)
    with pytest.raises(openai.InternalServerError):
        await chat(server).ainvoke("Hi")
    assert server.calls("reply") == 3


async def test_the_first_token_arrives_before_the_last_is_sent(server: ScriptedOpenAI) -> None:
    server.reply(Text("Hello there", delay=3_600))
    stream = chat(server).astream("Hi")
    assert await anext(chunk.text async for chunk in stream if chunk.text) == "Hello"
    assert server.requests[0].finished is None


async def test_a_client_that_leaves_a_stream_is_recorded_as_disconnected(server: ScriptedOpenAI) -> None:
    server.reply(Text("Hello there", delay=3_600))
    async with openai.AsyncOpenAI(base_url=server.url, api_key="test") as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
        async with await client.chat.completions.create(model="scripted", messages=messages, stream=True) as stream:
            await anext(stream)
    await until(lambda: server.requests[0].disconnected)
    assert server.requests[0].answered is not None
    assert server.requests[0].finished is None


async def test_the_chunks_of_a_stream_add_up_to_text_reason_and_usage(server: ScriptedOpenAI) -> None:
    server.reply(Text(" Hello,\n\nAda. ", delay=0.01))
    chunks = [chunk async for chunk in chat(server).astream("Hi")]
    whole = total(chunks)
    assert [chunk.text for chunk in chunks if chunk.text] == [" Hello,", "\n\nAda.", " "]
    assert whole.text == " Hello,\n\nAda. "
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.usage_metadata is not None
    assert server.requests[0].finished is not None


async def test_a_stream_that_is_cut_is_an_error_after_its_tokens(server: ScriptedOpenAI) -> None:
    server.reply(Text("Hello there", cut=True))
    stream = chat(server).astream("Hi")
    assert await anext(chunk.text async for chunk in stream if chunk.text) == "Hello"
    with pytest.raises(openai.APIConnectionError):
        await anext(chunk async for chunk in stream if chunk.text != " there")
    assert server.requests[0].finished is None
    assert not server.requests[0].disconnected


@pytest.mark.parametrize("streamed", [False, True])
async def test_tool_calls_make_the_round_trip(server: ScriptedOpenAI, streamed: bool) -> None:
    server.reply(ToolCalls([("search", {"query": "home city"}), ("now", {})], text="Let me see."), Text("Austin."))
    model = chat(server).bind_tools([tool("search"), tool("now")])
    question = HumanMessage("Where do I live?")
    if streamed:
        called = total([chunk async for chunk in model.astream([question])])
    else:
        called = await model.ainvoke([question])
    assert called.text == "Let me see."
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [
        ("search", {"query": "home city"}),
        ("now", {}),
    ]
    assert called.response_metadata["finish_reason"] == "tool_calls"
    results = [ToolMessage("Austin", tool_call_id=call["id"]) for call in called.tool_calls]
    answer = await model.ainvoke([question, called, *results])
    assert answer.text == "Austin."
    assert server.calls("reply") == 2


@pytest.mark.parametrize(
    "messages",
    [
        [HumanMessage("Hi"), ToolMessage("a result", tool_call_id="call_9")],
        [AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "call_9"}]), HumanMessage("Hi")],
        [HumanMessage("Hi"), AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "call_9"}])],
    ],
    ids=["a result without its call", "a call without its result", "a call at the end"],
)
async def test_separated_tool_calls_and_results_are_refused(
    server: ScriptedOpenAI, messages: list[BaseMessage]
) -> None:
    with pytest.raises(openai.BadRequestError, match="tool_call"):
        await chat(server).ainvoke(messages)


@pytest.mark.parametrize("method", METHODS)
async def test_structured_output_has_the_requested_form(server: ScriptedOpenAI, method: Method) -> None:
    server.extraction(Json({"facts": [LIVES_IN_AUSTIN], "retracted": [TAKEN_BACK]}))
    model = chat(server).with_structured_output(Extraction, method=method)
    extraction = await model.ainvoke("Answer in JSON: I live in Austin")
    assert isinstance(extraction, Extraction)
    assert extraction.facts[0].text == "Lives in Austin"
    assert extraction.retracted[0].known == 2
    assert await model.ainvoke("Answer in JSON: nothing") == Extraction(facts=[], retracted=[])
    assert (server.calls("extraction"), server.calls("reply")) == (2, 0)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # from the client, about its `parsed` field
@pytest.mark.parametrize("method", METHODS)
async def test_structured_output_can_be_streamed(server: ScriptedOpenAI, method: Method) -> None:
    server.extraction(Json({"facts": [LIVES_IN_AUSTIN], "retracted": []}))
    model = chat(server).with_structured_output(Extraction, method=method)
    extractions = [extraction async for extraction in model.astream("Answer in JSON: I live in Austin")]
    assert isinstance(extractions[-1], Extraction)
    assert extractions[-1].facts[0].attribute == "home city"
    assert server.requests[0].body["stream"] is True


@pytest.mark.parametrize("text", ['{"facts": [', '{"facts": "many"}'], ids=["not JSON", "another shape"])
@pytest.mark.parametrize("method", METHODS)
async def test_malformed_output_fails_the_extraction(server: ScriptedOpenAI, method: Method, text: str) -> None:
    server.extraction(Malformed(text))
    said = Utterance(text="I live in Austin", said_at=utc_now(), source=Source())
    with pytest.raises(ExtractionFailed):
        await extract(chat(server), [said], [], method=method)
    assert await extract(chat(server), [said], [], method=method) == Extraction(facts=[], retracted=[])
    assert server.calls("extraction") == 2


async def test_json_mode_without_the_word_json_is_refused(server: ScriptedOpenAI) -> None:
    model = chat(server).with_structured_output(Extraction, method="json_mode")
    with pytest.raises(openai.BadRequestError, match="json_object"):
        await model.ainvoke("I live in Austin")


async def test_the_client_retries_a_429_after_the_given_delay(server: ScriptedOpenAI) -> None:
    server.reply(Status(429, code="rate_limit_exceeded", retry_after=0.3), Text("Here."))
    assert await ask(server) == "Here."
    refused, answered = server.requests
    assert (refused.status, answered.status) == (429, 200)
    assert answered.at - refused.at >= 0.3


async def test_a_500_reaches_the_caller_when_the_retries_are_used_up(server: ScriptedOpenAI) -> None:
    server.reply(*[Status(500, "No luck.", retry_after=0.01)] * 3)
    with pytest.raises(openai.InternalServerError, match=r"No luck\.") as raised:
        await chat(server).ainvoke("Hi")
    assert raised.value.type == "server_error"
    headers = raised.value.response.headers
    assert (headers["retry-after-ms"], headers["retry-after"]) == ("10.0", "1")
    assert server.calls("reply") == 3


async def test_a_client_that_times_out_is_recorded_as_disconnected(server: ScriptedOpenAI) -> None:
    server.reply(Hang())
    with pytest.raises(openai.APITimeoutError):
        await chat(server, timeout=0.2, max_retries=0).ainvoke("Hi")
    await until(lambda: server.requests[0].disconnected)
    assert server.requests[0].answered is None
    assert await ask(server) == "OK."


async def test_an_answer_is_held_until_the_test_sets_its_event(server: ScriptedOpenAI) -> None:
    event = threading.Event()
    server.reply(After(event, Text("At last.")))
    asking = asyncio.create_task(chat(server).ainvoke("Hi"))
    await until(lambda: server.calls("reply") == 1)
    assert await ask(server) == "OK."
    assert not asking.done()
    event.set()
    assert (await asking).text == "At last."


async def test_many_clients_at_once_get_each_answer_once(server: ScriptedOpenAI) -> None:
    server.reply(*[Text(str(number)) for number in range(40)])
    model = chat(server)
    answers = await asyncio.gather(*[model.ainvoke("Hi") for _ in range(40)])
    assert sorted(int(answer.text) for answer in answers) == list(range(40))
    assert sorted(request.number for request in server.requests) == list(range(1, 41))


async def test_a_wrong_key_is_refused_and_uses_no_scripted_answer() -> None:
    async with ScriptedOpenAI(require_key="right") as server:
        server.reply(Text("Welcome."))
        with pytest.raises(openai.AuthenticationError) as raised:
            await chat(server, key="wrong").ainvoke("Hi")
        assert raised.value.code == "invalid_api_key"
        assert (await chat(server, key="right").ainvoke("Hi")).text == "Welcome."


async def test_models_are_listed_and_unknown_paths_refused(server: ScriptedOpenAI) -> None:
    async with openai.AsyncOpenAI(base_url=server.url, api_key="test") as client:
        assert [model.id async for model in client.models.list()] == ["scripted"]
        with pytest.raises(openai.NotFoundError) as raised:
            await client.files.list()
    assert raised.value.code == "unknown_url"
    assert [request.kind for request in server.requests] == ["models", "unknown"]


def test_another_process_is_answered_while_the_test_waits_for_it() -> None:
    with ScriptedOpenAI() as server:
        server.reply(Text("Hello, process."))
        program = f"""
import openai
client = openai.OpenAI(base_url={server.url!r}, api_key="test")
print(client.chat.completions.create(model="scripted", messages=[dict(role="user", content="Hi")])
      .choices[0].message.content)
"""
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
        assert ran.stdout == "Hello, process.\n"
        assert server.calls("reply") == 1


def test_event_loops_that_follow_each_other_share_a_client() -> None:
    with ScriptedOpenAI() as server:
        answers = [asyncio.run(ask(server)) for _ in range(2)]
    assert answers == ["OK.", "OK."]


def test_an_error_in_a_scripted_function_reaches_the_test() -> None:
    def wrong(request: Request) -> Text:
        raise LookupError(f"nothing for request {request.number}")

    server = ScriptedOpenAI()
    with pytest.raises(LookupError, match="nothing for request 1"), server:  # noqa: PT012 - leaving the server raises
        server.reply(wrong)
        with pytest.raises(openai.InternalServerError, match="LookupError"):
            chat(server, max_retries=0).invoke("Hi")


async def test_leaving_the_block_closes_the_port_and_ends_the_thread() -> None:
    with ScriptedOpenAI() as server:
        server.reply(Hang(), Text("Hello there", delay=3_600), After(threading.Event(), Text("Never.")))
        model = chat(server, max_retries=0)
        held = [asyncio.create_task(model.ainvoke("Hi", stream=True)) for _ in range(3)]
        await until(lambda: server.calls() == 3)
        assert "scripted-openai" in thread_names()
        port = urlsplit(server.url).port
    assert "scripted-openai" not in thread_names()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    async with asyncio.timeout(20):
        ends = await asyncio.gather(*held, return_exceptions=True)
    assert [isinstance(end, Exception) for end in ends] == [True] * 3


async def test_leaving_an_async_block_ends_the_thread() -> None:
    async with ScriptedOpenAI():
        assert "scripted-openai" in thread_names()
    assert "scripted-openai" not in thread_names()
