"""Session memory: which messages of a thread go into the prompt, and which into its summary. Pure."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import accumulate, takewhile

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage, trim_messages
from langchain_core.messages.utils import count_tokens_approximately


def window(messages: Sequence[AnyMessage], token_budget: int) -> list[BaseMessage]:
    """The latest messages that fit into about `token_budget` tokens, starting with a human message.

    The last human message and those after it are always included. A tool call that is not answered directly after it,
    and an answer without its call, are left out: an interrupted turn leaves them, and providers reject them.
    """
    whole = _without_unanswered_calls(messages)
    last = max((i for i, message in enumerate(whole) if isinstance(message, HumanMessage)), default=0)
    earlier = trim_messages(whole, max_tokens=token_budget, token_counter=count_tokens_approximately, start_on="human")
    return max(whole[last:], earlier, key=len)


def foldable(messages: Sequence[AnyMessage], token_budget: int, keep: Collection[str] = ()) -> list[AnyMessage]:
    """The oldest messages, to be replaced by the summary; none while all of them fit into `token_budget` tokens.

    The rest takes about half the budget, so that not every turn has to fold. At most a whole budget is folded at once,
    in whole turns: never the last one, and none from the first message on whose id is in `keep`.
    """
    before = [0, *accumulate(count_tokens_approximately([message]) for message in messages)]
    if before[-1] <= token_budget:
        return []
    kept = next((i for i, message in enumerate(messages) if message.id in keep), len(messages))
    end = 0
    for cut in range(1, kept + 1):
        if before[-1] - before[end] <= token_budget // 2 or (end and before[cut] > token_budget):
            break
        if cut < len(messages) and isinstance(messages[cut], HumanMessage):
            end = cut
    return list(messages[:end])


def _without_unanswered_calls(messages: Sequence[AnyMessage]) -> list[BaseMessage]:
    """The messages without calls that are not all answered directly after them, and without other answers."""
    kept: list[BaseMessage] = []
    for at, message in enumerate(messages):
        calls = [*message.tool_calls, *message.invalid_tool_calls] if isinstance(message, AIMessage) else []
        if calls:
            unanswered = Counter(call["id"] for call in calls)
            answers: list[BaseMessage] = []
            for answer in takewhile(lambda m: isinstance(m, ToolMessage), messages[at + 1 :]):
                if isinstance(answer, ToolMessage) and unanswered[answer.tool_call_id]:
                    unanswered[answer.tool_call_id] -= 1
                    answers.append(answer)
            if not unanswered.total():
                kept += [message, *answers]
        elif not isinstance(message, ToolMessage):
            kept.append(message)
    return kept
