"""The index in Redis, as far as it needs no server."""

import sys

import pytest

from memory.errors import BadInput
from memory.index.redis import RedisServer, address_problem


@pytest.mark.parametrize(
    "url", ["redis://h", "redis://h:6379/", "rediss://ada:p%40ss@h:6380/0", "redis://:pä:s@s@[::1]:6379"]
)
def test_addresses_are_accepted_and_named_without_their_password(url: str) -> None:
    assert address_problem(url) is None
    assert "@" not in RedisServer(url).address


def test_without_its_package_one_sentence_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redisvl", None)
    with pytest.raises(BadInput) as error:
        RedisServer("redis://h")
    assert str(error.value) == 'INDEX=redis needs the package redisvl: run `make add PACKAGE="redisvl>=0.28,<0.29"`.'
