"""What one run is told: who is talking, which model answers, how. LangGraph Studio shows it as a form."""

from pydantic import BaseModel, ConfigDict, Field

from agent.prompts import SYSTEM_PROMPT
from agent.settings import DEFAULT_USER, read_settings


class Context(BaseModel):
    """Per-run configuration; every field has a default. A client sends it, so nothing here is trusted."""

    model_config = ConfigDict(frozen=True)

    user_id: str = Field(
        default=DEFAULT_USER,
        description="Whose memory this is. For development only: where the server authenticates, that identity counts.",
        json_schema_extra={
            "langgraph_nodes": ["recall", "tools", "extract_memories", "extract_later", "reconcile", "summarize"]
        },
    )
    model: str = Field(
        default="",
        description='The chat model: "<provider>:<name>" or "offline"; empty for the one set by CHAT_MODEL.',
        json_schema_extra={"langgraph_nodes": ["respond"]},
    )
    system_prompt: str = Field(
        default=SYSTEM_PROMPT,
        description="What the agent is told about itself.",
        json_schema_extra={"langgraph_nodes": ["respond"], "langgraph_type": "prompt"},
    )
    memory_tokens: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="About how many tokens of recalled facts the prompt may carry; empty for MEMORY_TOKENS.",
        json_schema_extra={"langgraph_nodes": ["recall"]},
    )


def memory_tokens(context: Context | None) -> int:
    """About how many tokens of recalled facts the run's prompt may carry."""
    own = context.memory_tokens if context else None
    return read_settings().memory_tokens if own is None else own
