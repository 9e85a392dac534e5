"""What one process is told by its environment: read once, checked, with errors that name the variable and the fix."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from memory.errors import BadInput
from memory.extract import StructuredOutputMethod
from memory.rank import PRESETS, Weights, weights_of

When = Literal["inline", "batched", "background"]

DEFAULT_USER = "default"
OFFLINE = "offline"
DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"


class Settings(BaseSettings):
    """Each field is an environment variable of the same name in capitals; `.env` is read too, the environment wins."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    chat_model: str = ""
    """ "openai:<name>" or "offline"; empty: openai when OPENAI_API_KEY is set, otherwise offline."""
    extraction_model: str = ""
    """The model that takes facts from messages and sums up long threads; empty: the chat model."""
    structured_output: StructuredOutputMethod = "json_schema"
    """How the extraction model is asked for its answer's shape; OpenAI-compatible servers differ in what they take."""
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    """Address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1; empty: OpenAI's own."""
    model_timeout: float = Field(default=60, gt=0)
    """Seconds a model call may take; it is tried three times in all where the server says to try again."""

    remember: When = "inline"
    """When facts are taken from what was said: after each reply, every so many messages, or once it has been quiet."""
    remember_every: int = Field(default=10, ge=1, le=100)
    """Messages that make up a batch."""
    remember_after: int = Field(default=30, ge=0)
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
    data_dir: Path = Path(".data")
    """Where the embedded servers keep their data."""
    embedded_idle_timeout: float = Field(default=60, ge=0)
    """Seconds that the embedded servers stay up after their last use, so that the next command need not start them."""

    ranking: Annotated[Weights, NoDecode] = PRESETS["default"]
    """Weights of recall's signals: the measured default, or the guide's 0.40 / 0.35 / 0.25; single ones can be set."""
    hot_facts: int = Field(default=2_000, ge=1, le=10_000)
    """Facts of one user that are held in memory at most; the collection searches the others."""
    hot_megabytes: int = Field(default=256, ge=1)
    """Memory that the facts of the users who talk now may take in one process."""
    memory_tokens: int = Field(default=1_500, ge=0)
    """About how many tokens of recalled facts a prompt may carry."""
    window_tokens: int = Field(default=4_000, ge=100)
    """About how many tokens of the thread's messages a prompt may carry; past it, the older half is summed up."""
    max_message_chars: int = Field(default=32_000, ge=1)
    """Characters a message may have."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"

    @field_validator("ranking", mode="before")
    @classmethod
    def _ranking(cls, ranking: str | Weights) -> Weights:
        return weights_of(ranking) if isinstance(ranking, str) else ranking

    @field_validator("langgraph_aes_key")
    @classmethod
    def _aes_key(cls, key: SecretStr | None) -> SecretStr | None:
        size = len(key.get_secret_value().encode()) if key else 16
        if size not in (16, 24, 32):
            raise ValueError(f"It has {size} bytes, and must have 16, 24 or 32: `openssl rand -hex 16` makes one")
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
    """The settings of this process. Raises BadInput that names each wrong variable, its value and what it takes."""
    try:
        return Settings()
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            name = str(problem["loc"][0])
            shown = "secret" if name.endswith("_key") else repr(problem["input"])
            problems.append(f"{name.upper()} is {shown}: {problem['msg']}.")
        raise BadInput(
            "\n".join([*problems, "Set it in the environment or in .env; .env.example explains each."])
        ) from error
