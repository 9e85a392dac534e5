"""Opens chat models by name: "<provider>:<name>", through LangChain."""

import math
from functools import lru_cache
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from agent.providers import init_model, model_problem, split_name
from agent.settings import Settings
from memory.errors import BadInput, quoted

MODEL_RETRIES = 2  # after a 429, a 5xx or a broken connection, by packages that can; Ollama's cannot


def open_model(name: str, settings: Settings) -> BaseChatModel:
    """The chat model called `name`. Raises BadInput for a wrong name, a missing package or a missing key."""
    if name == "offline":  # these lines go when the folder agent/offline is deleted
        from agent.offline.model import OfflineChatModel

        return OfflineChatModel()
    key = settings.openai_api_key
    try:
        if problem := model_problem(name, openai_key=key is not None):
            raise BadInput(problem)
        return _open(name, settings.model_timeout, key, settings.openai_base_url)
    except BadInput as error:
        raise BadInput(f"The model {quoted(name)} {error}.") from error


@lru_cache(maxsize=16)
def _open(name: str, timeout: float, openai_key: SecretStr | None, openai_base_url: str | None) -> BaseChatModel:
    arguments: dict[str, Any] = {"timeout": timeout, "max_retries": MODEL_RETRIES}
    match split_name(name)[0]:
        case "openai":
            from agent.chat_models.openai_model import OpenAIChatModel

            # OpenAI-compatible servers know Chat Completions, but not the Responses API.
            arguments |= {"api_key": openai_key, "base_url": openai_base_url, "use_responses_api": False}
            arguments["stream_chunk_timeout"] = timeout  # a server may send signs of life for ever, and no token
            return init_model(name, OpenAIChatModel, **arguments)
        case "ollama":
            arguments = {"client_kwargs": {"timeout": timeout}}
        case "bedrock" | "bedrock_converse":
            arguments = {}  # they pass unknown arguments on to the model; boto3 has its own variables
        case "mistralai":
            arguments["timeout"] = math.ceil(timeout)
    return init_model(name, **arguments)
