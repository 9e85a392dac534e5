"""A pooler such as PgBouncer, which gives each transaction, or each statement, another one of its Postgres sessions."""

import asyncio
import secrets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

from psycopg.conninfo import conninfo_to_dict

Reader: TypeAlias = asyncio.StreamReader
Session: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

STARTUP = 196_608  # the code of a startup message; a request to cancel has another one, and is not answered
READY, KEY = b"Z", b"K"  # the kinds of two of Postgres's messages
BEGUN = b"C" + struct.pack("!i", 10) + b"BEGIN\0"  # the answer to `begin`
NO_BLOCKS = b"SFATAL\0VFATAL\0C08P01\0Mtransaction blocks not allowed in statement pooling mode\0\0"


@asynccontextmanager
async def pooler(
    postgres: str, *, sessions: int = 3, mode: Literal["transaction", "statement"] = "transaction"
) -> AsyncIterator[str]:
    """The URL of a pooler on loopback, with this many sessions of the database at `postgres`, a unix socket."""
    address = conninfo_to_dict(postgres)
    pool = _Pool(f"{address['host']}/.s.PGSQL.{address['port']}", f"{address['dbname']}", mode)
    for _ in range(sessions):
        await pool.add_session()
    async with await asyncio.start_server(pool.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://postgres@127.0.0.1:{port}/{address['dbname']}?sslmode=disable&gssencmode=disable"
        pool.close()


class _Pool:
    def __init__(self, socket: str, database: str, mode: str) -> None:
        self._socket, self._database, self._mode = socket, database, mode
        self._idle, self._greeting = asyncio.Queue[Session](), b""
        self._clients = set[asyncio.StreamWriter]()

    async def add_session(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        names = f"user\0postgres\0database\0{self._database}\0\0".encode()
        writer.write(struct.pack("!ii", len(names) + 8, STARTUP) + names)
        greeting = [await _message(reader)]
        while not greeting[-1].startswith(READY):
            greeting.append(await _message(reader))
        self._greeting = b"".join(part for part in greeting[:-1] if not part.startswith(KEY))
        await self._idle.put((reader, writer))

    async def serve(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            (size,) = struct.unpack("!i", await reader.readexactly(4))
            if (await reader.readexactly(size - 4))[:4] == struct.pack("!i", STARTUP):
                key = KEY + struct.pack("!i", 12) + struct.pack("!I", secrets.randbits(31)) + secrets.token_bytes(4)
                writer.write(self._greeting + key + READY + struct.pack("!i", 5) + b"I")
                await self._relay(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):  # the client has left
            pass
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _relay(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        from_client = asyncio.ensure_future(_message(reader))
        while not (await asyncio.shield(from_client)).startswith(b"X"):
            session, expected, ready = await self._idle.get(), 0, False
            from_session = asyncio.ensure_future(_message(session[0]))
            try:
                while not ready:
                    await asyncio.wait([from_client, from_session], return_when=asyncio.FIRST_COMPLETED)
                    if from_client.done():
                        message = from_client.result()
                        expected += message[:1] in (b"Q", b"S")
                        session[1].write(message)
                        from_client = asyncio.ensure_future(_message(reader))
                    if from_session.done():
                        message = from_session.result()
                        if message.startswith(READY):
                            expected, ready = expected - 1, message.endswith(b"I") and expected == 1
                        if self._mode == "statement" and message == BEGUN:
                            writer.write(b"E" + struct.pack("!i", len(NO_BLOCKS) + 4) + NO_BLOCKS)
                            return
                        writer.write(message)
                        if not ready:
                            from_session = asyncio.ensure_future(_message(session[0]))
                await self._idle.put(session)
            finally:
                if not ready:  # the session is in a transaction: Postgres rolls it back
                    from_client.cancel()
                    from_session.cancel()
                    session[1].close()
                    await self.add_session()

    def close(self) -> None:
        for client in [*self._clients]:
            client.close()
        while not self._idle.empty():
            self._idle.get_nowait()[1].close()


async def _message(reader: Reader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
