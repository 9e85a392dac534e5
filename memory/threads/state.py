"""The fields of a thread's state that memory reads in SQL, and those it defines; `agent.state` extends them."""

from typing import Annotated

from typing_extensions import TypedDict  # on Python 3.11 pydantic cannot read the one of `typing`

from memory.threads.summary import Summary
from memory.threads.task import Task, change_task


class OwnedThread(TypedDict):
    owner: str  # `owner_key` of the user who began it
    extracted_until: str  # watermark: the id of the last message that facts were extracted from


class ConversationState(OwnedThread):
    summary: Summary  # of the messages that were taken out of `messages`
    task: Annotated[Task | None, change_task]  # working memory: the task that the thread is in the middle of
    # When the task expires, "" once it has ended: plain, for SQL, and with a reducer, as two calls may set it.
    task_open_until: Annotated[str, lambda _, new: new]


class ExtractionThread(TypedDict):
    conversation: str  # the thread whose messages are extracted
