"""What the caller of a run can choose: the user, the model, the prompt. LangGraph Studio shows it as a form."""

from difflib import get_close_matches
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from agent.prompts import SYSTEM_PROMPT
from agent.settings import DEFAULT_USER
from memory.errors import BadInput, listed, problems_of, quoted

NODES = "langgraph_nodes"  # key in the schema of a field: the nodes at which Studio shows it
MEMORY: dict[str, Any] = {NODES: ["recall", "tools", "extract_memories", "extract_later", "reconcile", "summarize"]}
RESPOND: dict[str, Any] = {NODES: ["respond"]}
MODELS = ["openai:gpt-4.1-mini", "anthropic:claude-sonnet-4-5", "google_genai:gemini-2.5-flash", "ollama:llama3.2"]
# What a LangGraph server and its clients put into `configurable`, which the server copies into the context.
LANGGRAPH_KEYS = {
    "thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map", "cron_id", "langgraph_auth_user",
    "__event_streaming_v2",
}  # fmt: skip


def _recall_number(schema: dict[str, Any]) -> None:
    """A number that may be left out, with its range where a form looks for it: beside the type."""
    number, _ = schema.pop("anyOf")
    schema.update({**number, NODES: ["recall", "tools"]})
    del schema["default"]


class Context(BaseModel):
    """Per-run configuration; every field has a default. A client sends it, so nothing here is trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    user_id: str = Field(default=DEFAULT_USER, json_schema_extra=MEMORY)
    """Whose memory is used; `user_id` in the run's `configurable` means the same. For development: an authenticated
    user always takes precedence."""
    model: str = Field(default="", examples=MODELS, json_schema_extra=RESPOND)
    """The chat model, such as "openai:gpt-4.1-mini"; empty for the one set by CHAT_MODEL."""
    system_prompt: str = Field(default=SYSTEM_PROMPT, json_schema_extra=RESPOND | {"langgraph_type": "prompt"})
    """The beginning of the system prompt, before what is known about the user."""
    memory_tokens: int | None = Field(default=None, ge=0, le=100_000, json_schema_extra=_recall_number)
    """About how many tokens of recalled facts the prompt may contain; empty for MEMORY_TOKENS."""
    timezone: str = Field(default="", examples=["Europe/Oslo", "America/New_York"], json_schema_extra=MEMORY)
    """The user's time zone, such as "Europe/Oslo"; empty: the offset that the message's time carries, else UTC."""

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: object) -> object:
        for key in given if isinstance(given, dict) else ():
            if key not in cls.model_fields:
                near = get_close_matches(str(key).lower(), cls.model_fields, n=1)
                fix = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(cls.model_fields)}."
                raise ValueError(f"{quoted(str(key))} is unknown: {fix}")
        return given

    @field_validator("user_id", mode="before")
    @classmethod
    def _user_id(cls, value: object) -> object:
        if not isinstance(value, str):
            raise ValueError(f"must be a string such as 'ana', not {value!r}")
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, name: str) -> str:
        if name:
            zone(name)
        return name


def read_context(given: object) -> Context:
    """The context that a run was given, or an empty one for None. Raises BadInput that names what is wrong."""
    if isinstance(given, Context):
        return given
    try:
        keys = {key: given[key] for key in given if key not in LANGGRAPH_KEYS} if isinstance(given, dict) else given
        return Context.model_validate({} if keys is None else keys)
    except ValidationError as error:
        problem = listed(problems_of(error.errors()))
        raise BadInput(f"The run's context: {problem}{'' if problem.endswith(('.', '?')) else '.'}") from None


@lru_cache(maxsize=1_024)  # reading the file of a zone would block the event loop
def zone(name: str) -> ZoneInfo:
    """The time zone with this IANA name. Raises BadInput."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:  # a path, a directory, or no zone
        example = 'write an IANA name such as "Europe/Oslo"'
        raise BadInput(f"{quoted(name)} is not a time zone: {example}") from error
