"""Traces the outbound connections and host lookups of programs with strace."""

import re
import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest

ADDRESS = re.compile(r'htons\((\d+)\).*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"')
"""Port and address, as strace prints a socket address."""
SENDS = re.compile(r"^\d+ +(?:connect|sendto|sendmsg|sendmmsg)\(")
DNS_PORT = 53
ASKS_RESOLVED = "io.systemd.Resolve"
"""The socket of systemd-resolved, which looks up hosts for other programs."""
ASKS_NSCD = re.compile(r'"\\2\\0\\0\\0\\(?:[4-7]|r|16)\\0\\0\\0')
"""A request to glibc's nscd about a host; other requests are about users and groups."""


def strace(output: Path) -> list[str]:
    """The prefix of a command that writes its network calls and those of its children to `output`.

    Skips the test if strace does not work here.
    """
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not allowed to trace here")
    return ["strace", "--seccomp-bpf", "-f", "-qq", "-e", "trace=%network", "-s", "100", "-o", str(output), "--"]


def outbound(trace: str) -> list[str]:
    """The traced calls that reach other machines, or look up a host."""
    return [line for line in trace.splitlines() if SENDS.match(line) and leaves(line)]


def leaves(call: str) -> bool:
    if ASKS_RESOLVED in call or ASKS_NSCD.search(call):
        return True
    return any(int(port) == DNS_PORT or not is_here(address) for port, address in ADDRESS.findall(call))


def is_here(address: str) -> bool:
    """Whether an address is this machine's loopback interface."""
    parsed = ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback or parsed.is_unspecified)
