"""Environment variables set for libraries before their import. Variables that the user has set stay unchanged."""

import subprocess
import sys
from urllib.request import getproxies_environment

import httpx
import pytest

from memory.environment import NO_TELEMETRY, prepare
from tests.processes import environment

DEAD = "http://127.0.0.1:9"
LOOPBACK_URLS = ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "https://localhost"]


def prepared(**variables: str) -> dict[str, str]:
    environ = dict(variables)
    prepare(environ)
    return environ


def proxied(urls: list[str], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those of the URLs that httpx would reach through a proxy."""
    for name in getproxies_environment():
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    client = httpx.Client(verify=False)  # noqa: S501 - it sends nothing, and need not load certificates
    return [url for url in urls if client._transport_for_url(httpx.URL(url)) is not client._transport]


@pytest.mark.parametrize("module", ["memory.facts.fact", "agent.terminal.dev"])
def test_telemetry_is_off_before_any_module_is_used(module: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", f"import {module}, os; print([os.environ.get(name) for name in {[*NO_TELEMETRY]}])"],
        capture_output=True,
        text=True,
        env=environment({}),
        check=True,
    )
    assert shown.stdout.strip() == str([*NO_TELEMETRY.values()])


def test_variables_that_the_user_has_set_are_kept() -> None:
    chosen = {"ORT_DISABLE_TELEMETRY": "0", "LANGGRAPH_NO_VERSION_CHECK": "false", "LANGSMITH_TRACING": "true"}
    assert prepared(**chosen).items() >= chosen.items()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_loopback_is_reached_without_a_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxied(LOOPBACK_URLS, prepared(**{name: DEAD}), monkeypatch) == []


def test_other_hosts_are_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = prepared(ALL_PROXY=DEAD, NO_PROXY="corp.example")
    urls = ["https://api.openai.com/v1", "https://models.corp.example/v1"]
    assert proxied(urls, environ, monkeypatch) == urls[:1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"no_proxy": "localhost,127.0.0.1,::1", "NO_PROXY": "localhost,127.0.0.1,::1"}),
        (
            {"NO_PROXY": "a.example, 127.0.0.1"},
            {"no_proxy": "a.example,127.0.0.1,localhost,::1", "NO_PROXY": "a.example,127.0.0.1,localhost,::1"},
        ),
        (
            {"no_proxy": "a.example", "NO_PROXY": "b.example"},
            {"no_proxy": "a.example,localhost,127.0.0.1,::1", "NO_PROXY": "b.example,localhost,127.0.0.1,::1"},
        ),
        ({"no_proxy": "*"}, {"no_proxy": "*", "NO_PROXY": "*"}),
    ],
)
def test_the_hosts_that_need_no_proxy_are_kept(before: dict[str, str], after: dict[str, str]) -> None:
    environ = prepared(HTTP_PROXY=DEAD, **before)
    assert {name: environ[name] for name in ("no_proxy", "NO_PROXY")} == after


def test_without_a_proxy_no_proxy_is_not_set() -> None:
    """A NO_PROXY alone would make Python overlook macOS's own proxy settings."""
    assert not {"no_proxy", "NO_PROXY"} & prepared(http_proxy="").keys()


def test_a_user_with_neither_home_nor_account_gets_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "HOME" not in prepared()

    def no_account(user_id: int) -> None:
        raise KeyError(user_id)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", no_account)
    assert prepared()["HOME"] == "/"
