"""The providers of chat models: the package each one needs, its environment variables, and what its errors mean."""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from memory.errors import BadInput, listed, problems_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

EXAMPLES = "write <provider>:<name>, such as openai:gpt-4.1-mini or anthropic:claude-sonnet-4-5, or offline"


class Provider(NamedTuple):
    """What a provider needs; its package reads the variables itself."""

    package: str
    keys: tuple[str, ...] = ()
    """Environment variables, one of which has to be set; empty where it works without a key."""
    address: str = ""
    """Environment variable for the address of its server."""


PROVIDERS = {
    "openai": Provider("langchain-openai", ("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
    "anthropic": Provider("langchain-anthropic", ("ANTHROPIC_API_KEY",), "ANTHROPIC_BASE_URL"),
    "google_genai": Provider(
        "langchain-google-genai",
        ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"),
        "GOOGLE_GEMINI_BASE_URL",
    ),
    "ollama": Provider("langchain-ollama", address="OLLAMA_HOST"),
    "mistralai": Provider("langchain-mistralai", ("MISTRAL_API_KEY",), "MISTRAL_BASE_URL"),
    "groq": Provider("langchain-groq", ("GROQ_API_KEY",), "GROQ_API_BASE"),
    "deepseek": Provider("langchain-deepseek", ("DEEPSEEK_API_KEY",), "DEEPSEEK_API_BASE"),
    "xai": Provider("langchain-xai", ("XAI_API_KEY",), "XAI_API_BASE"),
    "openrouter": Provider("langchain-openrouter", ("OPENROUTER_API_KEY",), "OPENROUTER_API_BASE"),
}
"""Those that can be checked without importing anything. `init_chat_model` knows more, which are checked by opening."""


def split_name(name: str) -> tuple[str, str]:
    """Provider and model of a model's name: "openai:gpt-4.1-mini" -> ("openai", "gpt-4.1-mini")."""
    provider, _, model = name.partition(":")
    return provider.strip().lower().replace("-", "_"), model.strip()


def model_problem(name: str, *, openai_key: bool) -> str | None:
    """Why the model called `name` cannot be used, as in "needs a key: ..."; None where nothing speaks against it.

    `openai_key` says whether there is a key for OpenAI; those of other providers are looked for in the environment.
    """
    provider, model = split_name(name)
    if not provider or not model:
        return f"names no provider: {EXAMPLES}"
    known = PROVIDERS.get(provider)
    if known is None:
        try:
            init_model(name)
        except CannotOpen as error:
            return error.problem
        return None
    if find_spec(known.package.replace("-", "_")) is None:
        return _package_missing(known.package)
    has_key = openai_key if provider == "openai" else any(os.environ.get(key) for key in known.keys)
    if known.keys and not has_key:
        return f"needs a key: set {known.keys[0]} in .env or the environment, or use the built-in model, offline"
    return None


class CannotOpen(BadInput):
    """A model that its package refuses to open."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"The model {name!r} {problem}.")
        self.problem = problem


def init_model(name: str, **arguments: Any) -> "BaseChatModel":
    """LangChain's chat model for `name`. Raises CannotOpen: no such provider, no package for it, something not set."""
    from langchain.chat_models import init_chat_model  # the offline model does without

    provider, model = split_name(name)
    try:
        opened: BaseChatModel = init_chat_model(model, model_provider=provider, **arguments)
        return opened
    except ImportError as error:
        missing = getattr(error.__cause__, "name", None) or f"langchain_{provider}"
        raise CannotOpen(name, _package_missing(missing.partition(".")[0].replace("_", "-"))) from error
    except ValidationError as error:
        raise CannotOpen(name, f"cannot be opened: {listed(problems_of(error.errors()))}") from None
    except Exception as error:  # each package has its own
        if str(error).startswith("Unsupported provider"):
            raise CannotOpen(name, f"names an unknown provider, {provider!r}: {EXAMPLES}") from error
        raise CannotOpen(name, f"cannot be opened: {type(error).__name__}: {error}".splitlines()[0]) from error


def _package_missing(package: str) -> str:
    return f"needs a package that is not installed: `make add PACKAGE={package}` adds it"


FAILURES_BY_STATUS = {401: "key", 403: "key", 404: "model", 408: "timeout", 429: "quota", 504: "timeout"}
"""By the HTTP status of the answer."""

FAILURES_BY_CLASS = {
    "ModelAuthenticationError": "key",
    "ModelPermissionDeniedError": "key",
    "ModelNotFoundError": "model",
    "ModelRateLimitError": "quota",
    "ModelAPIError": "server",
    "ModelInvalidRequestError": "request",
    "ModelTimeoutError": "timeout",
    "ModelConnectionError": "connection",
    "APITimeoutError": "timeout",
    "TimeoutException": "timeout",
    "TimeoutError": "timeout",
    "APIConnectionError": "connection",
    "TransportError": "connection",
    "ConnectionError": "connection",
    "ServerTimeoutError": "timeout",
    "ClientConnectionError": "connection",
}
"""By the class of the error, or one it descends from: of LangChain, OpenAI-like clients, httpx, Python and aiohttp."""


def model_failure(error: BaseException, name: str) -> str | None:
    """What went wrong between us and the server of the model called `name`, and which settings to check.

    None for an error that is not known as a model's. The text of the error, which may quote the user, is left out.
    """
    provider, _ = split_name(name)
    known = PROVIDERS.get(provider, Provider(""))
    key = known.keys[0] if known.keys else f"the key of {provider}"
    address = known.address or f"the address of {provider}"
    match _kind_of_failure(error):
        case "key":
            return f"the model's server refused the key: check {key}."
        case "model":
            return f"the model's server does not know {name!r}: check CHAT_MODEL and {address}."
        case "quota":
            return "the model's server is asked too often, or the account has no quota left."
        case "timeout":
            return "the model did not answer in time (MODEL_TIMEOUT)."
        case "connection":
            return f"the model's server cannot be reached: check {address} and the network."
        case "request":
            return f"the model's server does not accept the request: check {key}, and that {name!r} supports tools."
        case "server":
            return "the model's server has an internal error."
    return None


def _kind_of_failure(error: BaseException) -> str | None:
    for kind in type(error).__mro__:
        if failure := FAILURES_BY_CLASS.get(kind.__name__):
            return failure
    places = (error, "status_code"), (error, "code"), (getattr(error, "response", None), "status_code")
    status = next((value for where, name in places if isinstance(value := getattr(where, name, None), int)), 0)
    if status >= 400:
        return FAILURES_BY_STATUS.get(status) or ("server" if status >= 500 else "request")
    return None
