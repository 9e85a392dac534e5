"""The private parts of packages that the project uses: an upgrade that moves or changes one fails here by its name.

Each package is pinned by its minor version in pyproject.toml. To raise a pin: read what changed, then run this file.
"""

import ast
import asyncio
import inspect
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple

import httpx
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph._internal._constants import CONFIG_KEY_RUNTIME
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.postgres.base import BasePostgresSaver
from langgraph.graph import END
from langgraph.runtime import Runtime
from packaging.requirements import Requirement
from packaging.version import Version
from typing_extensions import TypedDict

from agent.agent_graph import AgentGraph, CompiledAgentGraph
from agent.identity import AgentStore

ROOT = Path(__file__).parents[2]


class Part(NamedTuple):
    package: str
    name: str  # module:attribute
    used_in: str


PARTS = [
    Part("langgraph", "langgraph._internal._constants:CONFIG_KEY_RUNTIME", "agent/agent_graph.py"),
    Part("langgraph-checkpoint", "langgraph.checkpoint.serde.types:_DeltaSnapshot", "memory/threads/saver.py"),
    Part(
        "langgraph-checkpoint-postgres",
        "langgraph.checkpoint.postgres.base:BasePostgresSaver._dump_blobs",
        "memory/threads/saver.py",
    ),
    Part(
        "langgraph-checkpoint-postgres",
        "langgraph.checkpoint.postgres.base:BasePostgresSaver._dump_writes",
        "memory/threads/saver.py",
    ),
    Part("chromadb", "chromadb.api.async_fastapi:AsyncFastAPI._clients", "memory/index/chroma.py"),
    Part("chromadb", "chromadb.api.async_fastapi:AsyncFastAPI.DEFAULT_KEEPALIVE_SECS", "memory/index/chroma.py"),
    Part("chromadb", "chromadb_rust_bindings:cli", "memory/embedded/chroma.py"),
]
SIGNATURES: list[tuple[Callable[..., object], list[str]]] = [
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


@pytest.mark.parametrize("part", PARTS, ids=[part.name for part in PARTS])
def test_each_private_part_is_where_it_was_and_is_still_used(part: Part) -> None:
    assert resolve_name(part.name) is not None
    last = part.name.rpartition(":")[2].rpartition(".")[2]
    assert last in (ROOT / part.used_in).read_text(), f"{part.used_in} no longer uses it: delete the line here"


@pytest.mark.parametrize("package", sorted({part.package for part in PARTS}))
def test_a_package_with_private_parts_is_pinned_by_its_minor_version(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pin,) = [r.specifier for r in map(Requirement, project["dependencies"]) if r.name == package]
    installed = Version(metadata.version(package))
    assert pin.contains(installed)
    assert not pin.contains(f"{installed.major}.{installed.minor + 1}.0")


def test_every_private_import_is_in_the_table() -> None:
    for folder in ("agent", "memory", "graphs"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(("_", "agent")):
                    for name in (f"{node.module}:{alias.name}" for alias in node.names):
                        is_private = "._" in name or ":_" in name
                        assert not is_private or name in [part.name for part in PARTS], f"{file} imports {name}"


class Typed:
    """A serializer whose output shows which value it comes from."""

    def dumps_typed(self, value: object) -> tuple[str, bytes]:
        return "text", str(value).encode()


@pytest.mark.parametrize(("part", "parameters"), SIGNATURES, ids=[part.__qualname__ for part, _ in SIGNATURES])
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


def test_langgraphs_saver_still_takes_its_own_lock() -> None:
    source = inspect.getsource(AsyncPostgresSaver._cursor)
    assert "self.lock" in source, "AsyncPostgresSaver._cursor no longer takes self.lock"


async def test_chromas_clients_are_still_kept_by_the_hash_of_the_event_loop() -> None:
    from chromadb.api.async_fastapi import AsyncFastAPI

    async with httpx.AsyncClient() as client:
        loop = hash(asyncio.get_running_loop())
        AsyncFastAPI._clients[loop] = client
        try:
            assert AsyncFastAPI.__new__(AsyncFastAPI)._get_client() is client, "AsyncFastAPI._get_client changed"
        finally:
            del AsyncFastAPI._clients[loop]


class Counted(TypedDict):
    count: int


def one(state: Counted) -> Counted:
    return {"count": 1}


async def test_an_update_by_hand_still_gives_the_store_to_conditional_edges() -> None:
    store, found = AgentStore.__new__(AgentStore), list[object]()

    def after(state: Counted, runtime: Runtime) -> str:
        found.append(runtime.store)
        return END

    builder = AgentGraph(Counted)
    builder.add_node("one", one)
    builder.set_entry_point("one")
    builder.add_conditional_edges("one", after, [END])
    graph = builder.compile(checkpointer=InMemorySaver())
    assert type(graph) is type(graph.with_config(tags=["a"])) is CompiledAgentGraph
    config = RunnableConfig(configurable={"thread_id": "t", CONFIG_KEY_RUNTIME: Runtime(store=store)})
    await graph.aupdate_state(config, {"count": 2}, as_node="one")
    assert found == [store], "CONFIG_KEY_RUNTIME no longer sets the runtime of an update"
