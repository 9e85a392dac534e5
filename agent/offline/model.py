"""The chat model that needs no key: rules in place of a model, called through the same methods as a real one."""

import json
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from agent.offline.answers import reply
from agent.offline.statements import read
from memory.extraction.answer import Candidate, Extraction, Retraction
from memory.facts.slots import SINGLE_VALUED
from memory.threads.summary import SUMMARY_PROMPT, bounded

Tools = Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool]


IMPORTANCE = {"constraint": 0.9, "identity": 0.8, "location": 0.8}
"""Importance by category, 0 to 1; that of the others is 0.5."""


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
        """Raises ValueError for a tool it cannot fill in."""
        if not kwargs.get("forced"):
            return ChatResult(generations=[ChatGeneration(message=AIMessage(respond(messages)))])
        if (name := Extraction.__name__) not in kwargs["tools"]:
            tools = ", ".join(kwargs["tools"])
            raise ValueError(f"The offline model cannot fill in {tools}: set CHAT_MODEL for a real one.")
        arguments = extract_by_rules(messages[-1].text).model_dump(mode="json")
        message = AIMessage("", tool_calls=[ToolCall(name=name, args=arguments, id=name)])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        message = cast(AIMessage, self._generate(messages, **kwargs).generations[0].message)
        for word in re.findall(r"\s*\S+|\s+$", message.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        last = AIMessageChunk(content="", tool_calls=message.tool_calls, chunk_position="last")
        yield ChatGenerationChunk(message=last)


def respond(messages: Sequence[BaseMessage]) -> str:
    """The answer to a conversation: a reply or a summary."""
    if messages[0].text == SUMMARY_PROMPT:
        return _summary(messages[-1].text)
    prompt = "\n".join(message.text for message in messages if isinstance(message, SystemMessage))
    return reply(prompt, messages[-1].text)


def extract_by_rules(request: str) -> Extraction:
    """The answer to `memory.extraction.extract.extraction_input`."""
    given = json.loads(request)
    extraction = Extraction(facts=[], retracted=[])
    for message in given["messages"]:
        for said in read(message["text"]).statements:
            over = said.text if said.retracts else said.opposite
            extraction.retracted += [
                Retraction(known=fact["number"], message=message["number"], quote=said.quote)
                for fact in given["known"]
                if (fact["subject"], fact["text"]) == ("user", over)
            ]
            if said.retracts:
                continue
            candidate = Candidate(
                text=said.text,
                quote=said.quote,
                message=message["number"],
                subject="user",
                attribute=said.attribute,
                exclusive=said.attribute in SINGLE_VALUED,
                category=said.category,
                importance=IMPORTANCE.get(said.category, 0.5),
            )
            extraction.facts.append(candidate)
    return extraction


def _summary(request: str) -> str:
    """The answer to `memory.threads.summary.summary_input`: what the user said, without the oldest where it is long."""
    given = json.loads(request)
    said = [message["text"] for message in given["messages"] if message["from"] == "user"]
    lines = [f"The user said: {textwrap.shorten(text, 300, placeholder=' …')}" for text in said]
    return bounded("\n".join([*filter(None, [given["summary"]]), *lines]))
