"""The chat model that needs no key: rules in place of a model, called through the same methods as a real one.

It reads plain first-person English (`reader`, `rules`), fills in the extraction call
(`extract`), sums up (`summary`), answers from the facts it is given (`answers`, `replies`), and holds a small task
(`tasks`). It opens no socket, and says what it is.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import JsonValue

from agent.offline.extract import ExtractionInput, extract_by_rules
from agent.offline.replies import reply, reply_from_tools, search_query
from agent.offline.summary import summarize
from agent.offline.tasks import TASK_TOOLS, Call, open_task_in, reply_on_task, work_on
from memory.learn.extract import Extraction
from memory.threads.summary import SUMMARY_PROMPT

EXTRACTION_TOOL = Extraction.__name__
SEARCH_TOOL = "search_memory"

_WORDS = re.compile(r"\s*\S+|\s+$")


class OfflineChatModel(BaseChatModel):
    """A chat model of rules: the same messages always give the same answer."""

    model_name: str = "offline"

    @property
    def _llm_type(self) -> str:
        return "offline"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:  # noqa: ARG002 - LangChain's
        return LangSmithParams(ls_provider="offline", ls_model_name=self.model_name, ls_model_type="chat")

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(
            name="Offline rules", text_inputs=True, text_outputs=True, tool_calling=True, structured_output=True
        )

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with these tools; it calls those it knows where asked to, and `Extraction` where forced to."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        message = respond(messages, _tool_names(kwargs.get("tools")), forced=_is_forced(kwargs.get("tool_choice")))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._generate(messages, stop, run_manager, **kwargs).generations[0].message
        yield from _chunks(message)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        result = await asyncio.to_thread(self._generate, messages, stop, **kwargs)
        for chunk in _chunks(result.generations[0].message):
            yield chunk
            await asyncio.sleep(0)  # whoever reads the stream gets each word as it comes


def respond(messages: Sequence[BaseMessage], tools: Sequence[str], *, forced: bool) -> AIMessage:
    """The answer to a conversation: an extraction, a summary, a call of the memory search or a task tool, or sentences.

    Raises ValueError when a tool is forced that only a real model could fill in.
    """
    if forced and EXTRACTION_TOOL in tools:
        given = ExtractionInput.model_validate_json(messages[-1].text)
        return _calling(EXTRACTION_TOOL, extract_by_rules(given).model_dump(mode="json"), messages)
    if forced and SEARCH_TOOL not in tools:
        raise ValueError(
            f"The offline model cannot fill in {', '.join(tools)}: set CHAT_MODEL=openai:<name> for a real one."
        )
    if messages[0].text == SUMMARY_PROMPT:
        return AIMessage(summarize(messages[-1].text))
    said = [message.text for message in messages if isinstance(message, HumanMessage)]
    prompt = "\n".join(message.text for message in messages if isinstance(message, SystemMessage))
    answers = list(takewhile(lambda message: isinstance(message, ToolMessage), reversed(messages)))
    if results := [(message.name, message.text) for message in reversed(answers)]:
        about_task = results[-1][0] in TASK_TOOLS
        return AIMessage(reply_on_task(open_task_in(prompt), results) if about_task else reply_from_tools(results))
    query = search_query(said[-1]) if said and SEARCH_TOOL in tools else None
    if query is None and forced and said:
        query = said[-1]
    if query is not None:
        return _calling(SEARCH_TOOL, {"query": query}, messages)
    match work_on(open_task_in(prompt), said[-1]) if said and set(tools) >= TASK_TOOLS else None:
        case Call(tool, arguments):
            return _calling(tool, arguments, messages)
        case str(answer):
            return AIMessage(answer)
    return AIMessage(reply(prompt, said))


def _calling(tool: str, arguments: dict[str, JsonValue], messages: Sequence[BaseMessage]) -> AIMessage:
    told = "\x00".join([tool, str(len(messages)), *(message.text for message in messages[-1:])])
    call_id = f"call_{hashlib.sha256(told.encode(errors='surrogatepass')).hexdigest()[:24]}"
    return AIMessage("", tool_calls=[tool_call(name=tool, args=arguments, id=call_id)])


def _chunks(message: BaseMessage) -> Iterator[ChatGenerationChunk]:
    """The message word by word; a tool call in one piece."""
    words = _WORDS.findall(message.text)
    for word in words:
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    pieces = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(calls)
    ]
    yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=pieces, chunk_position="last"))


def _tool_names(tools: Sequence[dict[str, Any]] | None) -> list[str]:
    return [tool["function"]["name"] for tool in tools or []]


def _is_forced(tool_choice: str | dict[str, Any] | bool | None) -> bool:
    return tool_choice not in (None, False, "auto", "none")
