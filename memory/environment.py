"""What libraries read from the environment: no telemetry, no proxy between this machine and itself, and a home."""

import logging
import os
from collections.abc import MutableMapping
from pathlib import Path

NO_TELEMETRY = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime looks up a host and writes a device id below the user's cache
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",  # `langgraph` posts which command was run
    "LANGGRAPH_NO_VERSION_CHECK": "true",  # `langgraph dev` asks PyPI for a newer version
}
"""What turns off everything that a dependency sends by itself; read when it is imported or started."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set up `environ`, and the logs of HTTP calls; what the user has set stays.

    `memory/__init__.py` calls it, so that it has run before any other module of this project.
    """
    for name, value in NO_TELEMETRY.items():
        environ.setdefault(name, value)
    if uses_proxy(environ):
        environ.update({name: without_proxy(environ, name) for name in ("no_proxy", "NO_PROXY")})
    if not has_home():
        environ["HOME"] = "/"  # as Docker does; chromadb cannot be imported without one
    http = logging.getLogger("httpx")
    if http.level == logging.NOTSET:
        http.setLevel(logging.WARNING)  # at INFO it logs a line for each call to Chroma


def has_home() -> bool:
    """Whether this user has a home directory: HOME, or the one that the account names, where there is an account."""
    try:
        Path.home()
    except RuntimeError:
        return False
    return True


def uses_proxy(environ: MutableMapping[str, str]) -> bool:
    """Whether a proxy is set. Without one nothing may be set, or else macOS's own proxy settings do not count."""
    return any(
        value and name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name, value in environ.items()
    )


def without_proxy(environ: MutableMapping[str, str], name: str) -> str:
    """The hosts that are reached without a proxy: those that the user has named, and this machine.

    Programs differ in whether they read `no_proxy` or `NO_PROXY`, so one that is missing begins as the other one.
    """
    given = environ.get(name) or environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    return given if "*" in hosts else ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
