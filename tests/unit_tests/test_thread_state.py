"""The fields of a thread's state that SQL reads: memory/threads defines them, and the graphs have them."""

import re
from pathlib import Path

from agent.state import BackgroundState, State
from memory.threads import threads
from memory.threads.state import ConversationState, ExtractionThread, OwnedThread


def test_sql_reads_only_fields_that_the_state_of_a_thread_defines() -> None:
    files = Path(threads.__file__).parent.glob("*.py")
    read = {name for file in files for name in re.findall(r"'channel_\w+'->>?'(\w+)'", file.read_text())}
    assert read == {"owner", "conversation", "task", "task_open_until"}
    assert read <= {*ConversationState.__annotations__, *ExtractionThread.__annotations__}


def test_the_graphs_have_the_fields_that_memory_defines() -> None:
    assert set(ConversationState.__annotations__) <= set(State.__annotations__)
    assert {*OwnedThread.__annotations__, *ExtractionThread.__annotations__} <= set(BackgroundState.__annotations__)
