"""Which lines of strace's output count as outbound."""

import pytest

from tests.strace import outbound

UNIX = '{sa_family=AF_UNIX, sun_path="/project/.data/postgres/run/.s.PGSQL.5432"}'


def inet(address: str, port: int) -> str:
    if ":" in address:
        inner = f'sin6_port=htons({port}), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "{address}", &sin6_addr)'
        return f"{{sa_family=AF_INET6, {inner}, sin6_scope_id=0}}"
    return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{address}")}}'


@pytest.mark.parametrize(
    "call",
    [
        f"connect(3, {inet('203.0.113.80', 443)}, 16) = -1 EINPROGRESS (Operation now in progress)",
        f"connect(3, {inet('2001:db8::1', 443)}, 28) = -1 ENETUNREACH (Network is unreachable)",
        f"connect(3, {inet('::ffff:203.0.113.80', 443)}, 28) = 0",
        f"connect(3, {inet('10.0.0.2', 53)}, 16 <unfinished ...>",
        f"connect(3, {inet('127.0.0.53', 53)}, 16) = 0",
        f'sendto(7, "~\\214\\1\\0"..., 50, MSG_NOSIGNAL, {inet("10.0.0.2", 53)}, 16) = 50',
        f'sendmsg(7, {{msg_name={inet("203.0.113.80", 4433)}, msg_namelen=16, msg_iov=[{{iov_base="a"}}]}}, 0) = 1',
        'connect(3, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0',
        'sendto(3, "\\2\\0\\0\\0\\r\\0\\0\\0\\6\\0\\0\\0hosts\\0", 18, MSG_NOSIGNAL, NULL, 0) = 18',
    ],
)
def test_connections_to_other_hosts_and_lookups_are_outbound(call: str) -> None:
    assert outbound(f"123  {call}\n") == [f"123  {call}"]


@pytest.mark.parametrize(
    "call",
    [
        f"connect(3, {inet('127.0.0.1', 45447)}, 16) = 0",
        f"connect(3, {inet('::1', 45447)}, 28) = 0",
        f"connect(3, {UNIX}, 110) = 0",
        'connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = 0',
        'sendto(3, "\\2\\0\\0\\0\\v\\0\\0\\0\\7\\0\\0\\0passwd\\0", 19, MSG_NOSIGNAL, NULL, 0) = 19',
        f"bind(3, {inet('192.0.2.2', 0)}, 16) = 0",
        f'recvfrom(3, "x", 1024, 0, {inet("10.0.0.2", 53)}, [28 => 16]) = 66',
        'sendto(5, "\\0", 1, 0, NULL, 0) = 1',
    ],
)
def test_loopback_unix_sockets_and_received_data_are_not_outbound(call: str) -> None:
    assert outbound(f"123  {call}\n") == []
