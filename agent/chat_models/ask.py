"""Asks a model for a reply, and again without tools where that is the way to get one."""

import logging
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import BaseTool

from agent.chat_models.reply_model import HID_CALL, ReplyModel
from memory.errors import status_of
from memory.extraction.extract import refuses_method, server_of
from memory.model_text import UNOPENED_THINKING

log = logging.getLogger(__name__)

ABOUT_TOOLS = re.compile(r"\btools?\b|tool[ _-]?(call|choice|use)|function[ _-]?call", re.IGNORECASE)
FILTERED = {"content_filter", "content_filtered", "guardrail_intervened", "safety", "prohibited_content", "blocklist",
            "recitation", "spii"}  # fmt: skip
CUT_OFF = {"length", "max_tokens"}
NO_CALLS: dict[str, list[Any]] = {"tool_calls": [], "invalid_tool_calls": []}

Server: TypeAlias = tuple[str, str]  # of `server_of`

_without_tools: set[Server] = set()  # those that refused tools
_begin_thinking: set[Server] = set()  # those that put the opening tag into the prompt


async def ask(
    model: BaseChatModel, messages: Sequence[BaseMessage], tools: Sequence[BaseTool], *, may_call: bool, has_tools: bool
) -> AIMessage:
    """The model's reply, without thinking; a call that it writes as text becomes a call of a tool.

    Asked without tools are models that have none (not `has_tools`), or whose server refuses them, once for the
    process; models that have called enough (not `may_call`); and those whose written call cannot be carried out.
    """
    server = server_of(model)
    offering = ReplyModel(model=model, tools=tools, begins_thinking=server in _begin_thinking)
    plain = offering.model_copy(update={"offers_tools": False})
    if not has_tools or server in _without_tools:
        return _text_of(await plain.ainvoke(without_calls(messages)), server)
    if not may_call:
        return _text_of(await plain.ainvoke([*messages]), server)
    try:
        reply = await offering.ainvoke([*messages])
    except Exception as error:  # each provider has its own
        if not (refuses_method(error) and ABOUT_TOOLS.search(str(error))):
            raise
        reply = _text_of(await plain.ainvoke(without_calls(messages)), server)
        if server not in _without_tools:
            _without_tools.add(server)
            log.warning("tools refused model=%r status=%d: asked without them from now on", server[0], status_of(error))
    if reply.response_metadata.get(HID_CALL):
        return _text_of(await plain.ainvoke([*messages]), server)
    return _cleaned(reply, server)


def without_calls(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages without tool calls and their results, which a model without tools does not understand."""
    kept = [message for message in messages if not isinstance(message, ToolMessage)]
    texts = [message.model_copy(update=NO_CALLS) if isinstance(message, AIMessage) else message for message in kept]
    return [message for message in texts if not isinstance(message, AIMessage) or message.text.strip()]


def missing_reply(reply: AIMessage) -> str | None:
    """Why there is nothing to show or to carry out, as a sentence for the user; None if there is something."""
    if reply.text.strip() or reply.tool_calls or reply.invalid_tool_calls:
        return None
    given = reply.response_metadata
    reason = str(given.get("finish_reason") or given.get("stop_reason") or given.get("done_reason") or "").lower()
    if reply.additional_kwargs.get("refusal") or reason == "refusal":
        return "the model refused to answer: put it in other words."
    if reason in FILTERED:
        return "the provider's content filter held the reply back: put it in other words, or begin a new thread."
    if given.get(HID_CALL):
        return "the model wrote a call of a tool in place of a reply: set MODEL_TOOLS=off, or use a larger model."
    if reason in CUT_OFF:
        return "the model used up its tokens before it replied: ask for less, or raise the limit of the server."
    return "the model gave an empty reply: ask again."


def _text_of(reply: AIMessage, server: Server) -> AIMessage:
    """The reply of a model that was asked without tools: what it calls nevertheless is left out."""
    return _cleaned(reply.model_copy(update=NO_CALLS), server)


def _cleaned(reply: AIMessage, server: Server) -> AIMessage:
    """The reply without thinking that has an end but no beginning. A stream shows that once for the process."""
    text = str(reply.text)
    if not (unopened := UNOPENED_THINKING.match(text)):
        return reply
    if server not in _begin_thinking:
        _begin_thinking.add(server)
        log.warning("thinking without a beginning model=%r: replies are held back until it ends", server[0])
    return reply.model_copy(update={"content": text[unopened.end() :].lstrip()})
