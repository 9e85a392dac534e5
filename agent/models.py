"""A model's name to a chat model: "openai:<name>", or "offline" for the rule-based one that needs no key."""

from functools import lru_cache

from langchain_core.language_models import BaseChatModel

from agent.offline.model import OfflineChatModel
from agent.settings import OFFLINE, Settings
from memory.errors import BadInput

MODEL_RETRIES = 2
"""Times a call is repeated after a 429, a 5xx or a broken connection."""


def open_model(name: str, settings: Settings) -> BaseChatModel:
    """The chat model called `name`. Raises BadInput for an unknown name, or an openai one without a key."""
    match name.split(":", 1):
        case [kind] if kind == OFFLINE:
            return OfflineChatModel()
        case ["openai", model] if model:
            if settings.openai_api_key is None:
                raise BadInput(
                    f"The model {name!r} needs a key: set OPENAI_API_KEY, or CHAT_MODEL=offline for the built-in one."
                )
            return _openai(
                model, settings.openai_api_key.get_secret_value(), settings.openai_base_url, settings.model_timeout
            )
    raise BadInput(f"Unknown model {name!r}: write openai:<name>, such as openai:gpt-4.1-mini, or offline.")


@lru_cache(maxsize=16)
def _openai(model: str, api_key: str, base_url: str | None, timeout: float) -> BaseChatModel:
    from langchain_openai import ChatOpenAI  # a second of imports that the offline model does not need
    from pydantic import SecretStr

    return ChatOpenAI(
        model_name=model,
        openai_api_key=SecretStr(api_key),
        openai_api_base=base_url,
        request_timeout=timeout,
        max_retries=MODEL_RETRIES,
        use_responses_api=False,  # OpenAI-compatible servers speak Chat Completions
    )
