"""What libraries read from the environment: no telemetry, no proxy for connections to this machine, and a home."""

import logging
import os
from collections.abc import MutableMapping
from pathlib import Path

# Turns off everything that a dependency sends by itself; read when it is imported or started.
NO_TELEMETRY = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime looks up a host and writes a device id below the user's cache
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",  # `langgraph` posts which command was run
    "LANGGRAPH_NO_VERSION_CHECK": "true",  # `langgraph dev` asks PyPI for a newer version
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set up `environ`, and the logs of HTTP calls, before any other import; what the user has set stays."""
    for name, value in NO_TELEMETRY.items():
        environ.setdefault(name, value)
    if any(value for name, value in environ.items() if name.lower().endswith("_proxy") and name.lower() != "no_proxy"):
        # Programs differ in whether they read `no_proxy` or `NO_PROXY`; one that is missing is a copy of the other.
        # Without a proxy nothing may be set, or else macOS's own proxy settings do not count.
        lower, upper = environ.get("no_proxy", ""), environ.get("NO_PROXY", "")
        environ.update(no_proxy=with_loopback(lower or upper), NO_PROXY=with_loopback(upper or lower))
    try:
        Path.home()
    except RuntimeError:  # neither HOME nor an account
        environ["HOME"] = "/"  # as Docker does; chromadb cannot be imported without one
    http = logging.getLogger("httpx")
    if http.level == logging.NOTSET:
        http.setLevel(logging.WARNING)  # at INFO it logs a line for each call to Chroma


def with_loopback(hosts: str) -> str:
    """A list of hosts that are reached without a proxy, this machine added."""
    names = [host.strip() for host in hosts.split(",") if host.strip()]
    return hosts if "*" in names else ",".join(dict.fromkeys([*names, *LOOPBACK]))
