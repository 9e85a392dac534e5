"""One model call that takes candidate facts from what the user said."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import ValidationError

from memory.errors import Unavailable, code_of, status_of
from memory.extraction.answer import EXTRACTION_PROMPT, TASK, Extraction, answer_schema
from memory.extraction.utterances import Utterance
from memory.facts.changes import Changes
from memory.facts.fact import Fact
from memory.model_text import literals_in, reason_of, values_in, was_cut_off

if TYPE_CHECKING:  # LangChain takes half a second to import, and only a model call needs it
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

log = logging.getLogger(__name__)

StructuredOutputMethod = Literal["auto", "json_schema", "function_calling", "json_mode"]

FALLBACKS: tuple[StructuredOutputMethod, ...] = ("auto", "function_calling", "json_mode")
"""Tried in this order; "auto" is the default of the model's package, for most of them json_schema."""
REFUSALS = {400, 404, 422, 500, 501}  # statuses with which servers answer to what they do not support
REFUSALS_IN_A_ROW = 2  # requests, after which an error that may be a passing one counts as a refusal
OTHER_REFUSALS = {
    "content_filter",
    "context_length_exceeded",
    "ContextOverflowError",
    "invalid_api_key",
    "model_not_found",
}  # codes and classes of errors
FACT = {"text", "quote"}  # keys that the items of a list of facts have, and the messages that a model may repeat do not
REASONING = ("reasoning_content", "reasoning")  # keys in a message's `additional_kwargs`
CUT_OFF_ERRORS = {"LengthFinishReasonError", "ContentFilterFinishReasonError"}  # of OpenAI's client

_accepted: dict[tuple[str, str], StructuredOutputMethod] = {}  # by `server_of`, where the default was refused
_refusals = Counter[tuple[str, str]]()  # by `server_of`: internal errors in a row, after which another method succeeded
_tried = set[tuple[str, str]]()  # servers whose methods are known: one has worked, or all have given prose


@dataclass(frozen=True)
class Extracted:
    """An extraction and what it was asked about."""

    utterances: list[Utterance]
    known: list[Fact]
    extraction: Extraction
    started_at: datetime  # what was forgotten after it is not learned


class ExtractionFailed(Unavailable):
    """The model gave no usable answer; the messages are to be extracted later."""

    def __init__(self, text: str, *, transient: bool) -> None:
        super().__init__(text)
        self.transient = transient  # whether the same messages may succeed later: the model did not answer
        self.learned = Changes()  # from other messages, before it


class Prose(ValueError):
    """An answer without any JSON."""


def extraction_input(utterances: Sequence[Utterance], known: Sequence[Fact]) -> str:
    """What the model is shown, as JSON: known facts and messages, each with a number from 1, and what to do.

    Small models give back as facts what they read last, so the known facts come first.
    """
    messages = [{"said_at": f"{said.said_at:%A %Y-%m-%d %H:%M %Z}", "text": said.text} for said in utterances]
    facts = [{"subject": fact.subject, "attribute": fact.attribute, "text": fact.text} for fact in known]
    parts = {"known": facts, "messages": messages}
    numbered = {name: [{"number": n} | part for n, part in enumerate(parts[name], 1)] for name in parts}
    return json.dumps({**numbered, "task": TASK}, ensure_ascii=False)


async def extract(
    model: "BaseChatModel", utterances: Sequence[Utterance], known: Sequence[Fact], method: StructuredOutputMethod
) -> Extraction:
    """Candidate facts from what the user said, related to what is known. Raises ExtractionFailed.

    One model call. With the method "auto", a server that refuses a method of structured output is asked again with the
    next one. If that succeeds, it is kept for the process: at once, or after a second internal error (500) in a row.
    A server may also ignore a method and answer in prose: it is asked again until a method has worked, or none has.
    """
    server, request = server_of(model), extraction_input(utterances, known)
    methods = FALLBACKS[FALLBACKS.index(_accepted.get(server, "auto")) :] if method == "auto" else (method,)
    refused: Exception | None = None
    for attempt in methods:
        try:
            extraction = await _ask(model, request, attempt)
        except Exception as error:  # each provider has its own errors
            ignored = isinstance(error, Prose) and (bool(refused) or server not in _tried)
            if attempt != methods[-1] and (refuses_method(error) or ignored):
                refused = refused or error
                continue
            cause = refused or error
            if isinstance(cause, Prose):
                _tried.add(server)
            if method != "auto" and refuses_method(cause):
                text = (
                    f"The extraction model's server answered {status_of(cause)} to STRUCTURED_OUTPUT={method}: try auto"
                )
                raise ExtractionFailed(text, transient=True) from None
            if _is_unusable(cause):
                raise ExtractionFailed("The extraction model gave no usable answer", transient=False) from cause
            raise ExtractionFailed(f"{type(cause).__name__} from the extraction model", transient=True) from cause
        _tried.add(server)
        if not refused:
            _refusals.pop(server, None)
        elif _accepted.get(server) != attempt:
            status = status_of(refused)
            how = "ignored" if isinstance(refused, Prose) else f"refused with status {status}"
            _refusals[server] += REFUSALS_IN_A_ROW if status != 500 else 1
            if _refusals[server] >= REFUSALS_IN_A_ROW:
                _accepted[server] = attempt
                log.warning("structured output %s model=%r: %s from now on", how, server[0], attempt)
        return extraction
    raise AssertionError("there is at least one method")


async def _ask(model: "BaseChatModel", request: str, method: StructuredOutputMethod) -> Extraction:
    from langchain_core.messages import HumanMessage, SystemMessage

    schema = answer_schema()  # as JSON: OpenAI's client warns about a parsed object, which it cannot serialize
    options: dict[str, Any] = {} if method == "auto" else {"method": method}
    structured = model.with_structured_output(schema, include_raw=True, **options)
    instructions = EXTRACTION_PROMPT
    if method == "json_mode":  # with the other methods the model is told the schema anyway
        instructions += f"\n\nAnswer with one JSON object of this schema:\n{json.dumps(schema)}"
    prompt = [SystemMessage(instructions), HumanMessage(request)]
    # Without the tag LangGraph would stream its tokens to the user, as part of the reply.
    answer = await structured.ainvoke(prompt, {"tags": ["nostream"]})
    return read_extraction(cast(Mapping[str, Any], answer)["raw"])


def read_extraction(answer: "AIMessage") -> Extraction:
    """The first whole object in the answer that is an Extraction. Raises ValueError if there is none."""
    from memory.thinking import without_thinking  # its regular expressions take a moment

    # Where a stream is cut off, the client completes the arguments of a call.
    reason, cut_off = reason_of(answer.response_metadata), was_cut_off(answer.response_metadata)
    values: list[object] = [] if cut_off else [call["args"] for call in answer.tool_calls]
    thought = next(filter(None, map(answer.additional_kwargs.get, REASONING)), "")  # where some write all they write
    text = without_thinking(str(answer.text)) or str(thought)
    for given in (*(call["args"] or "" for call in answer.invalid_tool_calls), text):
        values += [*values_in(given), *literals_in(given)]
    if found := next(filter(None, map(_extraction, values)), None):
        return found
    refused = reason in OTHER_REFUSALS or answer.additional_kwargs.get("refusal")
    is_prose = "{" not in text and not answer.tool_calls and not answer.invalid_tool_calls
    failure = Prose if is_prose and not cut_off and not refused else ValueError
    raise failure("The answer holds no object with the facts.")


def _extraction(value: object, depth: int = 2) -> Extraction | None:
    """The value as an Extraction, or that inside a wrapper such as {"name": "Extraction", "arguments": {...}}."""
    if isinstance(value, str):
        value = next(values_in(value), None)
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and item.keys() >= FACT for item in value):
        value = {"facts": value}
    if not isinstance(value, Mapping):
        return None
    value = {str(key).lower(): part for key, part in value.items()}
    try:
        # What is whole was not cut off, so that a missing list is an empty one.
        return Extraction.model_validate({"retracted": [], **value} if "facts" in value else value)
    except ValidationError:
        # "properties" is the schema, which some models repeat.
        inner = (_extraction(part, depth - 1) for key, part in value.items() if depth and key != "properties")
        return next(filter(None, inner), None)


def server_of(model: "BaseChatModel") -> tuple[str, str]:
    """The model's name and the address of its server, as far as its class tells them: what a refusal concerns."""
    names, addresses = ("model_name", "model", "model_id"), ("openai_api_base", "base_url", "endpoint")
    name, address = (next(filter(None, (getattr(model, n, None) for n in of)), "") for of in (names, addresses))
    return str(name), str(address)


def refuses_method(error: Exception) -> bool:
    """Whether a server may have refused what was asked of the model, rather than the key, the model or this request."""
    signs = {code_of(error), *(kind.__name__ for kind in type(error).__mro__)}
    return status_of(error) in REFUSALS and not signs & OTHER_REFUSALS


def _is_unusable(error: Exception) -> bool:
    """Whether the model answered, but with nothing that can be used: asking again with the same messages is no use."""
    known = type(error).__name__ in CUT_OFF_ERRORS or code_of(error) == "content_filter"
    return known or isinstance(error, ValueError | TypeError)
