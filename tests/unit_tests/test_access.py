"""What a caller may do on a server; the tests over HTTP are in test_server_isolation.py."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from langgraph_sdk import Auth
from langgraph_sdk.auth.types import AuthContext

from agent.server.access import allowed
from memory.items.item import facts_namespace, items_namespace
from memory.threads.threads import background_thread, is_background_thread

OWN = {"owner": "ana"}
SHIPPED_TOO = {"$or": [OWN, {"created_by": "system"}]}


async def asked(resource: str, action: str, value: dict[str, Any], user: Any = None, *, studio: bool = False) -> object:
    who = user or SimpleNamespace(identity="ana")
    context: Any = AuthContext(permissions=[], user=who, resource=resource, action=action)  # type: ignore[arg-type]
    return await allowed(context, value, studio=studio)


@pytest.mark.parametrize(
    ("resource", "actions", "expected"),
    [
        ("threads", "create read update delete search create_run", OWN),
        ("crons", "create read update delete search", OWN),
        ("assistants", "create update delete", OWN),
        ("assistants", "read search", SHIPPED_TOO),
        ("store", "put get search delete list_namespaces", True),
        ("threads", "prune copy *", False),
        ("runs", "create read", False),
        ("store", "batch", False),
        ("secrets", "read", False),
    ],
)
async def test_every_action_has_a_filter_or_is_denied(resource: str, actions: str, expected: object) -> None:
    for action in actions.split():
        value: dict[str, Any] = {"namespace": facts_namespace("ana")} if resource == "store" else {}
        assert await asked(resource, action, value) == expected, action


@pytest.mark.parametrize("resource", ["threads", "crons", "assistants"])
@pytest.mark.parametrize("action", ["create", "update"])
async def test_the_owner_is_written_into_the_metadata_that_was_sent(resource: str, action: str) -> None:
    sent = {"owner": "bob", "created_by": "system", "title": "x"}
    value: dict[str, Any] = {"metadata": sent}
    await asked(resource, action, value)
    created_by = "user" if resource == "assistants" else "system"
    assert sent == {"owner": "ana", "created_by": created_by, "title": "x"}
    without: list[dict[str, Any]] = [{}, {"metadata": None}]
    for value in without:
        await asked(resource, action, value)
        assert value["metadata"]["owner"] == "ana"


async def test_a_run_belongs_to_its_user() -> None:
    value: dict[str, Any] = {"metadata": {"owner": "bob"}, "thread_id": uuid4(), "if_not_exists": "create"}
    assert await asked("threads", "create_run", value) == OWN
    assert value["metadata"] == OWN


async def test_only_its_user_begins_a_thread_of_background_extraction() -> None:
    hers: dict[str, Any] = {"thread_id": UUID(background_thread("ana", "t")), "if_not_exists": "create"}
    for place in ({"kwargs": {"input": {"conversation": "t"}}}, {"input": {"conversation": "t"}}):
        assert await asked("threads", "create_run", {**hers, **place}) == OWN
        with pytest.raises(Auth.exceptions.HTTPException, match="server's own"):
            await asked("threads", "create_run", {**hers, **place}, SimpleNamespace(identity="bob"))


async def test_no_user_begins_one_for_another_conversation() -> None:
    begun = background_thread("ana", "t")
    for thread_id in (begun, UUID(begun), begun.upper()):
        for action, value in (
            ("create", {}),
            ("create_run", {"if_not_exists": "create"}),
            ("create_run", {"if_not_exists": "create", "kwargs": {"input": {"conversation": "another"}}}),
            ("create_run", {"if_not_exists": "create", "kwargs": {"input": [begun]}}),
        ):
            with pytest.raises(Auth.exceptions.HTTPException, match="server's own") as error:
                await asked("threads", action, {"thread_id": thread_id, **value})
            assert error.value.status_code == 403
    assert not any(is_background_thread(other) for other in (uuid4(), "thread-1", "", None, 7))


@pytest.mark.parametrize("user", ["ana", "facts", "users", "a.b", "*", "ü@x.com", "a%2Eb"])
async def test_the_store_is_open_in_the_own_namespaces_only(user: str) -> None:
    who, facts, items = SimpleNamespace(identity=user), facts_namespace(user), items_namespace(user)
    for name in ("namespace", "namespace_prefix", "prefix"):
        for own in (facts, items, (*items, "notes"), (*items, "a", "b"), [*facts]):
            assert await asked("store", "search", {name: own}, who) is True
        for foreign in (
            None, (), facts[:1], items[:1], (*facts, "more"), facts_namespace(user + "x"), items_namespace(user + "x"),
            (user,), (user, "memories"), ("memories", user), ("facts", "*"), ("users", "other"), ("other", items[1]),
        ):  # fmt: skip
            with pytest.raises(Auth.exceptions.HTTPException) as error:
                await asked("store", "search", {name: foreign}, who)
            assert error.value.status_code == 403


async def test_studio_is_a_user_like_any_other_where_the_settings_let_it_in() -> None:
    studio = Auth.types.StudioUser("langgraph-studio-user")
    with pytest.raises(Auth.exceptions.HTTPException, match="STUDIO=allow"):
        await asked("threads", "search", {}, studio)
    assert await asked("threads", "search", {}, studio, studio=True) == {"owner": "langgraph-studio-user"}
