"""The settings of one process: read from the environment and `.env` once, and checked before anything starts."""

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agent.env_file import load_env_file
from agent.providers import model_problem
from memory.errors import BadInput, problems_of
from memory.learn.extract import StructuredOutputMethod
from memory.recall.rank import PRESETS, Weights, weights_of

ExtractWhen = Literal["inline", "batched", "background"]

DEFAULT_USER = "default"
PROJECT = Path(__file__).parents[1]
"""The folder that holds agent/: `.env` and a relative DATA_DIR are looked for there, not in the working directory."""

OFFLINE = "offline"
OFFLINE_NOTICE = (
    "This is the built-in rule-based model: it needs no key, and understands plain statements and questions about you "
    "only. For a real model, set OPENAI_API_KEY, and CHAT_MODEL=openai:<name>, in .env."
)
DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"

DAY = 86_400
"""Seconds that a timeout may be set to at most."""
MAX_TOKENS = 1_000_000
"""Tokens that a budget may have at most."""


class Settings(BaseSettings):
    """Each field is an environment variable of the same name in capitals; an empty one means the default."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True
    )

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    """Address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1; empty: OpenAI's own."""
    chat_model: str = ""
    """ "<provider>:<name>" or "offline"; empty: OpenAI's when OPENAI_API_KEY is set, otherwise offline."""
    extraction_model: str = ""
    """The model that takes facts from messages and sums up long threads; empty: the chat model."""
    structured_output: StructuredOutputMethod = "auto"
    """How the extraction model is asked for its answer's shape; auto: as its package does by default."""
    model_timeout: float = Field(default=60, gt=0, le=DAY, allow_inf_nan=False)
    """Seconds a model call may take; it is tried up to three times where the server says to try again."""

    extract: ExtractWhen = "inline"
    """When facts are taken from what was said: after each reply, every so many messages, or once it has been quiet."""
    extract_every: int = Field(default=10, ge=1, le=100)
    """Messages that make up a batch."""
    extract_after: int = Field(default=30, ge=0, le=DAY)
    """Seconds of quiet before messages are extracted in the background."""

    embedder: str = "local"
    """ "local" or "openai:<name>", such as openai:text-embedding-3-small."""

    postgres_url: str = ""
    """postgresql://user:password@host:5432/database; empty: an embedded Postgres in DATA_DIR."""
    chroma_url: str = ""
    """http://host:8000; empty: an embedded Chroma in DATA_DIR."""
    chroma_shards: int = Field(default=16, ge=1, le=256)
    """Collections that the facts are spread over, by users: one for every few thousand facts. `reindex` changes it."""
    langgraph_aes_key: SecretStr | None = None
    """Key of 16, 24 or 32 bytes with which threads are encrypted in Postgres; empty: they are not."""
    data_dir: Path = PROJECT / ".data"
    """Where the embedded servers keep their data; a relative path is relative to the project."""
    embedded_idle_timeout: float = Field(default=60, ge=0, le=DAY, allow_inf_nan=False)
    """Seconds that the embedded servers stay up after their last use, so that the next command need not start them."""

    ranking: Annotated[Weights, NoDecode] = PRESETS["default"]
    """Weights of recall's signals: the measured default, or the guide's 0.40 / 0.35 / 0.25; single ones can be set."""
    cached_facts: int = Field(default=2_000, ge=1, le=10_000)
    """Facts of one user that are held in memory at most; the collection searches the others."""
    cache_megabytes: int = Field(default=256, ge=1, le=1_000_000)
    """Memory that the facts of the users who talk now may take in one process."""
    memory_tokens: int = Field(default=1_500, ge=0, le=MAX_TOKENS)
    """About how many tokens of recalled facts a prompt may carry."""
    window_tokens: int = Field(default=4_000, ge=100, le=MAX_TOKENS)
    """About how many tokens of the thread's messages a prompt may carry; past it, the older half is summed up."""
    max_message_chars: int = Field(default=32_000, ge=1, le=10_000_000)
    """Characters a message may have."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"

    @field_validator("structured_output", "extract", "ranking", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_case(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("chat_model", "extraction_model")
    @classmethod
    def _model(cls, name: str, info: ValidationInfo) -> str:
        openai_key = info.data.get("openai_api_key") is not None
        if name not in ("", OFFLINE) and (problem := model_problem(name, openai_key=openai_key)):
            raise ValueError(f"the model {problem}")
        return name

    @field_validator("embedder")
    @classmethod
    def _embedder(cls, name: str, info: ValidationInfo) -> str:
        if name == "local":
            return name
        if not name.startswith("openai:") or name == "openai:":
            raise ValueError("write local, or openai:<name> such as openai:text-embedding-3-small")
        if info.data.get("openai_api_key") is None:
            raise ValueError("it needs a key: set OPENAI_API_KEY, or EMBEDDER=local")
        return name

    @field_validator("postgres_url")
    @classmethod
    def _postgres_url(cls, url: str) -> str:
        if url:
            from memory.ledger.pool import url_problem  # the driver, which not every command needs

            if problem := url_problem(url):
                raise ValueError(problem)
        return url

    @field_validator("chroma_url")
    @classmethod
    def _chroma_url(cls, url: str) -> str:
        if url and not (_is_http(url) and not urlsplit(url).username and not urlsplit(url).path.strip("/")):
            raise ValueError("write http://host:8000 or https://host, and nothing behind it")
        return url

    @field_validator("openai_base_url")
    @classmethod
    def _openai_base_url(cls, url: str | None) -> str | None:
        if url and not _is_http(url):
            raise ValueError("write an address such as http://127.0.0.1:8000/v1")
        return url

    @field_validator("data_dir")
    @classmethod
    def _data_dir(cls, path: Path) -> Path:
        try:
            path = PROJECT / path.expanduser()
        except RuntimeError as error:
            raise ValueError(f"{path.parts[0]} is nobody's home directory here: write the path in full") from error
        if file := next(filter(_is_no_directory, (path, *path.parents)), None):
            raise ValueError(f"{file} is no directory: name one")
        return path

    @field_validator("ranking", mode="before")
    @classmethod
    def _ranking(cls, ranking: str | Weights) -> Weights:
        return weights_of(ranking) if isinstance(ranking, str) else ranking

    @field_validator("langgraph_aes_key")
    @classmethod
    def _aes_key(cls, key: SecretStr | None) -> SecretStr | None:
        size = len(key.get_secret_value().encode()) if key else 16
        if size not in (16, 24, 32):
            raise ValueError(f"it has {size} bytes, and must have 16, 24 or 32: `openssl rand -hex 16` makes one")
        return key

    @property
    def chat_model_name(self) -> str:
        """The chat model that is meant: the named one, or what the presence of a key says."""
        return self.chat_model or (DEFAULT_OPENAI_MODEL if self.openai_api_key else OFFLINE)

    @property
    def extraction_model_name(self) -> str:
        return self.extraction_model or self.chat_model_name


@cache
def read_settings() -> Settings:
    """The settings of this process. Raises BadInput that names every wrong variable and what it takes."""
    load_env_file(PROJECT / ".env", os.environ, [name.upper() for name in Settings.model_fields])
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"{_shown(field.upper())}: {problem}." for field, problem in problems_of(error.errors())]
        raise BadInput("\n".join([*wrong, "Set it in .env or the environment; .env.example explains each."])) from None


def _is_no_directory(path: Path) -> bool:
    """Whether something else than a directory is there."""
    try:
        return path.exists() and not path.is_dir()
    except OSError:  # below a directory that may not be entered, say
        return False


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, say
        return False


def _shown(name: str) -> str:
    """ "NAME is 'value'", or the name alone where the value may hold a password."""
    value = os.environ.get(name, "")
    return name if not value or name.endswith(("_KEY", "POSTGRES_URL")) or "@" in value else f"{name} is {value!r}"
