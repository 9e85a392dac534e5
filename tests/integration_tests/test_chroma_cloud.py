"""A Chroma that wants a key, a tenant and a database, as Chroma Cloud does: a real server behind a recording proxy."""

import asyncio
import re
import uuid

import httpx
import pytest

from agent.persistence import open_services
from memory.errors import Unavailable
from memory.user_memory import UserMemory
from tests.gate import Gate
from tests.memories import store_of_its_own

KEY = "ck-zanzibar"


class RecordingGate(Gate):
    """A proxy that keeps what its clients have sent."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent = b""

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            self.sent += data
            writer.write(data)
            await writer.drain()
        writer.close()

    @property
    def requests(self) -> list[bytes]:
        """The headers of each request, in lower case; the answers are left out."""
        return [
            head.lower() for head in re.findall(rb"(?:GET|POST|DELETE) /[^\r]+ HTTP/1.1\r\n(?:[^\r]+\r\n)*", self.sent)
        ]


async def test_the_index_is_in_the_tenants_database_and_requests_have_the_key(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = f"tenant-{uuid.uuid4()}"
    async with RecordingGate(environment["CHROMA_URL"]) as gate, httpx.AsyncClient() as http:
        api = f"{environment['CHROMA_URL']}/api/v2/tenants"
        (await http.post(api, json={"name": tenant})).raise_for_status()
        (await http.post(f"{api}/{tenant}/databases", json={"name": "memories"})).raise_for_status()
        names = {"CHROMA_URL": gate.url, "CHROMA_API_KEY": KEY, "CHROMA_TENANT": tenant, "CHROMA_DATABASE": "memories"}
        async with store_of_its_own(monkeypatch, f"cloud {uuid.uuid4()}", **names, CACHED_FACTS="0") as store:
            assert await UserMemory(store, user).remember("Likes green tea") == 1
            assert [hit.fact.text for hit in await UserMemory(store, user).search("tea")] == ["Likes green tea"]
            assert await store.index.count() == 1
            held = (await http.get(f"{api}/{tenant}/databases/memories/collections")).json()
            assert {found["name"].rpartition(".")[0] for found in held} == {store.index.name}
        assert len(gate.requests) > 10
        assert all(f"x-chroma-token: {KEY}\r\n".encode() in request for request in gate.requests)
        monkeypatch.setenv("CHROMA_DATABASE", "other")
        async with open_services() as services:
            index = (await services.places.open("chroma")).index("any", 3, 1)
            with pytest.raises(
                Unavailable, match=r"does not open the tenant .* with the database 'other': check CHROMA_"
            ):
                await index.count()
    assert KEY not in caplog.text
