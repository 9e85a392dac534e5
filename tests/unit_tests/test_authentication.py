"""Which authentication the settings ask for, and on which servers they have to."""

from typing import Any

import pytest
from langgraph_sdk import Auth
from starlette.exceptions import HTTPException

from agent.host import Host
from agent.identity import ANONYMOUS
from agent.server.authentication import authentication, check_is_used
from agent.settings import Settings
from memory.errors import BadInput
from tests.users import SERVICE_KEY, SIGNED, bearer, refused

JWT: dict[str, Any] = {name.lower(): value for name, value in SIGNED.items()}


def opened(server: Host | None = "langgraph dev", **settings: Any) -> Auth:
    return authentication(Settings.model_validate({"auth": "", **settings}), server)


async def identity(auth: Auth, headers: dict[Any, Any]) -> str:
    """Who the headers come from."""
    handler: Any = auth._authenticate_handler
    return str((await handler(headers=headers))["identity"])


@pytest.mark.parametrize("server", ["LangGraph server", "Aegra"])
def test_a_server_that_others_can_reach_does_not_start_without_auth(server: Host) -> None:
    with pytest.raises(BadInput, match=f"AUTH is not set, and {server} is no development server"):
        opened(server)
    told: list[dict[str, Any]] = [{"auth": "none"}, JWT, {"auth": "api_key", "api_keys": JWT["api_keys"]}]
    for settings in told:
        opened(server, **settings)


@pytest.mark.parametrize("server", ["langgraph dev", "LangGraph server"])
def test_a_langgraph_server_without_auth_in_its_configuration_does_not_start(server: Host) -> None:
    settings = Settings.model_validate(JWT)
    with pytest.raises(BadInput, match=r"AUTH=jwt is set, and langgraph.json names no `auth`"):
        check_is_used(settings, server, {})
    check_is_used(settings, server, {"LANGGRAPH_AUTH": '{"path": "agent.server.auth:auth"}'})
    check_is_used(settings.model_copy(update={"auth": "none"}), server, {})
    check_is_used(settings, "Aegra", {})  # it calls its callers anonymous, whose runs are refused
    check_is_used(settings, None, {})


@pytest.mark.parametrize("settings", [{"auth": "api_key"}, {"auth": "jwt"}])
def test_authentication_without_what_it_needs_does_not_start(settings: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="needs"):
        opened(**settings)


async def test_without_auth_callers_are_nobody_and_may_do_everything() -> None:
    for auth in (opened(), opened(None), opened("LangGraph server", auth="none")):
        for headers in ({}, bearer("ana"), {b"x-api-key": b"any"}):
            assert await identity(auth, headers) == ANONYMOUS
        [handler] = auth._global_handlers
        context: Any = None
        assert await handler(ctx=context, value={}) is True


async def test_users_send_tokens_and_services_send_keys() -> None:
    auth, token = opened(**JWT), bearer("ana")["authorization"]
    for headers in (
        {b"authorization": token.encode()},
        {"Authorization": token},
        {"authorization": token.replace("Bearer", "bearer")},
        {"authorization": token, "x-api-key": SERVICE_KEY},
    ):
        assert await identity(auth, headers) == "ana"
    assert await identity(auth, {"x-api-key": SERVICE_KEY}) == "reports"
    keys = opened(auth="api_key", api_keys=JWT["api_keys"])
    assert await identity(keys, {b"x-api-key": SERVICE_KEY.encode()}) == "reports"
    with pytest.raises(Auth.exceptions.HTTPException):
        await identity(keys, {"authorization": token})


async def test_whoever_sends_neither_is_refused_with_401() -> None:
    auth = opened(**JWT)
    wrong = [{"authorization": f"Bearer {token}"} for token in refused().values()]
    wrong += [{}, {"authorization": "Basic YQ=="}, {"authorization": SERVICE_KEY}, {"x-api-key": "wrong"}]
    wrong += [{"cookie": bearer("ana")["authorization"]}, {"authorization": "Bearer x", "x-api-key": SERVICE_KEY}]
    for headers in wrong:
        with pytest.raises(Auth.exceptions.HTTPException) as error:
            await identity(auth, {name.encode(): value.encode() for name, value in headers.items()})
        assert error.value.status_code == 401
        assert error.value.__cause__ is None


async def test_an_issuer_whose_keys_cannot_be_read_is_no_fault_of_the_caller() -> None:
    auth = opened(auth="jwt", jwt_jwks="missing.json", jwt_algorithms="RS256", jwt_secret=None)
    with pytest.raises(HTTPException) as error:
        await identity(auth, {"authorization": "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA"})
    assert error.value.status_code == 503
