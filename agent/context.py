"""What the caller of a run can choose: the user, the model, the prompt. LangGraph Studio shows it as a form."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agent.prompts import SYSTEM_PROMPT
from agent.settings import DEFAULT_USER

MEMORY: dict[str, Any] = {
    "langgraph_nodes": ["recall", "tools", "extract_memories", "extract_later", "reconcile", "summarize"]
}
RESPOND: dict[str, Any] = {"langgraph_nodes": ["respond"]}


class Context(BaseModel):
    """Per-run configuration; every field has a default. A client sends it, so nothing here is trusted."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    user_id: str = Field(default=DEFAULT_USER, json_schema_extra=MEMORY)
    """Whose memory is used. For development: an authenticated user always takes precedence."""
    model: str = Field(default="", json_schema_extra=RESPOND)
    """The chat model, such as "openai:gpt-4.1-mini"; empty for the one set by CHAT_MODEL."""
    system_prompt: str = Field(default=SYSTEM_PROMPT, json_schema_extra=RESPOND | {"langgraph_type": "prompt"})
    """The beginning of the system prompt, before what is known about the user."""
    memory_tokens: int | None = Field(default=None, ge=0, le=100_000, json_schema_extra={"langgraph_nodes": ["recall"]})
    """About how many tokens of recalled facts the prompt may contain; empty for MEMORY_TOKENS."""
