"""The providers of chat models: the package and the environment variables of each, and what their errors mean."""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import ValidationError

from memory.errors import BadInput, Unavailable, code_of, listed, problems_of, quoted, server_failure

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

EXAMPLES = "write <provider>:<name>, such as openai:gpt-4.1-mini or anthropic:claude-sonnet-4-5, or offline"
PACKAGE_MISSING = "needs a package that is not installed: `make add PACKAGE={}` adds it"
GOOGLE_KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
MAX_REASON = 300  # characters of a package's error message that are repeated


class Provider(NamedTuple):
    """What a provider needs; its package reads the variables itself."""

    package: str
    keys: tuple[str, ...] = ()  # environment variables, one of which has to be set; empty where it needs no key
    address: str = ""  # the environment variable for the address of its server
    unread: str = ""  # that variable where the package ignores it: the key would be sent to the usual server


PROVIDERS = {
    "openai": Provider("langchain-openai", ("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
    "anthropic": Provider("langchain-anthropic", ("ANTHROPIC_API_KEY",), "ANTHROPIC_BASE_URL"),
    # Version 3, since chromadb's pin of tenacity excludes version 4, which reads the address.
    "google_genai": Provider("langchain-google-genai", GOOGLE_KEYS, unread="GOOGLE_GEMINI_BASE_URL"),
    "ollama": Provider("langchain-ollama", address="OLLAMA_HOST"),
    "mistralai": Provider("langchain-mistralai", ("MISTRAL_API_KEY",), "MISTRAL_BASE_URL"),
    "groq": Provider("langchain-groq", ("GROQ_API_KEY",), "GROQ_API_BASE"),
    "deepseek": Provider("langchain-deepseek", ("DEEPSEEK_API_KEY",), "DEEPSEEK_API_BASE"),
    "xai": Provider("langchain-xai", ("XAI_API_KEY",), "XAI_API_BASE"),
    "openrouter": Provider("langchain-openrouter", ("OPENROUTER_API_KEY",), "OPENROUTER_API_BASE"),
}  # those that can be checked without an import; others that `init_chat_model` knows are checked by opening the model


class NoReply(Unavailable):
    """The chat model failed."""


def split_name(name: str) -> tuple[str, str]:
    """Provider and model of a model's name: "openai:gpt-4.1-mini" -> ("openai", "gpt-4.1-mini")."""
    provider, _, model = name.partition(":")
    return provider.strip().lower().replace("-", "_"), model.strip()


def model_problem(name: str, *, openai_key: bool) -> str | None:
    """Why the model cannot be used, as in "needs a key: ...", or None; `openai_key`: whether OpenAI's is set."""
    provider, model = split_name(name)
    if not provider or not model:
        return f"names no provider: {EXAMPLES}"
    if (known := PROVIDERS.get(provider)) is None:
        try:
            init_model(name)
        except BadInput as error:
            return str(error)
        return None
    if find_spec(known.package.replace("-", "_")) is None:
        return PACKAGE_MISSING.format(known.package)
    if known.unread and os.environ.get(known.unread):
        return f"cannot use the address in {known.unread}: {known.package} ignores it, leave it out"
    has_key = openai_key if provider == "openai" else any(os.environ.get(key) for key in known.keys)
    if known.keys and not has_key:
        return f"needs a key: set {known.keys[0]} in .env or the environment"
    return None


def init_model(name: str, kind: "type[BaseChatModel] | None" = None, **arguments: Any) -> "BaseChatModel":
    """The chat model for `name`: of this class, or else LangChain's. Raises BadInput whose text is a problem as
    `model_problem` returns it."""
    from langchain.chat_models import init_chat_model  # it takes a second, and only real models need it

    provider, model = split_name(name)
    try:
        if kind:
            return kind(model=model, **arguments)
        return cast("BaseChatModel", init_chat_model(model, model_provider=provider, **arguments))
    except ImportError as error:
        missing = getattr(error.__cause__, "name", None) or f"langchain_{provider}"
        raise BadInput(PACKAGE_MISSING.format(missing.partition(".")[0].replace("_", "-"))) from error
    except ValidationError as error:
        raise BadInput(f"cannot be opened: {listed(problems_of(error.errors()))}") from None
    except Exception as error:  # each package has its own
        if str(error).startswith("Unsupported provider"):
            raise BadInput(f"names an unknown provider, {quoted(provider)}: {EXAMPLES}") from error
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:MAX_REASON].rstrip(": .")
        raise BadInput(f"cannot be opened: {reason}") from error


def model_failure(error: BaseException, name: str, setting: str) -> str | None:
    """What went wrong with the model called `name`, which `setting` names, and what to check (see `server_failure`)."""
    provider, _ = split_name(name)
    known = PROVIDERS.get(provider, Provider("", (f"the key of {provider}",)))
    key = known.keys[0] if known.keys else ""
    failure = server_failure(
        error, name=name, setting=setting, key=key, address=known.address, ability="is a chat model"
    )
    if not failure and type(error).__name__ == "APIError":  # of OpenAI's client: an event of the stream, or no reply
        number = str(getattr(error, "code", None))
        code = code_of(error) or (number if number.isdecimal() else "")
        check = f"ask again, or check {known.address or setting}"
        return f"the model's server ended the reply with an error{f' ({code})' if code else ''}: {check}."
    return failure
