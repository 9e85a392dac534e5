"""Asks a model for a reply, and again without images or tools where that is the way to get one."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool

from agent.chat_models.reply_model import BEGAN_THINKING, HID_CALL, ReplyModel
from memory.errors import is_too_long, status_of
from memory.extraction.extract import refuses_method, server_of
from memory.model_text import CUT_OFF, CUT_SHORT, reason_of, was_cut_off
from memory.thinking import without_thinking

log = logging.getLogger(__name__)

FILTERED = {"content_filter", "content_filtered", "guardrail_intervened", "safety", "prohibited_content", "blocklist",
            "recitation", "spii"}  # fmt: skip
MEDIA_REFUSALS = {413, 415}  # further statuses with which servers answer to images
LEFT_OUT_MEDIA = "left_out_media"  # key in a reply's `response_metadata`: the model did not get the question's image
NO_CALLS: dict[str, list[Any]] = {"tool_calls": [], "invalid_tool_calls": []}
REFUSALS_IN_A_ROW = 2  # after which a server is no longer asked with tools
THINKERS = re.compile(r"\b(?:r1|qwq|think(?:ing)?|reason(?:er|ing))\b")  # in the names of models
OWN_SERVERS = {"openai-chat", "chat-ollama"}  # kinds of models that people serve themselves, with any chat template

Server: TypeAlias = tuple[str, str]  # of `server_of`

_refusals = Counter[Server]()  # of requests with tools, in a row
_begin_thinking = dict[Server, bool]()  # whether a server puts the opening tag into the prompt


async def ask(
    model: BaseChatModel, messages: Sequence[BaseMessage], tools: Sequence[BaseTool], *, may_call: bool, has_tools: bool
) -> AIMessage:
    """The model's reply, without thinking; a call that it writes as text becomes a call of a tool.

    Tools are left out if the model has none (not `has_tools`), has called enough (not `may_call`), or writes a call
    that cannot be carried out. A request that the server refuses is repeated without images, then without tools. A
    refusal can have many reasons, so tools are left out for the rest of the process only after a server has refused
    them, and answered the same request without them, REFUSALS_IN_A_ROW times.
    """
    server = server_of(model)
    begins_thinking = _begin_thinking.get(server, expected_to_begin_thinking(model))
    offering = ReplyModel(model=model, tools=tools, begins_thinking=begins_thinking)
    plain = offering.model_copy(update={"offers_tools": False})
    if not has_tools or _refusals[server] >= REFUSALS_IN_A_ROW:
        messages, may_call = without_calls(messages), False
    given, texts = [*messages], [without_media(message) for message in messages]
    has_media, refusal = texts != given, None
    for with_tools, sent in product([True, False] if may_call else [False], [given, texts] if has_media else [given]):
        try:
            if with_tools:
                reply = await offering.ainvoke(sent)
            else:
                reply = _text_of(await plain.ainvoke(without_calls(sent) if may_call else sent))
        except Exception as error:  # each provider has its own
            refusal = refusal or error
            if refuses_method(error) or (has_media and status_of(error) in MEDIA_REFUSALS):
                continue
            break
        if may_call and not (refusal and is_too_long(refusal)):
            _count_refusal(server, None if with_tools else refusal)
        if with_tools and reply.response_metadata.get(HID_CALL):
            reply = _text_of(await plain.ainvoke(sent))
        if sent is texts and question_of(texts) != question_of(given):
            reply = _marked(reply, LEFT_OUT_MEDIA)
        return _cleaned(reply, server)
    raise refusal or AssertionError("there is at least one way to ask")


def expected_to_begin_thinking(model: BaseChatModel) -> bool | None:
    """Whether a model that has not replied yet thinks without an opening tag: True if its name says that it thinks,
    None if its server may put the tag into the prompt. A first reply without thinking is shown when it has ended."""
    name, address = server_of(model)
    is_own = model._llm_type in OWN_SERVERS and (address or model._llm_type == "chat-ollama")
    return bool(THINKERS.search(name.lower())) or (None if is_own and "api.openai.com" not in address else False)


def without_calls(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages without tool calls and their results, which a model without tools does not understand."""
    kept = [message for message in messages if not isinstance(message, ToolMessage)]
    texts = [message.model_copy(update=NO_CALLS) if isinstance(message, AIMessage) else message for message in kept]
    return [message for message in texts if not isinstance(message, AIMessage) or message.text.strip()]


def without_media(message: BaseMessage) -> BaseMessage:
    """A user's message with a text such as "[image that you cannot read]" in place of each image, sound or file."""
    if not isinstance(message, HumanMessage) or isinstance(message.content, str):
        return message
    return message.model_copy(update={"content": [_as_text(block) for block in message.content]})


def _as_text(block: str | dict[str, Any]) -> str | dict[str, Any]:
    kind = "text" if isinstance(block, str) else str(block.get("type", "text"))
    if kind == "text":
        return block
    name = kind.removeprefix("input_").removesuffix("_url")
    return {"type": "text", "text": f"[{name} that you cannot read]"}


def missing_reply(reply: AIMessage) -> str | None:
    """Why there is nothing to show or to carry out, as a sentence for the user; None if there is something."""
    if reply.text.strip() or reply.tool_calls or reply.invalid_tool_calls:
        return None
    reason = reason_of(reply.response_metadata)
    if reply.additional_kwargs.get("refusal") or reason == "refusal":
        return "the model refused to answer: put it in other words."
    if reason in FILTERED:
        return "the provider's content filter held the reply back: put it in other words, or begin a new thread."
    if reason in CUT_OFF:
        return "the model used up its tokens before it replied: ask for less, or raise the limit of the server."
    if reason == CUT_SHORT:
        return "the model's server ended its answer before a reply came: ask again, or check the server's address."
    if reply.response_metadata.get(HID_CALL):
        return "the model wrote a call of a tool in place of a reply: set MODEL_TOOLS=off, or use a larger model."
    return "the model gave an empty reply: ask again."


def notice_about(reply: AIMessage) -> str | None:
    """What the user should know about a reply that is shown, such as that it is not whole; None for most replies."""
    reason = reason_of(reply.response_metadata)
    if reason in FILTERED:
        return "The reply is not whole: the provider's content filter cut it off."
    if reason in CUT_OFF:
        return (
            "The reply is not whole: the model used up its tokens. Ask it to go on, or raise the limit of the server."
        )
    if reason == CUT_SHORT:
        return "The reply may not be whole: the connection to the model's server ended early."
    if reply.response_metadata.get(LEFT_OUT_MEDIA):
        return "The model's server refused the image or file, so the model did not see it: CHAT_MODEL names the model."
    return None


def question_of(messages: Sequence[BaseMessage]) -> HumanMessage | None:
    """The user's last message; None if there is none."""
    return next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)


def _count_refusal(server: Server, refusal: Exception | None) -> None:
    """Count a request with tools that was refused, or forget earlier ones after one that was not."""
    _refusals[server] = _refusals[server] + 1 if refusal else 0
    if refusal and _refusals[server] == REFUSALS_IN_A_ROW:
        log.warning("tools refused model=%r status=%d: asked without them from now on", server[0], status_of(refusal))


def _marked(reply: AIMessage, key: str) -> AIMessage:
    return reply.model_copy(update={"response_metadata": reply.response_metadata | {key: True}})


def _text_of(reply: AIMessage) -> AIMessage:
    """The reply of a model that was asked without tools: what it calls nevertheless is left out."""
    called = reply.tool_calls or reply.invalid_tool_calls
    return _marked(reply, HID_CALL).model_copy(update=NO_CALLS) if called else reply


def _cleaned(reply: AIMessage, server: Server) -> AIMessage:
    """The reply without calls that may have been cut off, and without thinking that has an end but no beginning."""
    if is_part := was_cut_off(reply.response_metadata):
        reply = reply.model_copy(update=NO_CALLS)
    text = str(reply.text)
    answer, began = without_thinking(text), BEGAN_THINKING in reply.response_metadata
    was_shown = answer != text.strip()
    if (was_shown or began) and not _begin_thinking.get(server):
        log.warning("thinking without a beginning model=%r: replies are held back until it ends", server[0])
    if began or (text.strip() and not is_part):  # a call alone, or a part of a reply, says nothing of it
        _begin_thinking[server] = was_shown or began or _begin_thinking.get(server, False)
    return reply.model_copy(update={"content": answer}) if was_shown else reply
