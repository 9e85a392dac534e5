"""Session memory: which of a thread's messages a prompt carries. Pure."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage, trim_messages


def window(messages: Sequence[AnyMessage], token_budget: int) -> list[BaseMessage]:
    """The latest messages that fit into about `token_budget` tokens, beginning with a human one.

    The last human message and what follows it is always there, whatever it costs. A tool call without its answer, or
    an answer without its call, as an interrupted turn leaves them, is left out: providers refuse them.
    """
    whole = _without_loose_ends(messages)
    last = max((i for i, message in enumerate(whole) if isinstance(message, HumanMessage)), default=0)
    turn = whole[last:]
    earlier = trim_messages(
        whole,
        max_tokens=token_budget,
        token_counter="approximate",  # noqa: S106 - a counter of tokens, not a password
        strategy="last",
        start_on="human",
    )
    return earlier if len(earlier) > len(turn) else turn


def _without_loose_ends(messages: Sequence[AnyMessage]) -> list[BaseMessage]:
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    asked: set[str | None] = set()
    kept: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, AIMessage) and message.tool_calls:
            calls = {call["id"] for call in message.tool_calls}
            if not calls <= answered:
                continue
            asked |= calls
        elif isinstance(message, ToolMessage) and message.tool_call_id not in asked:
            continue
        kept.append(message)
    return kept
