"""A TCP proxy before a real server: it passes bytes on, stops to, loses connections, never answers, or refuses."""

import asyncio
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

Mode = Literal["open", "stops", "loses", "hangs", "refuses"]
"""When it stops, what is connected stays connected and gets no answer; when it loses, only what was connected before,
and it is open to others. In the other modes connections end."""


class Gate:
    """A proxy on a loopback port of its own, in this event loop; `async with` starts and stops it."""

    def __init__(self, url: str, socket: str = "") -> None:
        """`url` is the server's; if it listens on a unix socket, its address is `socket`."""
        self._target, self._socket, self._mode, self._port = urlsplit(url), socket, "open", 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._lost: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        user = f"{self._target.username}@" if self._target.username else ""
        return self._target._replace(netloc=f"{user}127.0.0.1:{self._port}").geturl()

    async def set(self, mode: Mode) -> None:
        """Change what it does. Connections that are open end, since a client would keep using them; not if it stops
        or loses them."""
        self._mode = "open" if mode == "loses" else mode
        if mode == "loses":
            self._lost |= self._writers
        if mode in ("stops", "loses"):
            return
        if self._server:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        if mode != "refuses":
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._mode != "open":
                while await reader.read(65_536):
                    pass
                return
            to_reader, to_writer = await self._connect()
            self._writers.add(to_writer)
            await asyncio.gather(self._copy(reader, to_writer), self._copy(to_reader, writer))
            self._writers.discard(to_writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._socket:
            return await asyncio.open_unix_connection(self._socket)
        return await asyncio.open_connection(self._target.hostname, self._target.port)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if self._mode != "stops" and writer not in self._lost:
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()

    async def __aenter__(self) -> Self:
        await self.set("open")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.set("refuses")
