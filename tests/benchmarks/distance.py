"""A proxy that makes Postgres seem a millisecond away: it forwards data with a delay.

    python -m tests.benchmarks.distance /directory/of/its/socket

prints the loopback port that it listens on.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.processes import ROOT

DELAY = 0.001  # seconds in each direction; timers add about as much again


@asynccontextmanager
async def far_away(url: str) -> AsyncIterator[str]:
    """Run the proxy in front of a database, and yield the proxy's connection string."""
    parts = conninfo_to_dict(url)
    command = ("-m", __name__, f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}")
    program = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert program.stdout
    try:
        port = int(await program.stdout.readline())
        yield make_conninfo(url, host="127.0.0.1", port=port)
    finally:
        program.kill()
        await program.wait()


async def serve(socket: str) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_unix_connection(socket)
        await asyncio.gather(forward(reader, upstream[1]), forward(upstream[0], writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy everything from `reader` to `writer` after the delay, then close the writer."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            asyncio.get_running_loop().call_later(DELAY, writer.write, data)
    asyncio.get_running_loop().call_later(DELAY, writer.close)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
