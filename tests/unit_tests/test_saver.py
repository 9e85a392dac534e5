"""The private parts of LangGraph's saver that the checkpointer uses: an upgrade that changes one fails here by name."""

import inspect
from collections.abc import Callable

import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.postgres.base import BasePostgresSaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot

PARTS: list[tuple[Callable[..., object], list[str]]] = [
    (BasePostgresSaver._dump_blobs, ["self", "thread_id", "checkpoint_ns", "values", "versions"]),
    (
        BasePostgresSaver._dump_writes,
        ["self", "thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "task_path", "writes"],
    ),
    (AsyncPostgresSaver.aput, ["self", "config", "checkpoint", "metadata", "new_versions"]),
    (AsyncPostgresSaver.aput_writes, ["self", "config", "writes", "task_id", "task_path"]),
]
STATEMENTS = {
    "UPSERT_CHECKPOINT_BLOBS_SQL": "checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)",
    "INSERT_CHECKPOINT_WRITES_SQL": "checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, "
    "idx, channel, type, blob)",
    "UPSERT_CHECKPOINTS_SQL": "checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, "
    "checkpoint, metadata)",
}


class Typed:
    """A serializer whose output shows which value it comes from."""

    def dumps_typed(self, value: object) -> tuple[str, bytes]:
        return "text", str(value).encode()


@pytest.mark.parametrize(("part", "parameters"), PARTS, ids=[part.__qualname__ for part, _ in PARTS])
def test_langgraphs_saver_still_takes_the_arguments_it_is_given(
    part: Callable[..., object], parameters: list[str]
) -> None:
    assert list(inspect.signature(part).parameters) == parameters, f"{part.__qualname__} changed"


def test_rows_of_langgraphs_saver_still_have_the_order_of_the_columns() -> None:
    saver = BasePostgresSaver.__new__(BasePostgresSaver)
    saver.serde = Typed()  # type: ignore[assignment]  # its other method is not called
    blobs = saver._dump_blobs("thread", "ns", {"a": 1}, {"a": "2.0"})
    assert blobs == [("thread", "ns", "a", "2.0", "text", b"1")], "BasePostgresSaver._dump_blobs changed"
    writes = saver._dump_writes("thread", "ns", "checkpoint", "task", "path", [("a", 1)])
    row = ("thread", "ns", "checkpoint", "task", "path", 0, "a", "text", b"1")
    assert writes == [row], "BasePostgresSaver._dump_writes changed"


@pytest.mark.parametrize(("name", "columns"), STATEMENTS.items(), ids=[*STATEMENTS])
def test_langgraphs_saver_still_writes_the_same_columns(name: str, columns: str) -> None:
    statement = " ".join(getattr(AsyncPostgresSaver, name).split())
    assert statement.startswith(f"INSERT INTO {columns} VALUES"), f"AsyncPostgresSaver.{name} changed"


def test_the_delta_snapshot_and_the_saver_lock_still_exist() -> None:
    assert inspect.isclass(_DeltaSnapshot), "langgraph.checkpoint.serde.types._DeltaSnapshot changed"
    source = inspect.getsource(AsyncPostgresSaver._cursor)
    assert "self.lock" in source, "AsyncPostgresSaver._cursor no longer takes self.lock"
