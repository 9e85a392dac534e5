"""A model's name to a chat model: "<provider>:<name>" through LangChain, or "offline" for the built-in one."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from agent.providers import CannotOpen, init_model, model_problem, split_name
from agent.settings import Settings

MODEL_RETRIES = 2
"""Times a call is repeated after a 429, a 5xx or a broken connection, by the packages that can; Ollama's cannot."""


class Choice(NamedTuple):
    """A model's name, and the setting that gives it."""

    name: str
    setting: str


def chat_choice(settings: Settings, asked_for: str = "") -> Choice:
    """The model that replies; `asked_for` is the one that the run's context names."""
    return Choice(asked_for, "the run's `model`") if asked_for else Choice(settings.chat_model_name, "CHAT_MODEL")


def extraction_choice(settings: Settings) -> Choice:
    """The model that takes facts from messages and sums up long threads."""
    setting = "EXTRACTION_MODEL" if settings.extraction_model else "CHAT_MODEL"
    return Choice(settings.extraction_model_name, setting)


def open_model(name: str, settings: Settings) -> BaseChatModel:
    """The chat model called `name`. Raises CannotOpen, a BadInput, for a wrong name, a missing package or key."""
    if name == "offline":  # these lines go when the folder agent/offline is deleted
        from agent.offline.model import OfflineChatModel

        return OfflineChatModel()
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    if problem := model_problem(name, openai_key=bool(key)):
        raise CannotOpen(name, problem)
    return _open(name, settings.model_timeout, key, settings.openai_base_url)


@lru_cache(maxsize=16)
def _open(name: str, timeout: float, openai_key: str, openai_base_url: str | None) -> BaseChatModel:
    provider, _ = split_name(name)
    arguments: dict[str, Any] = {"timeout": timeout, "max_retries": MODEL_RETRIES}
    match provider:
        case "openai":
            arguments |= {
                "api_key": SecretStr(openai_key),
                "base_url": openai_base_url,
                "use_responses_api": False,  # OpenAI-compatible servers speak Chat Completions
            }
        case "ollama":
            arguments = {"client_kwargs": {"timeout": timeout}}
        case "bedrock" | "bedrock_converse":
            arguments = {}  # they pass on to the model what they do not know; boto3 has its own variables
        case "mistralai":
            arguments["timeout"] = math.ceil(timeout)
    return init_model(name, **arguments)
