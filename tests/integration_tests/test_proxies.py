"""A proxy in the environment does not affect loopback connections, even if it is down or unusable."""

from pathlib import Path

import pytest

from tests.openai_server import ScriptedOpenAI, Text
from tests.processes import chat, free_port


def proxies(proxy: str) -> dict[str, str]:
    """Every proxy variable, in upper and lower case."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return dict.fromkeys([*names, *(name.lower() for name in names)], proxy)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_loopback_servers_are_reached_despite_any_proxy(
    scheme: str, environment: dict[str, str], openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    openai.reply(Text("Hello."))
    dead = proxies(f"{scheme}://127.0.0.1:{free_port()}")
    result = chat("Hi\n", {**environment, **dead}, tmp_path, "--user", user)
    assert (result.returncode, result.stdout) == (0, "Hello.\n"), result.stderr


@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:1080", "http://[::"])
def test_without_a_key_an_unusable_proxy_does_no_harm(
    proxy: str, environment: dict[str, str], tmp_path: Path, user: str, offline_model: None
) -> None:
    result = chat("I like tea.\n", {**environment, **proxies(proxy), "CHAT_MODEL": "offline"}, tmp_path, "--user", user)
    assert (result.returncode, result.stdout) == (0, "Noted: you like tea.\nlearned: likes tea\n"), result.stderr
