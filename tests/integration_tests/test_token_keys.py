"""The keys of an issuer, from an address: read once for many tokens, and again when they may have changed."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.server import tokens
from agent.server.tokens import PAUSE, REREAD, KeySet, Unauthorized
from memory.errors import Unavailable
from tests.users import jwk

KEY = ec.generate_private_key(ec.SECP256R1())


class Issuer(ThreadingHTTPServer):
    """Answers each request with `answer`: a status and a body."""

    answer: tuple[int, str] = (200, json.dumps({"keys": [jwk(KEY, kid="1")]}))
    asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.asked += 1
        status, body = self.server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_many_tokens_cost_one_request_and_an_issuer_may_fail_for_a_while(issuer: Issuer) -> None:
    now = [0.0]
    keys = KeySet(f"http://127.0.0.1:{issuer.server_port}/jwks.json", clock=lambda: now[0])
    found = await asyncio.gather(*(keys.key("1") for _ in range(50)))
    assert ({key.key_id for key in found}, issuer.asked) == ({"1"}, 1)
    now[0] += PAUSE
    refused = await asyncio.gather(*(keys.key(f"forged {number}") for number in range(50)), return_exceptions=True)
    assert all(isinstance(error, Unauthorized) for error in refused)
    assert issuer.asked == 2
    issuer.answer = (500, "Zanzibar")
    now[0] += REREAD
    assert (await keys.key("1")).key_id == "1"
    assert issuer.asked == 3


async def test_an_issuer_that_never_answered_well_makes_the_server_unavailable(issuer: Issuer) -> None:
    issuer.answer = (200, "<html>")
    with pytest.raises(Unavailable):
        await KeySet(f"http://127.0.0.1:{issuer.server_port}/").key("1")


async def test_an_issuer_that_sends_one_byte_after_another_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "ANSWER", 0.5)
    sent = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while not sent.is_set():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(60):
            with pytest.raises(Unavailable):
                await KeySet(f"http://127.0.0.1:{port}/").key("1")
        sent.set()
