"""One end of a connection: bytes that came and are held until they are taken."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self


class Wire(asyncio.Protocol):
    """`take` is called at each arrival once it is set; before that, `exactly` waits for bytes.

    What arrives is not held where `passes` has passed it on at once.
    Where the other end takes its bytes too slowly, no more are read of this one.
    """

    def __init__(self, begin: Callable[[Self], Awaitable[None]] | None = None) -> None:
        self.held = bytearray()
        self.take: Callable[[], None] | None = None
        self.passes: Callable[[bytes], bool] | None = None
        self.other: Wire | None = None
        self.lost: Callable[[], None] | None = None
        self.is_full = self.is_lost = False
        self.transport: asyncio.Transport | None = None
        self._begin, self._arrived = begin, asyncio.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        if self._begin:
            self.task = asyncio.ensure_future(self._begin(self))

    def data_received(self, data: bytes) -> None:
        if self.passes and not self.held and self.passes(data):
            return
        self.held += data
        if self.take:
            self.take()
        else:
            self._arrived.set()

    async def exactly(self, count: int) -> bytes:
        """The next bytes. Raises ConnectionError where the other side ends before them."""
        while len(self.held) < count:
            if self.is_lost:
                raise ConnectionResetError
            self._arrived.clear()
            await self._arrived.wait()
        taken = bytes(self.held[:count])
        del self.held[:count]
        return taken

    def read_on(self, goes_on: bool) -> None:
        """Read more, or for now no more than what is held."""
        if goes_on != self.transport.is_reading() and not self.transport.is_closing():
            (self.transport.resume_reading if goes_on else self.transport.pause_reading)()

    def close(self) -> None:
        """Once all is written."""
        if self.transport:
            self.transport.close()

    def pause_writing(self) -> None:
        self.is_full = True
        if self.other:
            self.other.read_on(False)

    def resume_writing(self) -> None:
        self.is_full = False
        if self.other and self.other.take:
            self.other.take()

    def eof_received(self) -> None:
        """Close: nothing is said after that."""

    def connection_lost(self, _: Exception | None) -> None:
        self.is_lost = True
        self._arrived.set()
        if self.other:
            self.other.close()
        if self.lost:
            self.lost()
