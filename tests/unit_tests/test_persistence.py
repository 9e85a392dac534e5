"""Where the embedded servers may be used."""

import pytest

from agent import persistence
from agent.host import Host
from agent.settings import Settings
from memory.errors import BadInput

UNSET = Settings(postgres_url="", chroma_url="", index="chroma", embedded_on_host="refuse")
OWN = UNSET.model_copy(update={"postgres_url": "postgresql://db/x", "chroma_url": "http://chroma:8000"})
PGVECTOR, ONE = UNSET.model_copy(update={"index": "pgvector"}), OWN.model_copy(update={"chroma_url": ""})


@pytest.mark.parametrize("name", ["LangGraph server", "Aegra"])
@pytest.mark.parametrize(
    ("settings", "unset"),
    [
        (UNSET, "Set POSTGRES_URL and CHROMA_URL, since"),
        (PGVECTOR, "Set POSTGRES_URL, since"),
        (ONE, "Set CHROMA_URL, since"),
    ],
)
async def test_a_host_refuses_servers_whose_data_is_lost_with_it(
    monkeypatch: pytest.MonkeyPatch, name: Host, settings: Settings, unset: str
) -> None:
    monkeypatch.setattr(persistence, "host", lambda: name)
    with pytest.raises(BadInput, match=unset):
        async with persistence.open_services(settings):
            pass


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (None, UNSET),
        ("langgraph dev", UNSET),
        ("Aegra", OWN),
        ("LangGraph server", UNSET.model_copy(update={"embedded_on_host": "allow"})),
    ],
)
def test_other_processes_may_use_them(monkeypatch: pytest.MonkeyPatch, name: Host | None, settings: Settings) -> None:
    monkeypatch.setattr(persistence, "host", lambda: name)
    persistence._embedded(settings, {"postgres", "chroma"}, None)
