"""The settings: read from the environment and the project's `.env`, and checked before anything starts."""

import logging
import os
import re
from collections.abc import Callable, Collection, MutableMapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agent.providers import PROVIDERS, model_problem
from memory.errors import BadInput, problems_of
from memory.extraction.extract import StructuredOutputMethod
from memory.guard.identity import COUNTRIES, countries_of
from memory.index.embeddings import embedder_problem
from memory.index.protocol import Backend
from memory.index.redis import address_problem
from memory.recall.rank import PRESETS, Weights, weights_of

log = logging.getLogger(__name__)

ExtractWhen = Literal["inline", "batched", "background"]
AnonymousRuns = Literal["allow", "warn", "refuse"]
Auth = Literal["", "none", "jwt", "api_key"]
EmbeddedOnHost = Literal["allow", "refuse"]

DEFAULT_USER = "default"
PROJECT = Path(__file__).parents[1]  # `.env` and a relative DATA_DIR are looked for here, not in the working directory
OFFLINE = "offline"  # the chat model where no key is set
DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"
DAY = 86_400  # the longest timeout, in seconds
MAX_TOKENS = 1_000_000  # the largest token budget
MAKE_KEY = "`openssl rand -hex 16` makes one"
SHORTEST_SECRET = 32  # bytes, as the standard of HS256 demands
SIGNATURES = (
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip


CONVERSIONS: dict[str, Callable[[str], object]] = {
    "log_level": str.upper, "ranking": weights_of, "identity_numbers": countries_of,
}  # fmt: skip


class Settings(BaseSettings):
    """Each field is an environment variable of that name in capitals, see `.env.example`; empty: the default."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True
    )

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    chat_model: str = ""
    extraction_model: str = ""
    structured_output: StructuredOutputMethod = "auto"
    model_tools: Literal["auto", "off"] = "auto"
    model_timeout: float = Field(default=60, gt=0, le=DAY, allow_inf_nan=False)  # seconds

    extract: ExtractWhen = "inline"
    extract_every: int = Field(default=10, ge=1, le=100)  # messages
    extract_after: int = Field(default=30, ge=0, le=DAY)  # seconds
    after_reply_timeout: float = Field(default=20, ge=10, le=DAY, allow_inf_nan=False)  # seconds

    embedder: str = "local"
    postgres_url: str = ""
    postgres_connections: int = Field(default=10, ge=4, le=1_000)  # of a pool
    index: Backend = "chroma"
    chroma_url: str = ""
    chroma_api_key: SecretStr | None = None
    chroma_tenant: str = "default_tenant"
    chroma_database: str = "default_database"
    chroma_shards: int = Field(default=16, ge=1, le=256)
    redis_url: str = ""
    langgraph_aes_key: SecretStr | None = None
    auth: Auth = ""
    jwt_secret: SecretStr | None = None
    jwt_jwks: str = ""  # a file, or an address
    jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = ()
    jwt_audience: Annotated[tuple[str, ...], NoDecode] = ()
    jwt_issuer: str = ""
    jwt_leeway: float = Field(default=10, ge=0, le=600, allow_inf_nan=False)  # seconds
    api_keys: Annotated[tuple[str, ...], NoDecode] = ()  # name:hash
    studio: Literal["allow", "refuse"] = "refuse"
    web_origins: Annotated[tuple[str, ...], NoDecode] = ()
    anonymous_runs: AnonymousRuns = "warn"
    server_url: str = ""
    server_authorization: SecretStr | None = None
    receipt_days: int = Field(default=365, ge=0, le=36_500)
    held_days: int = Field(default=30, ge=1, le=36_500)
    identity_numbers: Annotated[frozenset[str], NoDecode] = COUNTRIES  # whose numbers are not kept
    purge_every_days: float = Field(default=0, ge=0, le=36_500, allow_inf_nan=False)
    data_dir: Path = PROJECT / ".data"
    embedded_on_host: EmbeddedOnHost = "refuse"
    embedded_idle_timeout: float = Field(default=60, ge=0, le=DAY, allow_inf_nan=False)  # seconds

    ranking: Annotated[Weights, NoDecode] = PRESETS["default"]
    cached_facts: int = Field(default=10_000, ge=0, le=10_000)  # of one user
    cache_megabytes: int = Field(default=256, ge=1, le=1_000_000)  # of all users together
    memory_tokens: int = Field(default=1_500, ge=0, le=MAX_TOKENS)
    window_tokens: int = Field(default=4_000, ge=100, le=MAX_TOKENS)
    max_message_chars: int = Field(default=32_000, ge=1, le=10_000_000)
    max_request_megabytes: int = Field(default=20, ge=1, le=10_000)
    runs_per_minute: int = Field(default=60, ge=0, le=1_000_000)  # of one user, on all servers together
    log_json: bool = False
    log_key: SecretStr | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"

    @field_validator(
        "structured_output", "model_tools", "extract", "auth", "studio", "anonymous_runs", "embedded_on_host", "index",
        "ranking", "log_level", "identity_numbers", mode="before",
    )  # fmt: skip
    @classmethod
    def _any_case(cls, value: object, info: ValidationInfo) -> object:
        convert = CONVERSIONS.get(str(info.field_name), str)
        return convert(value.strip().lower()) if isinstance(value, str) else value

    @field_validator("jwt_algorithms", "jwt_audience", "api_keys", "web_origins", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("*")
    @classmethod
    def _texts(cls, value: object, info: ValidationInfo) -> object:
        if info.field_name == "redis_url" and info.data.get("index") != "redis":
            return value  # Aegra, whose setting it is as well, takes more kinds of addresses
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        has_openai_key = info.data.get("openai_api_key") is not None
        for text in given if isinstance(given, tuple) else (given,):
            if isinstance(text, str) and text and (problem := _problem_of(str(info.field_name), text, has_openai_key)):
                raise ValueError(problem)
        return value

    @field_validator("data_dir")
    @classmethod
    def _data_dir(cls, path: Path) -> Path:
        try:
            return PROJECT / path.expanduser()
        except RuntimeError as error:
            raise ValueError(f"the home directory {path.parts[0]} does not exist: write the path in full") from error

    @property
    def chat_model_name(self) -> str:
        """CHAT_MODEL, or the default. Raises BadInput if there is none, as after the offline model was removed."""
        if self.chat_model or self.openai_api_key:
            return self.chat_model or DEFAULT_OPENAI_MODEL
        return OFFLINE

    @property
    def extraction_model_name(self) -> str:
        return self.extraction_model or self.chat_model_name


def read_settings() -> Settings:
    """The settings of the environment and `.env`. Raises BadInput that names every wrong variable and what it takes."""
    load_env_file(PROJECT / ".env", os.environ, [name.upper() for name in Settings.model_fields])
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"{_shown(field.upper())}: {problem}." for field, problem in problems_of(error.errors())]
        raise BadInput("\n".join([*wrong, "Set it in .env or the environment; .env.example explains each."])) from None


def _problem_of(field: str, text: str, has_openai_key: bool) -> str | None:
    match field:
        case "chat_model" | "extraction_model" if text == OFFLINE:
            return None
        case "chat_model" | "extraction_model":
            problem = model_problem(text, openai_key=has_openai_key)
            return f"the model {problem}" if problem else None
        case "embedder":
            return embedder_problem(text, has_key=has_openai_key)
        case "postgres_url":
            from memory.ledger.pool import url_problem  # the driver, which not every command needs

            return url_problem(text)
        case "chroma_url" if not _is_http(text) or urlsplit(text).username or urlsplit(text).path.strip("/"):
            return "write http://host:8000 or https://host, and nothing after it"
        case "redis_url":
            return address_problem(text)
        case "openai_base_url" | "server_url" if not _is_http(text):
            return "write an address such as http://127.0.0.1:8000/v1"
        case "jwt_secret" if (size := len(text.encode())) < SHORTEST_SECRET:
            return f"it has {size} bytes, and must have at least {SHORTEST_SECRET}: `openssl rand -hex 32` makes one"
        case "jwt_jwks" if "://" in text and not _is_http(text):
            return "write the path of a file, or an address such as https://example.com/.well-known/jwks.json"
        case "jwt_algorithms" if text not in SIGNATURES:
            return f"{text!r} is none of {', '.join(SIGNATURES)}"
        case "api_keys" if not re.fullmatch("[^:]+:[0-9a-f]{64}", text):
            return "write name:hash for each key, where hash is what `printf %s KEY | sha256sum` prints"
        case "web_origins" if not _is_http(text) or text != text.lower() or "/" in text.split("://", 1)[1]:
            return f"{text!r} is no origin: write one such as https://app.example.com, in lower case and without a path"
        case "langgraph_aes_key":
            return key_problem(text)
    return None


def key_problem(key: str) -> str | None:
    """What is wrong with a key for LANGGRAPH_AES_KEY; None if nothing is."""
    size = len(key.encode())
    return None if size in (16, 24, 32) else f"it has {size} bytes, and must have 16, 24 or 32: {MAKE_KEY}"


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, for example
        return False


def _shown(name: str) -> str:
    """ "NAME is 'value'", or the name alone where the value may contain a password."""
    value = os.environ.get(name, "")
    endings = ("_KEY", "_KEYS", "_SECRET", "_AUTHORIZATION", "POSTGRES_URL", "REDIS_URL")
    is_secret = name.endswith(endings) or "@" in value
    return name if is_secret or not value else f"{name} is {value!r}"


# .env: pydantic-settings could read it, but the packages of model providers look for their keys in the environment.

DISABLED = "PYTHON_DOTENV_DISABLED"  # python-dotenv's own switch: where it is set, no `.env` is read
PROVIDER_VARIABLES = {name for provider in PROVIDERS.values() for name in (*provider.keys, provider.address) if name}
LIBRARY_SUFFIXES = ("_API_KEY", "_API_BASE", "_BASE_URL", "_PROXY")
LIBRARY_PREFIXES = (
    "ANTHROPIC_", "AWS_", "AZURE_", "GOOGLE_", "HF_", "LANGCHAIN_", "LANGGRAPH_", "LANGSMITH_", "LC_", "OLLAMA_",
    "OPENAI_", "OTEL_", "SSL_CERT_",
)  # fmt: skip


def load_env_file(path: Path, environment: MutableMapping[str, str], settings: Collection[str]) -> None:
    """Add the variables of `path`, except empty ones, to those of the environment, which win. Raises BadInput."""
    if environment.get(DISABLED):
        return
    text = _read(path)
    unreadable = [
        str(binding.original.line + binding.original.string.rstrip().count("\n"))
        for binding in parse_stream(StringIO(text))
        if binding.error or (binding.key is not None and binding.value is None) or "\0" in binding.original.string
    ]
    if unreadable:
        lines = f"line{'s' * (len(unreadable) > 1)} {', '.join(unreadable)}"
        raise BadInput(f"{path}: {lines} cannot be read: write NAME=value, one to a line.")
    present = {name.upper() if name.upper() in settings else name for name in environment}
    for name, value in dotenv_values(stream=StringIO(text)).items():
        known_name = name.upper() if name.upper() in settings else name
        if value and known_name not in present:
            environment[known_name] = value
            if warning := name_warning(name, settings):
                log.warning(warning)


def name_warning(name: str, settings: Collection[str]) -> str | None:
    """The warning for a name in `.env` that is unknown, with the name that was probably meant."""
    known, upper = {*settings, *PROVIDER_VARIABLES}, name.upper()
    if name in known or upper in settings or (upper not in known and upper.endswith(LIBRARY_SUFFIXES)):
        return None
    if near := get_close_matches(upper, sorted(known), n=1, cutoff=0.8):
        return f"{name} in .env is unknown: did you mean {near[0]}?"
    if upper.startswith(LIBRARY_PREFIXES):
        return None
    return f"{name} in .env is not a setting of this project; other libraries can read it from the environment."


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadInput(f"{path}: line {line} is not UTF-8: save the file as UTF-8.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}): make it a readable file, or remove it.") from error
