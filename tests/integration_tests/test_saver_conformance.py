"""LangGraph's own conformance suite, run on the checkpointer: plain, and encrypting."""

from collections.abc import AsyncGenerator

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate

from agent.persistence import open_checkpointer

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "encrypting"])
async def test_the_checkpointer_passes_langgraphs_conformance_suite(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("LANGGRAPH_AES_KEY", key)
    async with open_checkpointer() as saver:

        async def savers() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
            yield saver

        report = await validate(checkpointer_test(name="ThreadSaver")(savers))
    results = report.results.items()
    assert [failure for _, result in results for failure in result.failures] == []
    assert [name for name, result in results if not result.passed] == []  # one that is not detected counts, too
    assert sum(result.tests_passed for _, result in results) >= 81
