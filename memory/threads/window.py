"""Session memory: which of a thread's messages a prompt carries, and which are due for its summary. Pure."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import accumulate, takewhile

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage, trim_messages
from langchain_core.messages.utils import count_tokens_approximately


def window(messages: Sequence[AnyMessage], token_budget: int) -> list[BaseMessage]:
    """The latest messages that fit into about `token_budget` tokens, beginning with a human one.

    The last human message and what follows it is always there, whatever it costs. A tool call without its answer right
    behind it, or an answer without its call, as an interrupted turn leaves them, is left out: providers refuse them.
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


def foldable(messages: Sequence[AnyMessage], token_budget: int, keep: Collection[str] = ()) -> list[AnyMessage]:
    """The oldest messages, which the summary is to take the place of; none while all fit into `token_budget` tokens.

    So many that about half the budget is left, and it is not used up again by the next turn; but at once no more than
    the budget, since a model has to read them. Whole turns only; never the last one, and nothing from the first message
    on whose id is in `keep`.
    """
    before = [0, *accumulate(count_tokens_approximately([message]) for message in messages)]
    total = before[-1]
    if total <= token_budget:
        return []
    kept = next((i for i, message in enumerate(messages) if message.id in keep), len(messages))
    end = 0
    for cut in range(1, kept + 1):
        if total - before[end] <= token_budget // 2 or (end and before[cut] > token_budget):
            break
        if cut < len(messages) and isinstance(messages[cut], HumanMessage):
            end = cut
    return list(messages[:end])


def _without_loose_ends(messages: Sequence[AnyMessage]) -> list[BaseMessage]:
    """The messages without calls that are not all answered right behind them, and without any other answers."""
    kept: list[BaseMessage] = []
    for at, message in enumerate(messages):
        if isinstance(message, AIMessage) and (due := _calls(message)):
            answers: list[BaseMessage] = []
            for answer in takewhile(lambda m: isinstance(m, ToolMessage), messages[at + 1 :]):
                if isinstance(answer, ToolMessage) and due[answer.tool_call_id]:
                    due[answer.tool_call_id] -= 1
                    answers.append(answer)
            if not due.total():
                kept += [message, *answers]
        elif not isinstance(message, ToolMessage):
            kept.append(message)
    return kept


def _calls(message: AIMessage) -> Counter[str | None]:
    """Ids of the calls that a provider wants to see answered, those with arguments that nobody can read included."""
    return Counter(call["id"] for call in (*message.tool_calls, *message.invalid_tool_calls))
