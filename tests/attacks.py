"""What one user of a server tries on what belongs to another: an attack for each method of LangGraph's client."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from langgraph_sdk.client import LangGraphClient

from memory.facts.fact import owner_key
from memory.items.item import facts_namespace, items_namespace
from memory.threads.threads import background_thread

WORD = "zanzibar"
"""Is in everything of the victim's, and in nothing that the attacker sends."""

ASKED: Any = {"messages": [{"role": "user", "content": "What do I collect?"}]}
NEVER = "0 0 1 1 *"  # a schedule that is due once a year


@dataclass
class Victim:
    """A user with one of each: a thread with a run, a thread with a run to come, an assistant, a cron, facts, items."""

    name: str
    client: LangGraphClient
    thread: str = ""
    run: str = ""
    waiting_thread: str = ""
    waiting_run: str = ""
    assistant: str = ""
    cron: str = ""
    shipped: str = ""
    """The assistant that comes with the server."""
    keys: list[str] = field(default_factory=list)
    """Those of the facts."""
    unknown_thread: str = ""
    """A thread that only Postgres knows, since it was not made through the server."""

    async def settle(self) -> None:
        """Make them all. The scripted model learns facts from "I collect ..."."""
        client, said = self.client, f"I collect {WORD}s."
        given: Any = {"messages": [{"role": "user", "content": said}]}
        self.thread = (await client.threads.create(metadata={"title": WORD}))["thread_id"]
        await client.runs.wait(self.thread, "chat", input=given)
        self.run = (await client.runs.list(self.thread))[0]["run_id"]
        self.waiting_thread = (await client.threads.create())["thread_id"]
        waiting = await client.runs.create(self.waiting_thread, "chat", input=given, after_seconds=3_600)
        self.waiting_run = waiting["run_id"]
        assistant = await client.assistants.create("chat", name=WORD, context={"system_prompt": WORD})
        self.assistant = assistant["assistant_id"]
        self.shipped = (await client.assistants.search(metadata={"created_by": "system"}, graph_id="chat"))[0][
            "assistant_id"
        ]
        cron = await client.crons.create_for_thread(self.waiting_thread, "chat", schedule=NEVER, input=given)
        self.cron = cron["cron_id"]  # type: ignore[typeddict-item]  # the SDK's type is that of a run
        learned = await client.store.search_items(facts_namespace(self.name))
        self.keys = [item["key"] for item in learned["items"]]
        await client.store.put_item(items_namespace(self.name), "note", {"text": WORD})

    async def belongings(self) -> dict[str, Any]:
        """All that the victim sees."""
        client, threads = self.client, (self.thread, self.waiting_thread)
        return {
            "threads": await client.threads.search(limit=100),
            "states": [await client.threads.get_state(thread) for thread in threads],
            "histories": [await client.threads.get_history(thread) for thread in threads],
            "runs": [await client.runs.list(thread) for thread in threads],
            "assistants": await client.assistants.search(limit=100),
            "versions": await client.assistants.get_versions(self.assistant),
            "crons": await client.crons.search(),
            "facts": await client.store.search_items(facts_namespace(self.name)),
            "items": await client.store.search_items(items_namespace(self.name)),
        }


def claims(victim: Victim) -> list[dict[str, Any]]:
    """What the arguments of a run can claim about who runs it."""
    name, metadata = victim.name, {"owner": victim.name, "created_by": "system"}
    return [
        {"context": {"user_id": name}},
        {"context": {"user_id": name, "langgraph_auth_user": {"identity": name}, "langgraph_auth_user_id": name}},
        {"config": {"configurable": {"user_id": name, "langgraph_auth_user": {"identity": name}}}},
        {"config": {"metadata": metadata}, "metadata": metadata},
    ]


def namespaces(name: str) -> Iterator[tuple[str, ...]]:
    """Those of the victim, those above and below them, and others that look like them."""
    facts, items = facts_namespace(name), items_namespace(name)
    yield from (facts, items, facts[:1], items[:1], (*items, "notes"), (*facts, "more"), ("facts", "*"), ("users", "*"))
    yield from ((name,), ("facts", f"{facts[1]}%20"), (items[0], items[1][:-1]), ("memories", name))


@dataclass(frozen=True)
class Call:
    """The arguments of a method of the client."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]


def call(*arguments: Any, **options: Any) -> Call:
    return Call(arguments, options)


@dataclass
class Own:
    """What the attacker has, to be turned into something of the victim's."""

    thread: str
    run: str
    assistant: str
    cron: str


def attacks(victim: Victim, own: Own) -> dict[str, list[Call]]:
    """Method of the client, such as "threads.get" -> calls that try to reach the victim with it."""
    v, facts, items = victim, facts_namespace(victim.name), items_namespace(victim.name)
    threads, assistants = (v.thread, v.waiting_thread, v.unknown_thread), (v.assistant, v.shipped)
    owned, state = {"owner": v.name, "created_by": "system"}, {"messages": [{"role": "user", "content": "Mine now."}]}
    on_threads = [call(thread) for thread in threads]
    on_runs = [call(v.thread, v.run), call(v.waiting_thread, v.waiting_run)]
    on_spaces = [call(space) for space in namespaces(v.name)]
    taken = {"owner": owner_key(v.name)}
    foreign_checkpoint: Any = {"thread_id": v.thread, "checkpoint_ns": ""}
    begun = background_thread(v.name, v.thread)
    foreign = [call(thread, "chat", input=ASKED) for thread in threads]
    foreign += [call(thread, "chat", input=ASKED, if_not_exists="create") for thread in (v.unknown_thread, begun)]
    foreign += [call(begun, "background_extraction", input={"conversation": v.thread}, if_not_exists="create")]
    foreign += [call(thread, v.assistant, input=ASKED) for thread in (own.thread, None)]
    claimed = [call(None, "chat", input=ASKED, **claim) for claim in claims(v)]
    claimed += [call(own.thread, "chat", input=ASKED, checkpoint=foreign_checkpoint)]
    claimed += [call(own.thread, "chat", command={"update": taken})]
    return {
        "assistants.count": [call(), call(metadata={"owner": v.name}), call(name=WORD[:4])],
        "assistants.create": [
            call("chat", assistant_id=v.assistant, if_exists="do_nothing"),
            call("chat", assistant_id=v.assistant, if_exists="raise"),
            call("chat", metadata=owned, context={"user_id": v.name}),
        ],
        "assistants.delete": [call(name) for name in assistants] + [call(v.assistant, delete_threads=True)],
        "assistants.get": [call(v.assistant)],
        "assistants.get_graph": [call(v.assistant)],
        "assistants.get_schemas": [call(v.assistant)],
        "assistants.get_subgraphs": [call(v.assistant)],
        "assistants.get_versions": [call(v.assistant)],
        "assistants.search": [call(), call(metadata=owned), call(metadata={"owner": v.name}), call(graph_id="chat")],
        "assistants.set_latest": [call(name, 1) for name in assistants],
        "assistants.update": [call(name, metadata=owned, name="mine") for name in (*assistants, own.assistant)],
        "crons.count": [call(), call(metadata=owned), call(thread_id=v.waiting_thread)],
        "crons.create": [call("chat", schedule=NEVER, input=ASKED, **claim) for claim in claims(v)]
        + [call(v.assistant, schedule=NEVER, input=ASKED)],
        "crons.create_for_thread": [call(thread, "chat", schedule=NEVER, input=ASKED) for thread in threads],
        "crons.delete": [call(v.cron)],
        "crons.search": [call(), call(metadata=owned), call(thread_id=v.waiting_thread)],
        "crons.update": [call(v.cron, schedule="* * * * *"), call(own.cron, metadata=owned)],
        "runs.cancel": [*on_runs, call(v.waiting_thread, v.waiting_run, action="rollback")],
        "runs.cancel_many": [
            call(thread_id=v.waiting_thread, run_ids=[v.waiting_run]),
            call(status="all"),
            call(status="pending", action="rollback"),
        ],
        "runs.create": [call(*run.arguments, **run.options, after_seconds=3_600) for run in (*foreign, *claimed[:4])],
        "runs.create_batch": [
            call([{"assistant_id": "chat", "input": ASKED, **claim} for claim in claims(v)]),
            call([{"assistant_id": "chat", "thread_id": v.thread, "input": ASKED}]),
        ],
        "runs.delete": on_runs,
        "runs.get": on_runs,
        "runs.join": on_runs,
        "runs.join_stream": on_runs,
        "runs.list": on_threads,
        "runs.stream": [*foreign, *claimed[:1]],
        "runs.wait": [*foreign, *claimed],
        "store.delete_item": [call(facts, key) for key in v.keys] + [call(items, "note"), call(("users",), "note")],
        "store.get_item": [call(facts, key) for key in v.keys] + [call(items, "note"), call(("facts",), v.keys[0])],
        "store.list_namespaces": [call(), *([call([*space]) for space in namespaces(v.name)])]
        + [call(suffix=[label]) for label in (items[1], "*")]
        + [call(max_depth=1)],
        "store.put_item": [call(space, v.keys[0], {"text": "Mine now."}) for space in namespaces(v.name)],
        "store.search_items": [call(()), *on_spaces, *(call(space, query=WORD[:4]) for space in namespaces(v.name))],
        "threads.copy": on_threads,
        "threads.count": [call(), call(metadata=owned), call(values={})],
        "threads.create": [
            *(call(thread_id=thread, if_exists=exists) for thread in threads for exists in ("do_nothing", "raise")),
            call(thread_id=v.unknown_thread, graph_id="chat"),
            call(thread_id=begun),
            call(metadata=owned),
            call(
                graph_id="chat",
                supersteps=[{"updates": [{"values": {"owner": owner_key(v.name)}, "as_node": "recall"}]}],
            ),
        ],
        "threads.delete": on_threads,
        "threads.get": on_threads,
        "threads.get_history": [*on_threads, call(own.thread, checkpoint=foreign_checkpoint)],
        "threads.get_state": [*on_threads, call(own.thread, checkpoint=foreign_checkpoint)],
        "threads.join_stream": on_threads,
        "threads.prune": [call([v.thread]), call([own.thread, v.thread]), call([v.unknown_thread])],
        "threads.search": [
            call(),
            call(metadata={"owner": v.name}),
            call(ids=[*threads]),
        ],
        "threads.stream": [call(thread, assistant_id="chat") for thread in threads],
        "threads.update": [call(thread, metadata=owned) for thread in (*threads, own.thread)],
        "threads.update_state": [call(thread, state, as_node="respond") for thread in threads]
        + [call(own.thread, taken, as_node="recall")]
        + [call(own.thread, state, checkpoint=foreign_checkpoint, as_node="respond")],
    }
