"""A relay on a Unix socket that looks at nothing: what serve would cost if it did nothing.

    python relay.py WHERE-THE-SERVER-LISTENS WHERE-TO-LISTEN
"""

from __future__ import annotations

import asyncio
import sys

import uvloop


class End(asyncio.Protocol):
    """What arrives is written to the other end."""

    other: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self.other.close()


async def connected(server: str, client: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    """The streams are those that a server of asyncio makes; from here on, an End stands in their place."""
    end, here = End(), End()
    end.other = to.transport
    here.other, _ = await asyncio.get_running_loop().create_unix_connection(lambda: end, server)
    here.other.write(await client.read(10_000))
    to.transport.set_protocol(here)


async def relay(server: str, path: str) -> None:
    listening = await asyncio.start_unix_server(lambda *ends: connected(server, *ends), path)
    print("Relaying.", flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    uvloop.run(relay(*sys.argv[1:]))
