"""The chat model that needs no key: rules in place of a model, called through the same methods as a real one."""

import hashlib
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from agent.offline.answers import reply
from agent.offline.extract import extract_by_rules
from agent.offline.trip import Call, open_trip, reply_on_trip, work_on
from memory.learn.answer import Extraction
from memory.threads.summary import SUMMARY_PROMPT, bounded

Tools = Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool]


class OfflineChatModel(BaseChatModel):
    """A chat model of rules: the same messages always give the same answer."""

    model_name: str = "offline"

    @property
    def _llm_type(self) -> str:
        return "offline"

    def bind_tools(
        self, tools: Tools, *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        names = [convert_to_openai_tool(tool)["function"]["name"] for tool in tools]
        return self.bind(tools=names, forced=tool_choice not in (None, "auto", "none"), **kwargs)

    def _generate(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> ChatResult:
        answer = respond(messages, kwargs.get("tools", []), forced=kwargs.get("forced", False))
        message = AIMessage(answer) if isinstance(answer, str) else AIMessage("")
        if isinstance(answer, Call):
            name = f"{len(messages)} {answer}".encode(errors="surrogatepass")
            call_id = f"call_{hashlib.sha256(name).hexdigest()[:24]}"
            message.tool_calls = [tool_call(name=answer.tool, args=answer.arguments, id=call_id)]
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        message = self._generate(messages, **kwargs).generations[0].message
        for word in re.findall(r"\s*\S+|\s+$", message.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        calls = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=0)
            for call in (message.tool_calls if isinstance(message, AIMessage) else [])
        ]
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=calls, chunk_position="last"))


def respond(messages: Sequence[BaseMessage], tools: Sequence[str], *, forced: bool) -> Call | str:
    """The answer to a conversation: a tool's call or a text. Raises ValueError for a tool it cannot fill in."""
    last = messages[-1].text
    if forced:
        if Extraction.__name__ not in tools:
            raise ValueError(f"The offline model cannot fill in {', '.join(tools)}: set CHAT_MODEL for a real one.")
        return Call(Extraction.__name__, extract_by_rules(last).model_dump(mode="json"))
    if messages[0].text == SUMMARY_PROMPT:
        return _summary(last)
    prompt = "\n".join(message.text for message in messages if isinstance(message, SystemMessage))
    trip = open_trip(prompt)
    if isinstance(messages[-1], ToolMessage):
        return reply_on_trip(trip, last)
    return (work_on(trip, last) if "start_task" in tools else None) or reply(prompt, last)


def _summary(request: str) -> str:
    """The answer to `memory.threads.summary.summary_input`: what the user said, without the oldest where it is long."""
    given = json.loads(request)
    said = [message["text"] for message in given["messages"] if message["from"] == "user"]
    lines = [f"The user said: {textwrap.shorten(text, 300, placeholder=' …')}" for text in said]
    return bounded("\n".join([*filter(None, [given["summary"]]), *lines]))
