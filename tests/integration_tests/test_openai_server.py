"""What no other test shows of the scripted server: what it records and refuses, and that it leaves nothing behind."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import openai
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import SecretStr

from memory.extraction.answer import Extraction
from tests.collecting import wait_until
from tests.openai_server import After, Hang, Request, ScriptedOpenAI, Status, Text


@pytest.fixture
async def server() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI() as server:
        yield server


def chat(server: ScriptedOpenAI, *, max_retries: int = 2) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=server.url,
        api_key=SecretStr("test"),
        model="scripted",
        timeout=30,
        max_retries=max_retries,
        use_responses_api=False,
        stream_usage=True,
    )


async def ask(server: ScriptedOpenAI) -> str:
    return (await chat(server).ainvoke("Hi")).text


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
    await wait_until(lambda: server.requests[0].disconnected)
    assert server.requests[0].answered is not None
    assert server.requests[0].finished is None


async def test_a_stream_that_is_cut_is_an_error_after_its_tokens(server: ScriptedOpenAI) -> None:
    server.reply(Text("Hello there", cut=True))
    stream = chat(server).astream("Hi")
    assert await anext(chunk.text async for chunk in stream if chunk.text) == "Hello"
    with pytest.raises(openai.APIConnectionError):
        await anext(chunk async for chunk in stream if chunk.text != " there")
    assert server.requests[0].finished is None
    assert not server.requests[0].disconnected


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
        await wait_until(lambda: server.calls() == 3)
        assert "scripted-openai" in thread_names()
        port = urlsplit(server.url).port
    assert "scripted-openai" not in thread_names()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    async with asyncio.timeout(60):
        ends = await asyncio.gather(*held, return_exceptions=True)
    assert [isinstance(end, Exception) for end in ends] == [True] * 3
