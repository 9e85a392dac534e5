"""A TCP proxy in front of a real server: it passes bytes on, accepts and never answers, or refuses connections."""

import asyncio
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

Mode = Literal["open", "hangs", "refuses"]


class Gate:
    """A proxy on a loopback port of its own, in this event loop; `async with` starts and stops it."""

    def __init__(self, url: str) -> None:
        self._target, self._mode, self._port = urlsplit(url), "open", 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return self._target._replace(netloc=f"127.0.0.1:{self._port}").geturl()

    async def set(self, mode: Mode) -> None:
        """Change what it does. Connections that are open end, since a client would keep using them."""
        self._mode = mode
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
            if self._mode == "hangs":
                while await reader.read(65_536):
                    pass
                return
            to_reader, to_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
            self._writers.add(to_writer)
            await asyncio.gather(_copy(reader, to_writer), _copy(to_reader, writer))
            self._writers.discard(to_writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def __aenter__(self) -> Self:
        await self.set("open")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.set("refuses")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
