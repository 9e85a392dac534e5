"""What the caller of a run can choose: the user, the model, the prompt. LangGraph Studio shows it as a form."""

from pydantic import BaseModel, ConfigDict, Field

from agent.prompts import SYSTEM_PROMPT
from agent.settings import DEFAULT_USER


class Context(BaseModel):
    """Per-run configuration; every field has a default. A client sends it, so nothing here is trusted."""

    model_config = ConfigDict(frozen=True)

    user_id: str = Field(
        default=DEFAULT_USER,
        description="Whose memory is used. For development: an authenticated user always takes precedence.",
        json_schema_extra={
            "langgraph_nodes": ["recall", "tools", "extract_memories", "extract_later", "reconcile", "summarize"]
        },
    )
    model: str = Field(
        default="",
        description='The chat model, such as "openai:gpt-4.1-mini"; empty for the one set by CHAT_MODEL.',
        json_schema_extra={"langgraph_nodes": ["respond"]},
    )
    system_prompt: str = Field(
        default=SYSTEM_PROMPT,
        description="The beginning of the system prompt, before what is known about the user.",
        json_schema_extra={"langgraph_nodes": ["respond"], "langgraph_type": "prompt"},
    )
    memory_tokens: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="About how many tokens of recalled facts the prompt may contain; empty for MEMORY_TOKENS.",
        json_schema_extra={"langgraph_nodes": ["recall"]},
    )
