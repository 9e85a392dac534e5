"""Whose memory a run uses: the authenticated user's, or that of the user whom the caller names."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from agent.context import Context, read_context
from agent.identity import authenticated_user, check_anonymous, identify
from agent.settings import Auth
from memory.errors import BadInput

NAMED = {"user_id": "ana"}


@pytest.mark.parametrize(
    ("context", "configurable", "user_id"),
    [
        ({}, {}, None),
        (NAMED, {}, "ana"),
        ({}, NAMED, "ana"),
        ({"model": "offline"}, NAMED, "ana"),
        (NAMED, NAMED, "ana"),
        ({"user_id": "default"}, {}, "default"),
    ],
)
def test_the_user_is_named_in_the_context_or_in_configurable(context: Any, configurable: Any, user_id: str) -> None:
    assert identify(None, read_context(context), configurable) == user_id


def test_an_authenticated_user_takes_precedence_over_what_the_client_sends() -> None:
    for configurable in ({}, NAMED, {"user_id": 5}, {"user_id": "carol"}):
        assert identify("bob", Context(user_id="ana"), configurable) == "bob"
        assert identify("bob", Context(), configurable) == "bob"


def test_a_name_for_nobody_is_an_identity_only_where_users_are_authenticated() -> None:
    modes: list[Auth] = ["", "none", "jwt", "api_key"]
    for name in ("", "anonymous", "langgraph-studio-user"):
        assert [authenticated_user(SimpleNamespace(identity=name), mode) for mode in modes[:2]] == [None, None]
    for mode in modes:
        assert authenticated_user(SimpleNamespace(identity="bob"), mode) == "bob"
        assert authenticated_user(None, mode) is None
    for mode in modes[2:]:
        with pytest.raises(BadInput, match=f"AUTH={mode} is set, and the server authenticates nobody"):
            authenticated_user(SimpleNamespace(identity="anonymous"), mode)
        with pytest.raises(BadInput, match="is empty"):
            authenticated_user(SimpleNamespace(identity=""), mode)


def test_the_user_id_that_a_server_puts_into_configurable_counts_for_nothing() -> None:
    for added in ("", "of the thread", None):
        configurable = {"langgraph_request_id": None, "user_id": added}
        assert identify(None, Context(), configurable) is None
        assert identify(None, Context(user_id="ana"), configurable) == "ana"


@pytest.mark.parametrize("name", ["anonymous", ""])
def test_the_name_that_aegra_gives_to_nobody_counts_for_nothing(name: str) -> None:
    sent: dict[str, object] = {"langgraph_auth_user": SimpleNamespace(identity=name)}
    assert authenticated_user(sent["langgraph_auth_user"], "none") is None
    assert identify(None, Context(), sent | {"user_id": name}) is None
    assert identify(None, Context(user_id="ana"), sent | {"user_id": name}) == "ana"
    assert identify(None, Context(), sent | NAMED) == "ana"


def test_two_different_users_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match="two users, 'bob' in its context and 'ana' in `configurable`: name one"):
        identify(None, Context(user_id="bob"), NAMED)
    with pytest.raises(BadInput, match="two users"):
        identify(None, Context(user_id="default"), NAMED)


@pytest.mark.parametrize("user_id", [5, 1.5, True, None, b"ana", ["ana"], {"id": "ana"}])
def test_a_user_id_that_is_no_string_is_refused_with_its_value(user_id: object) -> None:
    with pytest.raises(BadInput) as error:
        identify(None, Context(), {"user_id": user_id})
    assert str(error.value) == f"The user id {user_id!r} is not a string: give each user a string such as 'ana'."


@pytest.mark.parametrize("user_id", ["", " "])
def test_an_empty_user_id_names_nobody_and_is_refused(user_id: str) -> None:
    for context, configurable in ((Context(user_id=user_id), {}), (Context(), {"user_id": user_id})):
        with pytest.raises(BadInput, match="is empty"):
            identify(None, context, configurable)


def test_an_anonymous_run_is_allowed_warned_about_or_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="agent")
    check_anonymous("allow", "t1")
    assert caplog.messages == []
    check_anonymous("warn", "t1")
    (line,) = caplog.messages
    assert line.startswith("anonymous run thread='t1' user='default' advice=the run ")
    with pytest.raises(BadInput, match=r"names no user: pass context=.*authenticate users .*ANONYMOUS_RUNS=warn"):
        check_anonymous("refuse", "t1")
    check_anonymous("allow", "t1", deployed=True)
    with pytest.raises(BadInput, match=r"names no user: .*ANONYMOUS_RUNS=allow"):
        check_anonymous("warn", "t1", deployed=True)
    assert len(caplog.messages) == 1
