"""`make token` prints a token that a server with the same settings accepts, or says what is missing."""

import asyncio

import pytest
from typer.testing import CliRunner

from agent.__main__ import app
from agent.server.tokens import Tokens
from agent.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("JWT_SECRET", "x" * 64)


@pytest.mark.parametrize("more", [{}, {"JWT_AUDIENCE": "a, b", "JWT_ISSUER": "me", "JWT_ALGORITHMS": "HS512"}])
def test_the_printed_token_names_the_user(monkeypatch: pytest.MonkeyPatch, more: dict[str, str]) -> None:
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    printed = CliRunner().invoke(app, ["token", "ana"]).stdout
    assert asyncio.run(Tokens(read_settings()).user(printed.removesuffix("\n"))) == "ana"


@pytest.mark.parametrize(
    ("user", "settings", "problem"),
    [
        ("ana", {"JWT_SECRET": ""}, "JWT_SECRET is not set: `openssl rand -hex 32` makes one."),
        ("ana", {"JWT_SECRET": "short"}, "JWT_SECRET: it has 5 bytes"),
        ("ana", {"JWT_SECRET": "", "JWT_JWKS": "keys.json"}, "Tokens come from the issuer of JWT_JWKS."),
        (" ", {}, "The user id ' ' is empty"),
    ],
)
def test_a_token_that_cannot_be_made_is_explained(
    monkeypatch: pytest.MonkeyPatch, user: str, settings: dict[str, str], problem: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    refused = CliRunner().invoke(app, ["token", user])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"error: {problem}")
