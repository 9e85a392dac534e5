"""The chat model around another one: what its messages and its stream hold, whatever the shape of the content."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, tool
from pydantic import Field

from agent.chat_models.ask import ask, missing_reply
from agent.chat_models.reply_model import ReplyModel

WRITTEN = '```json\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n```'


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Whole(BaseChatModel):
    """A model whose package does not stream; it gives its answers in turn."""

    answers: list[AIMessage]
    offered: list[bool] = Field(default_factory=list)  # whether each call offered tools

    @property
    def _llm_type(self) -> str:
        return "whole"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[tool.name for tool in tools], **options)

    def _generate(self, *_: Any, **options: Any) -> ChatResult:
        self.offered.append("tools" in options)
        return ChatResult(generations=[ChatGeneration(message=self.answers.pop(0))])


class Streamed(Whole):
    """The same, in chunks of three characters."""

    def _stream(self, *_: Any, **options: Any) -> Iterator[ChatGenerationChunk]:
        answer = self._generate(**options).generations[0].message
        blocks: Any = answer.content if isinstance(answer.content, list) else [{"type": "text", "text": answer.content}]
        yield ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs=answer.additional_kwargs))
        for index, block in enumerate(blocks):
            kind = block["type"]
            for at in range(0, len(block[kind]), 3):
                part = {"type": kind, kind: block[kind][at : at + 3], "index": index}
                content: Any = [part] if isinstance(answer.content, list) else part["text"]
                yield ChatGenerationChunk(message=AIMessageChunk(content=content))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=answer.response_metadata))


THOUGHTFUL: list[AIMessage] = [
    AIMessage("<think>Hm, 3?</think>It is three."),
    AIMessage([{"type": "thinking", "thinking": "Hm, 3?", "signature": "s"}, {"type": "text", "text": "It is three."}]),
    AIMessage([{"type": "reasoning", "reasoning": "Hm, 3?"}, {"type": "text", "text": "It is three."}]),
    AIMessage("It is three.", additional_kwargs={"reasoning_content": "Hm, 3?"}),
]


@pytest.mark.parametrize("kind", [Whole, Streamed])
@pytest.mark.parametrize("answer", THOUGHTFUL, ids=["tags", "thinking", "reasoning", "beside"])
async def test_thinking_of_every_shape_is_in_no_message_and_no_chunk(kind: type[Whole], answer: AIMessage) -> None:
    chunks = [chunk async for chunk in ReplyModel(model=kind(answers=[answer]), tools=[]).astream("1 + 2?")]
    assert "".join(str(chunk.text) for chunk in chunks) == "It is three."
    assert "Hm" not in str(chunks)
    whole = await ReplyModel(model=kind(answers=[answer]), tools=[]).ainvoke("1 + 2?")
    assert whole.content == "It is three."
    assert "Hm" not in str(whole)


@pytest.mark.parametrize("begins", [True, None])
async def test_a_text_with_thinking_beside_it_is_streamed(begins: bool | None) -> None:
    answer = THOUGHTFUL[-1]
    model = ReplyModel(model=Streamed(answers=[answer]), tools=[], begins_thinking=begins)
    assert [chunk.text async for chunk in model.astream("1 + 2?") if chunk.text] == ["It ", "is ", "thr", "ee."]


@pytest.mark.parametrize("kind", [Whole, Streamed])
@pytest.mark.parametrize(("begins", "shown"), [(True, ""), (None, "Hm, let"), (False, "Hm, let")])
async def test_thinking_that_is_cut_off_is_not_shown(kind: type[Whole], begins: bool | None, shown: str) -> None:
    """What may be an answer as well is shown."""
    answer = AIMessage("Hm, let", response_metadata={"finish_reason": "length"})
    model = ReplyModel(model=kind(answers=[answer] * 2), tools=[], begins_thinking=begins)
    assert "".join([str(chunk.text) async for chunk in model.astream("1 + 2?")]) == shown
    assert (await model.ainvoke("1 + 2?")).text == shown


@pytest.mark.parametrize("kind", [Whole, Streamed])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_written_call_becomes_a_call_with_its_arguments(kind: type[Whole], streamed: bool) -> None:
    model = ReplyModel(model=kind(answers=[AIMessage(WRITTEN)]), tools=[add])
    if streamed:
        [first, *rest] = [chunk async for chunk in model.astream("1 + 2?")]
        reply: Any = first
        for chunk in rest:
            reply += chunk
    else:
        reply = await model.ainvoke("1 + 2?")
    [call] = reply.tool_calls
    assert (reply.text, call["name"], call["args"]) == ("", "add", {"a": 1, "b": 2})
    assert call["id"]


class Repeating(Whole):
    """A model that repeats the name of the tool with each part of the arguments."""

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for part in ('{"a"', ': 1, "b"', ": 2}"):
            call = tool_call_chunk(name="add", args=part, id="1", index=0)
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))


async def test_a_name_that_is_repeated_with_each_part_of_a_call_is_read_once() -> None:
    stream = ReplyModel(model=Repeating(answers=[]), tools=[add]).astream("1 + 2?")
    first, *rest = [chunk async for chunk in stream]
    reply = add_ai_message_chunks(first, *rest)
    assert [(call["name"], call["args"]) for call in reply.tool_calls] == [("add", {"a": 1, "b": 2})]


@pytest.mark.parametrize("kind", [Whole, Streamed])
async def test_a_written_call_with_wrong_arguments_is_asked_again(kind: type[Whole]) -> None:
    model = kind(answers=[AIMessage(WRITTEN.replace('"b": 2', '"c": 2')), AIMessage("It is three.")])
    tools: list[BaseTool] = [add]
    assert (await ask(model, [], tools, may_call=True, has_tools=True)).text == "It is three."
    assert model.offered == [True, False]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"finish_reason": "SAFETY"}, "content filter"),
        ({"stop_reason": "refusal"}, "refused to answer"),
        ({"stop_reason": "max_tokens"}, "used up its tokens"),
        ({"done_reason": "length"}, "used up its tokens"),
        ({}, "gave an empty reply"),
    ],
)
def test_every_providers_reason_for_an_empty_reply_is_told(metadata: dict[str, Any], reason: str) -> None:
    assert reason in (missing_reply(AIMessage(" ", response_metadata=metadata)) or "")
    assert missing_reply(AIMessage("Well.", response_metadata=metadata)) is None
