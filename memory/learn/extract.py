"""One model call that takes candidate facts from what the user said."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from memory.errors import AgentMemoryError
from memory.facts.changes import Changes
from memory.facts.fact import Fact
from memory.learn.answer import EXTRACTION_PROMPT, Extraction, answer_schema
from memory.learn.utterances import Utterance

if TYPE_CHECKING:  # LangChain takes half a second to import, and only a model call needs it
    from langchain_core.language_models import BaseChatModel

StructuredOutputMethod = Literal["auto", "json_schema", "function_calling", "json_mode"]


@dataclass(frozen=True)
class Extracted:
    """An extraction and what it was asked about."""

    utterances: list[Utterance]
    known: list[Fact]
    extraction: Extraction
    started_at: datetime  # what was forgotten after it is not learned


class ExtractionFailed(AgentMemoryError):
    """The model gave no usable answer; the messages are to be extracted later."""

    def __init__(self, text: str, *, transient: bool) -> None:
        super().__init__(text)
        self.transient = transient  # whether the same messages may succeed later: the model did not answer
        self.learned = Changes()  # from other messages, before it


def extraction_input(utterances: Sequence[Utterance], known: Sequence[Fact]) -> str:
    """What the model is shown, as JSON: messages and known facts, each with a number from 1."""
    messages = [{"said_at": f"{said.said_at:%A %Y-%m-%d %H:%M %Z}", "text": said.text} for said in utterances]
    facts = [{"subject": fact.subject, "attribute": fact.attribute, "text": fact.text} for fact in known]
    parts = {"messages": messages, "known": facts}
    numbered = {name: [{"number": n} | part for n, part in enumerate(parts[name], 1)] for name in parts}
    return json.dumps(numbered, ensure_ascii=False)


async def extract(
    model: "BaseChatModel", utterances: Sequence[Utterance], known: Sequence[Fact], method: StructuredOutputMethod
) -> Extraction:
    """One model call: candidate facts from what the user said, related to what is known. Raises ExtractionFailed."""
    from langchain_core.messages import HumanMessage, SystemMessage

    schema = answer_schema()  # as JSON: OpenAI's client warns about a parsed object, which it cannot serialize
    options: dict[str, Any] = {} if method == "auto" else {"method": method}
    structured = model.with_structured_output(schema, **options)
    instructions = EXTRACTION_PROMPT
    if method == "json_mode":  # with the other methods the model is told the schema anyway
        instructions += f"\n\nAnswer with one JSON object of this schema:\n{json.dumps(schema)}"
    prompt = [SystemMessage(instructions), HumanMessage(extraction_input(utterances, known))]
    try:
        # Without the tag LangGraph would stream its tokens to the user, as part of the reply.
        return Extraction.model_validate(await structured.ainvoke(prompt, {"tags": ["nostream"]}))
    except Exception as error:  # each provider has its own errors
        useless = isinstance(error, ValueError | TypeError) or getattr(error, "code", None) == "content_filter"
        raise ExtractionFailed(f"{type(error).__name__} from the extraction model", transient=not useless) from error
