"""A chat model around another one, whose replies and streamed tokens hold only what may be shown."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import ToolCall, ToolCallChunk, tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableBinding
from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError

from agent.chat_models.reply_filter import ReplyFilter
from agent.chat_models.written_calls import WrittenCall
from memory.model_text import was_cut_off

HID_CALL = "hid_call"  # key in a reply's `response_metadata`: the reply held a call that was not carried out
BEGAN_THINKING = "began_thinking"  # the same: it began with thinking that had an end only
REASONING = {"reasoning_content", "reasoning", "reasoning_details", "thinking"}  # in a message's `additional_kwargs`


class ReplyModel(BaseChatModel):
    """Tokens reach LangGraph's stream through the callbacks of a chat model, so only a chat model can filter them."""

    model: BaseChatModel
    tools: Sequence[BaseTool]
    """What the model may call: also in a text, which then becomes a call."""
    offers_tools: bool = True
    """False: the model is asked without them, and a call of them that it writes nevertheless is hidden."""
    begins_thinking: bool | None = False
    """Whether its replies begin with thinking that has an end only; None: they may."""

    @property
    def _llm_type(self) -> str:
        return self.model._llm_type

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return self.model._identifying_params

    def _get_ls_params(self, stop: list[str] | None = None, **options: Any) -> LangSmithParams:
        return self.model._get_ls_params(stop, **options)

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError("Replies are async only: use ainvoke or astream.")

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **options: Any
    ) -> ChatResult:
        model, bound = self._bound()
        result = await model._agenerate(messages, stop, **bound, **options)
        message = result.generations[0].message
        if not isinstance(message, AIMessage):
            return result
        reply = self._filter(self.begins_thinking is not False)
        ending = message.response_metadata | (result.generations[0].generation_info or {})
        text = reply.feed(str(message.text)) + self._rest(reply, ending)
        called = bool(message.tool_calls or message.invalid_tool_calls)
        calls = [] if called else self._carried_out(reply)
        metadata = message.response_metadata | _findings(reply, called=bool(calls or called))
        changes = {"content": text, "response_metadata": metadata, "tool_calls": [*message.tool_calls, *calls]}
        shown = message.model_copy(update=changes | _without_reasoning(message))
        generation = ChatGeneration(message=shown, generation_info=result.generations[0].generation_info)
        return ChatResult(generations=[generation], llm_output=result.llm_output)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **options: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        model, bound = self._bound()
        if not model._should_stream(async_api=True, **{"stream": True, **bound, **options}):
            [whole] = (await self._agenerate(messages, stop, **options)).generations
            fields = whole.message.model_dump(exclude={"type"})
            yield ChatGenerationChunk(message=AIMessageChunk(**fields), generation_info=whole.generation_info)
            return
        reply, names, begun = self._filter(self.begins_thinking is not False), dict[object, str](), False
        ending: dict[str, Any] = {}
        async for chunk in model._astream(messages, stop, **bound, **options):
            message = chunk.message
            begun = begun or bool(message.text)
            if not begun and message.additional_kwargs.keys() & REASONING:
                reply = self._filter(begins_thinking=False)  # the server has taken the thinking out of the text
            parts = [_without_repeated_name(part, names) for part in getattr(message, "tool_call_chunks", ())]
            changes: dict[str, Any] = {"content": reply.feed(str(message.text)), "chunk_position": None}
            changes |= {"tool_call_chunks": parts} | _without_reasoning(message)
            ending |= message.response_metadata | (chunk.generation_info or {})
            yield ChatGenerationChunk(message=message.model_copy(update=changes), generation_info=chunk.generation_info)
        rest = self._rest(reply, ending)
        calls = [] if names else self._carried_out(reply)
        metadata = _findings(reply, called=bool(calls or names))
        last = AIMessageChunk(content=rest, tool_calls=calls, response_metadata=metadata, chunk_position="last")
        yield ChatGenerationChunk(message=last)

    def _bound(self) -> tuple[BaseChatModel, dict[str, Any]]:
        """The model, and the arguments with which its package binds the tools."""
        bound = self.model.bind_tools(self.tools) if self.tools and self.offers_tools else self.model
        if isinstance(bound, RunnableBinding) and isinstance(bound.bound, BaseChatModel):
            return bound.bound, dict(bound.kwargs)
        return self.model, {}

    def _filter(self, begins_thinking: bool) -> ReplyFilter:
        names = frozenset(tool.name for tool in self.tools)
        return ReplyFilter(names, begins_thinking, may_call=self.offers_tools)

    def _rest(self, reply: ReplyFilter, ending: Mapping[str, Any]) -> str:
        """The rest of what can be shown: nothing if it is thinking that was cut off."""
        return "" if self.begins_thinking and reply.may_think and was_cut_off(ending) else reply.finish()

    def _carried_out(self, reply: ReplyFilter) -> list[ToolCall]:
        """The calls that were written as text, if the model may make all of them."""
        tools = {tool.name: tool for tool in self.tools} if self.offers_tools else {}
        if not all(call.name in tools and _fits(tools[call.name], call) for call in reply.calls):
            return []
        return [tool_call(name=call.name, args=call.arguments, id=f"call_{uuid.uuid4().hex}") for call in reply.calls]


def _findings(reply: ReplyFilter, *, called: bool) -> dict[str, Any]:
    hid_call = {HID_CALL: True} if reply.hid_call and not called else {}
    return hid_call | ({BEGAN_THINKING: True} if reply.began_thinking else {})


def _fits(tool: BaseTool, call: WrittenCall) -> bool:
    schema = tool.tool_call_schema
    if not isinstance(schema, type) or not issubclass(schema, BaseModel):
        return True  # a JSON schema, as of a tool of an MCP server, which checks the arguments itself
    try:
        schema.model_validate(call.arguments)
    except ValidationError:
        return False
    return True


def _without_repeated_name(part: ToolCallChunk, names: dict[object, str]) -> ToolCallChunk:
    """The part of a streamed call without the name, if an earlier part had it: LangChain joins them to one name."""
    name, before = part["name"] or "", names.get(part["index"], "")
    names[part["index"]] = before or name
    return {**part, "name": None} if before and name == before else part


def _without_reasoning(message: BaseMessage) -> dict[str, Any]:
    given = message.additional_kwargs
    return {"additional_kwargs": {key: value for key, value in given.items() if key not in REASONING}}
