"""OpenAI's chat model, with the refusals that LangChain leaves out of a stream. Importing it takes a second."""

from typing import Any

from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI


class OpenAIChatModel(ChatOpenAI):
    """ChatOpenAI, whose streamed messages hold a refusal in `additional_kwargs`, as those of whole answers do."""

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        choices = chunk.get("choices") or [{}]
        if converted and (refusal := (choices[0].get("delta") or {}).get("refusal")):
            converted.message.additional_kwargs["refusal"] = refusal
        return converted
