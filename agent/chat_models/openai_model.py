"""OpenAI's chat model, with what LangChain leaves out of its answers. Importing it takes a second."""

import asyncio
import json
import warnings
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import httpx2  # the HTTP client of the openai package
import openai
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from memory.model_text import CUT_SHORT

AFTER_END = 1.0  # seconds that a server has to close a stream whose last message has come: for the counts of tokens
KEPT = ("refusal", "reasoning_content", "reasoning")  # fields of messages that LangChain leaves out
warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning)  # they quote a call's arguments


class OpenAIChatModel(ChatOpenAI):
    """ChatOpenAI for servers that only resemble OpenAI's: it keeps refusals and thinking in `additional_kwargs`, reads
    the arguments of a call that are an object in place of a string, marks a stream that was cut off, and does not wait
    for the end of one whose reply is whole."""

    async def _astream(self, *args: Any, **options: Any) -> AsyncIterator[ChatGenerationChunk]:
        ended, stream = False, super()._astream(*args, **options)
        async with aclosing(cast("AsyncGenerator[ChatGenerationChunk]", stream)) as chunks:
            while chunk := await _next(chunks, AFTER_END if ended else None):
                ended = ended or bool((chunk.generation_info or {}).get("finish_reason"))
                yield chunk
        if not ended:
            yield ChatGenerationChunk(message=AIMessageChunk(content=""), generation_info={"finish_reason": CUT_SHORT})

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        message = ((chunk.get("choices") or [{}])[0]).get("delta") or {}
        for call in message.get("tool_calls") or ():
            call["function"] = _with_text(call.get("function") or {})
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if converted:
            converted.message.additional_kwargs |= {key: message[key] for key in KEPT if message.get(key)}
        return converted

    def _create_chat_result(
        self, response: dict[str, Any] | openai.BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        if not (choices := getattr(response, "choices", None)):  # a page, or an error with the status 200
            request, error = httpx2.Request("POST", self.openai_api_base or ""), getattr(response, "error", None)
            raise openai.APIError("The answer holds no reply.", request, body=error)
        messages = [choice.message for choice in choices]
        for message in messages:
            message.role = message.role or "assistant"
        for call in (call for message in messages for call in message.tool_calls or ()):
            call.function.arguments = _with_text({"arguments": call.function.arguments})["arguments"]
        result = super()._create_chat_result(response, generation_info)
        for generation, message in zip(result.generations, messages, strict=False):
            kept = {key: value for key in KEPT if (value := getattr(message, key, None))}
            generation.message.additional_kwargs |= kept
        return result


async def _next(chunks: AsyncIterator[ChatGenerationChunk], seconds: float | None) -> ChatGenerationChunk | None:
    """The next chunk; None at the end of the stream, or if none has come within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(chunks, None)
    except TimeoutError:
        if seconds is None:
            raise
        return None


def _with_text(function: dict[str, Any]) -> dict[str, Any]:
    """The function of a call, its arguments as the text that the protocol asks for."""
    given = function.get("arguments")
    return {**function, "arguments": json.dumps(given)} if isinstance(given, dict) else function
