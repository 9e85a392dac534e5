"""The fields of a thread's state that SQL reads: memory/threads defines them, and the graphs have them."""

import re
from pathlib import Path

from agent.state import BackgroundState, State
from memory.ledger.migrate import MIGRATIONS
from memory.threads import threads
from memory.threads.saver import DELETE_FOR_RUNS
from memory.threads.state import ConversationState, ExtractionThread, OwnedThread


def test_sql_reads_only_fields_that_the_state_of_a_thread_defines() -> None:
    files = Path(threads.__file__).parent.glob("*.py")
    read = {name for file in files for name in re.findall(r"'channel_\w+'->>?'(\w+)'", file.read_text())}
    assert read == {"owner", "conversation", "task", "task_open_until"}
    assert read <= {*ConversationState.__annotations__, *ExtractionThread.__annotations__}


def test_the_graphs_have_the_fields_that_memory_defines() -> None:
    assert set(ConversationState.__annotations__) <= set(State.__annotations__)
    assert {*OwnedThread.__annotations__, *ExtractionThread.__annotations__} <= set(BackgroundState.__annotations__)


def test_queries_for_threads_use_the_expressions_that_are_indexed() -> None:
    """Postgres uses an index on an expression only for the same expression."""
    schema = " ".join(" ".join(file.read_text() for file in sorted(MIGRATIONS.glob("*.sql"))).split())
    assert f"index checkpoints_by_owner on checkpoints ({threads.OWNER}, thread_id, checkpoint_id desc)" in schema
    key, condition = "metadata->>'run_id'", "metadata ? 'run_id'"
    assert f"index checkpoints_by_run on checkpoints (({key})) where {condition};" in schema
    assert f"where {condition} and {key} = any(" in DELETE_FOR_RUNS
